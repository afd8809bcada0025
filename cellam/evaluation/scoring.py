"""Scoring: how near predictions come to the cells of a day that was held out.

All rows of a table have the same number of cells n, drawn in proportion to weight, and are means
over the same number of draws: finite samples bias W1 and W2 upward, by less for more cells.
The `floor` row is what two halves of the measured cells score against each other. Of a large day
beside the held-out one as many cells are drawn first as all draws together can hold: they are
followed by every fit, and more would be followed in vain.

Every score is kept with its covariance with the others, over other samples of the cells: each cell
has an influence on each score (`distances`), and the sums of their products are what is asked
for. To that comes, for a fit, how far its score moves when it is fitted to other cells (`refits`).
Where the day has replicates, these are what is sampled, in place of cells (`units`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.dynamics.distances import Comparison, draw_rows, resample
from cellam.errors import ConfigError
from cellam.evaluation.baselines import BASELINES, baselines
from cellam.evaluation.contenders import (
    FIT,
    FLOOR,
    FORWARD,
    Contender,
    Method,
    Sides,
    followed,
    pushed,
)
from cellam.evaluation.counterparts import COUNTERPARTS
from cellam.evaluation.gene_space import Genes
from cellam.evaluation.metrics import DISTANCES, METRICS, Annotation, Sample
from cellam.evaluation.scores import COLUMNS, OF_REPLICATES, PAIRS, Scores
from cellam.evaluation.units import AT_MOST, CELLS, REPLICATES, Units, clustered, pairs_of
from cellam.modelling.jackknife import Jackknife, freedom, spread
from cellam.modelling.model import Model
from cellam.modelling.refits import Refits
from cellam.reading.cell_types import split_levels
from cellam.reading.samples import ENOUGH

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

N_MAX = 1_000  # cells in a cloud; exact transport of two such clouds takes less than a second
DRAWS = 4
MOST_FOLLOWED = DRAWS * N_MAX  # cells of a day beside the held-out one
THINNING = 1_000  # the stream that draws them; it is that of no method
JACKKNIFED = 400  # cells in a cloud of a fit that left a replicate out
N_BOOT = 4_000  # draws of the bootstrap of skill, unless the user says otherwise
NO_REFITS = Refits((), 0.0)
NORMAL = 1.96  # standard errors on both sides of 95 %
NORMAL_DF = 0.0  # stands for the degrees of freedom of the normal, which has none
METHODS: dict[str, Method] = {
    FIT.name: FIT,
    FORWARD.name: FORWARD,
    **COUNTERPARTS,
    **BASELINES,
    FLOOR.name: FLOOR,
}


@dataclass(frozen=True)
class Contest:
    """A held-out day, and all that predict it.

    Parameters
    ----------
    model : Model
        Fitted without the day; of large training days it has some of the cells only.
    k : int
        Position of the day among all days.
    sides : Sides
        The training days beside it.
    clouds : dict of str to Contender
        By method, the fit first.
    seconds : dict of str to float
        That the fits took.
    orders : tuple of (m,) int arrays
        Random orders of the measured cells, one for each draw.
    """

    model: Model
    k: int
    sides: Sides
    clouds: Mapping[str, Contender]
    seconds: Mapping[str, float]
    orders: tuple[Rows, ...]

    @property
    def label(self) -> str:
        """The day."""
        return self.model.snapshots.labels[self.k]

    @property
    def truth(self) -> Array:
        """Its measured cells (m, d), in model coordinates."""
        return self.model.snapshots.points[self.k]

    def stream(self, name: str) -> np.random.Generator:
        """The random numbers of a method, which depend on no other method."""
        return np.random.default_rng([self.model.options.seed, self.k, METHODS[name].stream])


def contenders(
    model: Model,
    label: str,
    counterparts: Mapping[str, Model] | None = None,
    *,
    draws: int = DRAWS,
    most: int = MOST_FOLLOWED,
) -> Contest:
    """All that predict a held-out day: the fit, also forward alone, its counterparts, baselines.

    Parameters
    ----------
    model : Model
        With `label` among its excluded days.
    label : str
    counterparts : mapping of str to Model, optional
        Fitted on the same days otherwise, each with its name in `COUNTERPARTS`.
    draws : int
        How often clouds are drawn to be scored.
    most : int
        Cells of each training day, drawn at random, from which all predict.

    Raises
    ------
    ConfigError
        If the model was fitted on the day.
    """
    if label not in model.options.exclude:
        raise ConfigError(f"{label} is a training day of this model, so it cannot be scored.")
    k = model.snapshots.index(label)
    time = model.snapshots.times[k]
    thinning = np.random.default_rng([model.options.seed, k, THINNING])
    few = model.snapshots.thinned(most, thinning, whole=(label,))
    model = replace(model, snapshots=few)
    others = counterparts or {}
    fits = {FIT.name: model} | {name: replace(m, snapshots=few) for name, m in others.items()}
    # Transport draws from it first, then the orders of the day: both are as they always were.
    rng = np.random.default_rng([model.options.seed, k])
    clouds = {name: followed(fitted, time) for name, fitted in fits.items()}
    forward = pushed(model, time)
    if forward is not None:
        clouds[FORWARD.name], fits[FORWARD.name] = forward, model
    clouds |= baselines(model.training, time, rng)
    seconds = {name: fitted.seconds for name, fitted in fits.items()}
    m = len(model.snapshots.points[k])
    orders = tuple(rng.permutation(m) for _ in range(draws))
    return Contest(model, k, Sides.of(model.training, time), clouds, seconds, orders)


def score(
    model: Model,
    label: str,
    *,
    counterparts: Mapping[str, Model] | None = None,
    metrics: Iterable[str] = DISTANCES,
    refits: Refits = NO_REFITS,
    types: pd.Series[Any] | None = None,
    n_cells: int | None = None,
    draws: int = DRAWS,
    units: Units | None = None,
    expression: NDArray[np.float32] | None = None,
) -> Scores:
    """Score a model on a day that it was not fitted on, beside the baselines and the floor.

    Parameters
    ----------
    model, label, counterparts, draws
        As for `contenders`.
    metrics, refits, types, n_cells, units, expression
        As for `score_contest`.
    """
    return score_contest(
        contenders(model, label, counterparts, draws=draws),
        metrics=metrics,
        refits=refits,
        types=types,
        n_cells=n_cells,
        units=units,
        expression=expression,
    )


def score_contest(
    contest: Contest,
    *,
    metrics: Iterable[str] = DISTANCES,
    refits: Refits = NO_REFITS,
    types: pd.Series[Any] | None = None,
    n_cells: int | None = None,
    units: Units | None = None,
    expression: NDArray[np.float32] | None = None,
) -> Scores:
    """Score all that predict a held-out day, and its floor.

    Parameters
    ----------
    contest : Contest
    metrics : iterable of str
        Of `METRICS`; one that says nothing about a prediction has no row for it.
    refits : Refits
        The model fitted to other cells, for the variance of its score. Counterparts are taken to
        vary as much. Without them the fits are held.
    types : pandas.Series, optional
        Cell type of every cell of the data, in its order.
    n_cells : int, optional
        Cells in each cloud; as many as the smallest cloud and half of the day have, and at most
        1,000, without it.
    units : Units, optional
        Replicates of the day: what an interval is over, in place of cells and of `refits`. With two
        of them there is none.
    expression : (m, g) array, optional
        Of the measured cells, in the genes of the PCA; without it no metric in gene space has a
        row.

    Raises
    ------
    ConfigError
        If the day has too few cells.
    """
    n = _size(contest, n_cells)
    halves = [(order[:n], order[n : 2 * n]) for order in contest.orders]
    judge = _Judge(contest, tuple(metrics), types, expression)
    influences = judge.compare(halves)
    if units is not None:
        spreads = _over_replicates(judge, influences, units, halves[0][0])
        return _summarise(contest, influences, spreads, n=n, single=judge.against_each(units))
    days, time = contest.model.snapshots, contest.sides.time
    again = [followed(replace(other, snapshots=days), time) for other in refits.models]
    variances = judge.variances(again, refits.scale, halves[0][0])
    spreads = _over_cells(contest, influences, variances, len(again))
    return _summarise(contest, influences, spreads, n=n)


def _size(contest: Contest, n_cells: int | None) -> int:
    # Systematic draws from the smallest cloud leave every row with the same number of cells.
    m = len(contest.truth)
    most = min(m // 2, *(len(cloud.x) for cloud in contest.clouds.values()))
    n = n_cells or min(N_MAX, most)
    if not 2 <= n <= most:
        raise ConfigError(
            f"{contest.label} has {m} cells, too few to be scored with {n} in each cloud.",
            "Hold out another day.",
        )
    return n


class _Influence:
    """Mean of a score over the draws, and the influence of every measured cell on it."""

    def __init__(self, draws: int, n_truth: int, n_sides: int) -> None:
        self.draws = draws
        self.value = 0.0
        self.of_truth = np.zeros(n_truth)
        self.of_sides = np.zeros(n_sides)

    def add(self, compared: Comparison, target: Rows) -> None:
        """Count one draw, against the cells `target` (n,) of the held-out day."""
        self.value += compared.value / self.draws
        self.of_truth[target] += compared.of_y / (len(target) * self.draws)

    def covariance(self, other: _Influence) -> float:
        """Over other samples of the cells: the sum of the products of their influences."""
        return float(self.of_truth @ other.of_truth + self.of_sides @ other.of_sides)


class _Judge:
    """Compares predictions with cells of the held-out day, in some metrics."""

    def __init__(
        self,
        contest: Contest,
        metrics: tuple[str, ...],
        types: pd.Series[Any] | None,
        expression: NDArray[np.float32] | None = None,
    ) -> None:
        self.contest, self.metrics, self.expression = contest, metrics, expression
        self.types, self.annotation = _annotation(contest, types)

    def compare(self, halves: list[tuple[Rows, Rows]]) -> dict[tuple[str, str], _Influence]:
        """Scores by metric and method, those of the floor last."""
        found: dict[tuple[str, str], _Influence] = {}
        n_truth, n_sides = len(self.contest.truth), sum(self.contest.sides.sizes)
        draws = len(halves)

        def kept(metric: str, method: str) -> _Influence:
            return found.setdefault((metric, method), _Influence(draws, n_truth, n_sides))

        for name, cloud in self.contest.clouds.items():
            stream = self.contest.stream(name)
            for target, _ in halves:
                rows, share = draw_rows(cloud.weights, len(target), stream)
                drawn = Sample(cloud.x[rows], share, cloud.mass)
                for metric, compared in self._against(target, drawn):
                    one = kept(metric, name)
                    one.add(compared, target)
                    one.of_sides += cloud.of_cells(rows, share, compared.of_x, n_sides) / draws
        for target, other in halves:
            for metric, compared in self._against(target, self._measured(other)):
                one = kept(metric, FLOOR.name)
                one.add(compared, target)
                one.of_truth[other] += compared.of_x / (len(target) * draws)
        return found

    def variances(self, again: list[Contender], scale: float, target: Rows) -> dict[str, float]:
        """By metric, of the score of a fit over the cells that it was fitted to."""
        values: dict[str, list[float]] = {metric: [] for metric in self.metrics}
        for cloud in again:  # with the same random numbers for all: what differs is the fit
            rng = np.random.default_rng(self.contest.model.options.seed)
            rows, share = draw_rows(cloud.weights, len(target), rng)
            drawn = Sample(cloud.x[rows], share, cloud.mass)
            for metric, compared in self._against(target, drawn):
                values[metric].append(compared.value)
        return {
            metric: scale * float(np.var(known, ddof=1)) if len(known) > 1 else 0.0
            for metric, known in values.items()
        }

    def values(self, clouds: list[Contender | None], target: Rows) -> dict[str, Array]:
        """By metric, the scores of several clouds against the same cells of the day."""
        values: dict[str, list[float]] = {metric: [] for metric in self.metrics}
        for cloud in filter(None, clouds):
            rng = np.random.default_rng(self.contest.model.options.seed)
            # Thinned evenly, so that what differs are the clouds and not the draws.
            x, share = resample(cloud.x, cloud.weights, len(target), rng, stratified=True)
            for metric, compared in self._against(target, Sample(x, share, cloud.mass)):
                values[metric].append(compared.value)
        return {metric: np.array(known) for metric, known in values.items()}

    def against_each(self, units: Units) -> list[dict[str, Any]]:
        """All methods against each replicate, and replicates against each other; equal clouds."""
        clouds, members = self.contest.clouds, dict(enumerate(units.sizes))
        n = min(AT_MOST, *units.sizes.values(), *(len(cloud.x) for cloud in clouds.values()))
        drawn = [
            {name: order[units.of_truth[order] == k][:n] for k, name in members.items()}
            for order in self.contest.orders
        ]
        found: dict[tuple[str, str, str, str], list[float]] = {}
        for method, cloud in clouds.items():
            stream = self.contest.stream(method)
            for rows_of in drawn:
                for name, target in rows_of.items():
                    rows, share = draw_rows(cloud.weights, n, stream)
                    sample = Sample(cloud.x[rows], share, cloud.mass)
                    for metric, compared in self._against(target, sample):
                        found.setdefault((metric, method, name, ""), []).append(compared.value)
        for rows_of in drawn:
            for one, other in pairs_of(units.sizes):
                for metric, compared in self._against(rows_of[one], self._measured(rows_of[other])):
                    found.setdefault((metric, PAIRS, one, other), []).append(compared.value)
        return [
            {"metric": metric, "method": method, "replicate": name, "other": other,
             "value": float(np.mean(values)), "n": n, "cells": units.sizes[name]}
            for (metric, method, name, other), values in found.items()
        ]  # fmt: skip

    def _against(self, target: Rows, predicted: Sample) -> Iterable[tuple[str, Comparison]]:
        """In every metric that says something about them: a prediction and cells of the day."""
        measured = self._measured(target)
        for metric in self.metrics:
            compared = METRICS[metric].compare(predicted, measured, self.annotation)
            if compared is not None:
                yield metric, compared

    def _measured(self, rows: Rows) -> Sample:
        mass = self.contest.model.snapshots.masses[self.contest.k]
        types = None if self.types is None else self.types[rows]
        share = np.full(len(rows), 1 / len(rows))
        return Sample(self.contest.truth[rows], share, mass, types, self._genes(rows))

    def _genes(self, rows: Rows) -> Genes | None:
        if self.expression is None:
            return None
        space = self.contest.model.space
        y = self.expression[rows].astype(np.float64)
        origin = space.centre @ space.components + space.mean
        return Genes(y, space.scale[:, None] * space.components, origin)


def _annotation(
    contest: Contest, types: pd.Series[Any] | None
) -> tuple[Rows | None, Annotation | None]:
    """Types of the cells of the day, and what a prediction may know of types."""
    if types is None:
        return None, None
    codes, names = split_levels(types)
    training = contest.model.training
    of_day = codes[contest.model.snapshots.rows[contest.k]]
    trained = codes[training.data_rows]
    if not (of_day >= 0).any() or not (trained >= 0).any():
        return of_day, None
    known = of_day[of_day >= 0]
    shares = np.bincount(known, minlength=len(names)) / len(known)
    points = np.concatenate(training.points)[trained >= 0]
    return of_day, Annotation(points, trained[trained >= 0], shares)


@dataclass(frozen=True)
class _Spreads:
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


def _by_metric(found: Mapping[tuple[str, str], _Influence]) -> dict[str, dict[str, _Influence]]:
    metrics = dict.fromkeys(metric for metric, _ in found)
    return {
        metric: {name: one for (known, name), one in found.items() if known == metric}
        for metric in metrics
    }


def _over_cells(
    contest: Contest,
    found: Mapping[tuple[str, str], _Influence],
    variances: Mapping[str, float],
    refits: int,
) -> _Spreads:
    covariance = {}
    for metric, scores in _by_metric(found).items():
        names = list(scores)
        matrix = np.array([[a.covariance(b) for b in scores.values()] for a in scores.values()])
        # Fits alone vary with the cells that they were fitted to.
        more = np.where([name in contest.seconds for name in names], variances[metric], 0.0)
        covariance[metric] = pd.DataFrame(matrix + np.diag(more), names, names)
    return _Spreads(covariance, {}, CELLS, refits)


def _over_replicates(
    judge: _Judge, found: Mapping[tuple[str, str], _Influence], units: Units, target: Rows
) -> _Spreads:
    contest = judge.contest
    fits = units.jackknife.predicting_from(contest.model.snapshots)
    time, target = contest.sides.time, target[:JACKKNIFED]
    answers = {
        name: [judge.values([how(model, time) for model in day], target) for day in fits]
        for name, how in ((FIT.name, followed), (FORWARD.name, pushed))
        if name in contest.clouds
    }
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
    return _Spreads(covariance, df, REPLICATES, n_fits, len(units.sizes))


def _of_day(contest: Contest, one: _Influence, k: int, jackknife: Jackknife) -> Array:
    """Contributions of the groups of a training day by the influence of their cells."""
    days, sizes = contest.sides.days, contest.sides.sizes
    m = int(jackknife.groups[k].max()) + 1
    if k not in days:  # which no baseline looks at
        return np.zeros(m)
    start, rows = sum(sizes[: days.index(k)]), contest.sides.training.rows[k]
    return clustered(one.of_sides[start : start + len(rows)], jackknife.among(k, rows), m)


def _summarise(
    contest: Contest,
    found: Mapping[tuple[str, str], _Influence],
    spreads: _Spreads,
    *,
    n: int,
    single: Sequence[Mapping[str, Any]] = (),
) -> Scores:
    """The table, the covariance of its values, and the scores against single replicates."""
    model, label = contest.model, contest.label
    units = {metric: model.space.unit ** METRICS[metric].degree for metric in spreads.covariance}
    rows = []
    for (metric, name), one in found.items():
        value, margin = units[metric] * one.value, units[metric] * spreads.margin(metric, name)
        row = {
            "time": contest.sides.time,
            "label": label,
            "method": name,
            "metric": metric,
            "value": value,
            "low": value - margin,
            "high": value + margin,
            "n": n,
            "draws": len(contest.orders),
            "extrapolation": len(contest.sides.days) < 2,
            "seen": model.space.rep is not None,
            "refits": spreads.refits,
            "fit_seconds": contest.seconds.get(name, model.seconds),
            "n_boot": N_BOOT,
            "unit": spreads.unit,
            "replicates": spreads.replicates,
            "df": spreads.df.get((metric, name), NORMAL_DF),
        }
        rows.append(row)
    covariance = {
        (label, metric): units[metric] ** 2 * matrix
        for metric, matrix in spreads.covariance.items()
    }
    scaled = [
        {"label": label, **row, "value": units[row["metric"]] * row["value"]} for row in single
    ]
    return Scores(
        pd.DataFrame(rows, columns=list(COLUMNS)),
        covariance,
        pd.DataFrame(scaled, columns=list(OF_REPLICATES)),
    )
