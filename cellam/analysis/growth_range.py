"""Growth range: the growth that snapshots leave open, by all that explains them as well.

Mass fades where cells of the path become fewer, and appears where they become more. A share ρ of
that change may be growth. The rest is then conversion: cells leave where mass fades, at random
times and at the rate at which it fades, and go to where it appears. With g the growth rate of the
path and ḡ that of all cells that can exchange cells with each other, a cell grows at the rate

    ρ g + (1 − ρ) ḡ,

and leaves or is joined at the rate (1 − ρ)(g − ḡ). The mass at every place and time is the same for
every ρ between 0 and 1, so that no snapshot tells them apart. The model itself has ρ = 1, the
only one of these explanations by which a cell's way follows from its state.

What narrows the range:

- Islands, between which no cell was seen on its way (see `islands`), exchange none: ḡ is that of
  the island, and known but for the error of counting its cells.
- Sizes of the population (`population`) give ḡ itself. Without them it is 0 over all cells.
- A growth prior that transport bears out stays growth at ρ = 0, for the share of it that is used.

What widens it: every coupling that predicts held-out days well enough has its own g, and so has
every member of an ensemble, and the path less one of its gaps. The range leaves out growth that
conversion hides: where cells that divide faster than others also leave for elsewhere, even the
sign of growth is not in the snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cellam.devices import threads
from cellam.dynamics.actions import Features
from cellam.dynamics.fitting import add_growth, draw_features
from cellam.dynamics.paths import Path, build_path
from cellam.modelling.islands import Islands, find_islands
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates

Array = NDArray[np.float64]

CELLS = 300  # a day, of which other couplings are made
FEATURES = 256  # of their growth fields
PARTICLES = 6_000
GAPS = 6  # that are left out in turn
ERRORS = 1.96  # standard errors of counting: 95 %
INSTEAD = (  # of growth, where its range holds 0: said alike by all that prints it
    "cells that change from one type to another at random times would leave the same days "
    "without growth"
)


@dataclass(frozen=True)
class GrowthRange:
    """Growth rates of all cells, day by day, per unit of the user's time.

    Parameters
    ----------
    explanations : (E, n) array
        The first is what the model says, the last the least growth (ρ = 0).
    islands : (n,) int array
        Which island each cell is on.
    times : (n,) array
        Day of each cell, in the user's unit.
    """

    explanations: Array
    islands: NDArray[np.int64]
    times: Array

    @property
    def point(self) -> Array:
        """What the model says of each cell, (n,)."""
        return np.asarray(self.explanations[0])

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """The least and the largest growth of each cell, (n,) both.

        The growth of an island is known to the error of counting its cells.
        """
        error = np.zeros(self.islands.max() + 1)
        for island in range(len(error)):
            error[island] = ERRORS * self._error(self.islands == island)
        least = self.explanations[-1]
        others, off = self.explanations[:-1], error[self.islands]
        return np.minimum(others.min(0), least - off), np.maximum(others.max(0), least + off)

    def mean(self, of: NDArray[np.bool_]) -> tuple[float, float, float]:
        """Mean growth of some cells, (n,) bool: what the model says, and the ends of its range.

        The range is that over explanations, and the error of counting these cells beyond it.
        """
        each, off = self.explanations[:, of].mean(1), ERRORS * self._error(of)
        return float(each[0]), float(each.min() - off), float(each.max() + off)

    def _error(self, of: NDArray[np.bool_]) -> float:
        """Standard error of the mean growth of some cells that comes from counting them.

        Their rate is (L₁ − L₀)/Δ in a gap, with L the log of their share of a day, and the mean
        that over the gaps in proportion to share and length. L scatters by (1 − p)/np. Gaps count
        where they are seen on both sides, and if there are none, where on one: half a cell then
        stands for those of the other.
        """
        times, day = np.unique(self.times, return_inverse=True)
        n, k = np.bincount(day), np.bincount(day[of], minlength=len(times))
        p = np.clip(k / n, 0.5 / n, 1.0)
        gap = np.diff(times)
        both = k[1:] * k[:-1] > 0
        weight = 0.5 * (p[1:] + p[:-1]) * (both if both.any() else k[1:] + k[:-1] > 0)
        total = float(weight @ gap)
        if not total > 0:
            return 0.0
        slope = np.diff(np.concatenate([[0.0], weight / total, [0.0]]))
        return float(np.sqrt((slope**2 * (1 - p) / (n * p)).sum()))


def has_range(model: Model) -> bool:
    """Whether growth is left open: there is some, or the training days did not call for it."""
    chosen = model.options.path is None and model.fit.objective.own_growth
    return chosen or not model.conserves_mass


def growth_range(model: Model) -> GrowthRange:
    """Growth of every cell on its own day, and the range of what explains the days as well.

    Parameters
    ----------
    model : Model
        With an ensemble, its members are among the explanations.
    """
    rng = np.random.default_rng([model.options.seed, 17])
    days = model.snapshots
    found = [growth_rates(m) for m in (model.without_ensemble(), *model.members)]
    with threads(model.options.threads):
        islands = find_islands(model.training, rng)
        codes = np.concatenate([islands.locate(x) for x in days.points])
        if has_range(model):
            least = least_growth(model, islands, codes)
            others = [*found[1:], *_other_growth(model, rng)]
            if islands.number > 1:  # whatever happens on an island, how it grows is known
                others = [g + _means(least - g, codes) for g in others]
            found = [found[0], *others, least]
    times = np.repeat(np.asarray(days.times, dtype=np.float64), [len(x) for x in days.points])
    return GrowthRange(np.stack(found), codes, times)


def least_growth(model: Model, islands: Islands, codes: NDArray[np.int64]) -> Array:
    """Growth of all cells, (n,), if all that can be is conversion.

    Each island grows at one rate, but for what a growth prior adds to and takes from its cells.

    Parameters
    ----------
    model : Model
    islands : Islands
        Of the training days.
    codes : (n,) int array
        Island of each cell of the data, day by day.
    """
    days = model.training
    counts = islands.counts[[0, -1]]
    # One cell less or more is no growth where hardly any are seen.
    share = (counts + 0.5) / (counts.sum(1, keepdims=True) + 0.5 * islands.number)
    mass = share * np.array(days.masses)[[0, -1]][:, None]
    rate = np.log(mass[1] / mass[0]) / (days.times[-1] - days.times[0])
    return np.asarray(rate[codes] + _expected(model, codes))


def _expected(model: Model, codes: NDArray[np.int64]) -> Array:
    """Growth that the prior adds to that of the island, (n,), in the share that is used of it."""
    days = model.snapshots.with_prior(model.choice.recipe.prior)
    if days.prior is None:
        return np.zeros(days.n_cells)
    rates = np.concatenate(days.prior)
    return rates - _means(rates, codes)


def _means(values: Array, codes: NDArray[np.int64]) -> Array:
    """For each cell the mean over all cells of its island, (n,)."""
    means = np.bincount(codes, values) / np.maximum(np.bincount(codes), 1)
    return np.asarray(means[codes])


def _other_growth(model: Model, rng: np.random.Generator) -> list[Array]:
    """Growth of all cells, (n,), by each of the couplings that are left open."""
    if not model.fit.objective.own_growth:
        return []
    days = model.choice.recipe.applied(model.training).thinned(CELLS, rng)
    free = replace(model.fit, growth_range=None)  # not held to the rates of the model's own path
    paths = [build_path(days, coupling, rng) for coupling in model.choice.couplings]
    features = draw_features(days, FEATURES, rng).time_independent()
    return [
        growth_rates(replace(model.without_ensemble(), fit=fit))
        for path, seen in [*((path, features) for path in paths), *_less(_growing(paths), features)]
        for fit in [add_growth(free, path.less_total_growth(), seen, rng=rng, particles=PARTICLES)]
    ]


def _growing(paths: list[Path]) -> Path:
    """The path with the least growth that has any."""
    return next((path for path in reversed(paths) if path.grows), paths[-1])


def _less(path: Path, features: Features) -> Iterator[tuple[Path, Features]]:
    """The path less one of its gaps, each in turn or some of many, and features for its growth.

    Where cells pass from one state to another within a gap, their growth cannot be told from
    more of them passing; the gaps in which they stay know better.
    """
    still = replace(features, nu=features.nu * 0)  # nothing is known of the level in the gap
    n = len(path.gaps)
    for k in np.unique(np.linspace(0, n - 1, min(n, GAPS)).round().astype(int)) if n > 1 else ():
        yield replace(path, gaps=path.gaps[:k] + path.gaps[k + 1 :]), still
