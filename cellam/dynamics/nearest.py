"""Nearest: the observed cells next to a position. One search, for every answer that needs one.

Of many cells some stand for all, so a position costs the same whether a day has ten thousand cells
or a million. They are drawn evenly, so the share of a type among the nearest stays what it was;
distances grow, by (n/m)^(1/d) for m of n cells in d dimensions, and are only ever compared with
distances between the cells that stand for all. What this costs in accuracy was measured
(`tests/bench/SCALING.md`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]

MOST = 30_000  # cells that are searched; up to here, none is left out
SEED = 0  # of their draw: the same cells in every command


def stand_ins(*sizes: int, most: int | None = None) -> Places:
    """Places of the cells that stand for all of several days, which follow one another.

    Parameters
    ----------
    *sizes : int
        Numbers of cells of the days, or of all cells together.
    most : int, optional
        `MOST` without it.

    Returns
    -------
    (m,) int array
        In order. Of every day the same number is drawn, or all cells of a day that has fewer.

    Examples
    --------
    >>> stand_ins(3, 2)
    array([0, 1, 2, 3, 4])
    >>> kept = stand_ins(100, 2, 100, most=12)
    >>> np.searchsorted(kept, [100, 102, 202])
    array([ 5,  7, 12])
    """
    kept = _evenly(sizes, MOST if most is None else most)
    rng = np.random.default_rng(SEED)
    starts = np.cumsum([0, *sizes[:-1]])
    return np.concatenate(
        [
            start + (np.arange(n) if m == n else np.sort(rng.choice(n, m, replace=False)))
            for start, n, m in zip(starts, sizes, kept, strict=True)
        ]
    )


def _evenly(sizes: tuple[int, ...], most: int) -> list[int]:
    """How many of each day to keep: what small days leave goes to the larger ones."""
    kept, left = list(sizes), most
    for rank, k in enumerate(np.argsort(sizes, kind="stable")):
        kept[k] = min(sizes[k], max(left // (len(sizes) - rank), 1))
        left -= kept[k]
    return kept


def nearest(x: Array, observed: Array, number: int) -> tuple[Array, Places]:
    """Distances to the nearest observed cells, the nearest first, and their places: (N, k) both.

    Parameters
    ----------
    x, observed : (N, d) and (M, d) arrays
        In the same coordinates. All of the observed are searched: see `stand_ins`.
    number : int
        k; all, if there are fewer.
    """
    from sklearn.neighbors import NearestNeighbors

    # A tree in few coordinates; in many, where every branch would be searched, all distances.
    found = NearestNeighbors(n_neighbors=min(number, len(observed))).fit(observed).kneighbors(x)
    return found[0], found[1]


def nearest_others(x: Array, number: int) -> Places:
    """Places of the cells nearest to each of some cells x (n, d), other than itself: (n, k).

    Those that stand for all of them are searched; k is smaller than `number` where they are fewer.
    """
    searched = stand_ins(len(x))
    near = searched[nearest(x, x[searched], number + 1)[1]]
    dropped = near == np.arange(len(x))[:, None]
    dropped[~dropped.any(1), -1] = True  # a cell that is not searched: the farthest
    others: Places = near[~dropped].reshape(len(x), -1)
    return others
