r"""Curves: paths that go smoothly through the days instead of turning at each of them.

On straight lines the velocity of the cells jumps at every day, and a day that is held out is
predicted half-way along a chord. A population that speeds up, slows down or turns lies
beside that chord; the days before and after the gap tell on which side.

Every line of a gap of length Δ between days k and k + 1 becomes a cubic Hermite spline

    x_α = (1 − α) x_0 + α x_1 + κ α(1 − α)[(1 − α) d_0 − α d_1]

whose tangents differ from the chord by d/Δ,

    d_0 = −Δ min(Δ₋, Δ)/(Δ₋ + Δ) jₖ(x_0),      d_1 = Δ min(Δ, Δ₊)/(Δ + Δ₊) jₖ₊₁(x_1),

with jₖ the jump of the velocity at day k: what leaves a cell less what arrives at it, by the pairs
on either side, made affine in x by least squares because single partners are noise. At the
first and the last day nothing is known of the other side, and the acceleration vanishes
(d_0 = −½ d_1). Between even days κ = 1 is the spline of [1]_, whose velocity is continuous; on
uneven days that spline would stretch the acceleration seen over a short gap, and its noise, over a
long one (the factor would be Δ²), and the minimum keeps it from that. The ends of all lines stay
where they are, so the marginals do, and growth is not touched.

It is a spline in the space of populations in the sense of [2]_, to first order in κ. Where a day
is held out among even ones, its gap is twice as long as its neighbours, and κ = 1 bends it half
as far as the spline of [1]_ would.

References
----------
.. [1] Catmull and Rom, A class of local interpolating splines, 1974.
.. [2] Chewi, Clancy, Le Gouic, Rigollet, Stepaniants and Stromme, Fast and smooth interpolation
   on Wasserstein space, AISTATS 2021.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.couplings import affine_fit
from cellam.dynamics.paths import Gap, Path

Array: TypeAlias = NDArray[np.float64]

CURVATURE = 1.0


def curve(path: Path, curvature: float) -> Path:
    """Bend the lines of a path towards a spline through all of its days.

    Parameters
    ----------
    path : Path
        Of straight lines.
    curvature : float
        κ: 0 leaves the lines straight, 1 makes the velocity continuous between even days.

    Returns
    -------
    Path
        The same path where it has one gap only.
    """
    if curvature == 0 or len(path.gaps) == 1 or any(gap.fading for gap in path.gaps):
        return path
    jumps = [_jump(before, after) for before, after in itertools.pairwise(path.gaps)]
    gaps = []
    for k, gap in enumerate(path.gaps):
        known_0, known_1 = k > 0, k < len(jumps)
        d_0, d_1 = np.zeros_like(gap.x_0), np.zeros_like(gap.x_1)
        if known_0:
            d_0 -= _reach(gap, path.gaps[k - 1]) * jumps[k - 1]
        if known_1:
            d_1 += _reach(gap, path.gaps[k + 1]) * jumps[k]
        if not known_0:
            d_0 = -0.5 * _mean(gap.pairs.i, gap.pairs.mass_0, d_1[gap.pairs.j], len(gap.x_0))
        if not known_1:
            d_1 = -0.5 * _mean(gap.pairs.j, gap.pairs.mass_1, d_0[gap.pairs.i], len(gap.x_1))
        gaps.append(replace(gap, bend=(curvature * d_0, curvature * d_1)))
    return replace(path, gaps=tuple(gaps))


def _reach(gap: Gap, other: Gap) -> float:
    return gap.length * min(gap.length, other.length) / (gap.length + other.length)


def _jump(before: Gap, after: Gap) -> Array:
    """j at the cells of the day between two gaps, (n, d)."""
    x = after.x_0
    arriving = _mean(before.pairs.j, before.pairs.mass_1, _velocity(before), len(x))
    leaving = _mean(after.pairs.i, after.pairs.mass_0, _velocity(after), len(x))
    mass = np.bincount(after.pairs.i, after.pairs.mass_0, len(x))
    return affine_fit(x, x + leaving - arriving, mass / mass.sum()) - x


def _velocity(gap: Gap) -> Array:
    return (gap.x_1[gap.pairs.j] - gap.x_0[gap.pairs.i]) / gap.length


def _mean(cell: NDArray[np.int64], mass: Array, values: Array, n: int) -> Array:
    """Mean of the values (P, d) of the pairs of each of n cells, by mass: (n, d)."""
    total = np.bincount(cell, mass, n)
    sums = np.stack([np.bincount(cell, mass * column, n) for column in values.T], axis=1)
    # Cells without a pair are those of another part of a split path.
    return np.divide(sums, total[:, None], where=total[:, None] > 0, out=np.zeros_like(sums))
