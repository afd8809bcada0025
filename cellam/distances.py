"""Distances between weighted clouds of cells.

All take `x (n, d), u (n,), y (m, d), v (m,)` with weights that sum to one. W1 and W2 are exact;
finite samples bias them upward, so that only clouds of the same size may be compared, and
a sampling floor belongs beside them. The energy distance and MMD² are unbiased.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cellam.couplings import exact_plan, squared_distances

Array = NDArray[np.float64]


def w1(x: Array, u: Array, y: Array, v: Array) -> float:
    """Wasserstein-1: min over plans of the mean distance.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0]]); half = np.array([0.5, 0.5])
    >>> w1(x, half, x + 3.0, half)
    3.0
    """
    cost = np.sqrt(squared_distances(x, y))
    return float((exact_plan(cost, u, v) * cost).sum())


def w2(x: Array, u: Array, y: Array, v: Array) -> float:
    """Wasserstein-2: square root of the min over plans of the mean squared distance."""
    cost = squared_distances(x, y)
    return float(np.sqrt((exact_plan(cost, u, v) * cost).sum()))


def energy(x: Array, u: Array, y: Array, v: Array) -> float:
    """Unbiased energy distance 2E|x − y| − E|x − x′| − E|y − y′| [1]_; may be slightly negative.

    References
    ----------
    .. [1] Székely and Rizzo, Energy statistics, J. Stat. Plan. Inference 143 (2013).
    """
    between = u @ np.sqrt(squared_distances(x, y)) @ v
    within = (_mean_within(_distances_within(z), w) for z, w in ((x, u), (y, v)))
    return float(2 * between - sum(within))


def _distances_within(x: Array) -> Array:
    distance = np.sqrt(squared_distances(x, x))
    np.fill_diagonal(distance, 0.0)
    return distance


def mmd2(x: Array, u: Array, y: Array, v: Array) -> float:
    """Unbiased squared maximum mean discrepancy [1]_; may be slightly negative.

    Mean over three Gaussian kernels, whose widths are ½, 1 and 2 times the median distance
    between the cells y.

    References
    ----------
    .. [1] Gretton, Borgwardt, Rasch, Schölkopf and Smola, A Kernel Two-Sample Test, JMLR 2012.
    """
    within_x, within_y = squared_distances(x, x), squared_distances(y, y)
    between = squared_distances(x, y)
    median = np.median(within_y[np.triu_indices(len(y), 1)])
    total = 0.0
    for width in (0.25 * median, median, 4.0 * median):  # squares of the widths
        k_x, k_y, k = (np.exp(-0.5 * d / width) for d in (within_x, within_y, between))
        total += _mean_within(k_x, u) + _mean_within(k_y, v) - 2 * float(u @ k @ v)
    return float(total / 3)


def _mean_within(values: Array, u: Array) -> float:
    """Mean of a function of pairs of different points, (n, n) and (n,)."""
    # Pairs of a point with itself are left out, which is what makes the estimate unbiased.
    alone = u**2 @ np.diag(values)
    return float((u @ values @ u - alone) / (1.0 - (u**2).sum()))


def resample(
    x: Array, weights: Array, n: int, rng: np.random.Generator, *, stratified: bool = False
) -> tuple[Array, Array]:
    """Thin a weighted cloud to n draws in proportion to weight (systematic resampling).

    With `stratified` the cells are first put in the order of a k-d tree, so that neighbours share
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
    cumulative = np.cumsum(weights[order])
    marks = (np.arange(n) + rng.random()) / n * cumulative[-1]
    drawn = order[np.minimum(np.searchsorted(cumulative, marks, side="right"), len(x) - 1)]
    chosen, counts = np.unique(drawn, return_counts=True)
    return x[chosen], counts / n


def _by_tree(x: Array, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in the order of the leaves of a k-d tree, halved along the widest coordinate."""
    if len(rows) <= 2:
        return rows
    widest = np.argmax(np.ptp(x[rows], axis=0))
    half = len(rows) // 2
    rows = rows[np.argpartition(x[rows, widest], half)]
    return np.concatenate([_by_tree(x, rows[:half]), _by_tree(x, rows[half:])])


METRICS: dict[str, Callable[[Array, Array, Array, Array], float]] = {
    "W1": w1,
    "W2": w2,
    "energy": energy,
    "MMD2": mmd2,
}
