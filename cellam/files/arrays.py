"""Arrays: a matrix of cells by genes as it is stored, of which any rows can be read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Arrays(NamedTuple):
    """The arrays of a matrix (n, g), in memory or on disk: whatever can be sliced.

    Parameters
    ----------
    shape : (int, int)
    values : (n, g) or (nnz,) array
        All values by rows, or those that a sparse matrix stores.
    indices : (nnz,) array or None
        Column of every value; None where all are stored.
    indptr : (n + 1,) int array or None
        Where the values of every row begin, in memory.
    """

    shape: tuple[int, int]
    values: Any
    indices: Any = None
    indptr: NDArray[np.int64] | None = None

    @staticmethod
    def of(matrix: Any) -> Arrays:
        """Those of an array or csr_matrix, which share its memory."""
        if not sparse.issparse(matrix):
            return Arrays(matrix.shape, matrix)
        return Arrays(matrix.shape, matrix.data, matrix.indices, matrix.indptr.astype(np.int64))

    @property
    def n_values(self) -> int:
        """Number of values stored."""
        return self.shape[0] * self.shape[1] if self.indptr is None else int(self.indptr[-1])

    @property
    def n_bytes(self) -> int:
        """Bytes of what is stored, uncompressed."""
        index = 0 if self.indptr is None else int(self.indices.dtype.itemsize)
        return self.n_values * (int(self.values.dtype.itemsize) + index)

    def read(self, start: int, stop: int) -> Any:
        """Some rows as they are stored, as an array or csr_matrix; not to be changed."""
        if self.indptr is None:
            return np.asarray(self.values[start:stop])
        ends = self.indptr[start : stop + 1]
        part = slice(int(ends[0]), int(ends[-1]))
        parts = (np.asarray(self.values[part]), np.asarray(self.indices[part]), ends - ends[0])
        return sparse.csr_matrix(parts, shape=(stop - start, self.shape[1]))


def row_sums(matrix: Any) -> NDArray[np.float64]:
    """Sum of every row of an array or csr_matrix, in double precision."""
    if not sparse.issparse(matrix):
        return np.asarray(matrix.sum(1, dtype=np.float64))
    out = np.zeros(matrix.shape[0])
    some = np.diff(matrix.indptr) > 0
    if some.any():
        out[some] = np.add.reduceat(matrix.data, matrix.indptr[:-1][some], dtype=np.float64)
    return out
