"""Cells: what is in the user's file, read once, checked once.

The only module that reads AnnData. Of a file on disk it reads no more than it needs: `obs`, and
either the expression matrix or one representation. Nothing is ever written to the input.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.timepoints import Timeline, find_time_key, read_timeline

if TYPE_CHECKING:
    from anndata import AnnData

Matrix: TypeAlias = Any  # sparse.csr_matrix | NDArray[np.float32]; scipy carries no types
Kind = Literal["counts", "normalised", "log", "scaled"]

LARGEST_LOG = 25.0  # log1p of more counts than any cell has; larger values were never logged


@dataclass(frozen=True)
class Cells:
    """Cells with their times, and one matrix that says where they are.

    Parameters
    ----------
    source : str
        The file, or a description of the object.
    obs : pandas.DataFrame
        Annotation of the n cells, as in the data.
    time_key : str
        Column of `obs` that holds the time.
    time_map : dict or None
        What replaced the reading of the labels.
    timeline : Timeline
        The times as understood.
    codes : (n,) int array
        Time of every cell, as a position in the timeline.
    matrix : (n, p) array or csr_matrix, float32
        Expression of p genes, or a representation with p coordinates.
    rep : str or None
        Key in `obsm` that the matrix came from; None for expression.
    layer : str or None
        Key in `layers` that the matrix came from; None for `X`.
    kind : {"counts", "normalised", "log", "scaled"} or None
        What expression values look like; None for a representation.
    genes : tuple of str
        Names of the genes; empty for a representation.
    digest : str
        SHA-256 of names, times and matrix.
    """

    source: str
    obs: pd.DataFrame
    time_key: str
    time_map: dict[str, float] | None
    timeline: Timeline
    codes: NDArray[np.int64]
    matrix: Matrix
    rep: str | None
    layer: str | None
    kind: Kind | None
    genes: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells at each time, by label."""
        n = np.bincount(self.codes, minlength=len(self.timeline.labels))
        return {label: int(k) for label, k in zip(self.timeline.labels, n, strict=True)}


def read(
    data: str | Path | AnnData,
    *,
    time_key: str | None = None,
    time_map: Mapping[str, float] | None = None,
    use_rep: str | None = None,
    layer: str | None = None,
) -> Cells:
    """Read cells from an `.h5ad` file, a `.zarr` store or an AnnData object.

    Parameters
    ----------
    data : path or AnnData
    time_key : str, optional
        Column of `obs` with the time; found by its name where there is one candidate.
    time_map : mapping from label to number, optional
        Replaces the reading of the labels.
    use_rep : str, optional
        Key of `obsm`; expression is used without it.
    layer : str, optional
        Key of `layers` to take the expression from, instead of `X`.

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        If something is missing or cannot be a time course of cells; the message says what.
    """
    genes: tuple[str, ...]
    kind: Kind | None
    with _opened(data) as (source, store):
        obs = _obs(store, source)
        key = find_time_key(obs, time_key)
        timeline, codes = read_timeline(obs[key], key=key, time_map=time_map)
        if use_rep is not None:
            matrix = _representation(store, use_rep, source)
            genes, kind = (), None
        else:
            matrix, genes = _expression(store, layer, source)
            kind = _kind(matrix)
    where = (
        f"obsm[{use_rep!r}]" if use_rep else f"layers[{layer!r}]" if layer else "X"
    ) + f" of {source}"
    _check(matrix, len(obs), where)
    if use_rep is None:
        _check_names(genes, "gene", "var_names", source)
    _check_names(obs.index, "cell", "obs_names", source)
    return Cells(
        source=source,
        obs=obs,
        time_key=key,
        time_map=dict(time_map) if time_map is not None else None,
        timeline=timeline,
        codes=codes.astype(np.int64),
        matrix=matrix,
        rep=use_rep,
        layer=layer,
        kind=kind,
        genes=genes,
        digest=_digest(obs.index, genes, codes, timeline.times, matrix),
    )


def read_obs(data: str | Path | AnnData) -> pd.DataFrame:
    """Read the annotation of the cells alone."""
    with _opened(data) as (source, store):
        return _obs(store, source)


