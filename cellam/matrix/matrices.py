"""Matrices: where the numbers of an expression or a representation are, and whether they are sound.

What is not a number, not finite, or too large to be squared is refused with its number of cells and
the first of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.days.time_labels import closest
from cellam.errors import DataError
from cellam.files.memory import available_memory
from cellam.files.sources import Source
from cellam.files.stores import SAVE_AGAIN, corrupt
from cellam.matrix.amounts import Matrix
from cellam.matrix.rows import Rows, Stored
from cellam.names import plural

Whole = NDArray[np.int64]

HELD = 500_000_000  # bytes of expression that is held in memory rather than read again and again
SPARE = 4  # parts of the memory that is free, of which one may be held
FILL = "Remove those cells, or fill the values before saving."
AS_MISSING = "Save those values as missing (NaN), or remove the cells."
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


def find_rows(source: Source, path: str, where: str, n_cells: int, held: int = HELD) -> Rows | None:
    """Expression by rows: in memory where it is small, and else in its file, not yet looked at.

    Parameters
    ----------
    source : Source
    path : str
        The element, e.g. "X".
    where : str
        What it is called.
    n_cells : int
    held : int
        Bytes up to which it is held in memory.

    Returns
    -------
    Rows or None
        None if there is no such element, or nothing in it.

    Raises
    ------
    DataError
        If it is no matrix of numbers, is damaged, or lies by columns and does not fit into memory.
    """
    arrays = source.arrays(path)
    if arrays is not None:
        check_kind(arrays.shape, arrays.values.dtype, where, "biuf", n_cells)
        if arrays.n_bytes > min(held, available_memory() // SPARE):
            assert source.path is not None
            return Rows.at(Stored.at(source.path, path), arrays)
    value = source.element(path)
    if value is None or 0 in getattr(value, "shape", ()):
        return None
    matrix = as_numbers(value, where, "biuf", n_cells)
    if sparse.issparse(matrix):
        check_structure(matrix, where)
        matrix = matrix.tocsr()
    return Rows.of(matrix)


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
    value = as_numbers(value, where, kinds, n_cells)
    unsound = Unsound(where, n_cells, may_lack, AS_MISSING if may_lack else FILL)
    unsound.look(value, np.arange(n_cells))
    unsound.refuse()
    if not sparse.issparse(value):
        dense: NDArray[np.float32] = value.astype(np.float32)
        return dense
    parts = (value.data.astype(np.float32), value.indices, value.indptr)
    form = sparse.csr_matrix if value.format == "csr" else sparse.csc_matrix
    matrix = form(parts, shape=value.shape).tocsr()
    if not matrix.has_canonical_format:
        # Entries of one cell and gene add up, as scipy and anndata understand them.
        matrix = matrix.copy() if value.format == "csr" else matrix
        matrix.sum_duplicates()
    return matrix


def as_numbers(value: Any, where: str, kinds: str, n_cells: int) -> Matrix:
    """A matrix of numbers as it is, as an array, csr_matrix or csc_matrix.

    Raises
    ------
    DataError
        If it is none, or has another number of rows than there are cells.
    """
    if hasattr(value, "compute"):  # of dask
        value = value.compute()
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    if np.ma.isMaskedArray(value):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    if not sparse.issparse(value):
        value = np.asarray(value)
    check_kind(value.shape, value.dtype, where, kinds, n_cells)
    return value.tocsr() if sparse.issparse(value) and value.format not in ("csr", "csc") else value


def check_kind(
    shape: tuple[int, ...], dtype: np.dtype[Any], where: str, kinds: str, n_cells: int
) -> None:
    """Refuse what is no matrix of numbers with a row for each cell.

    Raises
    ------
    DataError
    """
    if len(shape) != 2 or dtype.kind not in kinds:
        raise DataError(
            f"{where} is not a matrix of numbers (shape {shape}, type {dtype}).",
            "Choose another with `use_rep` or `layer`, or save it as a matrix of real numbers.",
        )
    if shape[0] != n_cells:
        raise DataError(f"{where} has {shape[0]:,} rows for {n_cells:,} cells.", SAVE_AGAIN)


def check_structure(matrix: Matrix, where: str) -> None:
    """Refuse unsound indices; they crash the process when they are used.

    Raises
    ------
    DataError
    """
    if len(matrix.indptr) and matrix.indptr[-1] != len(matrix.data):
        raise corrupt(
            where, f"indptr ends at {matrix.indptr[-1]:,} for {len(matrix.data):,} values"
        )
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise corrupt(where, str(error).rstrip(".")) from None


@dataclass
class Unsound:
    """Values that cannot be computed with, counted by cell as a matrix is looked at.

    Parameters
    ----------
    where : str
        What the matrix is called.
    n : int
        Its number of cells.
    may_lack : bool
        Whether values may be missing (NaN).
    advice : str
        What to do with those that are not finite.
    infinite, large : list of arrays
        Rows of the cells with values that are not finite, or too large.
    """

    where: str
    n: int
    may_lack: bool = True
    advice: str = FILL
    infinite: list[Whole] = field(default_factory=list)
    large: list[Whole] = field(default_factory=list)
    largest: float = 0.0

    @property
    def any(self) -> bool:
        """Whether there are some so far."""
        return bool(self.infinite or self.large)

    def look(self, matrix: Matrix, rows: Whole) -> None:
        """Look at some more cells, in the precision in which they are stored.

        Parameters
        ----------
        matrix : (k, g) matrix
        rows : (k,) int array
            Which cells of the data they are.

        Raises
        ------
        DataError
            If indices are unsound; they would crash the process when they are used.
        """
        values = matrix.data if sparse.issparse(matrix) else matrix
        if sparse.issparse(matrix):
            check_structure(matrix, self.where)
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())  # NaN if there is one
        if low >= -LARGEST and high <= LARGEST:
            return
        bad = np.isinf(values) if self.may_lack else ~np.isfinite(values)
        if bad.any():
            self.infinite.append(rows[_cells_of(matrix, bad)])
        wide = values.astype(np.float64)  # the limit is not in all precisions
        bad = (wide < -LARGEST) | (wide > LARGEST)
        if bad.any():
            self.large.append(rows[_cells_of(matrix, bad)])
            self.largest = max(self.largest, float(np.abs(wide[bad]).max()))

    def join(self, part: Unsound) -> None:
        """Add what was seen in some more cells."""
        self.infinite += part.infinite
        self.large += part.large
        self.largest = max(self.largest, part.largest)

    def refuse(self) -> None:
        """Refuse what was seen, in all cells together.

        Raises
        ------
        DataError
        """
        if self.infinite:
            what = "infinite" if self.may_lack else "missing or infinite"
            raise DataError(
                f"{self.where} has {what} values in {self._cells(self.infinite)}.",
                self.advice,
            )
        if self.large:
            raise DataError(
                f"{self.where} has values as large as {self.largest:.3g} in "
                f"{self._cells(self.large)}; the limit is {LARGEST:g}.",
                "Remove those cells, or correct the values before saving.",
            )

    def _cells(self, rows: list[Whole]) -> str:
        """How many cells, and where the first of them stands."""
        found = np.concatenate(rows)
        return f"{len(found):,} of {self.n:,} cells (the first is adata[{found.min()}])"


def _cells_of(matrix: Matrix, marked: NDArray[np.bool_]) -> Whole:
    """Which rows have a marked value."""
    if not sparse.issparse(matrix):
        return np.flatnonzero(marked.any(1))
    at = np.flatnonzero(marked)
    rows = (
        np.searchsorted(matrix.indptr, at, side="right") - 1
        if matrix.format == "csr"
        else matrix.indices[at]
    )
    return np.unique(rows)


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
        f"{source} has {plural(len(repeated), f'repeated {noun} name')}, e.g. {repeated[0]!r}.",
        f"Run adata.{attribute}_make_unique() and save the data again.",
    )
