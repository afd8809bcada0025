"""Fingerprints: one number for the values of a cell, the same however they are stored.

It is Σ_g r_g b_g modulo 2⁶⁴, with b the mixed bits of the value of gene g in single precision and r
odd random numbers. A value that is zero adds nothing, so sparse and dense matrices agree, and so
do genes in any order. Two cells that differ share a fingerprint with a probability of about 2⁻⁶³,
and those that differ in one value never do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.matrix.amounts import Matrix
from cellam.matrix.rows import Rows

AT_ONCE = 1_000_000  # values that are held in another form


def fingerprints_of(rows: Rows) -> NDArray[np.uint64]:
    """That of every cell, (n,)."""
    out = np.empty(rows.shape[0], dtype=np.uint64)
    r = multipliers(rows.shape[1])
    for ours, chunk in rows.chunks():
        out[ours] = fingerprints(chunk, r)
    return out


def multipliers(n_genes: int) -> NDArray[np.uint64]:
    """An odd number for each gene, (g,)."""
    r = np.random.default_rng(0).integers(0, 2**64, n_genes, dtype=np.uint64, endpoint=False)
    return r | np.uint64(1)


def fingerprints(matrix: Matrix, r: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """That of every row of an array or csr_matrix (n, g) without repeated entries."""
    n, g = matrix.shape
    out = np.zeros(n, dtype=np.uint64)
    each = matrix.nnz / max(n, 1) if sparse.issparse(matrix) else g
    step = max(1, int(AT_ONCE / max(each, 1)))
    for start in range(0, n, step):
        part = matrix[start : start + step]
        if sparse.issparse(part):
            some = np.diff(part.indptr) > 0
            if some.any():
                values = _bits(part.data) * r[part.indices]
                sums = np.add.reduceat(values, part.indptr[:-1][some])
                out[start : start + step][some] = sums
        else:
            out[start : start + step] = (_bits(part) * r).sum(1, dtype=np.uint64)
    return out


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Whole numbers, one for each value, of which that of zero is 0."""
    exact = np.ascontiguousarray(values, dtype=np.float32) + np.float32(0)  # −0 is 0
    bits = exact.view(np.uint32).astype(np.uint64)
    bits *= np.uint64(0x9E3779B97F4A7C15)
    return bits ^ (bits >> np.uint64(29))
