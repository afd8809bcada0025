"""Composition: what simulated cells have become, beside what was observed.

Shares have the 95 % interval that counting their cells alone gives them (Wilson, as the fates of a
whole day). Of simulated cells the independent ones are those at the start: their number is the
ESS of their masses, however many cells each has become. It holds no error of the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference
from cellam.analysis.terminal import days_beside
from cellam.analysis.weighing import counted
from cellam.modelling.families import Moved
from cellam.modelling.model import Model
from cellam.reading.cell_types import read_types


def strays(row: Mapping[Any, Any] | pd.Series[Any], name: str) -> bool:
    """Whether a simulated share of a type is outside the interval of the observed one.

    That over replicates where the row has it, else by the number of cells.
    """
    of_cells = row.get("observed_interval", {})
    interval = row.get("observed_replicates", of_cells).get(name)
    share = row["simulated"].get(name, 0.0)
    return interval is not None and not interval[0] <= share <= interval[1]


def composition(
    model: Model,
    moved: Moved,
    types: pd.Series[Any] | None = None,
    *,
    own: pd.Series[Any] | None = None,
    chosen: bool = False,
) -> pd.DataFrame:
    """Mass and cell types of a simulation at every observed day on its way.

    Parameters
    ----------
    model : Model
    moved : Simulation or Families
    types : pandas.Series, optional
        Cell type of every cell of the data, in its order; cells without one take no part.
    own : pandas.Series, optional
        Cell type of every cell of the table that the simulation starts from, where that is not the
        data.
    chosen : bool
        Whether the cells were chosen from their day for what they are, so what was observed
        of all cells is nothing to compare them with.

    Returns
    -------
    pandas.DataFrame
        A row for each observed day: label, time, mass (relative to the start), ess (effective
        sample size of the weights, (Σw)²/Σw²; of cells that divide and die their number), and the
        shares of all types of the data by name, 0 for those that are not there. `simulated`: by
        weight, among the simulated cells; at the start by the types that these cells have, later by
        `assignment`. `observed`: among the cells observed that day; empty for chosen cells. `bias`:
        what is too much in the share of each type by `assignment`, as measured on the observed
        cells of the day; empty at the start, where no cell is assigned. `simulated_interval` and
        `observed_interval`: both ends of each share's interval. All are empty on a day without
        annotated cells, and `simulated` where no cell lives. A simulation
        that starts or ends on another time has a row for that too, whose label is the number; its
        cells are assigned by those of the training days next to it, and nothing is observed.
    """
    rows: list[dict[str, Any]] = []
    start = types if own is None else own
    annotated = None if start is None else read_types(start).notna().to_numpy()
    known = (column for column in (types, start) if column is not None)
    every = {name: 0.0 for column in known for name in sorted(read_types(column).dropna().unique())}
    when, founder, weights, positions = moved.when, moved.founder, moved.weights, moved.positions
    for t, time in enumerate(moved.times):
        times, labels = model.snapshots.times, model.snapshots.labels
        at = [times.index(time)] if time in times else []
        if not at and t not in (0, len(moved.times) - 1):
            continue
        there = when == t
        w = weights[there]
        row: dict[str, Any] = {
            "label": labels[at[0]] if at else f"{time:g}",
            "time": float(time),
            "mass": float(w.sum() / len(moved.rows)),
            "ess": float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0,
        }
        if types is not None:
            found = reference(model, at or days_beside(model, float(time)), types)
            if t == 0 and start is not None:
                simulated = _own(start.iloc[moved.rows[founder[there]]], w)
            elif found.names and len(w):
                x = model.space.from_coordinates(positions[there])
                simulated = _named(found.names, w @ found.assign(x) / w.sum())
            else:
                simulated = {}
            row["simulated"] = every | simulated if simulated else {}
            # A cell that was drawn twice counts once; at the start so do annotated cells alone.
            drawn = moved.rows[founder[there]]
            counts = slice(None) if t > 0 or annotated is None else annotated[drawn]
            independent = _independent(drawn[counts], w[counts])
            row["simulated_interval"] = _counted(row["simulated"], independent)
            seen = bool(at) and bool(found.names)
            # A type of other days has a share of 0 here, up to what so many cells rule out.
            compared = seen and not chosen
            row["observed"] = every | _named(found.names, found.shares) if compared else {}
            row["observed_interval"] = _counted(row["observed"], len(found.annotated))
            row["bias"] = every | _named(found.names, found.bias()) if seen and t > 0 else {}
        rows.append(row)
    return pd.DataFrame(rows)


def present(frame: pd.DataFrame) -> list[str]:
    """Types of a composition that have a share on one of its days, the most frequent first."""
    if "simulated" not in frame:
        return []
    shares = pd.DataFrame([*frame["simulated"], *frame["observed"]])
    total = shares.sum().sort_values(ascending=False, kind="stable")
    return [str(name) for name in total.index[total > 0]]


def roles(model: Model, frame: pd.DataFrame) -> list[str]:
    """What each day of a composition is to the fit, in a word or two.

    The start is observed, a training day was seen by the fit, so that agreement with it is no
    prediction, and beyond the training days the fit extrapolates.
    """
    days = model.training
    first, last = days.times[0], days.times[-1]

    def role(k: int, label: str, time: float) -> str:
        if k == 0:
            return "start"
        if label in days.labels:
            return "training"
        return "held out" if first < time < last else "extrapolated"

    places = zip(frame["label"], frame["time"], strict=True)
    return [role(k, str(label), float(time)) for k, (label, time) in enumerate(places)]


def _independent(drawn: NDArray[np.int64], w: NDArray[np.float64]) -> float:
    """ESS of the cells at the start, by the mass of all that descend from each.

    `drawn` (n,) is the place in its table of the cell that each descends from.
    """
    mass = np.bincount(drawn, w)
    return float(mass.sum() ** 2 / max((mass**2).sum(), np.finfo(float).tiny))


def _counted(shares: dict[str, float], n: float) -> dict[str, tuple[float, float]]:
    """Both ends of the interval of shares of n cells."""
    low, high = counted(np.array(list(shares.values())), n)
    return dict(zip(shares, zip(low.tolist(), high.tolist(), strict=True), strict=True))


def _own(types: pd.Series[Any], w: NDArray[np.float64]) -> dict[str, float]:
    """Shares of the types that observed cells have, by weight; empty where none is annotated."""
    of_cell = read_types(types)
    total = w[of_cell.notna().to_numpy()].sum()
    there = sorted(set(of_cell.dropna())) if total else []
    return {name: float(w[(of_cell == name).to_numpy()].sum() / total) for name in there}


def _named(names: tuple[str, ...], shares: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(share) for name, share in zip(names, shares, strict=True)}
