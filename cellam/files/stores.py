"""Stores: the elements of an .h5ad or .zarr, each looked at by its header before it is read.

An element must lie in this very file (no links, no external or virtual data), be encoded by
codecs that run no code, fit into memory, and, if sparse, have parts that belong together. Then
anndata reads it. Nothing else of the file is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellam.errors import DataError
from cellam.files.arrays import Arrays
from cellam.files.memory import available_memory
from cellam.files.sizes import (
    DENSE,
    SPARSE,
    Array,
    array_of,
    by,
    declared_shape,
    least_of,
    sparse_order,
    too_large,
)

COPY_AGAIN = "Copy the file again, or rebuild it from its source."
SAVE_AGAIN = "Open it with anndata.read_h5ad and save it again with adata.write_h5ad('data.h5ad')."

# Codecs that only compress or reorder numbers and text. Others, as "pickle", may run code.
_CODECS = """adler32 astype bitround blosc bytes bz2 crc32 crc32c delta endian fixedscaleoffset
fletcher32 gzip jenkins_lookup3 lz4 lzma packbits quantize sharding_indexed shuffle transpose
vlen-array vlen-bytes vlen-utf8 zlib zstd"""
_DEEPEST = 8  # groups within groups; a frame with categories has two


@dataclass(frozen=True)
class Store:
    """Elements of an AnnData on disk, by path ("obs", "X", "obsm/X_pca").

    Parameters
    ----------
    name : str
        The file, for messages.
    root : h5py.File or zarr.Group
    path : pathlib.Path
        Where it is.
    """

    name: str
    root: Any
    path: Path

    def keys(self, path: str) -> list[str]:
        """Names within "obsm" or "layers"."""
        with self.reading(path):
            group = self._node(path)
            return sorted(group.keys()) if hasattr(group, "keys") else []

    def shape(self, path: str) -> tuple[int, ...] | None:
        """Shape of one element, from its header; None where that has none."""
        with self.reading(path):
            node = self._node(path)
            shape = getattr(node, "shape", None) or declared_shape(node)
            return None if shape is None else tuple(int(n) for n in shape)

    def element(self, path: str) -> Any:
        """One element; None if it is not there.

        Raises
        ------
        DataError
            If it points out of the file, may run code, does not fit into memory or is damaged.
        """
        from anndata.io import read_elem

        with self.reading(path):
            node = self._node(path)
            if node is None:
                return None
            self._check_memory(node, path)
            return read_elem(node)

    def group(self, path: str) -> Any:
        """The group at a path, whose elements are looked at when they are read; None without one.

        Raises
        ------
        DataError
            If it points out of the file.
        """
        with self.reading(path):
            return self._node(path)

    def header(self, path: str) -> Any:
        """The group or array of one element, which is not read; None if it is not there.

        Raises
        ------
        DataError
            As `element`, but for its size.
        """
        with self.reading(path):
            node = self._node(path)
            if node is not None:
                list(self._arrays(node, path))
            return node

    def arrays(self, path: str) -> Arrays | None:
        """The arrays of a matrix by rows, not yet read; None where it is stored otherwise.

        Raises
        ------
        DataError
            As `element`, and if the rows of a sparse matrix do not lie one after the other.
        """
        with self.reading(path):
            node = self._node(path)
            shape = self.shape(path)
            if shape is None or len(shape) != 2 or 0 in shape:
                return None
            if not hasattr(node, "keys"):
                self._check_at_once([node], node, path)
                return Arrays((shape[0], shape[1]), node)
            if sparse_order(node) != "csr":
                return None
            list(self._arrays(node, path))  # refuses what is no sound sparse matrix
            values, indices, indptr = (node[name] for name in ("data", "indices", "indptr"))
            self._check_at_once([values, indices], node, path)
            self._check_memory(indptr, f"{path}/indptr")
            ends = np.asarray(indptr[:], dtype=np.int64)
        if ends[-1] != values.shape[0]:
            raise self._corrupt(path, f"indptr ends at {ends[-1]:,} for {values.shape[0]:,} values")
        if ends[0] != 0 or (np.diff(ends) < 0).any():
            raise self._corrupt(path, "indptr does not begin at 0, or falls")
        return Arrays((shape[0], shape[1]), values, indices, ends)

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Turn the errors of HDF5, zarr and anndata, which are many, into one."""
        try:
            yield
        except damage() as error:
            raise self._unreadable(path, error) from error

    def _unreadable(self, path: str, error: Exception) -> DataError:
        if "IOSpec" in str(error):  # no reader is registered for this encoding
            from importlib.metadata import version

            return DataError(
                f"{self.name}: {path!r} is stored in a way that anndata {version('anndata')} does "
                f"not know ({one_line(error)}).",
                "Update it: pip install -U anndata; or save the data again with the version that "
                "wrote them.",
            )
        return DataError(
            f"{self.name}: {path!r} cannot be read ({type(error).__name__}: {one_line(error)}).",
            "Is the file complete? Does it open with anndata.read_h5ad?",
        )

    # ------------------------------------------------------------------------- headers

    def _node(self, path: str) -> Any:
        """The stored group or array at a path; None if it is not there."""
        node = self.root
        for name in path.split("/"):
            node = self._child(node, name, path) if hasattr(node, "keys") else None
            if node is None:
                return None
        return node

    def _child(self, group: Any, name: str, path: str) -> Any:
        import h5py

        if isinstance(group, h5py.Group):
            link = group.get(name, getlink=True) if name else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                file = getattr(link, "filename", "")
                raise DataError(
                    f"{self.name}: {path!r} is a link to {link.path!r}"
                    + (f" in another file, {file!r}" if file else "")
                    + ". Links are not followed.",
                    SAVE_AGAIN,
                )
        elif name not in group:
            return None
        node = group[name]
        if not hasattr(node, "keys"):
            self._check_storage(node, path)
        return node

    def _check_storage(self, array: Any, path: str) -> None:
        """Refuse an array whose values lie elsewhere, or need other code than ours to decode."""
        import h5py

        if isinstance(array, h5py.Dataset):
            if array.external or array.is_virtual:
                kind = "external" if array.external else "virtual"
                raise DataError(
                    f"{self.name}: the values of {path!r} are stored in other files ({kind} "
                    "storage), which are not opened.",
                    SAVE_AGAIN,
                )
            created = array.id.get_create_plist()
            for code, *_, name in map(created.get_filter, range(created.get_nfilters())):
                if not h5py.h5z.filter_avail(code):
                    raise DataError(
                        f"{self.name}: {path!r} is compressed with the HDF5 filter {code} "
                        f"({name.decode(errors='replace')}), which is not installed.",
                        "In Python: import hdf5plugin; adata = anndata.read_h5ad('FILE'); "
                        "adata.write_h5ad('data.h5ad', compression='gzip').",
                    )
            return
        strange = set(_codecs(array.metadata.to_dict())) - set(_CODECS.split())
        if strange:
            raise DataError(
                f"{self.name}: {path!r} is encoded with {', '.join(sorted(strange))}, which may "
                "run code when it is read; it was not read.",
                "Ask whoever made the store for an .h5ad: adata.write_h5ad('data.h5ad').",
            )

    def _check_memory(self, node: Any, path: str) -> None:
        arrays = list(self._arrays(node, path))
        needed, available = sum(array.size for array in arrays), available_memory()
        if needed > available:
            raise too_large(self.name, path, node, arrays, available, self.keys("obsm"))

    def _check_at_once(self, parts: list[Any], whole: Any, path: str) -> None:
        """Refuse arrays of which the least that can be read does not fit into memory."""
        arrays = [least_of(part, path) for part in parts]
        available = available_memory()
        if sum(array.size for array in arrays) > available:
            raise too_large(self.name, path, whole, arrays, available, self.keys("obsm"))

    def _arrays(self, node: Any, path: str, depth: int = 0, work: int = DENSE) -> Iterator[Array]:
        """Every array of an element; `work` is the bytes that a number takes beside it."""
        if hasattr(node, "keys"):
            if depth > _DEEPEST:
                raise DataError(
                    f"{self.name}: {path!r}: its groups are nested without end.", SAVE_AGAIN
                )
            order = sparse_order(node)
            for name in sorted(node.keys()):
                inner = f"{path}/{name}"
                # Counted once for each value, not for its index again.
                of_part = work if not order else SPARSE if name == "data" else 0
                yield from self._arrays(self._child(node, name, inner), inner, depth + 1, of_part)
            if order:
                self._check_sparse(node, path, order)
            return
        yield array_of(node, path, work)

    def _check_sparse(self, group: Any, path: str, order: str) -> None:
        """Refuse parts that do not belong together; the indices are looked at when read."""
        parts = {name: self._child(group, name, path) for name in ("data", "indices", "indptr")}
        shape = declared_shape(group)
        if lacking := [name for name, part in parts.items() if not hasattr(part, "shape")]:
            raise self._corrupt(path, f"it has no {' and no '.join(lacking)}")
        if shape is None or len(shape) != 2 or min(shape) < 0:
            raise self._corrupt(path, f"its shape is {shape}")
        data, indices, indptr = (tuple(part.shape) for part in parts.values())
        lines = int(shape[0] if order == "csr" else shape[1])
        if data != indices or len(data) != 1:
            raise self._corrupt(path, f"it has {by(data)} values and {by(indices)} indices")
        if indptr != (lines + 1,):
            raise self._corrupt(
                path, f"indptr has {by(indptr)} numbers, but {lines:,} lines need one more"
            )
        for name in ("indices", "indptr"):
            if parts[name].dtype.kind not in "iu":
                raise self._corrupt(path, f"its {name} are of type {parts[name].dtype}")

    def _corrupt(self, path: str, problem: str) -> DataError:
        return corrupt(f"{path} of {self.name}", problem)