def read_annotation(data: str | Path | AnnData) -> AnnData:
    """Read the annotation and the dense representations of the cells, without their expression."""
    import anndata

    with _opened(data) as (source, store):
        obs = _obs(store, source)
        reps = {key: _element(store, f"obsm/{key}", source) for key in _keys(store, "obsm")}
    dense = {key: value for key, value in reps.items() if isinstance(value, np.ndarray)}
    return anndata.AnnData(obs=obs, obsm=dense)


def names_digest(names: pd.Index[Any]) -> str:
    """SHA-256 of names in their order."""
    return hashlib.sha256("\n".join(map(str, names)).encode()).hexdigest()


def annotation(obs: pd.DataFrame) -> str | None:
    """The column of `obs` that names cell types, if there is one of the usual names."""
    wanted = ("celltype", "celltypes", "cellannotation", "annotation", "cluster", "clusters",
              "leiden", "louvain", "stateinfo", "cellstate", "state")  # fmt: skip
    found = {"".join(c for c in str(name).lower() if c.isalnum()): name for name in obs.columns}
    for name in wanted:
        if name in found and 1 < obs[found[name]].nunique() <= 100:
            return str(found[name])
    return None


# ------------------------------------------------------------------------------ reading


@contextmanager
def _opened(data: str | Path | AnnData) -> Iterator[tuple[str, Any]]:
    """A mapping of the elements of an AnnData, read only when they are asked for."""
    if hasattr(data, "obs") and hasattr(data, "obsm"):
        yield "the AnnData object", data
        return
    path = Path(data)
    if not _exists(path):
        near = difflib.get_close_matches(
            path.name, [p.name for p in path.parent.glob("*.*")] if path.parent.is_dir() else [], 1
        )
        raise DataError(
            f"{path}: there is no such file.",
            f"Did you mean {path.with_name(near[0])}?" if near else "Check the path.",
        )
    if path.is_dir():
        with _zarr(path) as group:
            yield path.name, group
    else:
        with _hdf5(path) as group:
            yield path.name, group


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # a name that no file can have


@contextmanager
def _hdf5(path: Path) -> Iterator[Any]:
    import h5py

    try:
        file = h5py.File(path, "r")
    except PermissionError:
        raise DataError(f"{path}: no permission to read this file.") from None
    except OSError:
        size = path.stat().st_size
        raise DataError(
            f"{path} is not an .h5ad file, or is damaged ({size:,} bytes).",
            "Save the data with adata.write_h5ad('data.h5ad'), or copy the file again.",
        ) from None
    with file:
        if "obs" not in file:
            raise DataError(
                f"{path} is an HDF5 file but not an AnnData: it has no 'obs'.",
                "Read it with scanpy (e.g. sc.read_10x_h5) and save it with adata.write_h5ad.",
            )
        yield file


@contextmanager
def _zarr(path: Path) -> Iterator[Any]:
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
    except Exception:
        group = None
    if group is None or "obs" not in group:
        raise DataError(
            f"{path} is a folder but not an AnnData in zarr format.",
            "Give an .h5ad file, or a folder written by adata.write_zarr.",
        )
    yield group


def _element(store: Any, path: str, source: str) -> Any:
    """One element, e.g. "obsm/X_pca", of a file or an object; None if it is not there."""
    if hasattr(store, "obsm"):
        head, _, tail = path.partition("/")
        owner = getattr(store, head)
        value = owner if not tail else owner.get(tail)
        return value.to_memory() if hasattr(value, "to_memory") else value
    if path not in store:
        return None
    from anndata.io import read_elem

    try:
        return read_elem(store[path])
    except Exception as error:
        raise DataError(
            f"{source}: {path!r} cannot be read ({type(error).__name__}: {str(error)[:200]}).",
            "Is the file complete? Does it open with scanpy.read_h5ad?",
        ) from error


def _keys(store: Any, path: str) -> list[str]:
    owner = getattr(store, path) if hasattr(store, "obsm") else store.get(path, {})
    return sorted(owner.keys())


def _obs(store: Any, source: str) -> pd.DataFrame:
    obs = _element(store, "obs", source)
    if not isinstance(obs, pd.DataFrame) or not len(obs):
        raise DataError(f"{source} has no cells: its obs is empty.")
    return obs


