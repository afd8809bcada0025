"""Cells: what is in the user's file, read once, checked once.

Of a file on disk no more is read than is needed: `obs`, and either the expression matrix with the
names of its genes or one representation. Nothing is ever written to the input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.reading.columns import TimeColumn, read_times
from cellam.reading.matrices import Expression, Kind, Matrix, read_expression, read_representation
from cellam.reading.signatures import BIRTH
from cellam.reading.sources import opened
from cellam.reading.stores import SAVE_AGAIN
from cellam.reading.timeline import Timeline

if TYPE_CHECKING:
    from anndata import AnnData

    from cellam.reading.sources import Source

HASHED = 1_000_000  # numbers at once


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
        Names of the genes, sorted; empty for a representation.
    digest : str
        SHA-256 of names, times and matrix, and of what growth is expected from.
    growth_prior : str or None
        What growth is expected from: the genes of a species, or a column of `obs`.
    expression : Expression or None
        For that, where the matrix is a representation.
    other_times : tuple of TimeColumn
        Further columns of `obs` that read as times.
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
    growth_prior: str | None = None
    expression: Expression | None = None
    other_times: tuple[TimeColumn, ...] = ()

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
    growth_prior: str | None = None,
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
    growth_prior : str, optional
        "human" or "mouse" for the growth that genes of division and death tell of, or a column
        of `obs` with growth rates per unit of time; see `growth`.

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
    expression: Expression | None = None
    with opened(data) as source:
        obs = _obs(source)
        key, timeline, codes, others = read_times(obs, time_key, time_map)
        _check_names(obs.index, "cell", "obs_names", source.name)
        if use_rep is not None:
            matrix = read_representation(source, use_rep, len(obs))
            genes, kind = (), None
            if growth_prior in BIRTH:
                expression = read_expression(source, None, len(obs))
                _check_names(expression.genes, "gene", "var_names", source.name)
        else:
            matrix, genes, kind = read_expression(source, layer, len(obs))
            _check_names(genes, "gene", "var_names", source.name)
    expected = [expression.matrix] if expression is not None else []
    if growth_prior in obs and growth_prior not in BIRTH:
        expected = [np.array(obs[growth_prior].astype(str).tolist())]
    return Cells(
        source=source.name,
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
        digest=_digest(obs.index, genes, codes, timeline.times, matrix, expected),
        growth_prior=growth_prior,
        expression=expression,
        other_times=others,
    )


def read_obs(data: str | Path | AnnData) -> pd.DataFrame:
    """Read the annotation of the cells alone."""
    with opened(data) as source:
        return _obs(source)


def read_annotation(data: str | Path | AnnData) -> AnnData:
    """Read the annotation and the dense representations of the cells, without their expression."""
    import anndata

    with opened(data) as source:
        obs = _obs(source)
        reps = {key: source.element(f"obsm/{key}") for key in source.keys("obsm")}
    dense = {key: value for key, value in reps.items() if isinstance(value, np.ndarray)}
    return anndata.AnnData(obs=obs, obsm=dense)


def names_digest(names: pd.Index[Any]) -> str:
    """SHA-256 of names in their order."""
    return hashlib.sha256("\n".join(map(str, names)).encode()).hexdigest()


def _obs(source: Source) -> pd.DataFrame:
    """Annotation of the cells, its columns named by text."""
    obs = source.element("obs")
    if isinstance(obs, np.ndarray) and obs.dtype.names:
        raise DataError(f"{source.name} was written by an anndata before 0.7.", SAVE_AGAIN)
    if not isinstance(obs, pd.DataFrame) or not len(obs):
        raise DataError(
            f"{source.name} has no cells: its obs is empty.",
            "Was a filter too strict? Save the data with the cells in it.",
        )
    obs = obs.set_axis(list(map(str, obs.columns)), axis=1)
    if not obs.columns.is_unique:
        twice = obs.columns[obs.columns.duplicated()][0]
        raise DataError(
            f"obs of {source.name} has more than one column {twice!r}.",
            "Rename or drop all but one, and save the data again.",
        )
    return obs


def _check_names(names: Collection[Any], noun: str, attribute: str, source: str) -> None:
    index = pd.Index(list(map(str, names)))
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
    expected: list[Matrix],
) -> str:
    sha = hashlib.sha256()
    sha.update(names_digest(names).encode())
    sha.update(names_digest(pd.Index(genes)).encode())
    sha.update(np.asarray(times)[codes].tobytes())
    for part in (matrix, *expected):
        if sparse.issparse(part):
            _hash(sha, part.data)
            _hash(sha, part.indices, np.int64)
            _hash(sha, part.indptr, np.int64)
        else:
            _hash(sha, part)
    return sha.hexdigest()


def _hash(sha: hashlib._Hash, array: NDArray[Any], dtype: DTypeLike | None = None) -> None:
    """Add the bytes of an array, some rows at a time: a copy of all might not fit."""
    step = max(HASHED // max(array[:1].size, 1), 1)
    for start in range(0, len(array), step):
        sha.update(np.ascontiguousarray(array[start : start + step], dtype=dtype).tobytes())
