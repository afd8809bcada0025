"""Absent genes: those that were measured on some days only, as an outer join leaves them.

A gene whose values are missing (NaN) in all cells of a day was not measured there. One that is zero
in all of them may have been off, and that is biology which must not be lost. Not measured is what
looks like this:

- Genes share it as a block: all are absent on exactly the same days.
- Many of the block are detected widely on every other day, so chance does not make their
  zeros. Where it lies between days that have them, a few such genes suffice, as none is switched
  off for a day in every single cell and then on again. At the first or the last days, where a
  programme may begin or end, they are a twentieth of the widely detected genes and at least ten.
- There is a gap. Programmes are graded: for each gene that vanished there are others that only
  nearly did. A join leaves none of these.

Where that holds, genes of the block are left out if their zeros are no chance. All others stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.files.arrays import row_sums
from cellam.matrix.amounts import Array, Matrix

WIDE = 0.5  # share of the cells in which a widely detected gene is, on every other day
WIDEST = 0.9  # quantile of genes that counts as wide where few reach that
SURE, LIKELY = 20.0, 5.0  # cells that would show a gene on the absent days, were it measured
NEARLY = 0.1  # of what it is elsewhere: a gene that is nearly gone
INSIDE, AT_END = 3, 10  # genes that vanished, at least
SHARE_AT_END = 0.05  # of the widely detected genes
GAP = 3  # times as many vanished as nearly did, at least
NAMES = 3  # genes named


class Days(NamedTuple):
    """Which day every cell is of, as a position in the labels."""

    codes: NDArray[np.int64]
    labels: Sequence[str]


class Found(NamedTuple):
    """On how many cells of every day genes are there, as cells are looked at.

    Parameters
    ----------
    present, missing : (days, g) arrays
        Cells in which a gene is not zero, and in which its value is missing.
    lacking : (n,) bool array
        Cells with a missing value.
    """

    present: Array
    missing: Array
    lacking: NDArray[np.bool_]

    @staticmethod
    def none(n_days: int, n: int, g: int) -> Found:
        """Before any cell was looked at."""
        return Found(np.zeros((n_days, g)), np.zeros((n_days, g)), np.zeros(n, dtype=bool))

    def add(self, chunk: Matrix, ours: slice, codes: NDArray[np.int64]) -> None:
        """Look at some more cells, of these days."""
        values = chunk.data if sparse.issparse(chunk) else chunk
        self.present[:] += _count(chunk, values != 0, codes, len(self.present))
        if np.isnan(values.sum(dtype=np.float64)):
            lacks = np.isnan(values)
            self.missing[:] += _count(chunk, lacks, codes, len(self.missing))
            if sparse.issparse(chunk):
                lacks = (
                    row_sums(sparse.csr_matrix((lacks, chunk.indices, chunk.indptr), chunk.shape))
                    > 0
                )
            else:
                lacks = lacks.any(1)
            self.lacking[ours] = lacks

    def join(self, part: Found, ours: slice) -> None:
        """Add what was found in some more cells."""
        self.present[:] += part.present
        self.missing[:] += part.missing
        self.lacking[ours] = part.lacking


class Block(NamedTuple):
    """Genes that were not measured on some days."""

    genes: NDArray[np.int64]
    days: NDArray[np.bool_]
    how: str


def absent_genes(
    found: Found, genes: tuple[str, ...], days: Days, where: str
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which genes (g,) were measured on some days only, and what to tell of them.

    Raises
    ------
    DataError
        If no gene was measured on every day.
    """
    absent = np.zeros(len(genes), dtype=bool)
    notes = []
    for block in [*_missing(found, days), *_vanished(found, days)]:
        named = f"{len(block.genes):,} of {len(genes):,} genes"
        listed = ", ".join(genes[k] for k in block.genes[:NAMES])
        on = ", ".join(label for label, is_absent in zip(days.labels, block.days, strict=True)
                       if is_absent)  # fmt: skip
        if not block.how:
            notes.append(
                f"{named} are zero in all cells of {on} and widely detected on the other days, "
                f"e.g. {listed}. They are treated as not expressed; if they were not measured, "
                "remove them."
            )
            continue
        absent[block.genes] = True
        notes.append(
            f"{named} are left out, e.g. {listed}: not measured on {on}, where they are "
            f"{block.how} in all cells, as after joining samples with different genes"
        )
    if absent.all():
        raise DataError(
            f"No gene of {where} was measured on every day.",
            "Were days with different gene names joined? Use the same gene names on all days.",
        )
    return absent, tuple(notes)


