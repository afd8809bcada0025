"""Trials: how well a recipe predicts the inner training days, each held out.

Every inner training day is held out in turn, predicted from the days on both sides, and compared
by the energy distance, which is unbiased. Small subsets of the cells and few features are enough
to rank the candidates. The day that a user wants to score is not among the training days, so
it cannot influence the choice.

What that takes does not grow with the number of days: six of them are held out, spread evenly, and
each is predicted by fits to the ten days nearest to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.couplings import Pairs
from cellam.dynamics.curves import curve
from cellam.dynamics.distances import energy
from cellam.dynamics.fitting import (
    OnProgress,
    Progress,
    add_growth,
    draw_features,
    fit_kernel,
    typical_distance,
)
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import Path, build_gap, join
from cellam.dynamics.simulation import OF_A_GAP, Cloud, from_both_sides
from cellam.dynamics.velocities import Calibrated, calibrate
from cellam.errors import TrainingError
from cellam.limits import INNER
from cellam.modelling.recipe import Because, Reason, Recipe
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

CELLS = 300  # a day
FEATURES = 256
NEAREST = 10  # days at most that are fitted to when one is held out
STEPS = 12  # of Runge–Kutta over the whole range of times
PARTICLES = 6_000
HALVED = 4  # cells of a day at least for two halves of it: one cell has no distance to others
NOISE = 0.003  # of the energy distance of the day before, as it is: less is no difference


@dataclass(frozen=True)
class Trials:
    """Predictions of the inner days, each held out, by one recipe after the other.

    Pairing costs more than all the rest, so the pairs of two days are kept, and so are the days
    around each that is held out, with the length of their features.
    """

    days: Snapshots
    objective: Objective
    seed: int
    on_progress: OnProgress
    pairs: dict[tuple[int, int, Recipe], Pairs] = field(default_factory=dict)
    around: dict[int, _Around] = field(default_factory=dict)
    calibrated: dict[tuple[int, Recipe], Calibrated | None] = field(default_factory=dict)

    @property
    def inner(self) -> list[int]:
        """Every day but the first and the last, or some of them if there are many."""
        between = np.arange(1, len(self.days) - 1)
        spread = np.linspace(0, len(between) - 1, min(len(between), INNER))
        return [int(between[round(k)]) for k in spread]

    def run(self, stage: str, recipes: Sequence[Recipe]) -> Array:
        """Mean energy distance of each recipe over the inner days; nan where one fails."""
        scores = np.empty((len(recipes), len(self.inner)))
        for column, k in enumerate(self.inner):
            for row, recipe in enumerate(recipes):
                scores[row, column] = self._score(k, recipe)
                done = column * len(recipes) + row + 1
                self.on_progress(Progress(stage, done, scores.size))
        return np.asarray(scores.mean(1))

    def noise(self) -> float:
        """A difference of scores that means nothing.

        It is small beside the distance of the days, or no more than what two halves of one day,
        between which there is nothing to find, score against each other: half of that, as a
        prediction is compared with twice as many cells, over the root of the number of days.
        """
        days = [x for x in (self.days.points[k] for k in self.inner) if len(x) >= HALVED]
        if not days:
            return float("inf")  # of so few cells no difference means anything
        halves = [_energy(x[::2], x[1::2]) for x in days]
        sampling = 0.5 * float(np.sqrt(np.mean(np.square(halves)) / len(halves)))
        return max(self.least(), sampling)

    def least(self) -> float:
        """A difference of scores that is small beside the distance of the days."""
        days = self.days.points
        return NOISE * float(np.mean([_energy(days[k - 1], days[k]) for k in self.inner]))

    def reason(self, because: Because, names: Sequence[str], means: Array) -> Reason:
        """A reason with the scores of all candidates."""
        scores = {name: float(mean) for name, mean in zip(names, means, strict=True)}
        return Reason(because, scores, len(self.inner))

    def _score(self, k: int, recipe: Recipe) -> float:
        """Energy distance of day k to its prediction from both sides, day k held out."""
        if k not in self.around:
            self.around[k] = _Around.of(self.days, k, self.seed)
        near = self.around[k]
        rng = np.random.default_rng(self.seed)
        features = draw_features(near.training, FEATURES, rng, near.length)
        before, after = near.sides()
        try:
            path = self._path(near, recipe)
            fit = fit_kernel(path, self.objective, features, rng=rng, particles=PARTICLES)
            relative = path.less_total_growth()
            still = features.time_independent()
            fit = add_growth(fit, relative, still, rng=rng, particles=PARTICLES)
            time = near.training.unit_time(self.days.times[k])
            steps = max(STEPS, OF_A_GAP * (len(near.training) - 1))
            x, w = from_both_sides(fit.dynamics, before, after, time, rng=rng, steps=steps)
        except TrainingError:
            return float("nan")
        truth = self.days.points[k]
        return energy(x, w / w.sum(), truth, _even(truth))

    def _path(self, near: _Around, recipe: Recipe) -> Path:
        """The path past the day that is held out, bent by the velocities of the others."""
        path = curve(self._straight(near, recipe), recipe.curvature)
        if recipe.velocity == 0:
            return path
        key = near.held, replace(recipe, velocity=0.0)
        if key not in self.calibrated:
            rng = np.random.default_rng([self.seed, near.held])
            self.calibrated[key] = calibrate(near.training, path, self.objective, rng)
        found = self.calibrated[key]
        return path if found is None else found.bend(path, near.training, recipe.velocity)

    def _straight(self, near: _Around, recipe: Recipe) -> Path:
        """The same, of straight lines."""
        days, coupling = recipe.applied(near.training), recipe.coupling
        gaps = []
        for (i, first), (j, then) in itertools.pairwise(enumerate(near.positions)):
            key = first, then, replace(recipe, velocity=0.0)
            if key not in self.pairs:
                rng = np.random.default_rng([self.seed, first, then])
                self.pairs[key] = build_gap(days, i, j, coupling, rng).pairs
            gaps.append(join(days, i, j, coupling, self.pairs[key]))
        return Path(tuple(gaps), self.objective.sigma)


@dataclass(frozen=True)
class _Around:
    """The days nearest to one that is held out.

    Parameters
    ----------
    held : int
        Position among all days of the one that is held out.
    positions : tuple of int
        Positions of the others, in the order of time.
    training : Snapshots
        Those days alone.
    length : float
        The length of features for them.
    """

    held: int
    positions: tuple[int, ...]
    training: Snapshots
    length: float

    @staticmethod
    def of(days: Snapshots, held: int, seed: int) -> _Around:
        """As many days before as after, and `NEAREST` in any case where there are so many."""
        first = max(0, min(held - NEAREST // 2, len(days) - NEAREST - 1))
        positions = [j for j in range(len(days))[first : first + NEAREST + 1] if j != held]
        training = days.only(positions)
        length = typical_distance(training, np.random.default_rng(seed))
        return _Around(held, tuple(positions), training, length)

    def sides(self) -> tuple[Cloud, Cloud]:
        """The days before and after the one that is held out."""
        days, k = self.training, sum(j < self.held for j in self.positions)
        before, after = (
            Cloud(days.points[j], days.weights[j], days.unit_times[j]) for j in (k - 1, k)
        )
        return before, after


def _energy(x: Array, y: Array) -> float:
    return energy(x, _even(x), y, _even(y))


def _even(x: Array) -> Array:
    return np.full(len(x), 1 / len(x))
