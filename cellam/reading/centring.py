"""Centring: days in which every gene was brought to the mean of zero, or of all days.

That happens where days are scaled, regressed out or corrected each by itself, and then no motion
of the mean is left to be seen. By chance the mean of a day is never so near.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix: TypeAlias = Any  # sparse.csr_matrix | NDArray[np.float32]; scipy carries no types

# Median over genes of n m²/s² of n cells with mean m; it is .45 for cells taken at random.
BY_CHANCE = 0.005


def describe_centring(
    matrix: Matrix, codes: NDArray[np.int64], labels: Sequence[str]
) -> tuple[str, ...]:
    """Say which days were centred by themselves; empty if none was.

    Parameters
    ----------
    matrix : (n, g) array or csr_matrix
        Values, of which some are below zero.
    codes : (n,) int array
        Day of every cell, as a position in `labels`.
    labels : sequence of str
    """
    sizes = np.bincount(codes, minlength=len(labels))
    parts = [matrix[codes == k] for k in range(len(labels))]
    means = np.array([_mean(part) for part in parts])  # (K, g)
    squares = np.array([_mean(_square(part)) for part in parts])
    within = sizes @ np.maximum(squares - means**2, 0) / sizes.sum()
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
    means: NDArray[np.float64], sizes: NDArray[np.int64], within: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far the means of each day are from zero, in units of chance."""
    return np.asarray(np.median(sizes[:, None] * means**2 / within, axis=1))


def _mean(part: Matrix) -> NDArray[np.float64]:
    return np.asarray(part.mean(0, dtype=np.float64), dtype=np.float64).ravel()


def _square(part: Matrix) -> Matrix:
    return part.multiply(part) if sparse.issparse(part) else part**2
