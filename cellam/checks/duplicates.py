"""Duplicates: cells that stand in the data twice under two names.

Two cells are one if all their values are the same and chance is no explanation. Cells with hardly
a transcript coincide by chance, so each value that is not zero counts by how rarely the most
frequent value of its gene occurs: s = −Σ ln q_g over the genes that are not zero, with q_g the
frequency among different cells. A pair is taken for one cell if s ≥ 3 ln n + 5, where 2 ln n alone
would be expected of the most alike among n² pairs. A gene without any value that occurs twice
is continuous, and has q = 1/N² among N cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.matrix.fingerprints import fingerprints_of
from cellam.matrix.rows import Rows
from cellam.reading.cells import Cells

AT_ONCE = 4_000_000  # values: of more, frequencies are those of a sample
SAMPLE = 1_000  # cells of it


@dataclass(frozen=True)
class Duplicates:
    """Cells that stand in the data more than once.

    Parameters
    ----------
    n : int
        Cells that are the same as an earlier one.
    first, second : str
        Names of two cells that are the same.
    days : int
        How many of the n are of another day than the earlier one.
    """

    n: int
    first: str
    second: str
    days: int


def find_duplicates(cells: Cells) -> Duplicates | None:
    """Cells with the same expression, or the same representation, as an earlier one."""
    X = cells.matrix if isinstance(cells.matrix, Rows) else Rows.of(cells.matrix)
    earlier, later = _same_rows(X)
    if len(later):
        sure = _surprise(X, earlier, later) >= 3 * np.log(len(cells)) + 5
        earlier, later = earlier[sure], later[sure]
    if not len(later):
        return None
    names = cells.obs.index
    return Duplicates(
        len(later),
        str(names[earlier[0]]),
        str(names[later[0]]),
        int((cells.codes[earlier] != cells.codes[later]).sum()),
    )


def _same_rows(X: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are the same as an earlier one: the first such row, and the row itself."""
    prints = X.prints if X.prints is not None else fingerprints_of(X)
    _, first, inverse = np.unique(prints, return_index=True, return_inverse=True)
    earlier = first[inverse.ravel()]
    later = np.flatnonzero(earlier != np.arange(len(earlier)))
    return earlier[later], later


def _surprise(X: Rows, earlier: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.float64]:
    """−Σ ln q_g over what is not zero in each pair of same rows, (len(later),)."""
    n, p = X.shape
    distinct = np.setdiff1d(np.arange(n), later)
    if n * p > AT_ONCE and len(distinct) > SAMPLE:
        distinct = np.sort(np.random.default_rng(0).choice(distinct, SAMPLE, replace=False))
    rarity = -np.log(_frequencies(X[distinct]))
    rows, which = np.unique(earlier, return_inverse=True)
    s = np.empty(len(rows))
    for ours, chunk in X[rows].chunks():
        there = (sparse.csr_matrix(chunk) != 0).astype(np.float64)
        s[ours] = there @ rarity
    return s[which.ravel()]


def _frequencies(X: Rows) -> NDArray[np.float64]:
    """Frequency of the most frequent value of each gene that is not zero, (p,)."""
    N, p = X.shape
    part = sparse.csc_matrix(X.read())
    part.eliminate_zeros()
    most = np.zeros(p)  # cells with the most frequent value that is not zero
    column = np.repeat(np.arange(p), np.diff(part.indptr))
    order = np.lexsort((part.data, column))
    value, column = part.data[order], column[order]
    new = np.flatnonzero(np.r_[True, (np.diff(column) != 0) | (np.diff(value) != 0)])
    if len(value):
        np.maximum.at(most, column[new], np.diff(np.r_[new, len(value)]))
    q = np.where(most > 1, np.maximum(most, 1) / N, 1 / N)
    full = np.diff(part.indptr) > N / 2
    return np.where((most <= 1) & full, 1 / N**2, np.minimum(q, 1))
