"""Selection: how strongly mass may change, judged on the training days alone.

Every inner training day is held out in turn, predicted from the days on both sides, and compared
by the energy distance, which is unbiased. Small subsets of the cells and few features are enough
to rank the candidates. The day that a user wants to score is not among the training days, so
it cannot influence the choice.

What that takes does not grow with the number of days: six of them are held out, spread evenly, and
each is predicted by fits to the ten days nearest to it.

Growth that is expected beforehand (`reading.growth`) is taken for true to the share that makes the
unbalanced plans between the training days cheapest: expected masses that fit the next day need
little transport and little growth besides, wrong ones need more of both than none at all. The
rates of genes are some times too large, and a share below 1 mends that too.

What clones tell (`dynamics.lineage`) is taken to the share that brings sisters nearest in clones
that are held out: the map is learnt from four fifths of the clones, the days are paired, and the
partners of cells of the last fifth are compared with their sisters; so for each fifth, and for
each day by itself, as barcodes say most where snapshots do not see yet what is decided. A share
counts only if it brings sisters nearer by more than chance does in one of twenty cases, as the
scatter over clones tells.

Given velocities of cells (`dynamics.velocities`) bend the path to the share with which the inner
days are predicted best, by the velocities of the days around them alone. All of it is tried on
halves of the cells, drawn again and again: that scatters as the fit to all cells does about the
truth [1]_, and a share counts only if it predicts better by more than this makes up in one of
twenty cases.

References
----------
.. [1] Politis and Romano, Large sample confidence regions based on subsamples under minimal
   assumptions, Annals of Statistics 1994.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.couplings import Balanced, Coupling, Pairs, Unbalanced
from cellam.dynamics.curves import CURVATURE, curve
from cellam.dynamics.distances import energy
from cellam.dynamics.fitting import (
    OnProgress,
    Progress,
    add_growth,
    draw_features,
    fit_kernel,
    silent,
    typical_distance,
)
from cellam.dynamics.lineage import shared_clones
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import Path, build_gap, expected_masses, join
from cellam.dynamics.simulation import Cloud, from_both_sides
from cellam.dynamics.transport import squared_distances
from cellam.dynamics.velocities import Calibrated, calibrate, velocities_of
from cellam.errors import TrainingError
from cellam.limits import CLONES, INNER
from cellam.modelling.recipe import Because, Choice, Part, Reason, Recipe
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

TAUS = (0.1, 0.3, 1.0)
TAU = 1.0  # where fewer than three training days leave nothing to judge by
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the growth that is expected
CHEAPER = 0.05  # share of the price by which expecting growth has to lower it
CLONE_SHARES = (0.0, 0.5, 1.0)  # of what clones tell
FOLDS = 5  # of the clones, each held out to choose that share
SURE = 1.645  # standard errors over clones by which sisters have to come nearer
VELOCITY_SHARES = (0.0, 0.5, 1.0)  # of given velocities in the tangents of the path
HALVES, TRIED = 6, 2  # of the cells, on which it is chosen; after which no gain is none
PAIRED = 500  # cells of a day that are paired for it
CELLS = 300  # a day
FEATURES = 256
NEAREST = 10  # days at most that are fitted to when one is held out
STEPS = 24  # of Runge–Kutta over the whole range of times
PARTICLES = 6_000
NOISE = 0.003  # of the energy distance of the day before, as it is: less is no difference
KEPT = 0.5  # share of the gain over balanced transport that may be given up for less growth


def choose_recipe(
    snapshots: Snapshots,
    objective: Objective,
    rng: np.random.Generator,
    *,
    coupling: Coupling | None = None,
    curvature: float | None = None,
    on_progress: OnProgress = silent,
) -> Choice:
    """Choose what is not given: the shares of the prior and of the clones, and the coupling.

    The curvature is not chosen: of 0, ½ and 1, the one that one or two inner days favour predicts
    other days no better than 1 does everywhere (36 held-out days of 12 data sets: energy 0.71
    times that of straight transport by either, and 0.88 without curvature).

    Parameters
    ----------
    snapshots : Snapshots
        The training days.
    objective : Objective
        Without growth only balanced transport makes sense.
    rng : numpy.random.Generator
    coupling, curvature : optional
        What the user asks for.

    Returns
    -------
    Choice
        With the largest τ that keeps half of what relaxing the mass gains over balanced
        transport, and a fixed τ where there are fewer than three days. The smallest energy
        distance alone would favour small τ even where it hardly matters, and small τ costs
        growth: its births and deaths mend the prediction wherever it is wrong (on the demo
        data growth correlates with the truth by 0.90 at τ 1, 0.83 at 0.3 and 0.71 at 0.1).
    """
    clones: tuple[tuple[str, float], ...] = ()
    reasons: dict[Part, Reason] = {}
    if snapshots.clones is not None:
        usual = Unbalanced(TAU) if objective.grows else Balanced()
        # Random numbers of its own: without a share, the fit is the one without barcodes.
        clones, reasons["clones"] = choose_clones(snapshots, coupling or usual, rng.spawn(1)[0])
    few = snapshots.with_clones(dict(clones)).thinned(CELLS, rng)
    trials = _Trials(few, objective, int(rng.integers(2**63)), on_progress)
    couplings: tuple[Coupling, ...]
    prior = 0.0
    if few.prior is not None:
        prior, reasons["prior"] = _choose_prior(
            few, coupling if isinstance(coupling, Unbalanced) else Unbalanced(TAU)
        )
    bend = CURVATURE if curvature is None else curvature
    if coupling is not None:
        couplings, reasons["coupling"] = (coupling,), Reason("asked")
    else:
        couplings, reasons["coupling"] = _choose_coupling(trials, bend, prior, clones)
        coupling = couplings[-1]
    if not coupling.moves:
        return Choice(Recipe(coupling, 0.0), reasons, couplings)
    if len(snapshots) > 2:  # two days lie on one line
        reasons["curvature"] = Reason("default" if curvature is None else "asked")
    recipe = Recipe(coupling, bend, prior, clones)
    if snapshots.velocities is not None:
        share, reasons["velocity"] = choose_velocity(
            snapshots, recipe, objective, rng.spawn(1)[0], on_progress
        )
        recipe = replace(recipe, velocity=share)
    return Choice(recipe, reasons, couplings)


def _choose_prior(days: Snapshots, coupling: Unbalanced) -> tuple[float, Reason]:
    prices: dict[str, float] = {}
    for share in SHARES:
        expecting = days.with_prior(share)
        gaps = []
        for k, (x, y) in enumerate(itertools.pairwise(days.points)):
            a, b = expected_masses(expecting, k, k + 1)
            gaps.append(coupling.price(x, y, a / a.sum(), b / b.sum()))
        prices[f"{share:g}"] = price = float(np.mean(gaps))
        if price > min(prices.values()):
            break  # far beyond, a few cells would carry all mass, and they are cheap to move
    found = np.array(list(prices.values()))
    best = int(np.argmin(found))
    if found[best] > (1 - CHEAPER) * found[0]:
        return 0.0, Reason("not cheaper", prices)
    return SHARES[best], Reason("cheapest", prices)


def choose_clones(
    days: Snapshots, coupling: Coupling, rng: np.random.Generator
) -> tuple[tuple[tuple[str, float], ...], Reason]:
    """How far to go by clones after each day, as it brings sisters nearer, and the distances.

    Parameters
    ----------
    days : Snapshots
        With clones.
    coupling : Coupling
        Pairs the days.
    rng : numpy.random.Generator
        Draws whole clones of large days, and the fifths.

    Returns
    -------
    tuple of (str, float) and Reason
        Labels of days with their shares, where these are above 0; the scores are of each day.
    """
    few = days.with_prior(0.0).thinned(PAIRED, rng)
    scores: dict[str, float] = {}
    chosen = []
    for k, label in enumerate(few.labels[:-1]):
        apart = _apart(few, k, coupling, rng)
        if not len(apart):
            continue
        means = apart.mean(0)
        named = (f"{label} at {share:g}" for share in CLONE_SHARES)
        scores |= dict(zip(named, map(float, means), strict=True))
        best = int(np.argmin(means))
        gain = apart[:, 0] - apart[:, best]
        if gain.mean() > SURE * gain.std(ddof=1) / np.sqrt(len(gain)):
            chosen.append((label, CLONE_SHARES[best]))
    if not scores:
        return (), Reason("few clones")
    return tuple(chosen), Reason("nearer" if chosen else "not nearer", scores)


def _apart(days: Snapshots, k: int, coupling: Coupling, rng: np.random.Generator) -> Array:
    """Distance of partners to sisters after day k, for each clone and each share: (clones, shares).

    It is the mean over the cells of a clone and the partners that a plan finds for them without its
    barcodes, less their distance to all cells of the next day, in units of the mean distance of
    any two, plus 1: at 1 they are no nearer than to others. Of few clones there is none.
    """
    assert days.clones is not None
    before, after = days.clones[k : k + 2]
    names = shared_clones(before, after)
    if len(names) < 2 * CLONES:
        return np.empty((0, len(CLONE_SHARES)))
    seed = int(rng.integers(2**63))

    def partners(known: Snapshots, share: float) -> Pairs:
        alike = known.with_clones({days.labels[k]: share})
        return build_gap(alike, k, k + 1, coupling, np.random.default_rng(seed)).pairs

    y = days.points[k + 1]
    to_all = np.sqrt(squared_distances(y, y))
    without = partners(days, 0.0)
    found = []
    for held in np.array_split(rng.permutation(names), FOLDS):
        known = days.less_clones(held)
        plans = [without, *(partners(known, share) for share in CLONE_SHARES[1:])]
        for clone in held:
            to_sisters = 1 + (to_all[:, after == clone].mean(1) - to_all.mean(1)) / to_all.mean()
            of = [pairs.where(before[pairs.i] == clone) for pairs in plans]
            found.append([p.mass_1 @ to_sisters[p.j] / p.mass_1.sum() for p in of])
    return np.array(found)


def choose_velocity(
    days: Snapshots,
    recipe: Recipe,
    objective: Objective,
    rng: np.random.Generator,
    on_progress: OnProgress = silent,
) -> tuple[float, Reason]:
    """How far given velocities bend the path, as that predicts inner days better, and the scores.

    Parameters
    ----------
    days : Snapshots
        With velocities.
    recipe : Recipe
        Of the path.
    objective : Objective
    rng : numpy.random.Generator
        Draws cells, halves of them and features.
    """
    if velocities_of(days) is None:
        return 0.0, Reason("no velocities")
    if len(days) < 3:
        return 0.0, Reason("too few days")
    few = days.thinned(2 * CELLS, rng)
    recipes = [replace(recipe, velocity=share) for share in VELOCITY_SHARES]
    found: list[Array] = []
    for _ in range(HALVES):
        trials = _Trials(few.halved(rng), objective, int(rng.integers(2**63)), on_progress)
        found.append(trials.run("choose the share of velocities", recipes))
        scores = np.array(found)
        means = scores.mean(0)
        best = int(np.argmin(np.where(np.isfinite(means), means, np.inf)))
        if len(found) >= TRIED and best == 0:
            break
    gains = scores[:, 0] - scores[:, best]
    better = gains.mean() > max(SURE * gains.std(ddof=1), trials.least())
    reason = trials.reason(
        "predicts better" if better else "not better", [f"{s:g}" for s in VELOCITY_SHARES], means
    )
    return VELOCITY_SHARES[best] if better else 0.0, reason


def _choose_coupling(
    trials: _Trials, curvature: float, prior: float, clones: tuple[tuple[str, float], ...]
) -> tuple[tuple[Coupling, ...], Reason]:
    """The couplings that predict well enough, the chosen one last."""
    if not trials.objective.grows:
        return (Balanced(),), Reason("conserved")
    relaxed = [Unbalanced(tau) for tau in TAUS]
    if len(trials.days) < 3:
        return tuple(relaxed), Reason("too few days")
    candidates: list[Coupling] = [*relaxed, Balanced()]
    recipes = [Recipe(c, curvature, prior, clones) for c in relaxed]
    recipes.append(
        Recipe(candidates[-1], curvature, clones=clones)
    )  # expected growth, imposed, is no candidate
    means = trials.run("choose the path", recipes)
    if not np.isfinite(means).any():
        raise TrainingError(
            "No coupling predicts an inner training day with finite values.",
            "Use `path='ot'`, and check the representation for extreme values.",
        )
    balanced, best = means[-1], np.nanmin(means)
    enough = best + KEPT * (balanced - best) if np.isfinite(balanced) else best
    # Among candidates that all predict nearly perfectly, noise would decide.
    enough = max(enough, best + trials.noise())
    good = [k for k, mean in enumerate(means) if mean <= enough]
    without: Because = "no gain" if good[-1] == len(TAUS) else "least growth"
    because: Because = "predicts best" if means[good[-1]] == best else without
    # One day alone cannot say that nobody grows, nor where the gaps have said that they do.
    if good[-1] == len(TAUS) and (len(trials.inner) == 1 or prior):
        because = "prior grows" if prior else "one day"
        good = [min(k, len(TAUS) - 1) for k in good]
    names = [candidate.label for candidate in candidates]
    found = tuple(candidates[k] for k in sorted(set(good)))
    return found, trials.reason(because, names, means)


@dataclass(frozen=True)
class _Trials:
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
        days = self.days.points
        halves = [_energy(days[k][::2], days[k][1::2]) for k in self.inner]
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
            steps = max(STEPS, 6 * (len(near.training) - 1))
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
