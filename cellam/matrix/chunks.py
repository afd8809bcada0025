"""Chunks: some rows of a matrix in memory, and what is done to them, the same dense or sparse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.matrix.amounts import Matrix


def single(raw: Matrix) -> Matrix:
    """Values in single precision; repeated entries of one cell and gene add up."""
    with np.errstate(over="ignore"):  # what is too large is refused by whoever is told of it
        if not sparse.issparse(raw):
            return raw.astype(np.float32, copy=False)
        data = raw.data.astype(np.float32, copy=False)
    matrix = sparse.csr_matrix((data, raw.indices, raw.indptr), shape=raw.shape)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def only(chunk: Matrix, columns: NDArray[np.bool_]) -> Matrix:
    """The same with zeros in all but some columns."""
    if not sparse.issparse(chunk):
        return chunk[:, columns]
    parts = (chunk.data * columns[chunk.indices], chunk.indices, chunk.indptr)
    return sparse.csr_matrix(parts, shape=chunk.shape)


def moved(chunk: Matrix, place: NDArray[np.int32], genes: NDArray[np.int64]) -> Matrix:
    """Some of the columns, in our order."""
    if not sparse.issparse(chunk):
        return chunk[:, genes]
    column, data, indptr = place[chunk.indices], chunk.data, chunk.indptr
    some = len(genes) < chunk.shape[1]
    if some:
        kept = np.flatnonzero(column >= 0)
        column, data, indptr = column[kept], data[kept], np.searchsorted(kept, indptr)
    matrix = sparse.csr_matrix((data, column, indptr), shape=(chunk.shape[0], len(genes)))
    if some:  # few, so sums do not depend on the order in the file
        matrix.sort_indices()
    return matrix


def scaled(chunk: Matrix, scale: NDArray[np.float32]) -> Matrix:
    """Each row times its own number."""
    if not sparse.issparse(chunk):
        return chunk * scale[:, None]
    data = chunk.data * np.repeat(scale, np.diff(chunk.indptr))
    return sparse.csr_matrix((data, chunk.indices, chunk.indptr), shape=chunk.shape)
