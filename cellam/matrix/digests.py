"""Digests: which cells a run was fitted to, in one text.

A digest is a SHA-256 of the names of cells and genes, of times, and of the values: of a
representation and of annotation their bytes, of expression the fingerprints of its cells, so that
it is the same from any kind of file and needs one pass. Earlier it was of the bytes of the sorted
sparse matrix, array by array; runs that have such a digest still know their data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from cellam.matrix.rows import Rows

HASHED = 1_000_000  # numbers at once
BY_CELL = "cells:"  # begins a digest of fingerprints


def names_digest(names: pd.Index[Any]) -> str:
    """SHA-256 of names in their order."""
    return hashlib.sha256("\n".join(map(str, names)).encode()).hexdigest()


def digest_of(
    names: pd.Index[Any],
    genes: Sequence[str],
    times: NDArray[np.float64],
    parts: Sequence[Rows | NDArray[Any]],
    *,
    first: bool = False,
) -> str:
    """Digest of cells.

    Parameters
    ----------
    names : Index, (n,)
    genes : sequence of str
    times : (n,) array
    parts : sequence of Rows or arrays
        Their values, their batches, and what growth is expected from.
    first : bool
        Of the bytes of all values, as earlier runs have it.
    """
    sha = hashlib.sha256()
    sha.update(names_digest(names).encode())
    sha.update(names_digest(pd.Index(genes)).encode())
    sha.update(times.tobytes())
    by_cell = False
    for part in parts:
        if not isinstance(part, Rows):
            _hash(sha, part)
        elif first:
            _hash_values(sha, part)
        else:
            assert part.prints is not None
            _hash(sha, part.prints)
            by_cell = True
    return BY_CELL * by_cell + sha.hexdigest()


def _hash_values(sha: hashlib._Hash, rows: Rows) -> None:
    """Add all values, then all columns, then where rows begin."""
    if not rows.sparse:
        for _, chunk in rows.chunks():
            _hash(sha, chunk)
        return
    for array, dtype in (("data", None), ("indices", np.int64)):
        for chunk in _sorted(rows):
            _hash(sha, getattr(chunk, array), dtype)
    sizes = [np.diff(chunk.indptr) for _, chunk in rows.chunks()]
    _hash(sha, np.concatenate([[0], np.cumsum(np.concatenate(sizes), dtype=np.int64)]), np.int64)


def _sorted(rows: Rows) -> Iterator[Any]:
    for _, chunk in rows.chunks():
        copied = sparse.csr_matrix(chunk, copy=True)
        copied.sort_indices()
        yield copied


def _hash(sha: hashlib._Hash, array: NDArray[Any], dtype: DTypeLike | None = None) -> None:
    """Add the bytes of an array, some rows at a time: a copy of all might not fit."""
    step = max(HASHED // max(array[:1].size, 1), 1)
    for start in range(0, len(array), step):
        sha.update(np.ascontiguousarray(array[start : start + step], dtype=dtype).tobytes())
