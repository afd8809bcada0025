"""Matrices: expression or a representation as numbers in single precision.

What is not a number, not finite, or too large to be squared is refused with its number of cells.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.reading.amounts import Matrix
from cellam.reading.sources import Source
from cellam.reading.stores import SAVE_AGAIN, corrupt
from cellam.reading.time_labels import closest

LARGEST = 1e15  # the square of larger ones, summed over cells, overflows single precision


def read_representation(source: Source, key: str, n_cells: int) -> Matrix:
    """Read the coordinates (n, p) of obsm[key], dense."""
    value = source.element(f"obsm/{key}")
    if value is None:
        keys = source.keys("obsm")
        raise DataError(
            f"{source.name} has no obsm[{key!r}]; its obsm is: {', '.join(keys) or 'empty'}.",
            f"Use `use_rep={closest(key, keys) or keys[0]!r}`."
            if keys
            else "Leave out `use_rep` to compute a PCA from the expression.",
        )
    matrix = read_numbers(value, f"obsm[{key!r}] of {source.name}", "iuf", n_cells)
    if not matrix.shape[1]:
        raise DataError(
            f"obsm[{key!r}] of {source.name} has no columns.", "Choose another with `use_rep`."
        )
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def read_numbers(
    value: Any, where: str, kinds: str, n_cells: int, *, may_lack: bool = False
) -> Matrix:
    """The same values as a float32 array or csr_matrix that shares nothing that we change.

    Parameters
    ----------
    value : array, sparse matrix, frame, or dask array of them
    where : str
        What it is called.
    kinds : str
        Kinds of numbers, as numpy has them, that may be in it.
    n_cells : int
    may_lack : bool
        Whether values may be missing (NaN).

    Raises
    ------
    DataError
        If it is no such matrix, or has values that cannot be computed with.
    """
    if hasattr(value, "compute"):  # of dask
        value = value.compute()
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    if np.ma.isMaskedArray(value):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    if not sparse.issparse(value):
        value = np.asarray(value)
    if value.ndim != 2 or value.dtype.kind not in kinds:
        raise DataError(
            f"{where} is not a matrix of numbers (shape {value.shape}, type {value.dtype}).",
            "Choose another with `use_rep` or `layer`, or save it as a matrix of real numbers.",
        )
    if value.shape[0] != n_cells:
        raise DataError(f"{where} has {value.shape[0]:,} rows for {n_cells:,} cells.", SAVE_AGAIN)
    if not sparse.issparse(value):
        _check_values(value, value, where, may_lack=may_lack)
        dense: NDArray[np.float32] = value.astype(np.float32)
        return dense
    if value.format not in ("csr", "csc"):
        value = value.tocsr()
    _check_structure(value, where)
    _check_values(value, value.data, where, may_lack=may_lack)
    parts = (value.data.astype(np.float32), value.indices, value.indptr)
    form = sparse.csr_matrix if value.format == "csr" else sparse.csc_matrix
    matrix = form(parts, shape=value.shape).tocsr()
    if not matrix.has_canonical_format:
        # Entries of one cell and gene add up, as scipy and anndata understand them.
        matrix = matrix.copy() if value.format == "csr" else matrix
        matrix.sum_duplicates()
    return matrix


def _check_structure(matrix: Matrix, where: str) -> None:
    """Refuse unsound indices; they crash the process when they are used."""
    if len(matrix.indptr) and matrix.indptr[-1] != len(matrix.data):
        raise corrupt(
            where, f"indptr ends at {matrix.indptr[-1]:,} for {len(matrix.data):,} values"
        )
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise corrupt(where, str(error).rstrip(".")) from None


def _check_values(
    matrix: Matrix, values: NDArray[Any], where: str, *, may_lack: bool = False
) -> None:
    """Refuse what is not finite or too large, in the precision in which it is stored."""
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())  # NaN if there is one
    if low >= -LARGEST and high <= LARGEST:
        return
    n = matrix.shape[0]
    bad = np.isinf(values) if may_lack else ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"{where} has missing or infinite values in {_cells_of(matrix, bad):,} of {n:,} cells.",
            "Remove those cells, or fill the values before saving.",
        )
    bad = (values < -LARGEST) | (values > LARGEST)
    if not bad.any():
        return
    raise DataError(
        f"{where} has values as large as {np.abs(values[bad]).max():.3g} in "
        f"{_cells_of(matrix, bad):,} of {n:,} cells; the limit is {LARGEST:g}.",
        "Remove those cells, or correct the values before saving.",
    )


def _cells_of(matrix: Matrix, marked: NDArray[np.bool_]) -> int:
    """Number of rows with a marked value."""
    if not sparse.issparse(matrix):
        return int(marked.any(1).sum())
    at = np.flatnonzero(marked)
    rows = (
        np.searchsorted(matrix.indptr, at, side="right") - 1
        if matrix.format == "csr"
        else matrix.indices[at]
    )
    return len(np.unique(rows))


def check_names(names: Collection[Any], noun: str, attribute: str, source: str) -> None:
    """Refuse names of cells or genes that stand there twice.

    Raises
    ------
    DataError
    """
    index = pd.Index(list(map(str, names)))
    if index.is_unique:
        return
    repeated = index[index.duplicated()]
    raise DataError(
        f"{source} has {len(repeated)} repeated {noun} names, e.g. {repeated[0]!r}.",
        f"Run adata.{attribute}_make_unique() and save the data again.",
    )
