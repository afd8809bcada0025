"""Distances between weighted clouds of cells, and what each cell adds to them.

All take `x (n, d), u (n,), y (m, d), v (m,)` with weights that sum to one. W1 and W2 are exact;
finite samples bias them upward, so only clouds of the same size may be compared, and
a sampling floor belongs beside them. The energy distance and MMD² are unbiased.

The functions `compare_…` give the same with the influence of every cell: by how much the distance
changes when a cell's weight does. For optimal transport these are the Kantorovich potentials at the
optimum. To first order they say how the distance varies from sample to sample [1]_.

References
----------
.. [1] del Barrio and Loubes, Central limit theorems for empirical transportation cost in
   general dimension, Annals of Probability 47 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.transport import exact_transport, squared_distances

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """A distance and its derivative in the weights of the cells.

    Parameters
    ----------
    value : float
    of_x, of_y : (n,) and (m,) arrays
        Influence of the cells of each cloud; their weighted means are zero.
    """

    value: float
    of_x: Array
    of_y: Array

    @staticmethod
    def centred(value: float, of_x: Array, of_y: Array, u: Array, v: Array) -> Comparison:
        """Less the weighted means, as weights always sum to one."""
        return Comparison(value, of_x - u @ of_x, of_y - v @ of_y)


def w1(x: Array, u: Array, y: Array, v: Array) -> float:
    """Wasserstein-1: min over plans of the mean distance.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0]]); half = np.array([0.5, 0.5])
    >>> w1(x, half, x + 3.0, half)
    3.0
    """
    return compare_w1(x, u, y, v).value


def w2(x: Array, u: Array, y: Array, v: Array) -> float:
    """Wasserstein-2: square root of the min over plans of the mean squared distance."""
    return compare_w2(x, u, y, v).value


def energy(x: Array, u: Array, y: Array, v: Array) -> float:
    """Unbiased energy distance 2E|x − y| − E|x − x′| − E|y − y′| [1]_; may be slightly negative.

    References
    ----------
    .. [1] Székely and Rizzo, Energy statistics, J. Stat. Plan. Inference 143 (2013).
    """
    return compare_energy(x, u, y, v).value


def mmd2(x: Array, u: Array, y: Array, v: Array) -> float:
    """Unbiased squared maximum mean discrepancy [1]_; may be slightly negative.

    Mean over three Gaussian kernels, whose widths are ½, 1 and 2 times the median distance
    between the cells y.

    References
    ----------
    .. [1] Gretton, Borgwardt, Rasch, Schölkopf and Smola, A Kernel Two-Sample Test, JMLR 2012.
    """
    return compare_mmd2(x, u, y, v).value


def compare_w1(x: Array, u: Array, y: Array, v: Array) -> Comparison:
    """`w1` with the influence of every cell."""
    return _transport(np.sqrt(squared_distances(x, y)), u, v)


def compare_w2(x: Array, u: Array, y: Array, v: Array) -> Comparison:
    """`w2` with the influence of every cell: d√c = dc/(2√c)."""
    found = _transport(squared_distances(x, y), u, v)
    root = float(np.sqrt(found.value))
    slope = 0.5 / root if root > 0 else 0.0
    return Comparison(root, slope * found.of_x, slope * found.of_y)


def compare_energy(x: Array, u: Array, y: Array, v: Array) -> Comparison:
    """`energy` with the influence of every cell; it is a discrepancy with the kernel −|x − y|."""
    within_x, within_y = _distances_within(x), _distances_within(y)
    return _discrepancy(-np.sqrt(squared_distances(x, y)), -within_x, -within_y, u, v)


def compare_mmd2(x: Array, u: Array, y: Array, v: Array) -> Comparison:
    """`mmd2` with the influence of every cell."""
    within_x, within_y = squared_distances(x, x), squared_distances(y, y)
    between = squared_distances(x, y)
    median = np.median(within_y[np.triu_indices(len(y), 1)])
    k, k_x, k_y = (
        np.mean([np.exp(-0.5 * d / (s * median)) for s in (0.25, 1.0, 4.0)], axis=0)
        for d in (between, within_x, within_y)
    )  # s are squares of the widths
    return _discrepancy(k, k_x, k_y, u, v)


def _transport(cost: Array, u: Array, v: Array) -> Comparison:
    plan, f, g = exact_transport(cost, u, v)
    return Comparison.centred(float((plan * cost).sum()), f, g, u, v)


def _discrepancy(k: Array, k_x: Array, k_y: Array, u: Array, v: Array) -> Comparison:
    """E k(x, x′) + E k(y, y′) − 2E k(x, y) over pairs of different points."""
    (in_x, of_x), (in_y, of_y) = _mean_within(k_x, u), _mean_within(k_y, v)
    value = float(in_x + in_y - 2 * (u @ k @ v))
    return Comparison.centred(value, 2 * (of_x - k @ v), 2 * (of_y - u @ k), u, v)


def _mean_within(k: Array, u: Array) -> tuple[float, Array]:
    """Mean of a function of pairs of different points, (n, n) and (n,), and for each point."""
    # Pairs of a point with itself are left out, which is what makes the estimate unbiased.
    of_x = (k @ u - np.diag(k) * u) / (1.0 - (u**2).sum())
    return float(u @ of_x), of_x


def _distances_within(x: Array) -> Array:
    distance = np.sqrt(squared_distances(x, x))
    np.fill_diagonal(distance, 0.0)
    return distance


def resample(
    x: Array, weights: Array, n: int, rng: np.random.Generator, *, stratified: bool = False
) -> tuple[Array, Array]:
    """Thin a weighted cloud to n draws in proportion to weight (systematic resampling).

    With `stratified` the cells are first put in the order of a k-d tree, so neighbours share
    draws and every region gets its due: the thin cloud is nearer to the whole one than draws of a
    random order are. A score that compares it with a random sample is then a little too good.

    Returns
    -------
    x : (k, d) array
        The k ≤ n distinct points drawn.
    u : (k,) array
        Their share of the n draws; sums to 1.
    """
    order = rng.permutation(len(x))
    if stratified:
        order = _by_tree(x, order)
    chosen, share = _systematic(order, weights, n, rng)
    return x[chosen], share


def draw_rows(weights: Array, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Array]:
    """As `resample`, for the rows (k,) drawn instead of the points, and their share (k,)."""
    return _systematic(rng.permutation(len(weights)), weights, n, rng)


def _systematic(
    order: NDArray[np.int64], weights: Array, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    cumulative = np.cumsum(weights[order])
    marks = (np.arange(n) + rng.random()) / n * cumulative[-1]
    drawn = order[np.minimum(np.searchsorted(cumulative, marks, side="right"), len(order) - 1)]
    chosen, counts = np.unique(drawn, return_counts=True)
    return chosen, counts / n


def _by_tree(x: Array, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in the order of the leaves of a k-d tree, halved along the widest coordinate."""
    if len(rows) <= 2:
        return rows
    widest = np.argmax(np.ptp(x[rows], axis=0))
    half = len(rows) // 2
    rows = rows[np.argpartition(x[rows, widest], half)]
    return np.concatenate([_by_tree(x, rows[:half]), _by_tree(x, rows[half:])])
