"""Sizes: what reading an element of a file takes, as its header says, and what to do if too much.

An element is a group or an array of HDF5 or zarr; nothing but headers is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from cellam.errors import DataError
from cellam.files.memory import show_bytes

TEXT = 64  # bytes of a short text as an object in memory, about
# Bytes a number takes beside those stored, while it is checked, converted to single precision and
# turned where it lies by columns; in a sparse matrix its index is copied with it. Measured: 9
# dense, 16 for csc, 20 with indices of 64 bits or entries that are given twice, and 24 where
# values have 64 bits too and SciPy is older than 1.17, which is 6 % more than is reckoned with.
DENSE, SPARSE = 12, 22

_MATRICES = ("X", "layers", "raw", "obsm")


class Array(NamedTuple):
    """One stored array: where it is, its shape, and the bytes that reading it takes."""

    path: str
    shape: tuple[int, ...]
    size: int


def array_of(node: Any, path: str, work: int) -> Array:
    """Size of one stored array, each number of which takes `work` bytes beside those stored."""
    shape = tuple(map(int, node.shape or ()))
    chunk = getattr(node, "shards", None) or node.chunks or ()  # decoded as a whole
    n = max(math.prod(shape), math.prod(map(int, chunk)))
    each = TEXT if node.dtype.kind in "OT" else node.dtype.itemsize + work
    return Array(path, shape, n * each)


def least_of(node: Any, path: str) -> Array:
    """Size of what is decoded of a stored array to read any of it."""
    chunk = tuple(map(int, getattr(node, "shards", None) or node.chunks or ()))
    return Array(path, chunk, math.prod(chunk) * node.dtype.itemsize if chunk else 0)


def too_large(
    name: str, path: str, node: Any, arrays: Sequence[Array], available: int, reps: Sequence[str]
) -> DataError:
    """The error of an element that does not fit into memory.

    Parameters
    ----------
    name : str
        The file.
    path : str
        The element, e.g. "X".
    node : group or array
        Its header.
    arrays : sequence of Array
        All that is in it.
    available : int
        Bytes that are free.
    reps : sequence of str
        Keys of `obsm`, one of which may be used instead of expression.
    """
    needed = sum(array.size for array in arrays)
    largest = max(arrays, key=lambda array: array.size)
    return DataError(
        f"{name}: {_described(path, node, largest)}, which takes {show_bytes(needed)} of memory "
        f"to read, but only {show_bytes(available)} are free.",
        _advice(name, path, node, reps),
    )


def _described(path: str, node: Any, largest: Array) -> str:
    shape = getattr(node, "shape", None) or declared_shape(node)
    head = path.split("/")[0]
    if shape is None or len(shape) != 2 or head not in _MATRICES:
        return f"{largest.path!r} is declared to hold {by(largest.shape)} values"
    sparse = bool(sparse_order(node))
    stored = f"{math.prod(node['data'].shape):,} non-zeros" if sparse else "all values stored"
    kind = (node["data"] if sparse else node).dtype
    columns = "columns" if head == "obsm" else "genes"
    return f"{path} holds {shape[0]:,} cells × {shape[1]:,} {columns} with {stored} ({kind})"


def _advice(name: str, path: str, node: Any, reps: Sequence[str]) -> str:
    """What to do about an element that is too large."""
    damaged = "If the file is not that large, it is damaged: copy it again."
    if path.split("/")[0] not in ("X", "layers", "raw"):
        return damaged
    rep = next((key for key in reps if "pca" in key.lower()), reps[0] if reps else None)
    other = f"`use_rep={rep!r}`" if rep else "`use_rep` with a representation in obsm"
    advice = f"Keep fewer genes or cells, or use {other}. "
    if sparse_order(node) == "csc" and path == "X":
        advice = (
            "It lies by genes (csc); stored by cells it is read a few at a time. Where there is "
            f"the memory, in Python: adata = anndata.read_h5ad({name!r}); adata.X = "
            f"adata.X.tocsr(); adata.write_h5ad('by_cells.h5ad'). Or use {other}. "
        )
    return advice + damaged


def sparse_order(node: Any) -> str:
    """Order of a stored sparse matrix, "csr" or "csc"; empty for anything else."""
    attrs = getattr(node, "attrs", {})
    encoding = attrs.get("encoding-type", attrs.get("h5sparse_format", ""))
    return str(encoding)[:3] if encoding in ("csr_matrix", "csc_matrix", "csr", "csc") else ""


def declared_shape(node: Any) -> Any:
    """What a group says of its shape; before anndata 0.7 under another name."""
    attrs = getattr(node, "attrs", {})
    return attrs.get("shape", attrs.get("h5sparse_shape"))


def by(shape: Sequence[int]) -> str:
    """Write a shape: 3 × 1,000."""
    return " × ".join(f"{n:,}" for n in shape)
