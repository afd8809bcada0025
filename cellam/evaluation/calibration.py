"""Calibration: how far fates of single cells are to be believed, as clones tell.

The fate of a cell is the mean fate of its day, and a share c of what its own trajectory differs
from that (`analysis.fates`). With sᵢ the share of each state among the sisters of cell i, mᵢ the
mean fate of its day and aᵢ the fate by the trajectories of it and the cells alike it, the Brier
score Σᵢ |mᵢ + c (aᵢ − mᵢ) − sᵢ|² is least at

    c = Σᵢ (sᵢ − mᵢ) · (aᵢ − mᵢ) / Σᵢ |aᵢ − mᵢ|²,

held within 0 and 1. One number for all days: with one for each day, or with c as a factor of r²,
the score of other clones was the same (larry: 0.565, 0.566, 0.565).

What is gained by it is scored on clones that did not take part. Each half of the clones gives a c
for the other half; all of them together give the c that is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference_of
from cellam.analysis.fates import Fates
from cellam.evaluation.reliability import interval
from cellam.evaluation.sisters import find_sisters
from cellam.modelling.model import Model

Array = NDArray[np.float64]

N_BOOT = 1_000


@dataclass(frozen=True)
class Calibration:
    """A share of single fates that is kept, and what it is worth on other clones.

    Parameters
    ----------
    kept : float
        By all clones.
    halves : (float, float)
        By one half of the clones, and by the other.
    before : dict of str to float
        Of each day, what was kept without clones.
    clones, cells : int
        Clones on both days, and their early cells.
    brier : dict of str to float
        Score of the fates "calibrated" by the other half of the clones, "uncalibrated", and of
        the "mean" fate of the day.
    gain : dict of str to (float, float, float)
        Of the calibrated ones over the other two, with its 95 % interval over clones; above 0
        they are better.
    """

    kept: float
    halves: tuple[float, float]
    before: dict[str, float]
    clones: int
    cells: int
    brier: dict[str, float]
    gain: dict[str, tuple[float, float, float]]

    @property
    def says(self) -> str:
        """What was found, in two sentences."""
        one, other = (f"{100 * kept:.0f}" for kept in self.halves)
        without = " and ".join(f"{100 * kept:.0f} % on {day}" for day, kept in self.before.items())
        scores = ", ".join(f"{name} {value:.3f}" for name, value in self.brier.items())
        value, low, high = self.gain["uncalibrated"]
        better = (
            "better than" if low > 0 else "worse than" if high < 0 else "not clearly different from"
        )
        return (
            f"By {self.clones} clones, {100 * self.kept:.0f} % of what single cells differ from "
            f"the mean fate is kept ({one} % and {other} % by either half of them; without "
            f"clones, {without}).\nBrier on clones that took no part in it: {scores}. Calibrated "
            f"fates are {better} uncalibrated ones (gain {value:.3f}, 95 % {low:.3f} to "
            f"{high:.3f})."
        )


def calibrate(
    model: Model,
    types: pd.Series[Any],
    clones: pd.Series[Any],
    found: Sequence[Fates],
    *,
    seed: int = 0,
) -> Calibration:
    """How much of single fates is to be kept, by the states in which sisters were found.

    Parameters
    ----------
    model : Model
    types, clones : pandas.Series
        State and clone of every cell of the data, in its order.
    found : sequence of Fates
        Of the cells of the early days, forward to one late day; without `kept`.
    seed : int
        Splits the clones, and draws them for the intervals.

    Raises
    ------
    DataError
        If very few clones were found on both an early and the late day.
    """
    terminal = found[0].terminal.label
    sisters = find_sisters(
        model,
        types,
        clones,
        start=[f.start for f in found],
        terminal=terminal,
        of_state=reference_of(model, terminal, types).memberships(),
    )
    of_day = {f.start: f for f in found}
    cells = [(of_day[label], rows) for label, rows in sisters.early.items()]
    mean = np.concatenate([np.tile(f.mean, (len(rows), 1)) for f, rows in cells])
    uncalibrated = np.concatenate([f.probability[rows] for f, rows in cells])
    off = np.concatenate([f.explanations[0][rows] for f, rows in cells]) - mean
    wanted = sisters.observed - mean
    rng = np.random.default_rng(seed)
    one = rng.permutation(sisters.number)[sisters.clone] < sisters.number // 2
    halves = _share(off[one], wanted[one]), _share(off[~one], wanted[~one])
    crossed = np.where(one, halves[1], halves[0])[:, None]
    losses = {
        "calibrated": ((crossed * off - wanted) ** 2).sum(1),
        "uncalibrated": ((uncalibrated - sisters.observed) ** 2).sum(1),
        "mean": (wanted**2).sum(1),
    }
    weights = sisters.draws(N_BOOT, rng)[:, sisters.clone]
    scores = {name: weights @ loss / weights.sum(1) for name, loss in losses.items()}
    ours = scores["calibrated"]
    return Calibration(
        _share(off, wanted),
        halves,
        {f.start: f.kept for f in found},
        sisters.number,
        len(sisters.clone),
        {name: float(drawn[0]) for name, drawn in scores.items()},
        {
            name: tuple(interval("value", "low", "high", scores[name] - ours).values())  # type: ignore[misc]
            for name in ("uncalibrated", "mean")
        },
    )


def _share(off: Array, wanted: Array) -> float:
    """The share of departures (n, S) from the mean fate that is best for what was found."""
    length = float((off**2).sum())
    return float(np.clip((off * wanted).sum() / length, 0.0, 1.0)) if length > 0 else 0.0
