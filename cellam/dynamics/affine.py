"""Affine: the affine part of a motion between two days, as far as pairs of cells can tell it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Candidates for the ridge of an affine map, in units of the largest variance of the cells; the
# first leaves a translation.
RIDGES = (np.inf, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)
TINY = 1e-12


@dataclass(frozen=True)
class Affine:
    """The map x ↦ x + step + (x − centre) slope of points in d coordinates.

    Parameters
    ----------
    centre, step : (d,) arrays
    slope : (d, d) array
    """

    centre: Array
    step: Array
    slope: Array

    def __call__(self, x: Array) -> Array:
        """Where points (n, d) are sent."""
        carried: Array = x + self.step + (x - self.centre) @ self.slope
        return carried


def affine_map(x: Array, y: Array, weights: Array) -> Affine:
    """The affine map nearest to pairs of points, as far as the pairs bear it out.

    It is x + t + (x − x̄)B with the weighted mean step t and a matrix B, by ridge regression.
    How much the pairs can tell of B is judged by leaving each of them out [1]_: d + 1 unknowns a
    coordinate are too many for few cells, which then are carried by the translation alone.

    Parameters
    ----------
    x, y : (n, d) arrays
    weights : (n,) array

    References
    ----------
    .. [1] Golub, Heath and Wahba, Generalized cross-validation as a method for choosing a good
       ridge parameter, Technometrics 1979: PRESS, equation (1.3).
    """
    w = weights / weights.sum()
    centre, step = w @ x, w @ (y - x)
    root = np.sqrt(w)[:, None]
    U, s, Vt = np.linalg.svd(root * (x - centre), full_matrices=False)
    steps = root * (y - x - step)
    aligned = U.T @ steps  # (rank, d)
    best, shrunk = np.inf, np.zeros_like(s)
    for ridge in RIDGES:
        kept = s**2 / (s**2 + ridge * max(s[0] ** 2, TINY))
        left_out = (steps - U @ (kept[:, None] * aligned)) / np.maximum(1 - w - U**2 @ kept, TINY)[
            :, None
        ]
        loss = float((left_out**2).sum())
        if loss < best:
            best, shrunk = loss, kept
    slope = Vt.T @ ((shrunk / np.maximum(s, TINY))[:, None] * aligned)
    return Affine(centre, step, slope)


def affine_fit(x: Array, y: Array, weights: Array) -> Array:
    """Where the affine map nearest to pairs of points sends the first of each, (n, d)."""
    return affine_map(x, y, weights)(x)
