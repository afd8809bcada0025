"""Cells: what is in the user's file, read once, checked once.

Of a file on disk no more is read than is needed: `obs`, and either the expression matrix with the
names of its genes or one representation. Nothing is ever written to the input.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from cellam.display import Displayed, enumerated
from cellam.errors import DataError
from cellam.names import offer
from cellam.options import Kind, ReadOptions
from cellam.reading.absent import Days
from cellam.reading.amounts import Matrix
from cellam.reading.columns import TimeColumn, read_times
from cellam.reading.expression import Expression, read_expression
from cellam.reading.matrices import check_names, read_representation
from cellam.reading.signatures import BIRTH
from cellam.reading.sources import opened
from cellam.reading.stores import SAVE_AGAIN
from cellam.reading.timeline import Timeline
from cellam.reading.values import Form

if TYPE_CHECKING:
    from anndata import AnnData

    from cellam.reading.sources import Source

HASHED = 1_000_000  # numbers at once


@dataclass(frozen=True, repr=False)
class Cells(Displayed):
    """Cells with their times, and one matrix that says where they are.

    Parameters
    ----------
    source : str
        The file, or a description of the object.
    obs : pandas.DataFrame
        Annotation of the n cells, as in the data.
    reading : ReadOptions
        How they were read, with the time column that was found.
    timeline : Timeline
        The times as understood.
    codes : (n,) int array
        Time of every cell, as a position in the timeline.
    matrix : (n, p) array or csr_matrix, float32
        Expression of p genes, or a representation with p coordinates.
    form : Form or None
        What expression values are; None for a representation.
    genes : tuple of str
        Names of the genes, sorted; empty for a representation.
    digest : str
        SHA-256 of names, times, matrix and batches, and of what growth is expected from.
    expression : Expression or None
        For the genes of a growth prior, where the matrix is a representation.
    other_times : tuple of TimeColumn
        Further columns of `obs` that read as times.
    notes : tuple of str
        What a user should know of the values, and of genes that were left out.
    """

    source: str
    obs: pd.DataFrame
    reading: ReadOptions
    timeline: Timeline
    codes: NDArray[np.int64]
    matrix: Matrix
    form: Form | None
    genes: tuple[str, ...]
    digest: str
    expression: Expression | None = None
    other_times: tuple[TimeColumn, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def facts(self) -> dict[str, str]:
        """Source, numbers of cells by day, and what the matrix is."""
        n, p = self.matrix.shape
        what = f"obsm[{self.rep!r}], {p:,} columns" if self.form is None else self.form.describe()
        return {
            "cells": f"{n:,}",
            "days": enumerated([f"{label} ({k:,})" for label, k in self.counts.items()]),
            "times": f"obs[{self.time_key!r}]" if self.reading.time_key else "as told",
            "genes": f"{len(self.genes):,}" if self.form is not None else "none",
            "values": what,
            "source": self.source,
        }

    @property
    def time_key(self) -> str:
        """Column of `obs` that holds the time; new cells whose time was told have none."""
        assert self.reading.time_key is not None
        return self.reading.time_key

    @property
    def rep(self) -> str | None:
        """Key in `obsm` that the matrix came from; None for expression."""
        return self.reading.use_rep

    @property
    def kind(self) -> Kind | None:
        """Kind of the expression values; None for a representation."""
        return self.form.kind if self.form is not None else None

    @property
    def growth_prior(self) -> str | None:
        """What growth is expected from: the genes of a species, or a column of `obs`."""
        return self.reading.growth_prior

    def only(self, rows: NDArray[np.bool_]) -> Cells:
        """Some of the cells, (n,) bool; all days keep their place in the timeline."""
        if rows.all():
            return self
        expression = self.expression
        if expression is not None:
            expression = expression._replace(matrix=expression.matrix[rows])
        return replace(
            self,
            obs=self.obs[rows],
            codes=self.codes[rows],
            matrix=self.matrix[rows],
            expression=expression,
        )

    def without_prior(self) -> Cells:
        """The same cells, of whose growth nothing is expected."""
        reading = self.reading.model_copy(update={"growth_prior": None})
        return replace(self, reading=reading, expression=None)

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells at each time, by label."""
        n = np.bincount(self.codes, minlength=len(self.timeline.labels))
        return {label: int(k) for label, k in zip(self.timeline.labels, n, strict=True)}


