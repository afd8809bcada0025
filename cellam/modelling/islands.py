"""Islands: parts of the data between which no cell was seen on its way.

Mass that fades in one place and appears in another is growth, or cells that go there at random
times. Days alone do not tell these apart (see `analysis.growth_range`), save where nothing is found
between the places. Cells that go from one to the other spend some time on the way, and whoever
looks often enough meets them there.

Cells are split in two as long as there is a valley between the halves: few cells along the line
that joins them, and not more than lie as far out on the other sides. Two such parts are islands if
nothing but steady growth is needed to explain how many cells each of them has on each day. Cells
that convert at a constant rate make another curve, and one biased sample a kink.

The limit is of cells in passing: a step that is short against the gaps between days, of few cells,
leaves none to be found. On `truths.conversion` with 250 cells a day, islands were seen in 2 of 160
draws, of steps between 0.05 and 0.6 days; of two that are still, six standard deviations
apart, in 9 of 10.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

FEWEST = 50  # cells of an island
VALLEY = 0.1  # cells in the middle third of the way, as a share of those in the lower summit
PASSING = 2.0  # standard errors by which there are more of them than as far out on the other side
UNSTEADY = 0.02  # probability of so uneven a growth, were it steady
BETTER = 1.0  # log of how much more probable the counts are by conversion than by growth
UNEQUAL = 0.05  # probability of so different shares on the days, were they the same
CELLS = 1_000  # a day
STARTS = 4  # of k-means


@dataclass(frozen=True)
class Islands:
    """Parts of the data that exchange no cells, as far as can be seen.

    Parameters
    ----------
    points : (m, d) array
        Cells that stand for all.
    codes : (m,) int array
        Island of each of them, counted from 0.
    counts : (K, C) array
        Of these cells by day and island.
    """

    points: Array
    codes: Codes
    counts: Array

    @property
    def number(self) -> int:
        """C: 1 where all cells hang together."""
        return int(self.counts.shape[1])

    @property
    def grow_apart(self) -> bool:
        """Whether there are several, whose shares of the days differ by more than counting does."""
        from scipy.stats import chi2_contingency

        return self.number > 1 and float(chi2_contingency(self.counts).pvalue) < UNEQUAL

    def locate(self, x: Array) -> Codes:
        """The island of each position (n, d): that of the nearest cell."""
        from sklearn.neighbors import NearestNeighbors

        if self.number == 1:
            return np.zeros(len(x), dtype=np.int64)
        near = NearestNeighbors(n_neighbors=1).fit(self.points)
        nearest: Codes = self.codes[near.kneighbors(x, return_distance=False)[:, 0]]
        return nearest


def find_islands(days: Snapshots, rng: np.random.Generator) -> Islands:
    """Split the cells of some days into islands.

    Parameters
    ----------
    days : Snapshots
    rng : numpy.random.Generator
        Draws the cells that are looked at, and where their split begins.
    """
    from scipy.sparse.csgraph import connected_components

    few = days.thinned(CELLS, rng)
    points = np.concatenate(few.points)
    day = np.repeat(np.arange(len(few)), [len(x) for x in few.points])
    parts = _split(points, rng)
    counts = _count(day, parts)
    joined = np.eye(counts.shape[1], dtype=bool)
    times = np.asarray(days.times)
    for a, b in itertools.combinations(range(counts.shape[1]), 2):
        joined[a, b] = not grow_steadily(times, counts[:, a], counts[:, b])
    codes = connected_components(joined, directed=False)[1].astype(np.int64)[parts]
    return Islands(points, codes, _count(day, codes))


def grow_steadily(times: Array, a: Array, b: Array) -> bool:
    """Whether counts of two groups, (K,) both, are those of groups that each grow at a steady rate.

    The log of their ratio is then linear in time. They are not where the deviance from that is
    improbable (χ² with K − 2 degrees of freedom), nor where the counts are e times more probable
    if the cells of the group that shrinks go over to the other one at a constant rate, by which
    its share falls exponentially; nor where a group is missing on a day. Of fewer than three days
    nothing can be told.

    Examples
    --------
    >>> days = np.array([0.0, 1.0, 2.0])
    >>> grow_steadily(days, np.array([100, 200, 400]), np.array([400, 400, 400]))
    True
    >>> grow_steadily(days, np.array([800, 400, 200]), np.array([200, 600, 800]))
    False
    """
    from scipy.special import expit
    from scipy.stats import chi2

    if len(times) < 3 or not (a * b > 0).all():  # nothing that grows comes from nothing
        return False
    n, t = a + b, (times - times[0]) / (times[-1] - times[0])
    if a[-1] * n[0] > a[0] * n[-1]:
        a = n - a  # the group that shrinks
    odds = [np.log((a[k] + 0.5) / (n[k] - a[k] + 0.5)) for k in (0, -1)]
    growth = _least(
        lambda level, slope: _deviance(a, n, expit(level + slope * t)), odds[0], odds[1] - odds[0]
    )
    conversion = _least(
        lambda level, rate: _deviance(a, n, expit(level) * np.exp(-np.exp(rate) * t)), odds[0], 0.0
    )
    probable = float(chi2.sf(growth, len(t) - 2)) >= UNSTEADY
    return probable and growth - conversion < 2 * BETTER


def _deviance(a: Array, n: Array, p: Array) -> float:
    from scipy.special import xlogy

    p = np.clip(p, 1e-12, 1 - 1e-12)
    return float(2 * (xlogy(a, a / (n * p)) + xlogy(n - a, (n - a) / (n * (1 - p)))).sum())


def _least(loss: Callable[[float, float], float], *start: float) -> float:
    from scipy.optimize import minimize

    return float(minimize(lambda z: loss(*z), start, method="Nelder-Mead").fun)


def _split(x: Array, rng: np.random.Generator) -> Codes:
    """Halves of halves, as long as there is a valley between them: (n,) codes."""
    whole = np.zeros(len(x), dtype=np.int64)
    if len(x) < 2 * FEWEST:
        return whole
    upper = _cut(x, rng)
    if upper is None:
        return whole
    whole[~upper] = _split(x[~upper], rng)
    whole[upper] = _split(x[upper], rng) + whole[~upper].max() + 1
    return whole


def _cut(x: Array, rng: np.random.Generator) -> NDArray[np.bool_] | None:
    """Which of the cells are on the upper side of a valley, (n,); None if there is none."""
    from sklearn.cluster import KMeans

    if not np.ptp(x, axis=0).any():
        return None
    found = KMeans(2, n_init=STARTS, random_state=int(rng.integers(2**31))).fit(x)
    start, stop = found.cluster_centers_
    axis = stop - start
    way = (x - start) @ axis / (axis @ axis)
    ends = [np.median(way[way <= 0.5]), np.median(way[way > 0.5])]
    way = (way - ends[0]) / (ends[1] - ends[0])  # 0 and 1 are the summits
    upper = way > 0.5
    if min(upper.sum(), (~upper).sum()) < FEWEST:
        return None
    out = np.where(upper, way - 1, -way)  # from its summit, away from the other one
    between, beyond = (int((abs(s * out - 5 / 12) < 1 / 12).sum()) for s in (-1, 1))
    summit = min(int((abs(out[side]) < 1 / 6).sum()) for side in (upper, ~upper))
    passing = (between - beyond) / max(between + beyond, 1) ** 0.5
    return upper if between <= VALLEY * summit and passing <= PASSING else None


def _count(day: Codes, codes: Codes) -> Array:
    counts = np.zeros((day.max() + 1, codes.max() + 1))
    np.add.at(counts, (day, codes), 1)
    return counts
