"""Moments: mean and variance of every gene within groups of cells, in one pass over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.matrix.amounts import Matrix
from cellam.matrix.rows import Part, Rows, each_part

Array = NDArray[np.float64]
Values = NDArray[np.float32]


class Moments(NamedTuple):
    """Of K groups of cells.

    Parameters
    ----------
    sizes : (K,) array
        Number of cells.
    means, variances : (K, g) arrays
        Over all cells of the group; the variance divides by their number.
    least, largest : float
        Of all values that are stored.
    """

    sizes: Array
    means: Array
    variances: Array
    least: float
    largest: float

    def of_groups(self, some: NDArray[np.bool_]) -> Moments:
        """The same of some groups, (K,) bool."""
        return self._replace(
            sizes=self.sizes[some], means=self.means[some], variances=self.variances[some]
        )

    @property
    def unbiased(self) -> Array:
        """Variances that divide by the number of cells less one, (K, g)."""
        return self.variances * (self.sizes / np.maximum(self.sizes - 1, 1))[:, None]


def moments(
    rows: Rows,
    groups: NDArray[np.int64] | None = None,
    undo: Callable[[Values], Values] | None = None,
) -> Moments:
    """Mean and variance of every gene.

    Parameters
    ----------
    rows : Rows
    groups : (n,) int array, optional
        Group of every cell; all are one without it.
    undo : callable, optional
        A function of a module, applied to the values before they are added up, as `np.expm1`;
        has to leave zeros.
    """
    n, g = rows.shape
    if groups is None:
        groups = np.zeros(n, dtype=np.int64)
    K = int(groups.max()) + 1 if n else 1
    sums, squares = np.zeros((K, g)), np.zeros((K, g))
    least, largest = np.inf, -np.inf
    for part in each_part(_part, (groups, K, undo), rows):
        sums += part.sums
        squares += part.squares
        least, largest = min(least, part.least), max(largest, part.largest)
    sizes = np.bincount(groups, minlength=K).astype(np.float64)
    each = np.maximum(sizes, 1)[:, None]
    means = sums / each
    return Moments(sizes, means, np.maximum(squares / each - means**2, 0), least, largest)


class _Part(NamedTuple):
    """Sums of values and of their squares in each group, (K, g), and the range of the values."""

    sums: Array
    squares: Array
    least: float
    largest: float


def _part(
    shared: tuple[NDArray[np.int64], int, Callable[[Values], Values] | None], part: Part
) -> _Part:
    groups, K, undo = shared
    cells, rows = part
    groups = groups[cells]
    sums, squares = (np.zeros((K, rows.shape[1])) for _ in range(2))
    least, largest = np.inf, -np.inf
    for ours, chunk in rows.chunks():
        values = chunk.data if sparse.issparse(chunk) else chunk
        if values.size:
            least, largest = min(least, float(values.min())), max(largest, float(values.max()))
        exact = (values if undo is None else undo(values)).astype(np.float64)
        sums = add_rows(sums, chunk, exact, groups[ours])
        squares = add_rows(squares, chunk, exact**2, groups[ours])
    return _Part(sums, squares, least, largest)


def add_rows(total: Array, chunk: Matrix, values: Array, groups: NDArray[np.int64]) -> Array:
    """Totals (K, g) with the values of some cells added to those of their groups.

    They are added one cell after the other, so it is the same however cells are cut into chunks.
    """
    K, g = total.shape
    if sparse.issparse(chunk):
        where = chunk.indices.astype(np.int64)
        if K > 1:
            where += g * np.repeat(groups, np.diff(chunk.indptr))
        where = np.concatenate([np.arange(total.size), where])
        added = np.bincount(where, np.concatenate([total.ravel(), values]), total.size)
        return np.asarray(added, dtype=np.float64).reshape(K, g)
    out = total.copy()
    for k in np.unique(groups):
        out[k] = np.concatenate([total[k : k + 1], values[groups == k]]).sum(0)
    return out
