"""Cells: what is in the user's file, read once, checked once.

Of a file on disk no more is read than is needed: `obs`, and either the expression matrix with the
names of its genes or one representation. Nothing is ever written to the input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.days.columns import TimeColumn, read_times
from cellam.days.timeline import Timeline
from cellam.display import Displayed, enumerated
from cellam.errors import ConfigError, DataError
from cellam.files.sources import opened
from cellam.files.stores import SAVE_AGAIN
from cellam.matrix.absent import Days
from cellam.matrix.digests import BY_CELL, digest_of
from cellam.matrix.expression import Expression, read_expression
from cellam.matrix.matrices import check_names, read_representation
from cellam.matrix.values import Form
from cellam.names import offer
from cellam.options import Kind, ReadOptions
from cellam.reading.barcode_columns import tell_barcodes
from cellam.reading.barcodes import with_barcodes
from cellam.reading.signatures import BIRTH
from cellam.reading.velocity import read_velocity

if TYPE_CHECKING:
    from anndata import AnnData

    from cellam.files.sources import Source


GLANCED = 10_000_000  # values that are looked at where a sample of cells is enough


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
    matrix : Rows or (n, p) float32 array
        Expression of p genes, or a representation with p coordinates.
    form : Form or None
        What expression values are; None for a representation.
    genes : tuple of str
        Names of the genes, sorted; empty for a representation.
    digest : str
        Of names, times, matrix, batches, barcodes, velocities, and of what growth is expected from;
        see `digests`.
    expression : Expression or None
        For the genes of a growth prior, where the matrix is a representation.
    other_times : tuple of TimeColumn
        Further columns of `obs` that read as times.
    notes : tuple of str
        What a user should know of the values, and of genes that were left out.
    sample : (m,) int array or None
        Positions of the cells whose values were looked at; None for all.
    velocity : (n, p) float32 array or None
        How each cell moves in a representation; see `velocity`.
    """

    source: str
    obs: pd.DataFrame
    reading: ReadOptions
    timeline: Timeline
    codes: NDArray[np.int64]
    matrix: Any  # Rows | NDArray[np.float32]: which of them `form` says
    form: Form | None
    genes: tuple[str, ...]
    digest: str = ""
    expression: Expression | None = None
    other_times: tuple[TimeColumn, ...] = ()
    notes: tuple[str, ...] = ()
    sample: NDArray[np.int64] | None = None
    velocity: NDArray[np.float32] | None = None

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
            expression = expression._replace(rows=expression.rows[rows])
        return replace(
            self,
            obs=self.obs[rows],
            codes=self.codes[rows],
            matrix=self.matrix[rows],
            expression=expression,
            sample=None,
            velocity=None if self.velocity is None else self.velocity[rows],
        )

    @property
    def looked_at(self) -> Cells:
        """The cells whose values were looked at."""
        if self.sample is None:
            return self
        return self.only(np.isin(np.arange(len(self)), self.sample))

    def digested(self) -> Cells:
        """The same cells with their digest."""
        return replace(self, digest=self._digest())

    def is_of(self, digest: str) -> bool:
        """Whether a digest, also one that an earlier version took, is that of these cells."""
        earlier = self.digest.startswith(BY_CELL) and not digest.startswith(BY_CELL)
        return digest == (self._digest(first=True) if earlier else self.digest)

    def _digest(self, *, first: bool = False) -> str:
        """Of names, times, values, what else a fit may use of cells, and expected growth."""
        parts = [self.matrix]
        if self.expression is not None:
            parts.append(self.expression.rows)
        elif self.growth_prior in self.obs and self.growth_prior not in BIRTH:
            parts.append(_as_text(self.obs[self.growth_prior]))
        keys = (self.reading.batch_key, self.reading.clones)
        parts.extend(_as_text(self.obs[key]) for key in keys if key in self.obs)
        if self.velocity is not None:
            parts.append(self.velocity)
        times = np.asarray(self.timeline.times)[self.codes]
        return digest_of(self.obs.index, self.genes, times, parts, first=first)

    def without_prior(self) -> Cells:
        """The same cells, of whose growth nothing is expected."""
        reading = self.reading.model_copy(update={"growth_prior": None})
        return replace(self, reading=reading, expression=None)

    def without_velocities(self) -> Cells:
        """The same cells, whose velocities are not known."""
        reading = self.reading.model_copy(update={"velocity": None})
        return replace(self, reading=reading, velocity=None)

    def without_clones(self, of: NDArray[np.bool_] | None = None) -> Cells:
        """The same cells without barcodes: none is used, or those marked in `of` (n,) have none."""
        key = self.reading.clones
        if of is None or key is None:
            return replace(self, reading=self.reading.model_copy(update={"clones": None}))
        return replace(self, obs=self.obs.assign(**{key: self.obs[key].mask(of)}))

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells at each time, by label."""
        n = np.bincount(self.codes, minlength=len(self.timeline.labels))
        return {label: int(k) for label, k in zip(self.timeline.labels, n, strict=True)}

    def excluded(self, days: Iterable[str | float]) -> tuple[str, ...]:
        """Labels of the days that a fit is to leave out, by label or number, each once.

        Raises
        ------
        ConfigError
            If there is no such day.
        DataError
            If fewer than two days are left, or one of a single cell.
        """
        labels = self.timeline.labels
        excluded = tuple(dict.fromkeys(labels[self.timeline.index(e)] for e in days))
        counts = {label: n for label, n in self.counts.items() if label not in excluded}
        if len(counts) < 2:
            raise DataError(
                f"{len(counts)} training day is left"
                + (f" without {', '.join(excluded)}" if excluded else "")
                + "; two are needed.",
                "Exclude fewer days." if excluded else "",
            )
        few = {label: n for label, n in counts.items() if n < 2}
        if few:
            label, n = next(iter(few.items()))
            raise DataError(
                f"Day {label} has {n} cell; at least two are needed.",
                f"Leave it out with `exclude={label!r}`.",
            )
        return excluded


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
    return _read(
        data, ReadOptions(**{**(options or ReadOptions()).model_dump(), **reading})
    ).digested()


def glance(data: str | Path | AnnData, options: ReadOptions) -> Cells:
    """As `read`, but of large data only the values of a sample of cells are looked at.

    Cells, times and genes are all of them; there is no digest.
    """
    return _read(data, options, GLANCED)


def _read(data: str | Path | AnnData, options: ReadOptions, most: int | None = None) -> Cells:
    """Read cells; of their expression about `most` values are looked at, or all."""
    prior = options.growth_prior
    of_genes: Expression | None = None
    velocity: NDArray[np.float32] | None = None
    with opened(data) as source:
        obs, told = with_barcodes(annotation(source), source, options.clones)
        if options.clones is None:
            told = tell_barcodes(obs, source)
        key, timeline, codes, others = read_times(obs, options.time_key, options.time_map)
        codes = codes.astype(np.int64)
        check_names(obs.index, "cell", "obs_names", source.name)
        if options.use_rep is None or prior in BIRTH:
            days = Days(codes, timeline.labels)
            of_genes = read_expression(source, options.layer, days, options.values, most)
        if options.use_rep is not None:
            matrix = read_representation(source, options.use_rep, len(obs))
            if options.velocity is not None:
                rep, shape = options.use_rep, matrix.shape
                velocity = read_velocity(source, options.velocity, rep, shape)
    expression = of_genes if options.use_rep is not None else None
    genes: tuple[str, ...] = ()
    form = None
    if options.use_rep is None:
        assert of_genes is not None
        matrix, genes, form = of_genes.rows, of_genes.genes, of_genes.form
    if options.batch_key is not None and options.batch_key not in obs:
        raise DataError(
            f"There is no column {options.batch_key!r} in obs of {source.name}.",
            offer(options.batch_key, map(str, obs.columns)),
        )
    return Cells(
        source=source.name,
        obs=obs,
        reading=options.model_copy(update={"time_key": key}),
        timeline=timeline,
        codes=codes,
        matrix=matrix,
        form=form,
        genes=genes,
        expression=expression,
        other_times=others,
        notes=(*(of_genes.notes if of_genes is not None else ()), *told),
        sample=of_genes.sample if of_genes is not None else None,
        velocity=velocity,
    )


def _as_text(column: Any) -> NDArray[np.str_]:
    return np.array(column.astype(str).tolist())


def read_obs(data: str | Path | AnnData, clones: str | None = None) -> pd.DataFrame:
    """Read the annotation of the cells alone, with a column `clones` also where `obsm` has it."""
    with opened(data) as source:
        return with_barcodes(annotation(source), source, clones, ConfigError)[0]


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
