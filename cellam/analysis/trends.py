"""Trends: decoded expression of genes along simulated trajectories, by what cells become or were.

Only genes of a PCA can be decoded, and only as it sees them: what its components leave out, noise
for the most part, is not in a trend. Where expression is logged, what a PCA decodes to less than
nothing counts as none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference
from cellam.days.time_labels import did_you_mean
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation
from cellam.reading.cell_types import UNANNOTATED, read_types

Array = NDArray[np.float64]

LOW, HIGH = 0.1, 0.9  # quantiles
ALL = "all cells"


def check_by(by: str) -> str:
    """Refuse a grouping that there is not."""
    if by not in ("fate", "start"):
        raise ConfigError(
            f"`by={by!r}`: there is no such grouping.",
            f"{did_you_mean(by, ['fate', 'start'])}Use fate or start.",
        )
    return by


def groups(
    model: Model, simulation: Simulation, types: pd.Series[Any], *, by: str = "fate"
) -> NDArray[Any]:
    """A name for each simulated cell: the type that it becomes, or that it has at the start.

    Parameters
    ----------
    model : Model
    simulation : Simulation
    types : pandas.Series
        Cell type of every cell of the data; cells without one do not count as neighbours.
    by : {"fate", "start"}
        "fate" is the most frequent type among the ten nearest cells of the last observed day on
        the way.

    Returns
    -------
    (N,) array of str

    Raises
    ------
    ConfigError
        If `by` is neither, or no day is on the way.
    """
    check_by(by)
    of_cell = read_types(types)
    known = of_cell.notna().to_numpy()
    named = of_cell.where(known, UNANNOTATED).to_numpy(dtype=str)
    if by == "start":
        return np.asarray(named[simulation.rows])
    days = model.snapshots
    seen = [
        t
        for t, time in enumerate(simulation.times)
        if t and time in days.times and known[days.rows[days.times.index(time)]].any()
    ]
    if not seen:
        raise ConfigError(
            "No observed day in this range has annotated cells, so fates cannot be assigned.",
            "Use `by='start'`.",
        )
    found = reference(model, [days.times.index(simulation.times[seen[-1]])], types)
    x = (simulation.points[seen[-1]] - model.space.centre) / model.space.scale
    names: NDArray[Any] = np.array(found.names)
    return np.asarray(names[found.assign(x).argmax(1)])


def trends(
    model: Model, simulation: Simulation, genes: list[str], group: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Mean and quantiles of decoded expression over time, by the mass of the cells.

    Parameters
    ----------
    model : Model
    simulation : Simulation
        With p coordinates of our own PCA.
    genes : list of str
        From `export.h5ad.genes_of`.
    group : (N,) array, optional
        A name for each cell.

    Returns
    -------
    pandas.DataFrame
        A row for each gene, group and saved time: gene, group, time, cells, mean, low, high (the
        10 % and 90 % quantiles), on the scale of the PCA (log-normalised).
    """
    names = np.full(len(simulation.rows), ALL) if group is None else group
    x = model.space.from_coordinates(simulation.points)
    weights = np.exp(simulation.log_weights)
    least = -np.inf if model.space.kind == "scaled" else 0.0
    rows = []
    for name in np.unique(names):
        mine = names == name
        for t, time in enumerate(simulation.times):
            expression = model.space.decode(x[t][mine], genes).astype(np.float64)
            expression = np.maximum(expression, least)
            w = weights[t][mine] / weights[t][mine].sum()
            low, high = _quantiles(expression, w, (LOW, HIGH))
            rows += [
                {
                    "gene": gene,
                    "group": str(name),
                    "time": float(time),
                    "cells": int(mine.sum()),
                    "mean": float(w @ expression[:, g]),
                    "low": float(low[g]),
                    "high": float(high[g]),
                }
                for g, gene in enumerate(genes)
            ]
    order = pd.Categorical([row["gene"] for row in rows], categories=genes)
    frame = pd.DataFrame(rows).assign(gene=order)
    frame = frame.sort_values(["gene", "group"], kind="stable", ignore_index=True)
    return frame.astype({"gene": object})


def _quantiles(values: Array, weights: Array, levels: tuple[float, ...]) -> Array:
    """Quantiles (len(levels), g) of columns of values (n, g) by weights (n,) that sum to 1."""
    order = values.argsort(0)
    reached = weights[order].cumsum(0)
    at = [np.minimum((reached < level - 1e-12).sum(0), len(values) - 1) for level in levels]
    columns = np.arange(values.shape[1])
    return np.array([values[order[k, columns], columns] for k in at])
