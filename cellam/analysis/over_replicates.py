"""Over replicates: how growth, fates and shares of cell types would vary with other mice.

The intervals stand beside the ranges of `growth_range` and `fates`, which say what the same cells
leave open: more mice narrow the one, and not the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.composition import composition
from cellam.analysis.fates import Fates, predict_fates
from cellam.modelling.left_out import LeftOut
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.modelling.simulated import Simulation
from cellam.reading.cell_types import read_types

Array = NDArray[np.float64]
Rows = Sequence[Mapping[str, Any]]
Ends = Mapping[str, tuple[float, float]]  # of the interval of each type's share
LOW, HIGH = "replicates_low", "replicates_high"


def growth_over_replicates(
    model: Model, rows: Rows, types: pd.Series[Any], left: LeftOut | None
) -> list[dict[str, Any]]:
    """Growth by type with its interval over replicates.

    Parameters
    ----------
    model : Model
    rows : sequence of mappings
        With the type and the mean of its growth.
    types : pandas.Series
        Type of every cell of the data.
    left : LeftOut or None

    Returns
    -------
    list of dict
        The rows with replicates_low and replicates_high. They are None for a type of which one of
        the fits has no cell; there are none without `left`, or where nothing grows.
    """
    if left is None or model.conserves_mass or not rows:
        return [dict(row) for row in rows]
    days = model.snapshots
    of_cell = read_types(types).iloc[days.data_rows].to_numpy()
    members = [of_cell == row["type"] for row in rows]

    def means(m: Model, out: NDArray[np.int64]) -> Array:
        rates, kept = growth_rates(replace(m, snapshots=days)), ~np.isin(days.data_rows, out)
        return np.array([_mean(rates[of & kept]) for of in members])

    low, high = left.interval(np.array([row["mean"] for row in rows]), means)
    return [
        {**row, LOW: _number(a), HIGH: _number(b)}
        for row, a, b in zip(rows, low, high, strict=True)
    ]


def fates_over_replicates(
    found: Fates,
    rows: Rows,
    types: pd.Series[Any],
    left: LeftOut | None,
    *,
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Fates by type with their interval over replicates, given the share that cells keep.

    Parameters
    ----------
    found : Fates
        Of the observed cells of a day.
    rows : sequence of mappings
        As from `Fates.by_type` and `Fates.together`, the latter with the type "all".
    types : pandas.Series
        Type of every cell of the data.
    left : LeftOut or None
    draws, seed
        As for `predict_fates`.

    Returns
    -------
    list of dict
        The rows with replicates_low and replicates_high: for each state an end of the interval of
        its share. They are None for a type of which one of the fits has no cell, and not there
        without `left`, or where one of the two days was not fitted to.
    """
    if left is None or not {found.start, found.terminal.label} <= set(left.fitted):
        return [dict(row) for row in rows]

    def shares(m: Model, _: NDArray[np.int64]) -> Array:
        there = predict_fates(
            m, found.start, types, terminal=found.terminal.label, kept=found.kept,
            draws=draws, seed=seed,
        )  # fmt: skip
        of = {row["type"]: row["fate"] for row in (*there.by_type(types), _all(there))}
        return np.array(
            [
                [of[row["type"]].get(s, 0.0) if row["type"] in of else np.nan for s in found.states]
                for row in rows
            ]
        )

    value = np.array([[row["fate"][s] for s in found.states] for row in rows])
    low, high = left.interval(value, shares)
    ends = np.maximum(low, 0.0), np.minimum(high, 1.0)
    return [
        {**row, LOW: _named(found, a), HIGH: _named(found, b)}
        for row, a, b in zip(rows, *ends, strict=True)
    ]


