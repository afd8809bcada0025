"""Stores: .h5ad files and .zarr folders, written piece by piece; they appear whole or not at all.

What is large, expression and its layers, passes through memory some rows at a time: `Blocks` are
worked out as they are written, and `write_copy` takes them from another store. All else of an
AnnData is written by anndata.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellam.export.folders import PARTS, STORE, new_folder
from cellam.export.text import plain
from cellam.files.sizes import sparse_order
from cellam.files.sources import opened
from cellam.files.stores import Store
from cellam.storage import atomic_path, check_space, writing

if TYPE_CHECKING:
    from anndata import AnnData

BLOCK = 16_000_000  # bytes that are worked out or copied at once
LIGHT = ("obs", "obsm", "obsp", "uns", "var", "varm", "varp")


@dataclass(frozen=True)
class Blocks:
    """A dense matrix that is worked out some rows at a time.

    Parameters
    ----------
    shape : (int, int)
    rows : callable
        From a slice to these rows, in single precision.
    """

    shape: tuple[int, int]
    rows: Callable[[slice], NDArray[np.float32]]

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return 4 * self.shape[0] * self.shape[1]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for part in _slices(self.shape, 4):
            yield self.rows(part)

    def toarray(self) -> NDArray[np.float32]:
        """All of it in memory."""
        return np.concatenate([np.empty((0, self.shape[1]), dtype=np.float32), *self])


def write_h5ad(adata: AnnData, path: Path, X: Blocks | None = None) -> None:
    """Write an .h5ad file; what is there is replaced.

    Parameters
    ----------
    adata : AnnData
    path : pathlib.Path
    X : Blocks, optional
        Expression, in the place of `adata.X`.

    Raises
    ------
    OutputError
        If it cannot be written, or the disk has not as much room as it takes in memory; what was
        there is then as it was.
    """
    needed = adata.__sizeof__() + (0 if X is None else X.size)
    with _placed(path, _new_h5ad, needed) as store:
        store.put_all(adata)
        if X is not None:
            store.put_rows("X", X.shape, np.dtype(np.float32), iter(X))


def write_anndata(adata: AnnData, path: Path) -> None:
    """Write an .h5ad file or a .zarr store, by the suffix; as `write_h5ad`."""
    with _placed(path, _made_as(path)) as store:
        store.put_all(adata)


def read_light(data: Path) -> AnnData:
    """An AnnData of a file less its matrices of expression: X, layers and raw."""
    import anndata

    with opened(data) as source:
        parts = {name: source.element(name) for name in LIGHT}
    return anndata.AnnData(**{name: part for name, part in parts.items() if part is not None})


def write_copy(data: Path, adata: AnnData, path: Path) -> None:
    """Write a copy of a store whose expression is that of `data`, and all else that of `adata`.

    Parameters
    ----------
    data : pathlib.Path
        An .h5ad or .zarr.
    adata : AnnData
        From `read_light`, with what is to be different.
    path : pathlib.Path
        Where to write it, as .h5ad or .zarr.

    Raises
    ------
    DataError
        If the data are damaged.
    OutputError
        As `write_h5ad`.
    """
    with opened(data) as source, _placed(path, _made_as(path)) as store:
        assert isinstance(source, Store)
        store.put_all(adata)
        for element in ("X", *(f"layers/{name}" for name in source.keys("layers")), "raw"):
            store.copy(source, element)


# ------------------------------------------------------------------------------------ one store


def _made_as(path: Path) -> Callable[[Path], AbstractContextManager[NewStore]]:
    return _new_zarr if path.suffix.lower() == ".zarr" else _new_h5ad


@contextmanager
def _placed(
    path: Path, made: Callable[[Path], AbstractContextManager[NewStore]], needed: int = 0
) -> Iterator[NewStore]:
    """Yield an empty store that takes its place at the end, if nothing failed.

    `needed` are the bytes of what will be written, as far as they are known.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_space(path.parent, needed)
        with made(path) as store:
            yield store


@contextmanager
def _new_h5ad(path: Path) -> Iterator[NewStore]:
    import h5py

    with atomic_path(path) as new:
        with _Deferred(new) as file, h5py.File(file, "w") as root:
            yield NewStore(root, file.check)
        file.check()


@contextmanager
def _new_zarr(path: Path) -> Iterator[NewStore]:
    import zarr

    with new_folder(path, STORE) as new, warnings.catch_warnings():
        # Format 2 is meant: it is also read by the scanpy of those who have not updated.
        warnings.filterwarnings("ignore", message="Writing zarr v2", category=UserWarning)
        root = zarr.open_group(new, mode="w", zarr_format=2)
        yield NewStore(root)
        zarr.consolidate_metadata(root.store)


