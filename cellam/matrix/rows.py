"""Rows: the expression of cells, read a few rows at a time, wherever it lies.

A small matrix is held in memory as it was stored, a large one stays in its file: nothing else
differs. A choice of cells or genes and the normalisation are kept in mind, and done to every
chunk as it is read. What is added up over cells is added cell by cell, or over blocks of a fixed
number of cells, so the size of the chunks is in no result. Nor is who reads them: passes go over
parts of a fixed number of cells, each on one thread, by the current executor.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.executors.executor import Job, Result, in_order, on_one_thread
from cellam.files.arrays import Arrays, row_sums
from cellam.files.inner_paths import part_of
from cellam.files.sources import opened
from cellam.files.stores import Store
from cellam.matrix import chunks
from cellam.matrix.amounts import Matrix

Array: TypeAlias = NDArray[np.float64]
Read: TypeAlias = Callable[[int, int], Matrix]

VALUES = 1_000_000  # of a chunk, about
PART = 1 << 16  # cells of a part: sums of parts are added up, so it is in the last digits
APART = 32  # rows that are read along with one that is wanted, at most; beyond, it is read alone


@dataclass(frozen=True)
class Held:
    """A matrix in memory."""

    arrays: Arrays

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """How to read rows of it."""
        yield self.arrays.read


@dataclass(frozen=True)
class Stored:
    """A matrix in a file, which is opened whenever it is read.

    Parameters
    ----------
    path : pathlib.Path
    element : str
        Where it is in the file, e.g. "X".
    state : tuple
        Size and time of the file, as it was first seen.
    """

    path: Path
    element: str
    state: tuple[int, int]

    @staticmethod
    def at(path: Path, element: str) -> Stored:
        """A matrix in a file as it is now."""
        return Stored(path.absolute(), element, _state(path))

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """How to read rows of it.

        Raises
        ------
        DataError
            If the file has changed since it was first seen, or is damaged, or a worker of a
            cluster does not see it.
        """
        if not part_of(self.path).file.exists():
            raise DataError(
                f"{self.path} was not found on {platform.node()}, which is to read a part of it.",
                "Put it where all workers see it under this name, or leave out `cluster`.",
            )
        with opened(self.path) as source:
            if _state(self.path) != self.state:
                raise DataError(
                    f"{self.path} has changed while it was read.",
                    "Wait until it is complete, and run this again.",
                )
            assert isinstance(source, Store)
            arrays = source.arrays(self.element)
            assert arrays is not None

            def read(start: int, stop: int) -> Matrix:
                with source.reading(self.element):
                    return arrays.read(start, stop)

            yield read


def _state(path: Path) -> tuple[int, int]:
    found = part_of(path).file.stat()
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, eq=False)
class Rows:
    """A matrix of n cells by g genes that is read in chunks.

    Parameters
    ----------
    place : Held or Stored
    size : (int, int)
        Rows and columns there.
    n_values, n_bytes : int
        Number of values stored there, and the bytes they take with their places.
    sparse : bool
        Whether zeros are not.
    cells : (n,) int array or None
        Which rows they are, in ascending order; None for all.
    genes : (g,) int array or None
        Which columns they are; None for all, in their order.
    counted : (c,) int array or None
        Columns there whose sum is brought to `library`; None for all.
    library : float
        What the sum of each cell is brought to; 0 where it is left alone.
    log : bool
        Whether log1p is applied.
    shifts : (B, g) array or None
        What is taken off the values then, for each group of cells.
    groups : (n,) int array or None
        Group of every cell.
    totals : (n,) array or None
        Sum of each cell over the counted columns, if it is known.
    prints : (n,) uint64 array or None
        Fingerprint of each cell, if it is known.
    """

    place: Held | Stored
    size: tuple[int, int]
    n_values: int
    n_bytes: int
    sparse: bool
    cells: NDArray[np.int64] | None = None
    genes: NDArray[np.int64] | None = None
    counted: NDArray[np.int64] | None = None
    library: float = 0.0
    log: bool = False
    shifts: NDArray[Any] | None = None
    groups: NDArray[np.int64] | None = None
    totals: Array | None = None
    prints: NDArray[np.uint64] | None = None

    @staticmethod
    def at(place: Held | Stored, arrays: Arrays) -> Rows:
        """All rows of the arrays of a place."""
        sparse = arrays.indptr is not None
        return Rows(place, arrays.shape, arrays.n_values, arrays.n_bytes, sparse)

    @staticmethod
    def of(matrix: Matrix) -> Rows:
        """Those of an array or csr_matrix in memory."""
        arrays = Arrays.of(matrix)
        return Rows.at(Held(arrays), arrays)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells and of genes."""
        n, g = self.size
        return (
            n if self.cells is None else len(self.cells),
            g if self.genes is None else len(self.genes),
        )

    # ------------------------------------------------------------------ choices, kept in mind

    def __getitem__(self, cells: Any) -> Rows:
        """Some of the cells: a mask, a slice, or their positions in ascending order."""
        known = np.arange(self.size[0]) if self.cells is None else self.cells
        chosen = known[cells]
        if np.array_equal(chosen, known):
            return self
        if (np.diff(chosen) <= 0).any():
            raise ValueError("Rows are read in ascending order.")
        return replace(
            self,
            cells=chosen,
            groups=None if self.groups is None else self.groups[cells],
            totals=None if self.totals is None else self.totals[cells],
            prints=None if self.prints is None else self.prints[cells],
        )

    def columns(self, genes: ArrayLike) -> Rows:
        """Some of the genes, by their positions, in this order."""
        known = np.arange(self.size[1]) if self.genes is None else self.genes
        chosen = known[np.asarray(genes, dtype=np.int64)]
        if np.array_equal(chosen, known):
            return self
        totals = self.totals if self.library else None  # which is over the counted ones
        shifts = None if self.shifts is None else self.shifts[:, np.asarray(genes)]
        return replace(self, genes=chosen, totals=totals, shifts=shifts, prints=None)

    def normalised(self, library: float, *, log: bool) -> Rows:
        """Each cell brought to a sum of `library` over these genes, if that is not 0, and logged.

        Cells without any value stay as they are.
        """
        if not (library or log):
            return self
        return replace(self, counted=self.genes, library=library, log=log, prints=None)

    def less(self, shifts: Array, groups: NDArray[np.int64]) -> Rows:
        """Less the shift (B, g) of the group of each cell, (n,); no longer sparse."""
        return replace(self, shifts=shifts.astype(np.float32), groups=groups, prints=None)

    # ------------------------------------------------------------------------------- reading

    def chunks(
        self, told: Callable[[Matrix, NDArray[np.int64]], None] | None = None
    ) -> Iterator[tuple[slice, Matrix]]:
        """Some cells at a time, in their order: which they are, and their values.

        Values are a float32 array or csr_matrix, without repeated entries but in any order
        within a row. They may be those in memory, and must not be changed.

        Parameters
        ----------
        told : callable, optional
            Told of every chunk as it is stored, all columns of it, before anything is done to it,
            and which rows of the store it is.
        """
        prepare = _Prepare.of(self)
        with self.place.opened() as read:
            for ours, wanted in self._ranges():
                raw = _read_rows(read, wanted)
                if told is not None:
                    told(raw, wanted)
                totals = None if self.totals is None else self.totals[ours]
                groups = None if self.groups is None else self.groups[ours]
                yield ours, prepare(raw, totals, groups)

    def _ranges(self) -> Iterator[tuple[slice, NDArray[np.int64]]]:
        """Which of our cells are read together, and where they are."""
        n = self.size[0]
        step = max(1, int(VALUES / max(self.n_values / max(n, 1), 1)))
        for start in range(0, n, step):
            stop = min(start + step, n)
            if self.cells is None:
                yield slice(start, stop), np.arange(start, stop)
                continue
            a, b = (int(k) for k in np.searchsorted(self.cells, (start, stop)))
            if a < b:
                yield slice(a, b), self.cells[a:b]

    def parts(self) -> list[Part]:
        """A fixed number of cells at a time, to be read side by side: which, and their rows."""
        n = self.shape[0]
        cuts = [slice(start, min(start + PART, n)) for start in range(0, max(n, 1), PART)]
        return [(ours, self[ours]) for ours in cuts]

    def read(self) -> Matrix:
        """All of it in memory, as a float32 array or csr_matrix."""
        parts = [chunk for _, chunk in self.chunks()]
        if not parts:
            return sparse.csr_matrix(self.shape, dtype=np.float32)
        if not sparse.issparse(parts[0]):
            return np.concatenate(parts)
        matrix = sparse.vstack(parts, format="csr")
        matrix.sort_indices()
        return matrix

    def take(self, cells: NDArray[np.int64]) -> Matrix:
        """Some of the cells in memory, in the order given."""
        order = np.argsort(cells)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return self[cells[order]].read()[back]

    def toarray(self) -> NDArray[np.float32]:
        """All of it in memory as a dense array."""
        matrix = self.read()
        dense: NDArray[np.float32] = matrix.toarray() if sparse.issparse(matrix) else matrix
        return dense

    # ------------------------------------------------------------------------------ sums

    def __matmul__(self, loadings: Array) -> Array:
        """Product with loadings (g, k) in double precision, (n, k)."""
        return np.concatenate(list(each_part(_projected, loadings, self)))

    def sums(self) -> Array:
        """Sum of each cell, (n,)."""
        if self.totals is not None and not self.library:
            return self.totals
        out = np.empty(self.shape[0])
        for ours, chunk in self.chunks():
            out[ours] = row_sums(chunk)
        return out