def read(data: str | Path | AnnData, options: ReadOptions | None = None, **reading: Any) -> Cells:
    """Read cells from an `.h5ad` file, a `.zarr` store or an AnnData object.

    Parameters
    ----------
    data : path or AnnData
    options : ReadOptions, optional
        How, in one object, as a run keeps it.
    **reading
        Any field of `ReadOptions`, e.g. ``time_key="day"`` or ``use_rep="X_pca"``.

        `layer="raw"` is `adata.raw`, with the genes of `adata.raw.var`, unless there is a layer of
        that name. What `values` are without it is judged in `values.judge`; what `growth_prior`
        is used for is told in `growth`.

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        If something is missing or cannot be a time course of cells; the message says what.
    ConfigError
        If there is no such option, or it takes no such value.
    """
    options = ReadOptions(**{**(options or ReadOptions()).model_dump(), **reading})
    prior = options.growth_prior
    of_genes: Expression | None = None
    with opened(data) as source:
        obs = annotation(source)
        key, timeline, codes, others = read_times(obs, options.time_key, options.time_map)
        codes = codes.astype(np.int64)
        check_names(obs.index, "cell", "obs_names", source.name)
        if options.use_rep is None or prior in BIRTH:
            days = Days(codes, timeline.labels)
            of_genes = read_expression(source, options.layer, days, options.values)
        if options.use_rep is not None:
            matrix = read_representation(source, options.use_rep, len(obs))
    expression = of_genes if options.use_rep is not None else None
    genes: tuple[str, ...] = ()
    form = None
    if options.use_rep is None:
        assert of_genes is not None
        matrix, genes, form = of_genes.matrix, of_genes.genes, of_genes.form
    expected = [expression.matrix] if expression is not None else []
    if prior in obs and prior not in BIRTH:
        expected = [np.array(obs[prior].astype(str).tolist())]
    if options.batch_key is not None:
        if options.batch_key not in obs:
            raise DataError(
                f"There is no column {options.batch_key!r} in obs of {source.name}.",
                offer(options.batch_key, map(str, obs.columns)),
            )
        expected.append(np.array(obs[options.batch_key].astype(str).tolist()))
    return Cells(
        source=source.name,
        obs=obs,
        reading=options.model_copy(update={"time_key": key}),
        timeline=timeline,
        codes=codes,
        matrix=matrix,
        form=form,
        genes=genes,
        digest=digest_of(obs.index, genes, codes, timeline.times, matrix, expected),
        expression=expression,
        other_times=others,
        notes=of_genes.notes if of_genes is not None else (),
    )


def read_obs(data: str | Path | AnnData) -> pd.DataFrame:
    """Read the annotation of the cells alone."""
    with opened(data) as source:
        return annotation(source)


def read_annotation(data: str | Path | AnnData) -> AnnData:
    """Read the annotation, its colours and the dense representations, without the expression."""
    import anndata

    with opened(data) as source:
        obs = annotation(source)
        reps = {key: source.element(f"obsm/{key}") for key in source.keys("obsm")}
        kept = {f"{column}_colors" for column in obs}.intersection(source.keys("uns"))
        colours = {key: source.element(f"uns/{key}") for key in sorted(kept)}
    dense = {key: value for key, value in reps.items() if isinstance(value, np.ndarray)}
    return anndata.AnnData(obs=obs, obsm=dense, uns=colours)


def names_digest(names: pd.Index[Any]) -> str:
    """SHA-256 of names in their order."""
    return hashlib.sha256("\n".join(map(str, names)).encode()).hexdigest()


def annotation(source: Source) -> pd.DataFrame:
    """Annotation of the cells of an opened file, its columns named by text."""
    obs = source.element("obs")
    if isinstance(obs, np.ndarray) and obs.dtype.names:
        raise DataError(
            f"{source.name} was written by a version of anndata before 0.7.", SAVE_AGAIN
        )
    if not isinstance(obs, pd.DataFrame) or not len(obs):
        raise DataError(
            f"{source.name} has no cells: its obs is empty.",
            "Was a filter too strict? Save the data with its cells.",
        )
    obs = obs.set_axis(list(map(str, obs.columns)), axis=1)
    if not obs.columns.is_unique:
        twice = obs.columns[obs.columns.duplicated()][0]
        raise DataError(
            f"obs of {source.name} has more than one column {twice!r}.",
            "Rename or drop all but one, and save the data again.",
        )
    return obs


def digest_of(
    names: pd.Index[Any],
    genes: tuple[str, ...],
    codes: NDArray[np.int64],
    times: tuple[float, ...],
    matrix: Matrix,
    expected: list[Matrix],
) -> str:
    """SHA-256 of names, times and matrix, and of what growth is expected from."""
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
