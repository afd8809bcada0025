"""Findings: what a fit says of cell types, as tables of plain rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cellam.analysis.composition import present
from cellam.analysis.growth_range import GrowthRange, growth_range, has_range
from cellam.analysis.uncertainty import UNSURE, growth_spread, relative_sd
from cellam.modelling.model import Model
from cellam.modelling.outside import Outside, percent
from cellam.modelling.simulated import Simulation
from cellam.reading.cell_types import read_types
from cellam.report.wording import share_text


def thinned_out(simulation: Simulation, n: int) -> Simulation:
    """Only `n` of the cells, evenly over their order."""
    N = len(simulation.rows)
    keep = np.unique(np.linspace(0, N - 1, min(n, N)).round().astype(int))
    return replace(
        simulation,
        points=simulation.points[:, keep],
        log_weights=simulation.log_weights[:, keep],
        rows=simulation.rows[keep],
    )


def growth_by_type(
    model: Model, types: pd.Series[Any] | None, found: GrowthRange | None = None
) -> list[dict[str, Any]]:
    """Growth rate of the cells of each type, the fastest first, and the range of its mean.

    Cells without a type are in no row.

    Parameters
    ----------
    model : Model
    types : pandas.Series or None
        Type of every cell of the data.
    found : GrowthRange, optional
        That of the model, if it is known already.
    """
    if types is None or not has_range(model):
        return []
    found = found or growth_range(model)
    of_cell = read_types(types).iloc[model.snapshots.data_rows].to_numpy()
    rows = []
    for name, values in pd.Series(found.point).groupby(of_cell):
        mean, low, high = found.mean(of_cell == name)
        rows.append(
            {
                "type": str(name),
                "cells": len(values),
                "mean": mean,
                "low": low,
                "high": high,
                "sd": float(values.std(ddof=0)),
                "growing": float((values > 0).mean()),
            }
        )
    return sorted(rows, key=lambda row: -row["mean"])


def unsure_by_type(model: Model, types: pd.Series[Any] | None) -> list[dict[str, Any]]:
    """Share of the cells of each type whose direction, or the sign of whose growth, is not sure.

    Nothing without an ensemble. A direction is not sure where the standard deviation of the
    velocity is more than half of its length, a sign where the 90 % interval of the growth rate
    holds zero; `growth` is None where mass is conserved. Cells without a type are in no row.
    """
    if not model.ensemble:
        return []
    frame = pd.DataFrame({"direction": relative_sd(model) > UNSURE})
    if not model.conserves_mass:
        low, high = growth_spread(model).interval()
        frame["growth"] = (low < 0) & (high > 0)
    of_cell: np.ndarray[Any, Any] = np.full(len(frame), "all cells")
    if types is not None:
        of_cell = read_types(types).iloc[model.snapshots.data_rows].to_numpy()
    return [
        {
            "type": str(name),
            "cells": len(part),
            "direction": float(part["direction"].mean()),
            "growth": float(part["growth"].mean()) if "growth" in part else None,
        }
        for name, part in frame.groupby(of_cell)
    ]


MOST_COLUMNS = 8  # of a table: types, the largest first


def shares(frame: pd.DataFrame, far: Iterable[Outside] = ()) -> dict[str, Any]:
    """Composition as a table: for each day its role, mass, effective size, and shares of types.

    A share is a pair: what is said of it (`wording.share_text`), and the bias of what was
    simulated. `observed` are the shares observed that day, none where no cell is annotated;
    `outside` says how many simulated cells lie outside the observed data, where `far` has them. The
    table has the eight largest types; `left` says of how many it has not.
    """
    names = present(frame)
    names, rest = names[:MOST_COLUMNS], names[MOST_COLUMNS:]
    away = {each.time: each for each in far}
    rows = [
        {
            "label": row["label"],
            "role": row["said"],
            "mass": row["mass"],
            "ess": row["ess"],
            "outside": _outside(away.get(row["time"]) if away else None),
            "shares": [(share_text(row, name), row["bias"].get(name, 0.0)) for name in names],
            "observed": [row["observed"][name] for name in names if row["observed"]],
        }
        for row in frame.to_dict("records")
    ]
    return {"types": names, "rows": rows, "left": left_out_of_table(len(rest))}


def _outside(found: Outside | None) -> str:
    """Of the cells, of their weight, and of the observed cells."""
    if found is None:
        return "–"
    return f"{percent(found.share)}, {percent(found.weight)} ({percent(found.observed)})"


def left_out_of_table(n: int) -> str:
    """What a table says of types that it has no column for; empty where it has all."""
    return f"{n} rarer types are not shown." if n else ""
