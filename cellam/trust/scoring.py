"""Scoring: how near predictions come to the cells of a day that was held out.

All rows of a table have the same number of cells n, drawn in proportion to weight, and are means
over the same number of draws: finite samples bias W1 and W2 upward, by less for more cells.
The `floor` row is what two halves of the measured cells score against each other.

Every score is kept with its covariance with the others, over other samples of the cells: each cell
has an influence on each score (`distances`), and the sums of their products are what is asked
for. To that comes, for a fit, how far its score moves when it is fitted to other cells (`refits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.answers.composition import type_votes
from cellam.dynamics.distances import COMPARISONS, Comparison, draw_rows
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.modelling.refits import Refits
from cellam.reading.cell_types import split_levels
from cellam.trust.baselines import BASELINES, Contender, baselines, followed, neighbours

Array = NDArray[np.float64]

N_MAX = 1_000  # cells in a cloud; exact transport of two such clouds takes less than a second
DRAWS = 4
N_BOOT = 4_000  # draws of the bootstrap of skill, unless the user says otherwise
NO_REFITS = Refits((), 0.0)
NORMAL = 1.96  # standard errors on both sides of 95 %
COUNTERPARTS = {
    "balanced": "the same, fitted with mass conserved",
    "unbalanced": "the same, fitted with growth",
    "no-prior": "the same, fitted without the prior of growth",
}
METHODS = {
    "cellam": "the days on both sides, followed to it by the fit",
    "balanced": COUNTERPARTS["balanced"],
    "unbalanced": COUNTERPARTS["unbalanced"],
    **BASELINES,
    "floor": "one half of the measured cells, scored against the other",
    # Last, as the place of a method decides its random numbers.
    "no-prior": COUNTERPARTS["no-prior"],
}
METRICS = (*COMPARISONS, "composition", "mass")
COLUMNS = (
    "time", "label", "method", "metric", "value", "low", "high", "n", "draws", "extrapolation",
    "seen", "refits", "fit_seconds", "n_boot", "covariance",
)  # fmt: skip


def score(
    model: Model,
    label: str,
    *,
    metrics: Iterable[str] = tuple(COMPARISONS),
    counterparts: Mapping[str, Model] | None = None,
    refits: Refits = NO_REFITS,
    types: pd.Series[Any] | None = None,
    n_cells: int | None = None,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Score a model on a day that it was not fitted on, beside the baselines and the floor.

    Parameters
    ----------
    model : Model
        With `label` among its excluded days.
    label : str
    metrics : iterable of str
        Of `METRICS`; composition needs `types`, and is left out where no cell of the day, or of
        the training days, has one.
    counterparts : mapping of str to Model, optional
        Fitted on the same days otherwise, each with its name in `COUNTERPARTS`.
    refits : Refits
        The model fitted to other cells, for the variance of its score. Counterparts are taken to
        vary as much. Without them the fits are held.
    types : pandas.Series, optional
        Cell type of every cell of the data, in its order.
    n_cells : int, optional
        Cells in each cloud; as many as the smallest cloud and half of the day have, and at most
        1,000, without it.
    draws : int
        How often clouds are drawn.

    Returns
    -------
    pandas.DataFrame
        As `Evaluation.table`.
    """
    if label not in model.options.exclude:
        raise ConfigError(f"The model was fitted on {label}, so that it cannot be scored there.")
    days, training = model.snapshots, model.training
    k = days.index(label)
    truth, time = days.points[k], days.times[k]
    rng = np.random.default_rng([model.options.seed, k])
    clouds = {"cellam": followed(model, time)}
    seconds = {"cellam": model.seconds}
    for name, fitted in (counterparts or {}).items():
        clouds[name], seconds[name] = followed(fitted, time), fitted.seconds
    clouds |= baselines(training, time, rng)
    # Systematic draws from the smallest cloud leave every row with the same number of cells.
    most = min(len(truth) // 2, *(len(cloud.x) for cloud in clouds.values()))
    n = n_cells or min(N_MAX, most)
    if not 2 <= n <= most:
        raise ConfigError(
            f"{label} has {len(truth)} cells, too few to be scored with {n} in each cloud.",
            "Hold out another day.",
        )
    wanted = list(metrics)
    judge = _Judge(model, label, types if "composition" in wanted else None)
    if "composition" in wanted and not judge.knows_types:
        wanted.remove("composition")
    again = [followed(other, time) for other in refits.models]
    of_refits = np.zeros((len(wanted), len(again)))
    n_sides = sum(len(training.points[j]) for j in neighbours(training, time) if j is not None)
    found: dict[tuple[str, str], _Score] = {}
    # A stream for each row, so that no row depends on which others there are.
    streams = {
        name: np.random.default_rng([model.options.seed, k, column])
        for column, name in enumerate(METHODS)
    }
    for draw in range(draws):
        order = rng.permutation(len(truth))
        target, other = order[:n], order[n : 2 * n]
        for name, cloud in clouds.items():
            rows, share = draw_rows(cloud.weights, n, streams[name])
            for metric in wanted:
                compared = judge.compare(metric, cloud, rows, share, target)
                if compared is not None:
                    kept = found.setdefault((metric, name), _Score(draws, len(truth), n_sides))
                    kept.add(compared, target)
                    kept.of_sides += cloud.of_cells(rows, share, compared.of_x, n_sides) / draws
        # One draw, with the same random numbers for all: what differs is the fit.
        for j, cloud in enumerate(again if draw == 0 else ()):
            rows, share = draw_rows(cloud.weights, n, np.random.default_rng(model.options.seed))
            for i, metric in enumerate(wanted):
                compared = judge.compare(metric, cloud, rows, share, target)
                of_refits[i, j] = np.nan if compared is None else compared.value
        for metric in wanted:
            compared = judge.compare_halves(metric, other, target)
            kept = found.setdefault((metric, "floor"), _Score(draws, len(truth), n_sides))
            kept.add(compared, target)
            kept.of_truth[other] += compared.of_x / (n * draws)
    fits = {"cellam", *(counterparts or {})}
    extra = {
        metric: refits.scale * float(of_refits[i].var(ddof=1)) if len(again) > 1 else 0.0
        for i, metric in enumerate(wanted)
    }
    beyond = not training.times[0] <= time <= training.times[-1]
    rows_ = []
    for (metric, name), kept in found.items():
        # MMD, composition and mass have no unit.
        unit = model.space.unit if metric in ("W1", "W2", "energy") else 1.0
        covariance = {
            other_name: unit**2 * kept.covariance(other_score)
            for (other_metric, other_name), other_score in found.items()
            if other_metric == metric
        }
        if name in fits:
            covariance[name] += unit**2 * extra[metric]
        value, error = unit * kept.value, float(np.sqrt(covariance[name]))
        rows_.append(
            {
                "time": time,
                "label": label,
                "method": name,
                "metric": metric,
                "value": value,
                "low": value - NORMAL * error,
                "high": value + NORMAL * error,
                "n": n,
                "draws": draws,
                "extrapolation": beyond,
                "seen": model.space.rep is not None,
                "refits": len(again),
                "fit_seconds": seconds.get(name, model.seconds),
                "n_boot": N_BOOT,
                "covariance": covariance,
            }
        )
    return pd.DataFrame(rows_)


class _Score:
    """Mean of a distance over the draws, and the influence of every measured cell on it."""

    def __init__(self, draws: int, n_truth: int, n_sides: int) -> None:
        self.draws = draws
        self.value = 0.0
        self.of_truth = np.zeros(n_truth)
        self.of_sides = np.zeros(n_sides)

    def add(self, compared: Comparison, target: NDArray[np.int64]) -> None:
        """Count one draw, against the cells `target` (n,) of the held-out day."""
        self.value += compared.value / self.draws
        self.of_truth[target] += compared.of_y / (len(target) * self.draws)

    def covariance(self, other: _Score) -> float:
        """Over other samples of the cells: the sum of the products of their influences."""
        return float(self.of_truth @ other.of_truth + self.of_sides @ other.of_sides)


class _Judge:
    """Compares clouds with cells of the held-out day, in one metric or another."""

    def __init__(self, model: Model, label: str, types: pd.Series[Any] | None) -> None:
        days, training = model.snapshots, model.training
        self.k = days.index(label)
        self.truth = days.points[self.k]
        self.mass = days.masses[self.k]
        self.knows_types = False
        if types is not None:
            codes, names = split_levels(types)
            self.n_types = len(names)
            self.types = codes[days.rows[self.k]]
            # A prediction may look at the annotated cells of the training days only.
            trained = codes[np.concatenate(training.rows)]
            self.known = np.concatenate(training.points)[trained >= 0]
            self.known_types = trained[trained >= 0]
            self.knows_types = bool((self.types >= 0).any()) and len(self.known) > 0

    def compare(
        self,
        metric: str,
        cloud: Contender,
        rows: NDArray[np.int64],
        share: Array,
        target: NDArray[np.int64],
    ) -> Comparison | None:
        """Points `rows` of a cloud, weighted by `share`, with cells `target` of the day."""
        if metric == "mass":
            return None if cloud.mass is None else self._compare_masses(cloud.mass, rows, target)
        return self._compare(metric, cloud.x[rows], share, target)

    def compare_halves(
        self, metric: str, other: NDArray[np.int64], target: NDArray[np.int64]
    ) -> Comparison:
        """Some cells of the day with others."""
        if metric == "mass":
            return self._compare_masses(self.mass, other, target)
        return self._compare(metric, self.truth[other], _even(len(other)), target)

    def _compare(
        self, metric: str, x: Array, share: Array, target: NDArray[np.int64]
    ) -> Comparison:
        even = _even(len(target))
        if metric in COMPARISONS:
            return COMPARISONS[metric](x, share, self.truth[target], even)
        # The floor's cells are typed by their neighbours as well, as a perfect prediction's are.
        predicted = type_votes(x, self.known, self.known_types, self.n_types)
        typed = target[self.types[target] >= 0]
        measured = np.eye(self.n_types)[self.types[typed]]
        # Of few annotated cells a draw may hold none; those of the day then stand for them.
        there = self.types[self.types >= 0] if not len(typed) else self.types[typed]
        gap = share @ predicted - np.bincount(there, minlength=self.n_types) / len(there)
        value, sign = 0.5 * float(np.abs(gap).sum()), 0.5 * np.sign(gap)  # total variation
        of_y = np.zeros(len(target))
        if len(typed):
            # The mean is over the annotated cells alone, each of which counts for so much more.
            of_typed = -measured @ sign
            counts = self.types[target] >= 0
            of_y[counts] = (of_typed - of_typed.mean()) * (len(target) / len(typed))
        of_x = predicted @ sign
        return Comparison(value, of_x - share @ of_x, of_y)

    def _compare_masses(
        self, mass: float, rows: NDArray[np.int64], target: NDArray[np.int64]
    ) -> Comparison:
        # Masses are given, not measured on these cells, which therefore have no influence.
        return Comparison(abs(mass / self.mass - 1), np.zeros(len(rows)), np.zeros(len(target)))


def _even(n: int) -> Array:
    return np.full(n, 1 / n)
