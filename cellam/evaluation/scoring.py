"""Scoring: how near predictions come to the cells of a day that was held out.

All rows of a table have the same number of cells n, drawn in proportion to weight, and are means
over the same number of draws: finite samples bias W1 and W2 upward, by less for more cells.
The `floor` row is what two halves of the measured cells score against each other. Of a large day
beside the held-out one as many cells are drawn first as all draws together can hold: they are
followed by every fit, and more would be followed in vain.

Every score is kept with its covariance with the others, over other samples of the cells: each cell
has an influence on each score (`distances`), and the sums of their products are what is asked
for. To that comes, for a fit, how far its score moves when it is fitted to other cells (`refits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.dynamics.distances import Comparison, draw_rows
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
from cellam.evaluation.metrics import DISTANCES, METRICS, Annotation, Sample
from cellam.evaluation.scores import COLUMNS, Scores
from cellam.modelling.model import Model
from cellam.modelling.refits import Refits
from cellam.reading.cell_types import split_levels

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

N_MAX = 1_000  # cells in a cloud; exact transport of two such clouds takes less than a second
DRAWS = 4
MOST_FOLLOWED = DRAWS * N_MAX  # cells of a day beside the held-out one
THINNING = 1_000  # the stream that draws them; it is that of no method
N_BOOT = 4_000  # draws of the bootstrap of skill, unless the user says otherwise
NO_REFITS = Refits((), 0.0)
NORMAL = 1.96  # standard errors on both sides of 95 %
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
) -> Scores:
    """Score a model on a day that it was not fitted on, beside the baselines and the floor.

    Parameters
    ----------
    model, label, counterparts, draws
        As for `contenders`.
    metrics, refits, types, n_cells
        As for `score_contest`.
    """
    return score_contest(
        contenders(model, label, counterparts, draws=draws),
        metrics=metrics,
        refits=refits,
        types=types,
        n_cells=n_cells,
    )


def score_contest(
    contest: Contest,
    *,
    metrics: Iterable[str] = DISTANCES,
    refits: Refits = NO_REFITS,
    types: pd.Series[Any] | None = None,
    n_cells: int | None = None,
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

    Raises
    ------
    ConfigError
        If the day has too few cells.
    """
    n = _size(contest, n_cells)
    halves = [(order[:n], order[n : 2 * n]) for order in contest.orders]
    judge = _Judge(contest, tuple(metrics), types)
    influences = judge.compare(halves)
    days, time = contest.model.snapshots, contest.sides.time
    again = [followed(replace(other, snapshots=days), time) for other in refits.models]
    variances = judge.variances(again, refits.scale, halves[0][0])
    return _summarise(contest, influences, variances, n=n, refits=len(again))


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
        self, contest: Contest, metrics: tuple[str, ...], types: pd.Series[Any] | None
    ) -> None:
        self.contest, self.metrics = contest, metrics
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
        return Sample(self.contest.truth[rows], np.full(len(rows), 1 / len(rows)), mass, types)


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


def _summarise(
    contest: Contest,
    found: Mapping[tuple[str, str], _Influence],
    variances: Mapping[str, float],
    *,
    n: int,
    refits: int,
) -> Scores:
    """The table, and the covariance of its values."""
    model = contest.model
    metrics = dict.fromkeys(metric for metric, _ in found)
    units = {metric: model.space.unit ** METRICS[metric].degree for metric in metrics}
    covariance: dict[tuple[str, str], pd.DataFrame] = {}
    errors: dict[tuple[str, str], float] = {}
    for metric in metrics:
        scores = {name: one for (known, name), one in found.items() if known == metric}
        names = list(scores)
        matrix = np.array([[a.covariance(b) for b in scores.values()] for a in scores.values()])
        # Fits alone vary with the cells that they were fitted to.
        more = np.where([name in contest.seconds for name in names], variances[metric], 0.0)
        square = units[metric] ** 2
        matrix = square * matrix + np.diag(square * more)
        covariance[contest.label, metric] = pd.DataFrame(matrix, names, names)
        errors |= {
            (metric, name): float(np.sqrt(v))
            for name, v in zip(names, matrix.diagonal(), strict=True)
        }
    rows = []
    for (metric, name), one in found.items():
        value, error = units[metric] * one.value, errors[metric, name]
        row = {
            "time": contest.sides.time,
            "label": contest.label,
            "method": name,
            "metric": metric,
            "value": value,
            "low": value - NORMAL * error,
            "high": value + NORMAL * error,
            "n": n,
            "draws": len(contest.orders),
            "extrapolation": len(contest.sides.days) < 2,
            "seen": model.space.rep is not None,
            "refits": refits,
            "fit_seconds": contest.seconds.get(name, model.seconds),
            "n_boot": N_BOOT,
        }
        rows.append(row)
    return Scores(pd.DataFrame(rows, columns=list(COLUMNS)), covariance)