def composition_over_replicates(
    frame: pd.DataFrame,
    types: pd.Series[Any] | None,
    left: LeftOut | None,
    follow: Callable[[Model], Simulation],
) -> pd.DataFrame:
    """A composition with the intervals of its shares over replicates.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `analysis.composition.composition`, of all cells of a day.
    types : pandas.Series or None
        Type of every cell of the data.
    left : LeftOut or None
    follow : callable
        The same simulation of a fit to fewer cells.

    Returns
    -------
    pandas.DataFrame
        The frame with `simulated_replicates` and `observed_replicates`: both ends of the interval
        of each share. It holds at least that by the number of cells (`at_least`): few replicates
        may agree by chance, as all do on a share of 0, and so many cells do not rule out the
        ends of that interval, which is the least that is not known. A share of a day without types
        in one of the fits has none, nor has one observed on a day with fewer than three
        replicates. The frame as it is without types, without `left`, or where the first day was
        not fitted to.
    """
    if left is None or types is None or frame["label"].iloc[0] not in left.fitted:
        return frame
    places = [(k, name) for k, shares in enumerate(frame["simulated"]) for name in shares]

    def simulated(m: Model, _: NDArray[np.int64]) -> Array:
        there = composition(m, follow(m), types)["simulated"]
        return np.array([there.iloc[k].get(name, np.nan) for k, name in places])

    value = np.array([frame["simulated"].iloc[k][name] for k, name in places])
    day, (low, high) = np.array([k for k, _ in places]), left.interval(value, simulated)
    ends = [
        _of_shares(list(shares), low[day == k], high[day == k], counted)
        for k, (shares, counted) in enumerate(
            zip(frame["simulated"], frame["simulated_interval"], strict=True)
        )
    ]
    days = zip(frame["label"], frame["observed"], frame["observed_interval"], strict=True)
    seen = [_observed(left, label, shares, counted, types) for label, shares, counted in days]
    columns = {"simulated_replicates": pd.Series(ends), "observed_replicates": pd.Series(seen)}
    return frame.assign(**columns)


def at_least(frame: pd.DataFrame) -> str:
    """Which intervals over replicates are those of cells, in words; empty where none is."""
    if "simulated_replicates" not in frame:
        return ""
    for of in ("simulated", "observed"):
        for ends, by_cells in zip(frame[f"{of}_replicates"], frame[f"{of}_interval"], strict=True):
            if any({*ends[name]} & {*by_cells[name]} for name in ends):
                return "at least that by the number of cells"
    return ""


def _observed(
    left: LeftOut,
    label: str,
    shares: Mapping[str, float],
    by_cells: Ends,
    types: pd.Series[Any],
) -> dict[str, tuple[float, float]]:
    """The interval of each share that was observed on a day."""
    names, of_cell = list(shares), read_types(types)

    def counted(rows: NDArray[np.int64]) -> Array:
        there = of_cell.iloc[rows].value_counts(normalize=True)
        found = there.reindex(names, fill_value=0.0 if len(there) else np.nan)
        return np.asarray(found, dtype=np.float64)

    found = left.interval_of_day(label, np.array([*shares.values()]), counted) if names else None
    return {} if found is None else _of_shares(names, *found, by_cells)


def _of_shares(
    names: list[str], low: Array, high: Array, by_cells: Ends
) -> dict[str, tuple[float, float]]:
    """Intervals within 0 and 1, at least those by cells; none where it is not known."""
    found = {}
    for name, a, b in zip(names, low, high, strict=True):
        if a <= b:  # neither is NaN
            least, most = by_cells[name]
            found[name] = max(min(float(a), least), 0.0), min(max(float(b), most), 1.0)
    return found


def says_over(rows: Rows, left: LeftOut | None) -> str:
    """What the intervals of some rows are over, in words; empty where they have none."""
    return left.says if left is not None and any(LOW in row for row in rows) else ""


def rows_of(found: Fates, types: pd.Series[Any]) -> list[dict[str, Any]]:
    """What the cells of each type become together, and those of all types as the last row.

    Where no cell has a type there is but the last.
    """
    return [*(found.by_type(types) if types.notna().any() else []), _all(found)]


def _all(found: Fates) -> dict[str, Any]:
    return {"type": "all", **found.together()}


def _named(found: Fates, ends: Array) -> dict[str, float] | None:
    if np.isnan(ends).any():
        return None
    return {state: float(end) for state, end in zip(found.states, ends, strict=True)}


def _number(end: float) -> float | None:
    return None if np.isnan(end) else float(end)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else np.nan
