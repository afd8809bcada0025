"""Kinetic: how much of the motion of its path an action keeps.

Of the kinetic energy E|ẋ|² of a path an action keeps E|∇s|². Some has to be lost: cells of two days
are paired one by one, and even between two halves of one day, where nobody moves, the same
coupling finds pairs that lie apart. Their mean square is the scatter that pairing adds to the
motion, and what a smooth action leaves out first. Where it loses much more than that, it loses
motion: that of a population whose parts change their velocities faster than the fit follows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cellam.dynamics.couplings import Coupling
from cellam.dynamics.fitting import Fit
from cellam.dynamics.paths import Gap, Path

Array = NDArray[np.float64]

PARTICLES = 8_192
CELLS = 1_000  # of a day, that are halved; couplings between days are made of blocks as large


@dataclass(frozen=True)
class Kinetic:
    """Shares of the kinetic energy of a path.

    Parameters
    ----------
    kept : float
        That of the action along the same path.
    scatter : float
        That which pairing cells one by one adds; 1 where it would explain all of it.
    """

    kept: float
    scatter: float

    @property
    def lost(self) -> float:
        """Share of the motion that the action loses, once the scatter is taken off.

        Examples
        --------
        >>> Kinetic(kept=0.75, scatter=0.2).lost, Kinetic(kept=0.2, scatter=0.2).lost
        (0.0625, 0.75)
        """
        motion = 1.0 - self.scatter
        lost = max(0.0, motion - self.kept)
        return round(lost / motion, 9) if motion > 0 else 0.0


def measure_kinetic(
    path: Path, coupling: Coupling, fit: Fit, rng: np.random.Generator
) -> Kinetic | None:
    """Compare the energy of an action with that of the path that it was fitted to.

    Parameters
    ----------
    path : Path
    coupling : Coupling
        That made the path, and pairs the halves of days.
    fit : Fit
    rng : numpy.random.Generator
        Draws particles and halves.

    Returns
    -------
    Kinetic or None
        None where nobody moves, and where noise makes the velocity of the path infinite.
    """
    if path.sigma > 0 or any(gap.fading for gap in path.gaps):
        return None
    sample = path.sample(PARTICLES, rng).to("cpu")
    with torch.no_grad():
        moved = fit.dynamics.drift(sample.t, sample.x)
    energy = float(sample.weight @ sample.velocity.square().sum(-1))
    if not energy > 0:
        return None
    kept = float(sample.weight @ moved.square().sum(-1)) / energy
    days = [path.gaps[0].x_0, *(gap.x_1 for gap in path.gaps)]
    apart = [_apart(x, coupling, rng) for x in days]
    scatter = sum(
        _mass(gap) * 0.5 * (before + after) / gap.length
        for gap, (before, after) in zip(path.gaps, itertools.pairwise(apart), strict=True)
    )
    scatter /= energy
    # Digits that hang on the order of sums are left out.
    return Kinetic(round(kept, 6), round(min(1.0, scatter), 6))


def _mass(gap: Gap) -> float:
    return 0.5 * float(gap.pairs.mass_0.sum() + gap.pairs.mass_1.sum())


def _apart(x: Array, coupling: Coupling, rng: np.random.Generator) -> float:
    """Mean squared distance of the pairs of two halves of the cells (n, d) of a day."""
    few = x[rng.permutation(len(x))[:CELLS]]
    one, other = few[::2], few[1::2]
    a, b = (np.full(len(half), 1 / len(half)) for half in (one, other))
    pairs = coupling.pair(one, other, a, b, rng)
    mass = pairs.mass_0 + pairs.mass_1
    return float(mass @ ((other[pairs.j] - one[pairs.i]) ** 2).sum(1) / mass.sum())
