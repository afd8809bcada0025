"""Reliability: of what was said to happen with probability p, did a share p happen?

Probabilities of all cells and states stand in ten bins. In each the mean probability is compared
with how often the state was found. Calibrated probabilities agree in every bin, also where single
fates are not known: the mean fate of all cells is calibrated, and says nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

BINS = 10
LEVEL = 0.95


def reliability(p: Array, observed: Array, weights: Array | None = None) -> pd.DataFrame:
    """Predicted probabilities and observed shares in ten bins.

    Parameters
    ----------
    p, observed : (n, S) arrays
        Of each state in each cell: its probability, and what was found (a share or the truth).
    weights : (B, n) array, optional
        Of the cells: ones in the first row, draws of a bootstrap in the others.

    Returns
    -------
    pandas.DataFrame
        A row for each bin that holds any: from and to (its ends), pairs (of a cell and a state),
        predicted, observed (means), and with weights low and high, the 95 % interval of what was
        observed.

    Examples
    --------
    >>> p, found = np.array([[0.22, 0.78], [0.28, 0.72]]), np.array([[0, 1.0], [0.5, 0.5]])
    >>> table = reliability(p, found)
    >>> table[["from", "to", "pairs", "predicted", "observed"]].round(2).values.tolist()
    [[0.2, 0.3, 2.0, 0.25, 0.25], [0.7, 0.8, 2.0, 0.75, 0.75]]
    """
    of = np.minimum((BINS * p).astype(int), BINS - 1)
    rows = []
    for b in np.unique(of):
        here = of == b
        count, found = here.sum(1), np.where(here, observed, 0.0).sum(1)
        row = {
            "from": b / BINS,
            "to": (b + 1) / BINS,
            "pairs": int(count.sum()),
            "predicted": float(p[here].mean()),
            "observed": float(found.sum() / count.sum()),
        }
        if weights is not None:
            total = weights @ count
            share = weights @ found / np.where(total > 0, total, np.nan)
            row |= interval("observed", "low", "high", share)
        rows.append(row)
    return pd.DataFrame(rows)


def calibration_error(table: pd.DataFrame) -> float:
    """Mean distance of predicted and observed over the bins of `reliability`, by their pairs."""
    off = (table["predicted"] - table["observed"]).abs()
    return float(np.average(off, weights=table["pairs"]))


def verdict(table: pd.DataFrame) -> str:
    """Whether probabilities are found as often as said: on average, and where they are worst.

    The average is over pairs, of which most have a small probability, so the row that is farthest
    off is named where it is off by more than chance, or by twice the average.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `reliability`, with intervals.
    """
    predicted, found, low, high = (
        table[name].to_numpy(dtype=float) for name in ("predicted", "observed", "low", "high")
    )
    average, off = calibration_error(table), np.abs(predicted - found)
    most = table.iloc[int(table["pairs"].argmax())]
    says = (
        f"Probabilities are off by {100 * average:.1f} percentage points on average; "
        f"{100 * most['pairs'] / table['pairs'].sum():.0f} % of them are in the row {_row(most)}."
    )
    beyond = (predicted < low) | (predicted > high)
    k = int(np.where(beyond | (not beyond.any()), off, -1.0).argmax())
    worst = table.iloc[k]
    if off[k] <= (average if beyond.any() else 2 * average):
        return says
    too = "high" if worst["predicted"] > worst["observed"] else "low"
    where = f"In {beyond.sum()} of {len(table)} rows the interval leaves out what was predicted"
    chance = f"{where}. " if beyond.any() else "No row is off by more than chance. "
    return (
        f"{says} {chance}The worst is {_row(worst)}, where probabilities are too {too}: "
        f"{100 * worst['predicted']:.0f} % predicted, {100 * worst['observed']:.0f} % found "
        f"(95 % {100 * worst['low']:.0f} to {100 * worst['high']:.0f} %, "
        f"{worst['pairs']:,.0f} pairs of a cell and a state)."
    )


def _row(row: pd.Series[Any]) -> str:
    return f"{100 * row['from']:.0f} to {100 * row['to']:.0f} %"


def interval(value: str, low: str, high: str, drawn: Array) -> dict[str, float]:
    """What was found (the first of some draws) and its 95 % interval over the others, by names."""
    rest = drawn[1:][np.isfinite(drawn[1:])]
    tails = 0.5 - 0.5 * LEVEL, 0.5 + 0.5 * LEVEL
    ends = np.quantile(rest, tails) if len(rest) else (np.nan, np.nan)
    return {value: float(drawn[0]), low: float(ends[0]), high: float(ends[1])}
