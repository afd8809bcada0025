"""Gene space: how far predicted expression is from what was measured.

A prediction is a point of the space, which is decoded: to the mean expression plus its components.
Measured cells are taken as they are, on the scale of the PCA, so that the error of what the
components leave out is part of every score. It is part of the floor, too, whose cells are
decoded as any others: the gap between a method and the floor is that of the prediction.

Decoded cells lie in a plane, and components are orthonormal. So the distance of a decoded cell to a
measured one is told by that in the plane and by the distance r of the measured one to it:

    |decoded(x) − y|² = |decoded(x) − decoded(y)|² + r(y)²
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.distances import Comparison, compare_kernel
from cellam.dynamics.transport import squared_distances

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Genes:
    """Measured expression of n cells, and how model coordinates are decoded.

    Parameters
    ----------
    expression : (n, g) array
        On the scale of the PCA.
    apart : (n, n) array
        Distances between these cells.
    axes : (p, g) array
        Change of expression per unit of each model coordinate; orthogonal.
    origin : (g,) array
        Expression at the origin of the model coordinates.
    """

    expression: Array
    apart: Array
    axes: Array
    origin: Array


def distances_apart(expression: Array) -> Array:
    """Distances between all cells, (n, n), from their expression (n, g)."""
    apart: Array = np.sqrt(squared_distances(expression, expression))
    np.fill_diagonal(apart, 0.0)
    return apart


def compare_profiles(x: Array, u: Array, genes: Genes, v: Array) -> Comparison:
    """1 − R² of the mean expression of genes: 0 where all means are right.

    R² is over genes: Σ (predicted − measured)² / Σ (measured − their mean)² is what it lacks to 1.
    """
    measured = v @ genes.expression
    off = (u @ x) @ genes.axes + genes.origin - measured
    around = measured - measured.mean()
    spread = float(around @ around)
    if spread == 0:
        return Comparison(float("nan"), np.zeros(len(x)), np.zeros(len(v)))
    value = float(off @ off) / spread
    of_x = 2 * (x @ (genes.axes @ off)) / spread
    of_y = -2 * (genes.expression @ (off + value * around)) / spread
    return Comparison.centred(value, of_x, of_y, u, v)


def compare_expression(x: Array, u: Array, y: Array, genes: Genes, v: Array) -> Comparison:
    """Unbiased energy distance between decoded cells and the expression of measured ones.

    `y` (n, p) are the model coordinates of the measured cells. In the units of the expression.
    """
    lengths = np.sqrt((genes.axes**2).sum(1))
    flat_x, flat_y = x * lengths, y * lengths
    rest = ((genes.expression - y @ genes.axes - genes.origin) ** 2).sum(1)
    between = np.sqrt(squared_distances(flat_x, flat_y) + rest)
    return compare_kernel(-between, -distances_apart(flat_x), -genes.apart, u, v)
