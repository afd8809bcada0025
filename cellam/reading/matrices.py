"""Matrices: expression or a representation as finite numbers in single precision.

What is not a number, not finite, or too large to be squared is refused with its number of cells.
Genes are sorted by name, so that their order in the file cannot matter to anything that follows.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.reading.labels import closest, did_you_mean
from cellam.reading.sources import Source
from cellam.reading.stores import SAVE_AGAIN, corrupt

Matrix: TypeAlias = Any  # sparse.csr_matrix | NDArray[np.float32]; scipy carries no types
Kind = Literal["counts", "normalised", "log", "scaled"]

LARGEST = 1e15  # the square of larger ones, summed over cells, overflows single precision
LARGEST_LOG = 25.0  # log1p of more counts than any cell has; larger values were never logged


class Expression(NamedTuple):
    """Expression (n, g), the names of the genes, sorted, and what its values look like."""

    matrix: Matrix
    genes: tuple[str, ...]
    kind: Kind


def read_representation(source: Source, key: str, n_cells: int) -> Matrix:
    """Read the coordinates (n, p) of obsm[key], dense."""
    value = source.element(f"obsm/{key}")
    if value is None:
        keys = source.keys("obsm")
        raise DataError(
            f"{source.name} has no obsm[{key!r}]; its obsm is: {', '.join(keys) or 'empty'}.",
            f"Use --use-rep {closest(key, keys) or keys[0]}."
            if keys
            else "Leave out --use-rep to compute a PCA from the expression.",
        )
    matrix = _numbers(value, f"obsm[{key!r}] of {source.name}", "iuf", n_cells)
    if not matrix.shape[1]:
        raise DataError(
            f"obsm[{key!r}] of {source.name} has no columns.", "Take another with --use-rep."
        )
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def read_expression(source: Source, layer: str | None, n_cells: int) -> Expression:
    """Read the expression of X or a layer."""
    path = f"layers/{layer}" if layer is not None else "X"
    value = source.element(path)
    if value is None and layer is not None:
        raise DataError(
            f"{source.name} has no layer {layer!r}; its layers are: "
            f"{', '.join(source.keys('layers')) or 'none'}.",
            f"{did_you_mean(layer, source.keys('layers'))}Leave out --layer to use X.",
        )
    reps = source.keys("obsm")
    if value is None or 0 in getattr(value, "shape", ()):
        raise DataError(
            f"{source.name} has no expression matrix in X.",
            f"Use --use-rep with one of: {', '.join(reps)}."
            if reps
            else "Save the data with the expression in X, or in a layer to be named with --layer.",
        )
    where = f"{path} of {source.name}"
    matrix = _numbers(value, where, "biuf", n_cells)
    names = getattr(source.element("var"), "index", None)
    if names is None:
        raise DataError(f"{source.name} has no names of genes: its var is not a table.", SAVE_AGAIN)
    if matrix.shape[1] != len(names):
        raise DataError(
            f"{where} has {matrix.shape[1]:,} columns for {len(names):,} genes.", SAVE_AGAIN
        )
    matrix, genes = _sorted_by_gene(matrix, tuple(map(str, names)))
    kind = kind_of(matrix)
    _check_expression(matrix, kind, where)
    return Expression(matrix, genes, kind)


def kind_of(matrix: Matrix) -> Kind:
    """What expression values look like."""
    values = matrix.data if sparse.issparse(matrix) else matrix
    if values.size and values.min() < 0:
        return "scaled"
    if _whole(values):
        return "counts"
    return "log" if values.max(initial=0) <= LARGEST_LOG else "normalised"


def _check_expression(matrix: Matrix, kind: Kind, where: str) -> None:
    n = matrix.shape[0]
    if kind == "scaled":
        values = matrix.data if sparse.issparse(matrix) else matrix
        if _whole(values):
            raise DataError(
                f"{where} has whole numbers, as counts have, but negative ones in "
                f"{_cells_of(matrix, values < 0):,} of {n:,} cells.",
                "Give the counts themselves, with --layer, or save them again.",
            )
        return
    empty = int((np.asarray(matrix.sum(1)).ravel() == 0).sum())
    if empty:
        raise DataError(
            f"{where} has {empty:,} of {n:,} cells without a single count: they express no gene.",
            "Remove them first: sc.pp.filter_cells(adata, min_counts=1).",
        )


def _numbers(value: Any, where: str, kinds: str, n_cells: int) -> Matrix:
    """The same values as a float32 array or csr_matrix that shares nothing that we change."""
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
            "Take another with --use-rep or --layer, or save it as a matrix of real numbers.",
        )
    if value.shape[0] != n_cells:
        raise DataError(f"{where} has {value.shape[0]:,} rows for {n_cells:,} cells.", SAVE_AGAIN)
    if not sparse.issparse(value):
        _check_values(value, value, where)
        dense: NDArray[np.float32] = value.astype(np.float32)
        return dense
    if value.format not in ("csr", "csc"):
        value = value.tocsr()
    _check_structure(value, where)
    _check_values(value, value.data, where)
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


def _check_values(matrix: Matrix, values: NDArray[Any], where: str) -> None:
    """Refuse what is not finite or too large, in the precision in which it is stored."""
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())  # NaN if there is one
    if low >= -LARGEST and high <= LARGEST:
        return
    n = matrix.shape[0]
    if values.dtype.kind == "f" and not (bad := np.isfinite(values)).all():
        raise DataError(
            f"{where} has missing or infinite values in {_cells_of(matrix, ~bad):,} of {n:,} "
            "cells.",
            "Remove those cells, or fill the values before saving.",
        )
    bad = (values < -LARGEST) | (values > LARGEST)
    raise DataError(
        f"{where} has values as large as {max(-low, high):.3g} in "
        f"{_cells_of(matrix, bad):,} of {n:,} cells; the limit is {LARGEST:g}.",
        "Remove those cells, or mend the values before saving.",
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


def _sorted_by_gene(matrix: Matrix, genes: tuple[str, ...]) -> tuple[Matrix, tuple[str, ...]]:
    order = sorted(range(len(genes)), key=genes.__getitem__)
    if order == list(range(len(genes))):
        return matrix, genes
    if sparse.issparse(matrix):
        place = np.empty(len(order), dtype=matrix.indices.dtype)
        place[order] = np.arange(len(order))
        parts = (matrix.data.copy(), place[matrix.indices], matrix.indptr)
        matrix = sparse.csr_matrix(parts, shape=matrix.shape)
        matrix.sort_indices()
    else:
        matrix = matrix[:, order]
    return matrix, tuple(genes[k] for k in order)


def _whole(values: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(values, np.rint(values)))
