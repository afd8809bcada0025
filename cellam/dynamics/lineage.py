"""Lineage: what barcodes tell of where the cells of a day go.

Cells of one clone on two days are sisters: the one is a noisy picture of what became of the other.
The affine map that is nearest to the steps of clones, from the mean of their earlier cells to that
of their later ones, carries every cell of the earlier day, with a barcode or without, to where
cells like it were found again. Pairs are then made from there. A map, and no bonus for pairs of one
clone: most clones are seen on one day alone, their number of cells is a matter of sampling, and
cells without a barcode would all be paired as if there were none.

How much of a map there is is judged by leaving out each clone (`affine`); where clones tell nothing
it is a translation, which changes no plan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.affine import affine_map
from cellam.limits import CLONES
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]


def shared_clones(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clones that have cells on both of two days, in ascending order.

    Examples
    --------
    >>> shared_clones(np.array([4, -1, 2, 2]), np.array([2, -1, 3, 4, 4])).tolist()
    [2, 4]
    """
    both = np.intersect1d(before, after)
    return np.asarray(both[both >= 0], dtype=np.int64)


def carried(snapshots: Snapshots, j: int, k: int) -> Array:
    """Cells of day j (n, d), as far on their way to day k as clones tell where they go.

    Where clones are not used, or fewer than ten are on both days, they stay where they are.
    """
    x = snapshots.points[j]
    share = snapshots.clone_shares[j] if snapshots.clone_shares else 0.0
    if snapshots.clones is None or share == 0:
        return x
    before, after = snapshots.clones[j], snapshots.clones[k]
    both = shared_clones(before, after)
    if len(both) < CLONES:
        return x
    first = _means(x, before, both)
    then = _means(snapshots.points[k], after, both)
    sent = affine_map(first, then, np.ones(len(both)))(x)
    return np.asarray(x + share * (sent - x))


def _means(x: Array, clones: NDArray[np.int64], of: NDArray[np.int64]) -> Array:
    """Mean of the cells x (n, d) of each clone in `of` (C,), which is sorted: (C, d)."""
    at = np.searchsorted(of, clones)
    member = (at < len(of)) & (of[np.minimum(at, len(of) - 1)] == clones)
    sums = np.zeros((len(of), x.shape[1]))
    np.add.at(sums, at[member], x[member])
    return np.asarray(sums / np.bincount(at[member], minlength=len(of))[:, None])
