"""Observed: what a model says of every cell at its own place, on its own day."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellam.modelling.model import Model

Array = NDArray[np.float64]


def velocities(model: Model) -> Array:
    """Velocity of every cell on its own day, (n, p), model coordinates per unit of time."""
    days = model.snapshots
    return np.concatenate(
        [model.velocity(t, x) for t, x in zip(days.times, days.points, strict=True)]
    )


def growth_rates(model: Model) -> Array:
    """Growth rate of every cell on its own day, (n,), per unit of time, day by day."""
    days = model.snapshots
    return np.concatenate(
        [model.growth(t, x) for t, x in zip(days.times, days.points, strict=True)]
    )
