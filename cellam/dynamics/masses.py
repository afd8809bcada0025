"""Masses: growth that keeps the masses of the days, which are known.

Growth is fitted relative to that of the population: as a field that is smooth in time, it would be
wrong on the days on which the population changes its pace. The level of each gap is added here.
Besides, cells that are followed do not stay spread as those of the path: the ones that have grown
most go on growing where they are, and what the total is wrong by adds up over the days. So the
cells of every day are followed through all others once, and what their total gains in a gap over
what the days have gained is taken off the growth rates of all cells that start on that day. It
depends on time alone, and tells no cell from another.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.fitting import Fit
from cellam.dynamics.objectives import Level
from cellam.dynamics.simulation import simulate
from cellam.reading.snapshots import Snapshots

CELLS = 4_000  # that are followed, over all days
STEPS = 4  # of Runge-Kutta in a gap

Array = NDArray[np.float64]


def keep_masses(fit: Fit, days: Snapshots, rng: np.random.Generator) -> Fit:
    """The same fit with the levels of growth that keep the masses of the days.

    Parameters
    ----------
    fit : Fit
    days : Snapshots
        Those that it was fitted on.
    rng : numpy.random.Generator
        Draws the cells that are followed, and noise.
    """
    fit = replace(fit, growth_levels=())
    if not fit.objective.grows:
        return fit
    if fit.growth is not None and not fit.growth.theta.any() and np.ptp(days.masses) == 0:
        return fit
    few = days.thinned(max(40, CELLS // len(days)), rng)
    rates = _excess(fit, few, rng)
    if fit.objective.sigma == 0:
        rates += _excess(fit, few, rng, backward=True)
    return replace(fit, growth_levels=tuple(Level(days.unit_times, tuple(row)) for row in rates))


def _excess(
    fit: Fit, days: Snapshots, rng: np.random.Generator, *, backward: bool = False
) -> Array:
    """Rate at which cells of day j outgrow the days in gap k, (K + 1, K); 0 where they are not."""
    K = len(days) - 1
    order = range(K, -1, -1) if backward else range(K + 1)
    steps = int(np.ceil(STEPS / np.diff(days.unit_times).min()))
    rates = np.zeros((K + 1, K))
    x, log_w, start = np.empty((0, days.n_dims)), np.empty(0), np.empty(0, dtype=int)
    for j, k in itertools.pairwise(order):
        new = days.points[j]
        x, log_w = np.concatenate([x, new]), np.concatenate([log_w, np.zeros(len(new))])
        start = np.concatenate([start, np.full(len(new), j)])
        times = np.array([days.unit_times[j], days.unit_times[k]])
        moved = simulate(fit.dynamics, x, times, rng=rng, steps=steps)
        grown = log_w + moved.log_weights[-1]
        known = np.log(days.masses[k] / days.masses[j])
        for i in np.unique(start):
            mine = start == i
            gain = np.logaddexp.reduce(grown[mine]) - np.logaddexp.reduce(log_w[mine])
            rates[i, min(j, k)] = (gain - known) / (times[1] - times[0])
        x, log_w = moved.points[-1], grown
    return rates
