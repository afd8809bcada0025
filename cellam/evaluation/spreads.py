"""Spreads: how the scores of a day vary over other samples, of cells or of replicates.

Every score is kept with its covariance with the others, over other samples of the cells: the sums
of the products of the influences that each cell has on them (`judge`). To that comes, for a fit,
how far its score moves when it is fitted to other cells (`refits`). Where the day has replicates,
these are what is sampled, in place of cells (`units`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.evaluation.contenders import FIT, FORWARD, followed, pushed
from cellam.evaluation.contest import Contest
from cellam.evaluation.judge import Influence, Judge
from cellam.evaluation.units import CELLS, REPLICATES, Units, clustered
from cellam.modelling.jackknife import Jackknife, freedom, spread
from cellam.modelling.model import Model
from cellam.reading.samples import ENOUGH

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

JACKKNIFED = 400  # cells in a cloud of a fit that left a replicate out
NORMAL = 1.96  # standard errors on both sides of 95 %
NORMAL_DF = 0.0  # stands for the degrees of freedom of the normal, which has none


@dataclass(frozen=True)
class Spreads:
    """How the scores of a day vary over other samples, in model coordinates.

    Parameters
    ----------
    covariance : dict of str to pandas.DataFrame
        By metric, of the methods.
    df : dict of (metric, method) to float
        Degrees of freedom; empty where the normal holds.
    unit : str
        What is sampled: cells or replicates.
    refits : int
        Fits that it rests on.
    replicates : int
        Of the day; 0 without any.
    """

    covariance: Mapping[str, pd.DataFrame]
    df: Mapping[tuple[str, str], float]
    unit: str
    refits: int
    replicates: int = 0

    def margin(self, metric: str, method: str) -> float:
        """Half of the width of a 95 % interval; NaN for fewer than three replicates."""
        if self.unit == REPLICATES and self.replicates < ENOUGH:
            return float("nan")
        at = list(self.covariance[metric].index).index(method)
        error = float(np.sqrt(self.covariance[metric].to_numpy()[at, at]))
        return quantile(self.df.get((metric, method), NORMAL_DF)) * error


def quantile(df: float) -> float:
    """Standard errors on both sides of 95 %, of Student's t; 1.96 for the normal (df 0)."""
    from scipy.stats import t

    return float(t.ppf(0.975, df)) if df > NORMAL_DF else NORMAL


def _by_metric(found: Mapping[tuple[str, str], Influence]) -> dict[str, dict[str, Influence]]:
    metrics = dict.fromkeys(metric for metric, _ in found)
    return {
        metric: {name: one for (known, name), one in found.items() if known == metric}
        for metric in metrics
    }


def over_cells(
    contest: Contest,
    found: Mapping[tuple[str, str], Influence],
    variances: Mapping[str, float],
    refits: int,
) -> Spreads:
    """Spreads of the scores `found`, by metric and method, over other samples of the cells.

    Parameters
    ----------
    contest : Contest
    found : dict of (metric, method) to Influence
    variances : dict of str to float
        By metric, of the score of a fit over the cells that it was fitted to.
    refits : int
        Fits on which these rest.
    """
    covariance = {}
    for metric, scores in _by_metric(found).items():
        names = list(scores)
        matrix = np.array([[a.covariance(b) for b in scores.values()] for a in scores.values()])
        # Fits alone vary with the cells that they were fitted to.
        more = np.where([name in contest.seconds for name in names], variances[metric], 0.0)
        covariance[metric] = pd.DataFrame(matrix + np.diag(more), names, names)
    return Spreads(covariance, {}, CELLS, refits)


def over_replicates(
    judge: Judge, found: Mapping[tuple[str, str], Influence], units: Units, target: Rows
) -> Spreads:
    """Spreads of the scores `found`, by metric and method, over replicates of all days.

    Parameters
    ----------
    judge : Judge
    found : dict of (metric, method) to Influence
    units : Units
    target : (n,) int array
        Cells of the held-out day that fits without a replicate are compared with.
    """
    contest = judge.contest
    fits = units.jackknife.predicting_from(contest.model.snapshots)
    answers = _answers(judge, fits, target[:JACKKNIFED])
    covariance: dict[str, pd.DataFrame] = {}
    df: dict[tuple[str, str], float] = {}
    for metric, scores in _by_metric(found).items():
        days = []  # of each: (groups, methods)
        names = list(scores)
        for k in range(-1, len(units.jackknife.groups)):  # −1 is the held-out day
            columns = []
            for name, one in scores.items():
                # Counterparts are taken to vary as the fit does, with the same replicates.
                fit = name if name in answers else FIT.name if name in contest.seconds else ""
                if k < 0:
                    columns.append(clustered(one.of_truth, units.of_truth))
                elif fit and fits:
                    columns.append(spread(answers[fit][k][metric]))
                else:
                    columns.append(_of_day(contest, one, k, units.jackknife))
            days.append(np.stack(columns, axis=1))
        matrix = sum(c.T @ c for c in days)
        covariance[metric] = pd.DataFrame(matrix, names, names)
        df |= {(metric, name): float(n) for name, n in zip(names, freedom(days), strict=True)}
    n_fits = sum(map(len, fits))
    return Spreads(covariance, df, REPLICATES, n_fits, len(units.sizes))


def _answers(
    judge: Judge, fits: Sequence[Sequence[Model]], target: Rows
) -> dict[str, list[dict[str, Array]]]:
    """Scores of fits without one group each, by method, training day and metric."""
    contest = judge.contest
    time = contest.sides.time
    return {
        name: [judge.values([how(model, time) for model in day], target) for day in fits]
        for name, how in ((FIT.name, followed), (FORWARD.name, pushed))
        if name in contest.clouds
    }


def _of_day(contest: Contest, one: Influence, k: int, jackknife: Jackknife) -> Array:
    """Contributions of the groups of a training day by the influence of their cells."""
    days, sizes = contest.sides.days, contest.sides.sizes
    m = int(jackknife.groups[k].max()) + 1
    if k not in days:  # which no baseline looks at
        return np.zeros(m)
    start, rows = sum(sizes[: days.index(k)]), contest.sides.training.rows[k]
    return clustered(one.of_sides[start : start + len(rows)], jackknife.among(k, rows), m)
