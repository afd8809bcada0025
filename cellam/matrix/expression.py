"""Expression: the values of genes in X, a layer or raw, what they are, and which genes to take.

Genes are sorted by name, so their order in the file cannot matter to anything that follows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import closest
from cellam.errors import DataError
from cellam.files.sources import Source
from cellam.files.stores import SAVE_AGAIN
from cellam.matrix.absent import Days, absent_genes, check_missing
from cellam.matrix.matrices import HELD, check_names, find_rows
from cellam.matrix.rows import Rows
from cellam.matrix.survey import survey
from cellam.matrix.values import Form, judge
from cellam.options import Kind

RAW = "raw"
RUNS = 20  # of neighbours that a sample has of every day
VALUE = 8  # bytes of one that is stored with its place


class Expression(NamedTuple):
    """Expression (n, g), the names of the genes, sorted, and what its values are.

    `sample` has the positions of the cells whose values were looked at; None for all.
    """

    rows: Rows
    genes: tuple[str, ...]
    form: Form
    notes: tuple[str, ...] = ()
    sample: NDArray[np.int64] | None = None


def read_expression(
    source: Source,
    layer: str | None,
    days: Days,
    told: Kind | None = None,
    most: int | None = None,
) -> Expression:
    """Read the expression of X, a layer, or raw.

    A gene that was not measured on some days is left out (see `absent`). Where the values are
    scaled, the notes name what there is beside them.

    Parameters
    ----------
    source : Source
    layer : str or None
        None for X; "raw" for `adata.raw`, unless there is a layer of that name.
    days : Days
    told : {"counts", "normalised", "log", "scaled"}, optional
        What the user says that the values are.
    most : int, optional
        Values at most that are looked at: of more, those of a sample of cells. Without it all are.

    Raises
    ------
    DataError
        If there is no such matrix, or its values cannot be used; the message says why.
    """
    n = len(days.codes)
    held = HELD if most is None else most * VALUE
    rows, genes, where = _find(source, layer, n, held)
    sample = None if most is None else sample_of(rows, days, most)
    if sample is not None:
        days = Days(days.codes[sample], days.labels)
    cells = _Looked(n, held, sample)
    seen = survey(cells.of(rows), days, where)
    absent, notes = absent_genes(seen.found, genes, days, where)
    if absent.any():
        kept = np.flatnonzero(~absent)
        rows, genes = rows.columns(kept), tuple(genes[k] for k in kept)
        seen = survey(cells.of(rows), days, where)
    check_missing(seen.found, genes, days, where)
    form = judge(seen.amounts, cells.of(rows), days.codes, days.labels, where, told)
    if form.kind == "scaled" and told is None:
        notes += _beside(source, layer, days, cells)
    if sample is None:
        rows = replace(rows, totals=seen.amounts.sums[""], prints=seen.prints)
    return Expression(rows, genes, form, (*notes, *form.notes), sample)


class _Looked(NamedTuple):
    """The cells whose values are looked at: all n, or a sample; and the bytes that are held."""

    n: int
    held: int
    sample: NDArray[np.int64] | None

    def of(self, rows: Rows) -> Rows:
        """Those of a matrix."""
        return rows if self.sample is None else rows[self.sample]


def sample_of(rows: Rows, days: Days, most: int) -> NDArray[np.int64] | None:
    """Positions of a sample of cells with about `most` values; None where all have no more.

    As many of each day, in runs that are spread evenly over it: neighbours are read at once.
    """
    n = rows.shape[0]
    if rows.n_values <= most:
        return None
    each = max(1, int(most * n / rows.n_values) // len(days.labels))
    chosen = []
    for k in range(len(days.labels)):
        of_day = np.flatnonzero(days.codes == k)
        runs = np.array_split(of_day, RUNS)
        chosen += [run[: -(-each // RUNS)] for run in runs]
    return np.sort(np.concatenate(chosen))


def layers_of(source: Source) -> tuple[str, ...]:
    """What `layer` may name: the layers, and raw if it is there."""
    layers = source.keys("layers")
    has_raw = RAW not in layers and source.shape(f"{RAW}/X") is not None
    return (*layers, RAW) if has_raw else tuple(layers)


def element_of(source: Source, layer: str | None) -> str:
    """Where a source has X, a layer, or raw."""
    if layer is None:
        return "X"
    return f"{RAW}/X" if layer == RAW and RAW not in source.keys("layers") else f"layers/{layer}"


def _find(
    source: Source, layer: str | None, n_cells: int, held: int
) -> tuple[Rows, tuple[str, ...], str]:
    """The rows of a matrix, not yet looked at, with its genes sorted, and its name."""
    path = element_of(source, layer)
    is_raw = path.startswith(RAW)
    where = f"{path} of {source.name}"
    rows = find_rows(source, path, where, n_cells, held=held)
    if rows is None and layer is not None and source.shape(path) is None:
        known = layers_of(source)
        near = closest(layer, known)
        raise DataError(
            f"{source.name} has no {'raw' if is_raw else f'layer {layer!r}'}; its layers are: "
            f"{', '.join(known) or 'none'}.",
            f"Use `layer={near!r}`, or leave it out to use X."
            if near
            else "Leave out `layer` to use X.",
        )
    if rows is None:
        reps = source.keys("obsm")
        raise DataError(
            f"{source.name} has no expression matrix in X.",
            f"Use `use_rep` with one of: {', '.join(reps)}."
            if reps
            else "Save the data with the expression in X, or in a layer that you name with "
            "`layer`.",
        )
    names = getattr(source.element(f"{RAW}/var" if is_raw else "var"), "index", None)
    if names is None:
        raise DataError(f"{source.name} has no gene names: its var is not a table.", SAVE_AGAIN)
    if rows.shape[1] != len(names):
        raise DataError(
            f"{where} has {rows.shape[1]:,} columns for {len(names):,} genes.", SAVE_AGAIN
        )
    check_names(names, "gene", "var_names", source.name)
    genes = tuple(map(str, names))
    order = sorted(range(len(genes)), key=genes.__getitem__)
    return rows.columns(order), tuple(genes[k] for k in order), where


def _beside(source: Source, layer: str | None, days: Days, cells: _Looked) -> tuple[str, ...]:
    """Where values that are not scaled lie beside those that are."""
    for other in sorted(layers_of(source), key=lambda name: name != RAW):
        if other == layer:
            continue
        try:
            rows, genes, where = _find(source, other, cells.n, cells.held)
            rows = cells.of(rows)
            seen = survey(rows, days, where)
            check_missing(seen.found, genes, days, where)
            form = judge(seen.amounts, rows, days.codes, days.labels, where)
        except DataError:  # it is no better
            continue
        if form.kind != "scaled":
            return (
                f"{('raw' if other == RAW else f'layer {other}')} holds {form.words} of "
                f"{len(genes):,} genes, which are better for the fit: `layer={other!r}`",
            )
    return ()