def _representation(store: Any, key: str, source: str) -> Matrix:
    value = _element(store, f"obsm/{key}", source)
    if value is None:
        keys = _keys(store, "obsm")
        near = difflib.get_close_matches(key, keys, 1)
        listed = ", ".join(keys) or "empty"
        raise DataError(
            f"{source} has no obsm[{key!r}]; its obsm is: {listed}.",
            f"Use --use-rep {near[0] if near else keys[0]}."
            if keys
            else "Leave out --use-rep to compute a PCA from the expression.",
        )
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    if sparse.issparse(value):
        value = _checked(value, f"obsm/{key}", source).toarray()
    value = np.asarray(value)
    if value.ndim != 2 or not np.issubdtype(value.dtype, np.number):
        raise DataError(
            f"obsm[{key!r}] of {source} is not a matrix of numbers "
            f"(shape {value.shape}, type {value.dtype})."
        )
    return value.astype(np.float32)


def _expression(store: Any, layer: str | None, source: str) -> tuple[Matrix, tuple[str, ...]]:
    path = f"layers/{layer}" if layer is not None else "X"
    value = _element(store, path, source)
    if value is None and layer is not None:
        raise DataError(
            f"{source} has no layer {layer!r}; its layers are: "
            f"{', '.join(_keys(store, 'layers')) or 'none'}.",
            "Leave out --layer to use X.",
        )
    reps = _keys(store, "obsm")
    if value is None or 0 in value.shape:
        raise DataError(
            f"{source} has no expression matrix in X.",
            f"Use --use-rep with one of: {', '.join(reps)}." if reps else "",
        )
    var = _element(store, "var", source)
    genes = tuple(map(str, var.index))
    if sparse.issparse(value):
        return sparse.csr_matrix(_checked(value, path, source), dtype=np.float32), genes
    value = np.asarray(value)
    if not np.issubdtype(value.dtype, np.number) and value.dtype != bool:
        raise DataError(f"{path} of {source} does not hold numbers (type {value.dtype}).")
    return value.astype(np.float32), genes


# ----------------------------------------------------------------------------- checking


def _checked(matrix: Matrix, path: str, source: str) -> Matrix:
    """A sparse matrix whose indices are sound; others crash the process when they are used."""
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise DataError(
            f"The sparse matrix {path} of {source} is corrupt: {error}.",
            "Copy the file again, or rebuild it from its source.",
        ) from None
    return matrix


def _values(matrix: Matrix) -> NDArray[np.float32]:
    values: NDArray[np.float32] = matrix.data if sparse.issparse(matrix) else matrix
    return values


def _kind(matrix: Matrix) -> Kind:
    values = _values(matrix)
    if values.size and values.min() < 0:
        return "scaled"
    if np.array_equal(values, np.rint(values)):
        return "counts"
    return "log" if values.max(initial=0) <= LARGEST_LOG else "normalised"


def _check(matrix: Matrix, n: int, where: str) -> None:
    if matrix.shape[0] != n:
        raise DataError(f"{where} has {matrix.shape[0]} rows for {n} cells.")
    values = _values(matrix)
    if not np.isfinite(values).all():
        if sparse.issparse(matrix):
            bad = matrix.copy()
            bad.data = (~np.isfinite(bad.data)).astype(np.float32)
            cells = int((np.asarray(bad.sum(1)).ravel() > 0).sum())
        else:
            cells = int((~np.isfinite(values)).any(1).sum())
        raise DataError(
            f"{where} has missing or infinite values in {cells} of {n} cells.",
            "Remove those cells, or fill the values before saving.",
        )


def _check_names(names: Collection[Any], noun: str, attribute: str, source: str) -> None:
    index = pd.Index(names)
    if index.is_unique:
        return
    repeated = index[index.duplicated()]
    raise DataError(
        f"{source} has {len(repeated)} repeated {noun} names, e.g. {repeated[0]!r}.",
        f"Run adata.{attribute}_make_unique() and save the data again.",
    )


def _digest(
    names: pd.Index[Any],
    genes: tuple[str, ...],
    codes: NDArray[np.int64],
    times: tuple[float, ...],
    matrix: Matrix,
) -> str:
    sha = hashlib.sha256()
    sha.update(names_digest(names).encode())
    sha.update(names_digest(pd.Index(genes)).encode())
    sha.update(np.asarray(times)[codes].tobytes())
    parts = (
        (matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64))
        if sparse.issparse(matrix)
        else (matrix,)
    )
    for part in parts:
        sha.update(np.ascontiguousarray(part).tobytes())
    return sha.hexdigest()
