"""Observed: what a model says of every cell where it is, on its own day; and which stand in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.nearest import stand_ins
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


def thinned_day(model: Model, k: int, most: int | None = None) -> Model:
    """The same model with only those cells of a day that stand for all; other days stay whole.

    Parameters
    ----------
    model : Model
    k : int
        Position of the day in the snapshots.
    most : int, optional
        `dynamics.nearest.MOST` without it.
    """
    days = model.snapshots
    kept = stand_ins(len(days.points[k]), most=most)
    if len(kept) == len(days.points[k]):
        return model
    of_day = [kept if j == k else slice(None) for j in range(len(days))]
    return replace(model, snapshots=days.cut(of_day))
