"""Findings: what a fit says of cell types, as tables of plain rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cellam.model import Model, Simulation


def some(simulation: Simulation, n: int) -> Simulation:
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
    model: Model, rate: np.ndarray[Any, Any], types: pd.Series[Any] | None
) -> list[dict[str, Any]]:
    """Growth rate of the cells of each type, (n,) day by day in `rate`: the fastest first."""
    if types is None or model.conserves_mass:
        return []
    of_cell = types.iloc[np.concatenate(model.snapshots.rows)].to_numpy()
    groups = pd.Series(rate).groupby(of_cell)
    return [
        {
            "type": str(name),
            "cells": len(values),
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=0)),
            "growing": float((values > 0).mean()),
        }
        for name, values in sorted(groups, key=lambda group: -group[1].mean())
    ]


def shares(frame: pd.DataFrame, types: pd.Series[Any] | None) -> dict[str, Any]:
    """Composition as a table: for each day mass, effective size, and shares of types."""
    names: list[str] = []
    if types is not None:
        total = pd.DataFrame([*frame["simulated"], *frame["observed"]]).sum()
        names = [str(name) for name in total.sort_values(ascending=False).index]
    rows = [
        {
            "label": row["label"],
            "mass": row["mass"],
            "ess": row["ess"],
            "shares": [
                (row["simulated"].get(name, 0.0), row["observed"].get(name, 0.0)) for name in names
            ],
        }
        for _, row in frame.iterrows()
    ]
    return {"types": names, "rows": rows}
