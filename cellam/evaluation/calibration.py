"""Calibration: how far fates of single cells are to be believed, as clones tell.

A share c of the fate of every cell follows its own way, and the rest is chance (see
`analysis.weighing`). Clones tell c: that for which the Brier score of the fates pᵢ(c) is least,
Σᵢ |pᵢ(c) − sᵢ|², with sᵢ the share of each state among the sisters of cell i. It is one number for
all days: with one for each day, or with c as a factor of r², the score of other clones was the same
on larry (0.565, 0.566 and 0.565, before the whole day counted).

What is gained by it is scored on clones that did not take part. Each half of the clones gives a c
for the other half; all of them together give the c that is used. Where these scores are no better
than without clones, it is not used: few clones tell c so badly (on larry, from day 2, 12 of them
0.04 and 0.69 by either half) that what is known without them is the better guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference_of
from cellam.analysis.fates import Fates, fates_by_day
from cellam.days.time_labels import named
from cellam.display import enumerated
from cellam.evaluation.reliability import interval
from cellam.evaluation.sisters import Sisters, find_sisters, unseen
from cellam.modelling.model import Model

Array = NDArray[np.float64]

N_BOOT = 1_000
NOT_USED = " They do not score better, so the fates here are uncalibrated: as without clones."
USED = (
    "\nCalibrated here are the shares and their entropy, in the table, the CSV and the flow. The "
    "ranges and the line of decided cells are not: they are what the days leave open without "
    "clones. Figures, the report and exports are not calibrated either."
)
TRIED = np.linspace(0.0, 1.0, 101)  # shares; the first is the mean fate


@dataclass(frozen=True)
class Calibration:
    """A share of every cell that follows its own way, and what it is worth on other clones.

    Parameters
    ----------
    kept : float
        The share, by all clones.
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
    def helps(self) -> bool:
        """Whether clones that took no part in it have a better score by it than without."""
        return self.gain["uncalibrated"][0] > 0

    @property
    def used(self) -> float | None:
        """What is to be kept of single fates: None, as without clones, where that scores better."""
        return self.kept if self.helps else None

    @property
    def says(self) -> str:
        """What was found, and whether it is used."""
        one, other = (f"{100 * kept:.0f}" for kept in self.halves)
        before = [f"{100 * kept:.0f} % on {named(day)}" for day, kept in self.before.items()]
        scores = ", ".join(f"{name} {value:.3f}" for name, value in self.brier.items())
        value, low, high = self.gain["uncalibrated"]
        better = (
            "better than" if low > 0 else "worse than" if high < 0 else "not clearly different from"
        )
        return (
            f"By {self.clones} clones, {100 * self.kept:.0f} % of the fate of single cells follows "
            f"their own trajectories, and the rest is chance ({one} % and {other} % by either half "
            f"of the clones; without clones, {enumerated(before)}).\nBrier on clones that took no "
            f"part in it: {scores}. Calibrated fates are {better} uncalibrated ones (gain "
            f"{value:.3f}, 95 % {low:.3f} "
            f"to {high:.3f}).{USED if self.helps else NOT_USED}"
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
        Of the cells of the early days, forward to one late day; without `kept`. Of a model that
        relies on barcodes they are made anew without those of the clones that judge them.
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

    each, plain = _losses(cells, sisters)
    if model.relies_on_clones:
        for apart, of in unseen(model.without_ensemble(), sisters, terminal, seed=seed):
            early = sisters.early
            again = list(
                zip(
                    fates_by_day(apart, early, types, terminal=terminal),
                    early.values(),
                    strict=True,
                )
            )
            in_part = of[sisters.clone]
            tried, alone = _losses(again, sisters)
            each[:, in_part], plain[in_part] = tried[:, in_part], alone[in_part]
    rng = np.random.default_rng(seed)
    one = rng.permutation(sisters.number)[sisters.clone] < sisters.number // 2
    best = [int(each[:, of].sum(1).argmin()) for of in (one, ~one)]
    losses = {
        "calibrated": np.where(one, each[best[1]], each[best[0]]),
        "uncalibrated": plain,
        "mean fate": each[0],
    }
    weights = sisters.draws(N_BOOT, rng)[:, sisters.clone]
    scores = {name: weights @ loss / weights.sum(1) for name, loss in losses.items()}
    ours = scores["calibrated"]
    return Calibration(
        float(TRIED[each.sum(1).argmin()]),
        (float(TRIED[best[0]]), float(TRIED[best[1]])),
        {f.start: f.kept for f in found},
        sisters.number,
        len(sisters.clone),
        {name: float(drawn[0]) for name, drawn in scores.items()},
        {
            name: tuple(interval("value", "low", "high", scores[name] - ours).values())  # type: ignore[misc]
            for name in ("uncalibrated", "mean fate")
        },
    )


def _losses(
    fates: Sequence[tuple[Fates, NDArray[np.int64]]], sisters: Sisters
) -> tuple[Array, Array]:
    """Squared errors of early cells for every share that is tried, (shares, n), and as they are."""

    def loss(p: Sequence[Array]) -> Array:
        return np.asarray(((np.concatenate(p) - sisters.observed) ** 2).sum(1))

    each = np.stack([loss([f.keeping(c)[rows] for f, rows in fates]) for c in TRIED])
    return each, loss([f.probability[rows] for f, rows in fates])
