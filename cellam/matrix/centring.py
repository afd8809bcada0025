"""Centring: days in which every gene was brought to the mean of zero, or of all days.

That happens where days are scaled, regressed out or corrected each by itself, and then no motion
of the mean is left to be seen. By chance the mean of a day is never so near.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellam.matrix.moments import Moments

# Median over genes of n m²/s² of n cells with mean m; it is .45 for cells taken at random.
BY_CHANCE = 0.005


def describe_centring(moments: Moments, labels: Sequence[str]) -> tuple[str, ...]:
    """Say which days were centred by themselves; empty if none was.

    Parameters
    ----------
    moments : Moments
        Of the values on each day, of which some are below zero.
    labels : sequence of str
    """
    sizes, means = moments.sizes, moments.means
    within = sizes @ moments.variances / sizes.sum()
    varies = within > 0
    if not varies.any():
        return ()
    means, within = means[:, varies], within[varies]
    overall = sizes @ means / sizes.sum()
    if (_departs(means - overall, sizes, within) < BY_CHANCE).all():
        return (
            "Every gene has the same mean on every day: the days were centred or corrected "
            "separately, which removes the differences between them. Scale or correct all cells "
            "together.",
        )
    alone = np.flatnonzero(_departs(means, sizes, within) < BY_CHANCE)
    if not len(alone):
        return ()
    days = ", ".join(labels[int(k)] for k in alone)
    return (
        f"Every gene has a mean of zero on {days}: centred separately from the other days, which "
        "looks like motion. Scale all cells together.",
    )


def _departs(
    means: NDArray[np.float64], sizes: NDArray[np.float64], within: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far the means of each day are from zero, in units of chance."""
    return np.asarray(np.median(sizes[:, None] * means**2 / within, axis=1))