def check_missing(found: Found, genes: tuple[str, ...], days: Days, where: str) -> None:
    """Refuse values that are missing in some cells of a day.

    Raises
    ------
    DataError
    """
    cells, bad = found.lacking, np.flatnonzero(found.missing.sum(0) > 0)
    if not len(bad):
        return
    left = [1 - cells[days.codes == k].mean() for k in range(len(days.labels))]
    spare = min(left) > WIDE and cells.mean() <= len(bad) / len(genes)
    raise DataError(
        f"{where} has missing or infinite values in {int(cells.sum()):,} of {len(cells):,} cells "
        f"and {len(bad):,} of {len(genes):,} genes, e.g. {genes[bad[0]]}.",
        "Remove those cells, or fill the values before saving."
        if spare
        else "Remove those genes, or fill the values before saving.",
    )


def _missing(found: Found, days: Days) -> Iterator[Block]:
    """Genes that are NaN in all cells of some days."""
    if found.missing.any():
        for genes, pattern in _patterns(found.missing == _sizes(days)[:, None]):
            yield Block(genes, pattern, "missing")


def _vanished(found: Found, days: Days) -> Iterator[Block]:
    """Genes that are zero in all cells of some days; without `how` where they may be off."""
    counts = found.present
    sizes = _sizes(days)
    rates = counts / sizes[:, None]
    for genes, pattern in _patterns(counts == 0):
        if len(genes) < INSIDE or pattern.all():
            continue
        elsewhere = rates[~pattern].min(0)
        here = counts[pattern].sum(0) / sizes[pattern].sum()
        shown = elsewhere * sizes[pattern].sum()
        wide = (elsewhere >= min(WIDE, float(np.quantile(elsewhere, WIDEST)))) & (shown >= SURE)
        vanished = int(wide[genes].sum())
        nearly = int((wide & (here > 0) & (here < NEARLY * elsewhere)).sum())
        if vanished < INSIDE or vanished < GAP * nearly:
            continue
        present = np.flatnonzero(~pattern)
        absent = np.flatnonzero(pattern)
        inside = present[0] < absent[0] and absent[-1] < present[-1]
        joined = inside or vanished >= max(AT_END, SHARE_AT_END * wide.sum())
        chosen = genes[shown[genes] >= LIKELY] if joined else genes[wide[genes]]
        yield Block(chosen, pattern, "zero" if joined else "")


def _patterns(absent: NDArray[np.bool_]) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Genes by the days (days, g) on which they are absent, if there are such days."""
    some = np.flatnonzero(absent.any(0))
    if not len(some):
        return []
    patterns, which = np.unique(absent[:, some], axis=1, return_inverse=True)
    which = which.ravel()
    return [(some[which == k], patterns[:, k]) for k in range(patterns.shape[1])]


def _sizes(days: Days) -> NDArray[np.int64]:
    return np.bincount(days.codes, minlength=len(days.labels))


def _count(
    chunk: Matrix, marked: NDArray[np.bool_], codes: NDArray[np.int64], n_days: int
) -> Array:
    """Cells of every day in which each gene has a value that is marked, (days, g)."""
    g = chunk.shape[1]
    if sparse.issparse(chunk):
        cell = g * np.repeat(codes, np.diff(chunk.indptr)) + chunk.indices
        counts = np.bincount(cell if marked.all() else cell[marked], minlength=n_days * g)
        return counts.reshape(n_days, g).astype(np.float64)
    by_day = np.zeros((n_days, g))
    for k in np.unique(codes):
        by_day[k] = marked[codes == k].sum(0)
    return by_day
