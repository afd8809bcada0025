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

from cellam.reading.amounts import Matrix
from cellam.reading.cells import Cells

AT_ONCE = 4_000_000  # values that are held in another form
SAMPLE = 1_000  # cells that frequencies are taken from, where there are many genes


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
    X = cells.matrix
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


def _same_rows(X: Matrix) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are the same as an earlier one: the first such row, and the row itself."""
    _, first, inverse = np.unique(_hashes(X), return_index=True, return_inverse=True)
    earlier = first[inverse.ravel()]
    later = np.flatnonzero(earlier != np.arange(len(earlier)))
    earlier = earlier[later]
    step = max(1, AT_ONCE // X.shape[1])
    same = np.zeros(len(later), dtype=bool)
    for k in range(0, len(later), step):  # a hash may coincide where rows do not
        part = slice(k, k + step)
        a, b = X[earlier[part]], X[later[part]]
        same[part] = (
            np.asarray(abs(a - b).max(1).todense()).ravel() == 0
            if sparse.issparse(X)
            else (a == b).all(1)
        )
    return earlier[same], later[same]


def _hashes(X: Matrix) -> NDArray[np.uint64]:
    """Σ_g r_g b_g modulo 2⁶⁴ of every row, with b the mixed bits of a value and r random."""
    n, p = X.shape
    r = np.random.default_rng(0).integers(0, 2**64, p, dtype=np.uint64, endpoint=False)
    out = np.zeros(n, dtype=np.uint64)
    if not sparse.issparse(X):
        step = max(1, AT_ONCE // p)
        for k in range(0, n, step):
            out[k : k + step] = (_bits(X[k : k + step]) * r).sum(1, dtype=np.uint64)
        return out
    starts = X.indptr
    sizes = np.searchsorted(starts, np.arange(0, starts[-1] + AT_ONCE, AT_ONCE))
    for a, b in zip([0, *sizes[1:-1]], [*sizes[1:-1], n], strict=True):
        part = slice(starts[a], starts[b])
        values = _bits(X.data[part]) * r[X.indices[part]]
        total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
        at = starts[a : b + 1] - starts[a]
        out[a:b] = total[at[1:]] - total[at[:-1]]
    return out


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Whole numbers, one for each value, of which that of zero is 0."""
    exact = np.ascontiguousarray(values, dtype=np.float32) + np.float32(0)  # −0 is 0
    bits = exact.view(np.uint32).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return bits ^ (bits >> np.uint64(29))


def _surprise(
    X: Matrix, earlier: NDArray[np.int64], later: NDArray[np.int64]
) -> NDArray[np.float64]:
    """−Σ ln q_g over what is not zero in each pair of same rows, (len(later),)."""
    n, p = X.shape
    distinct = np.setdiff1d(np.arange(n), later)
    if n * p > AT_ONCE and len(distinct) > SAMPLE:
        distinct = np.sort(np.random.default_rng(0).choice(distinct, SAMPLE, replace=False))
    N = len(distinct)
    part = sparse.csc_matrix(X[distinct])
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
    q = np.where((most <= 1) & full, 1 / N**2, np.minimum(q, 1))
    rows = sparse.csr_matrix(X[earlier])
    rows.eliminate_zeros()
    rows.data = np.ones_like(rows.data, dtype=np.float64)
    s: NDArray[np.float64] = rows.astype(np.float64) @ -np.log(q)
    return s
