"""Agreement: whether the velocities of cells point where a fit without them says that they go.

For every cell the cosine between its velocity and ∇s, and the mean of them. The fit has seen where
cells of other days are, not the velocities, so the two are independent of each other but for what
is true of both. What part of it a shuffled velocity has too is nothing of the single cell: it is
shuffled among the cells of a day, a thousand times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cellam.dynamics.velocities import Calibrated
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

CELLS = 2_000  # at most that are compared
SHUFFLES = 999


@dataclass(frozen=True)
class Agreement:
    """Velocities of cells beside the fit without them.

    Parameters
    ----------
    known, missing : int
        Training cells with a velocity, and without one.
    cosine : float
        Mean over cells: 1 in the same direction, −1 in the opposite one.
    low, high : float
        95 % interval over cells, the fit held.
    shuffled : float
        Mean cosine where velocities are shuffled among the cells of each day.
    p : float
        Share of shuffles (and of the velocities as they are) as far from that.
    scale : float
        What velocities are multiplied by, in model coordinates per unit time; below 0 they point
        against the motion that the days show.
    trust : float
        Share of the squared difference to the fit without them that is not their noise.
    """

    known: int
    missing: int
    cosine: float
    low: float
    high: float
    shuffled: float
    p: float
    scale: float
    trust: float


def measure_agreement(days: Snapshots, found: Calibrated, rng: np.random.Generator) -> Agreement:
    """Compare the velocities of training days with a fit that has not seen them.

    Parameters
    ----------
    days : Snapshots
    found : Calibrated
    rng : numpy.random.Generator
        Draws cells and shuffles.
    """
    velocities = found.velocities
    few = velocities.drawn(CELLS, rng)
    motion = _directions(few.along(found.plain.action))
    v = _directions(few.v)
    cosines = (v * motion).sum(1)
    mean, error = float(cosines.mean()), float(cosines.std() / np.sqrt(len(cosines)))
    day = few.t.numpy()
    shuffles = np.array([(v[_shuffled(day, rng)] * motion).sum(1).mean() for _ in range(SHUFFLES)])
    centre = float(shuffles.mean())
    as_far = int((np.abs(shuffles - centre) >= abs(mean - centre)).sum())
    # Digits that hang on the order of sums are left out.
    return Agreement(
        known=len(velocities),
        missing=days.n_cells - len(velocities),
        cosine=round(mean, 6),
        low=round(mean - 1.96 * error, 6),
        high=round(mean + 1.96 * error, 6),
        shuffled=round(centre, 6),
        p=(1 + as_far) / (1 + SHUFFLES),
        scale=found.scale,
        trust=round(found.trust, 6),
    )


def _directions(vectors: Tensor) -> Array:
    """Vectors (n, d) of length 1; one of length 0 stays."""
    v = vectors.double().numpy()
    length = np.linalg.norm(v, axis=1, keepdims=True)
    return np.asarray(np.divide(v, length, where=length > 0, out=np.zeros_like(v)))


def _shuffled(day: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """An order of the cells in which each stands in for another of its day."""
    order = np.lexsort((rng.random(len(day)), day))
    place = np.empty_like(order)
    place[np.argsort(day, kind="stable")] = order
    return place
