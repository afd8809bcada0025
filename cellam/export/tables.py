"""Tables: what a model says of each cell, in long form, for R, DuckDB or a spreadsheet.

One row is one statement about one cell. All tables name cells as the data do and days by their
labels, and join on `cell`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from cellam.analysis.descendants import DRAWS
from cellam.analysis.fates import fates_by_day
from cellam.analysis.growth_range import growth_range, has_range
from cellam.analysis.over_replicates import (
    HIGH,
    LOW,
    fates_over_replicates,
    growth_over_replicates,
    rows_of,
)
from cellam.analysis.results import fates, spread
from cellam.analysis.transitions import gaps
from cellam.modelling.left_out import LeftOut
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates, velocities
from cellam.reading.cell_types import read_types


def velocity_table(model: Model, names: pd.Index[Any]) -> pd.DataFrame:
    """A row for each cell and coordinate: cell, day, time, coordinate, position, velocity.

    Both are in the coordinates of the representation, whose columns are counted from 1; velocity is
    per unit of time. With an ensemble, relative_sd is that of the whole velocity of the cell.
    """
    days, p = model.snapshots, model.space.n_dims
    position = model.space.to_coordinates(np.concatenate(days.points))
    frame = _repeated(_cells(model, names), p)
    frame["coordinate"] = np.tile(np.arange(1, p + 1), days.n_cells)
    frame["position"] = position.ravel()
    frame["velocity"] = (velocities(model) * model.space.scale).ravel()
    if "cellam_velocity_sd" in (sd := spread(model)):
        frame["relative_sd"] = np.repeat(sd["cellam_velocity_sd"], p)
    return frame


def growth_table(model: Model, names: pd.Index[Any]) -> pd.DataFrame:
    """A row for each cell: cell, day, time, growth (per unit of time) and its low and high end.

    With an ensemble also its sd.
    """
    frame = _cells(model, names)
    found = growth_range(model)
    frame["growth"] = found.point
    frame["low"], frame["high"] = found.ends
    if "cellam_growth_sd" in (sd := spread(model)):
        frame["sd"] = sd["cellam_growth_sd"]
    return frame


def fate_table(
    model: Model, names: pd.Index[Any], types: pd.Series[Any], *, seed: int = 0
) -> pd.DataFrame:
    """A row for each cell and fate: cell, day, time, fate, probability, and its least and most."""
    found = fates(model, types, seed=seed)
    frame = _repeated(_cells(model, names), len(found.names))
    frame["fate"] = np.tile(found.names, model.snapshots.n_cells)
    for column in ("probability", "least", "most"):
        frame[column] = getattr(found, column)[model.snapshots.data_rows].ravel()
    return frame


def type_growth_table(model: Model, types: pd.Series[Any], left: LeftOut) -> pd.DataFrame:
    """A row for each cell type: cells, growth, and its 95 % interval over replicates."""
    of_cells = read_types(types).iloc[model.snapshots.data_rows].to_numpy()
    grown = pd.Series(growth_rates(model)).groupby(of_cells)
    rows = [
        {"type": str(name), "cells": len(rates), "mean": float(rates.mean())}
        for name, rates in grown
    ]
    frame = pd.DataFrame(growth_over_replicates(model, rows, types, left))
    return frame.rename(columns={"mean": "growth"})


def type_fate_table(
    model: Model, types: pd.Series[Any], left: LeftOut, *, seed: int = 0
) -> pd.DataFrame:
    """A row for each earlier training day, type and fate: cells, share of their descendants.

    With its range over explanations, least and most, and its 95 % interval over replicates.
    """
    *before, last = model.training.labels
    alone, parts = model.without_ensemble(), []
    for found in fates_by_day(alone, before, types, terminal=last, seed=seed):
        rows = rows_of(found, types)[:-1]
        for row in fates_over_replicates(found, rows, types, left, draws=DRAWS, seed=seed):
            part = pd.DataFrame({"day": found.start, "type": row["type"], "cells": row["cells"],
                                 "fate": found.states, "share": row["fate"].values()})  # fmt: skip
            for end in ("least", "most", LOW, HIGH):
                part[end] = [np.nan if row[end] is None else row[end][s] for s in found.states]
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def coupling_table(model: Model, names: pd.Index[Any], *, seed: int = 0) -> pd.DataFrame:
    """A row for each pair of cells that are coupled: from_day, to_day, source, target, mass.

    The mass of a source sums to that to which it grows, the mass of a target to its own.
    """
    days = model.snapshots
    parts = []
    for gap in gaps(model, seed=seed):
        pairs = gap.matrix.tocoo()
        parts.append(
            pd.DataFrame(
                {
                    "from_day": days.labels[gap.start],
                    "to_day": days.labels[gap.stop],
                    "source": names[days.rows[gap.start][pairs.row]],
                    "target": names[days.rows[gap.stop][pairs.col]],
                    "mass": pairs.data,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def tables(
    model: Model,
    names: pd.Index[Any],
    types: pd.Series[Any] | None = None,
    *,
    left: LeftOut | None = None,
    seed: int = 0,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield all tables with their names: velocities, growth, fates, couplings.

    With fits without each replicate also type_growth and type_fates.

    Parameters
    ----------
    model : Model
    names : pandas.Index
        Names of the cells, in the order of the data.
    types : pandas.Series, optional
        Cell type of every cell; there is no table of fates without it.
    left : LeftOut, optional
        Fits without each replicate.
    seed : int
        For noise, where the dynamics have it.
    """
    yield "velocities", velocity_table(model, names)
    if has_range(model):
        yield "growth", growth_table(model, names)
    if types is not None:
        yield "fates", fate_table(model, names, types, seed=seed)
    if types is not None and left is not None:
        if not model.conserves_mass:
            yield "type_growth", type_growth_table(model, types, left)
        yield "type_fates", type_fate_table(model, types, left, seed=seed)
    yield "couplings", coupling_table(model, names, seed=seed)


def _cells(model: Model, names: pd.Index[Any]) -> pd.DataFrame:
    """Cells, day by day, with their days."""
    days = model.snapshots
    sizes = [len(rows) for rows in days.rows]
    return pd.DataFrame(
        {
            "cell": names[days.data_rows],
            "day": np.repeat(np.asarray(days.labels, dtype=object), sizes),
            "time": np.repeat(np.asarray(days.times, dtype=np.float64), sizes),
        }
    )


def _repeated(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    return frame.loc[frame.index.repeat(n)].reset_index(drop=True)
