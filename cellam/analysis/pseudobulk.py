"""Pseudobulk: the observed expression of genes on each day, of the cells that go to each state.

Nothing is decoded or simulated but the fates: a mean over observed cells by day and state f,

    m = Σ wᵢ xᵢ / Σ wᵢ,    wᵢ: probability that cell i becomes f,

and on the terminal day over the cells that are in the state. The variance is that of a weighted
mean over independent units, with the sum of all deviations of a unit (Liang and Zeger 1986),

    var m = R/(R − 1) Σᵣ (Σ_{i in r} wᵢ (xᵢ − m))² / (Σ wᵢ)²,

where units are replicates, if the day has two or more, else cells; its interval is by Student's t
with R − 1 degrees of freedom. Fates are taken as they are, so the interval does not hold what is
not known of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.fates import Fates
from cellam.modelling.model import Model
from cellam.reading.cell_types import read_types

Array = NDArray[np.float64]

LEVEL = 0.95


def pseudobulk(
    model: Model,
    expression: pd.DataFrame,
    found: Sequence[Fates],
    types: pd.Series[Any],
    replicates: NDArray[np.int64] | None = None,
) -> pd.DataFrame:
    """Mean expression by gene, state and day, with its 95 % interval.

    Parameters
    ----------
    model : Model
    expression : pandas.DataFrame
        (n, genes) of all cells of the data, in their order.
    found : sequence of Fates
        Of one or several days, with the same terminal day.
    types : pandas.Series
        State of every cell of the data.
    replicates : (n,) int array, optional
        Replicate of every cell of the data; −1 for none, which stands for itself.

    Returns
    -------
    pandas.DataFrame
        gene, group (the state), label, time, cells (effective number, (Σw)²/Σw²), mean, low, high;
        the interval is NaN where there is one unit. States that no cell of a day goes to have no
        row.
    """
    days, end = model.snapshots, found[0].terminal.label
    own = read_types(types).to_numpy()
    rows_of = days.rows[days.index(end)]
    states = found[0].states
    parts = [(f.start, f.rows, f.probability) for f in found]
    parts.append((end, rows_of, np.stack([own[rows_of] == s for s in states], axis=1) * 1.0))
    records: list[dict[str, Any]] = []
    for label, rows, weights in parts:
        x = expression.iloc[rows].to_numpy(dtype=np.float64)
        units = _units(rows, replicates)
        for state, w in zip(states, weights.T, strict=True):
            if w.sum() <= 0:
                continue
            mean, low, high = _interval(x, w, units)
            said = {
                "group": state, "label": label, "time": days.times[days.index(label)],
                "cells": float(w.sum() ** 2 / (w**2).sum()),
            }  # fmt: skip
            records += [
                {"gene": gene, **said, "mean": mean[g], "low": low[g], "high": high[g]}
                for g, gene in enumerate(expression.columns)
            ]
    frame = pd.DataFrame(records)
    order = pd.Categorical(frame["gene"], categories=list(expression.columns))
    frame = frame.assign(gene=order).sort_values(["gene", "group", "time"], kind="stable")
    return frame.astype({"gene": object}).reset_index(drop=True)


def _units(rows: NDArray[np.int64], replicates: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Unit of each cell, (n,): its replicate where there are two or more, else itself."""
    if replicates is None:
        return np.arange(len(rows))
    of = replicates[rows]
    if len(np.unique(of[of >= 0])) < 2:
        return np.arange(len(rows))
    alone = of.max() + 1 + np.arange(len(rows))
    return np.unique(np.where(of >= 0, of, alone), return_inverse=True)[1].reshape(-1)


def _interval(x: Array, w: Array, units: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Weighted means of columns of x (n, g), and the ends of their interval."""
    from scipy import stats

    mean = w @ x / w.sum()
    sums = np.zeros((units.max() + 1, x.shape[1]))
    np.add.at(sums, units, w[:, None] * (x - mean))
    R = len(np.unique(units[w > 0]))
    if R < 2:
        nothing = np.full(len(mean), np.nan)
        return mean, nothing, nothing
    se = np.sqrt(R / (R - 1) * (sums**2).sum(0)) / w.sum()
    half = stats.t.ppf(0.5 + LEVEL / 2, R - 1) * se
    return mean, mean - half, mean + half