@dataclass(frozen=True)
class NewStore:
    """An open store that is being written.

    Parameters
    ----------
    root : h5py.File or zarr.Group
    check : callable
        Raises what has failed so far.
    """

    root: Any
    check: Callable[[], None] = field(default=lambda: None)

    def put_all(self, adata: AnnData) -> None:
        """Write an AnnData."""
        self.root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name in PARTS:
            part = getattr(adata, name)
            if part is not None:
                self._put(name, part)

    def put_rows(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], parts: Iterator[Any]
    ) -> None:
        """Write a dense array, some rows at a time; one of that name is replaced."""
        if name in self.root:
            del self.root[name]
        array = self._empty(self.root, name, shape, dtype)
        array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        self._fill(array, parts)

    def copy(self, source: Store, path: str) -> None:
        """Copy an element of another store, if it is there; matrices some rows at a time."""
        node = source.header(path)
        order, is_group = sparse_order(node), hasattr(node, "keys")
        if node is None or not (is_group or node.shape):  # or nothing is stored in its place
            return
        if path == "raw" and is_group and not order:
            self._copy_raw(source)
        elif order:
            group = self._group(path, f"{order}_matrix", shape=list(source.shape(path) or ()))
            for part in ("data", "indices", "indptr"):
                array = self._empty(group, part, node[part].shape, node[part].dtype, node[part])
                self._fill(array, _parts(source, path, node[part]))
        elif not is_group and node.dtype.kind in "biuf":
            self.put_rows(path, node.shape, node.dtype, _parts(source, path, node))
        else:
            self._put(path, source.element(path))

    def _copy_raw(self, source: Store) -> None:
        self._group("raw", "raw")
        for name in source.keys("raw"):
            self.copy(source, f"raw/{name}")

    def _put(self, path: str, value: Any) -> None:
        from anndata import settings
        from anndata.io import write_elem

        owner, _, name = path.rpartition("/")  # anndata 0.13 takes no slash in a name
        with settings.override(allow_write_nullable_strings=True):  # where it is no frame's
            write_elem(self.root[owner] if owner else self.root, name, plain(value))
        self.check()

    def _group(self, path: str, encoding: str, **more: Any) -> Any:
        if path in self.root:
            del self.root[path]
        group = self.root.create_group(path)
        group.attrs.update({"encoding-type": encoding, "encoding-version": "0.1.0", **more})
        return group

    def _empty(
        self, group: Any, name: str, shape: tuple[int, ...], dtype: Any, like: Any = None
    ) -> Any:
        """A new array; in HDF5 compressed as the one that it is a copy of."""
        import h5py

        if isinstance(group, h5py.Group):
            kept = getattr(like, "compression", None)
            return group.create_dataset(name, shape, dtype, compression=kept)
        step = _step(shape, np.dtype(dtype).itemsize)
        chunks = (max(1, min(step, shape[0])), *shape[1:])
        return group.create_array(name, shape=shape, dtype=dtype, chunks=chunks)

    def _fill(self, array: Any, parts: Iterator[Any]) -> None:
        start = 0
        for part in parts:
            array[start : start + len(part)] = part
            start += len(part)
            self.check()


def _parts(source: Store, path: str, array: Any) -> Iterator[Any]:
    """An array of a stored element, some rows at a time."""
    for part in _slices(array.shape, array.dtype.itemsize):
        with source.reading(path):
            rows = array[part]
        yield rows


def _slices(shape: tuple[int, ...], itemsize: int) -> Iterator[slice]:
    step = _step(shape, itemsize)
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _step(shape: tuple[int, ...], itemsize: int) -> int:
    """Rows of a block."""
    return max(1, BLOCK // max(1, itemsize * int(np.prod(shape[1:], dtype=np.int64))))


class _Deferred:
    """A new file for HDF5, which never learns that something failed.

    HDF5 that cannot write what it holds cannot be closed either, and may hang or end the process.
    So a full disk, or a signal that comes in the middle of a write, is kept for `check`, which
    raises it outside of HDF5; what is written until then is held in memory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._failed: BaseException | None = None
        self._held: list[tuple[int, bytes]] = []  # where, and what

    def __enter__(self) -> _Deferred:
        self._handle = os.open(self._path, os.O_RDWR | os.O_TRUNC)
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._handle)

    def check(self) -> None:
        """Raise what has failed so far."""
        if self._failed is not None:
            raise self._failed

    def write(self, content: Any) -> int:
        """Write all of it, though the system may take it in parts."""
        view = memoryview(content).cast("B")
        if self._failed is None:
            try:
                done = 0
                while done < len(view):
                    done += os.pwrite(self._handle, view[done:], self._at + done)
            except BaseException as error:
                self._failed = error
        if self._failed is not None:
            self._held.append((self._at, bytes(view)))
        self._at += len(view)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, and zeros elsewhere."""
        view = memoryview(buffer).cast("B")
        there = os.pread(self._handle, len(view), self._at)
        view[:] = there + bytes(len(view) - len(there))
        for place, content in self._held:
            start, stop = max(place, self._at), min(place + len(content), self._at + len(view))
            if start < stop:
                view[start - self._at : stop - self._at] = content[start - place : stop - place]
        self._at += len(view)
        return len(view)

    def read(self, size: int = 0) -> bytes:
        """By this name h5py knows a file; it calls `readinto`."""
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, from the start or from the end."""
        self._at = offset + (os.fstat(self._handle).st_size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def truncate(self, size: int) -> int:
        """Cut or extend the file."""
        if self._failed is None:
            try:
                os.ftruncate(self._handle, size)
            except OSError as error:
                self._failed = error
        return size

    def flush(self) -> None:
        """Nothing is held back."""