def corrupt(where: str, problem: str) -> DataError:
    """The error of a sparse matrix whose parts contradict each other."""
    return DataError(f"The sparse matrix {where} is corrupt: {problem}.", COPY_AGAIN)


def _codecs(metadata: Any) -> Iterator[str]:
    """Names of all codecs in the metadata of a zarr array, nested ones too."""
    if isinstance(metadata, Mapping):
        for key, value in metadata.items():
            if key in ("filters", "compressor", "codecs", "index_codecs"):
                for codec in [value] if isinstance(value, Mapping) else value or ():
                    name = codec.get("id") or codec.get("name")
                    yield str(name).removeprefix("numcodecs.")
            if key != "attributes":
                yield from _codecs(value)
    elif isinstance(metadata, list | tuple):
        for value in metadata:
            yield from _codecs(value)


def damage() -> tuple[type[Exception], ...]:
    """Errors by which HDF5, zarr and anndata tell of a damaged file.

    They have no class of their own for it: ValueError is of codecs and texts that cannot be
    decoded, LookupError of parts that are missing, TypeError and AttributeError of parts that are
    something else (4 of 400 files damaged at random), RuntimeError and SystemError of their C
    code. All others are bugs of ours.
    """
    from anndata._io.specs.registry import IORegistryError  # has no public name

    kinds = OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SystemError
    return (*kinds, IORegistryError)


def one_line(error: Exception) -> str:
    """The message of another library on one line."""
    return " ".join(str(error).split())[:200]