def each_part(job: Job[Part, Result], shared: Any, rows: Rows) -> Iterator[Result]:
    """Results of `job(shared, part)` for every part of a matrix, in their order.

    Parts of a file are read by the current executor, those of a matrix in memory here.
    """
    parts = rows.parts()
    if isinstance(rows.place, Held):
        return (on_one_thread(job, shared, part) for part in parts)
    return in_order(job, shared, parts)


Part: TypeAlias = tuple[slice, Rows]


def _projected(loadings: Array, part: Part) -> Array:
    _, rows = part
    out = np.empty((rows.shape[0], loadings.shape[1]))
    for ours, chunk in rows.chunks():
        out[ours] = np.asarray(chunk @ loadings)
    return out


@dataclass(frozen=True)
class _Prepare:
    """What is done to every chunk."""

    rows: Rows
    place: NDArray[np.int32] | None  # of each stored column among ours; −1 for none
    counted: NDArray[np.bool_] | None  # of the stored columns; None for all

    @staticmethod
    def of(rows: Rows) -> _Prepare:
        place = counted = None
        if rows.genes is not None:
            place = np.full(rows.size[1], -1, dtype=np.int32)
            place[rows.genes] = np.arange(len(rows.genes))
        if rows.counted is not None and len(rows.counted) < rows.size[1]:
            counted = np.zeros(rows.size[1], dtype=bool)
            counted[rows.counted] = True
        return _Prepare(rows, place, counted)

    def __call__(
        self, raw: Matrix, totals: Array | None, groups: NDArray[np.int64] | None
    ) -> Matrix:
        chunk = chunks.single(raw)
        rows = self.rows
        if rows.library and totals is None:
            totals = row_sums(chunk if self.counted is None else chunks.only(chunk, self.counted))
        if rows.genes is not None:
            assert self.place is not None
            chunk = chunks.moved(chunk, self.place, rows.genes)
        if rows.library:
            assert totals is not None
            scale = np.divide(rows.library, totals, out=np.zeros_like(totals), where=totals > 0)
            chunk = chunks.scaled(chunk, scale.astype(np.float32))
        if rows.log:
            chunk = chunk.log1p() if sparse.issparse(chunk) else np.log1p(chunk)
        if rows.shifts is not None:
            chunk = (chunk.toarray() if sparse.issparse(chunk) else chunk) - rows.shifts[groups]
        return chunk


def _read_rows(read: Read, wanted: NDArray[np.int64]) -> Matrix:
    """Rows as they are stored; if few of many, each run of them alone."""
    first, stop = int(wanted[0]), int(wanted[-1]) + 1
    if len(wanted) == stop - first:
        return read(first, stop)
    if APART * len(wanted) > stop - first:
        return read(first, stop)[wanted - first]
    runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
    parts = [read(int(run[0]), int(run[-1]) + 1) for run in runs]
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.vstack(parts)
