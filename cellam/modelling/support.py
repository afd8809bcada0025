"""Support: where the data are, and how far from them a cell is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.nearest import nearest, stand_ins
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

NEIGHBOURS = 5
FAR = 0.99  # quantile of the data's own distances
ENOUGH = 5_000  # cells to know that quantile by


@dataclass(frozen=True)
class Support:
    """Where the observed cells are.

    Parameters
    ----------
    cells : (m, d) array
        Of all days; of very many, those that stand for all (`dynamics.nearest`).
    usual : float
        The 99th percentile of the mean distance of one of them to its five nearest others.
    outside : (K,) array
        Share of the cells of each day with a larger distance: over all days 1 %, of sparse days
        more.
    """

    cells: Array
    usual: float
    outside: Array

    @staticmethod
    def of(days: Snapshots) -> Support:
        """That of the cells of some days."""
        sizes = [len(x) for x in days.points]
        kept = stand_ins(*sizes)
        cells = np.concatenate(days.points)[kept]
        some = np.arange(len(cells))
        if len(cells) > ENOUGH:
            some = np.random.default_rng(0).choice(len(cells), ENOUGH, replace=False)
        number = min(NEIGHBOURS, len(cells) - 1)
        own = nearest(cells[some], cells, number + 1)[0][:, 1:].mean(1)  # first the cell itself
        usual = max(float(np.quantile(own, FAR)), 1e-12)
        day = np.repeat(np.arange(len(sizes)), sizes)[kept[some]]
        far = np.bincount(day, own > usual, minlength=len(sizes))
        return Support(cells, usual, far / np.maximum(np.bincount(day, minlength=len(sizes)), 1))

    def remoteness(self, x: Array) -> Array:
        """How far cells are from those observed, as a multiple of what is usual among these.

        Parameters
        ----------
        x : (n, d) array
            Model coordinates.

        Returns
        -------
        (n,) array
            Mean distance to the five nearest observed cells, divided by `usual`. Above 1 a cell is
            where few were seen, and what is said of it rests on no data.
        """
        away = nearest(x, self.cells, min(NEIGHBOURS, len(self.cells) - 1))[0].mean(1)
        return np.asarray(away / self.usual)
