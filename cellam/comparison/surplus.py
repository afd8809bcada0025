r"""Surplus: what a sample has on a day beyond what the common dynamics make of the day before.

One dynamics is enough for two conditions if, followed by the common fit from day to day, the cells
of either arrive where the cells of the next day are. Of each sample and day, with f the shares of
the cell types and the coordinates of the mean,

    surplus of a condition = mean f of its samples on the day
                             − f of its cells of the day before, followed to the day,

and a statistic is the difference of the surpluses of the conditions. Where they differ in their
starting cells alone, both surpluses are near 0. Every sample is followed once and used in all
labellings (`relabelling`); nothing is fitted again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference
from cellam.comparison.samples import Codes, Samples
from cellam.modelling.model import Model

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Surplus:
    """Sums over the cells of S samples on K training days, of F quantities.

    Parameters
    ----------
    quantities : tuple of str
        Names of types, then of coordinates.
    n_types : int
        How many of them are types.
    measured : (S, K, F) array
        Means over the measured cells; nan where a sample is not on a day.
    followed : (S, K, F) array
        Sums by mass over the cells of the day before, followed to day k, for one cell there.
    mass : (S, K) array
        Their mass.
    """

    quantities: tuple[str, ...]
    n_types: int
    measured: Array
    followed: Array
    mass: Array

    def difference(self, first: Codes, second: Codes) -> Array:
        """Surplus of the second group of samples less that of the first, (K − 1, F)."""
        return self._of(second) - self._of(first)

    def composition(self, first: Codes, second: Codes) -> Array:
        """Shares of the types in the second group less those in the first, (K, types)."""
        shares = self.measured[:, :, : self.n_types]
        return np.asarray(np.nanmean(shares[second], 0) - np.nanmean(shares[first], 0))

    def _of(self, group: Codes) -> Array:
        arrived = np.nansum(self.followed[group, 1:], 0)
        arrived /= np.nansum(self.mass[group, 1:], 0)[:, None]
        return np.asarray(np.nanmean(self.measured[group, 1:], 0) - arrived)


def follow_samples(
    model: Model, samples: Samples, types: pd.Series[Any] | None, *, seed: int = 0
) -> Surplus:
    """Follow the cells of every sample from each training day to the next by the common fit.

    Parameters
    ----------
    model : Model
        Fitted to the cells of both conditions.
    samples : Samples
    types : pandas.Series, optional
        Cell type of every cell of the data.
    """
    days = model.training
    positions = [model.snapshots.labels.index(label) for label in days.labels]
    known = [reference(model, [k], types) for k in positions] if types is not None else []
    names = tuple(sorted({name for found in known for name in found.names}))
    quantities = (*names, *(f"coordinate {j + 1}" for j in range(days.n_dims)))
    shape = (len(samples.names), len(days))
    measured = np.full((*shape, len(quantities)), np.nan)
    followed, mass = measured.copy(), np.full(shape, np.nan)
    for k in range(len(days)):
        own = known[k].memberships().toarray() if known and known[k].names else None
        values = _values(days.points[k], own, known[k].names if known else (), names)
        for s, rows in _rows(samples, days.rows[k]):
            measured[s, k] = values[rows].mean(0)
    for k, then in itertools.pairwise(range(len(days))):
        x, w = model.follow(days.points[k], days.times[k], days.times[then], seed=seed)
        votes = known[then].assign(x) if known and known[then].names else None
        values = _values(x, votes, known[then].names if known else (), names)
        for s, rows in _rows(samples, days.rows[k]):
            followed[s, then] = w[rows] @ values[rows] / len(rows)
            mass[s, then] = w[rows].mean()
    return Surplus(quantities, len(names), measured, followed, mass)


def _rows(samples: Samples, rows: Codes) -> list[tuple[int, Codes]]:
    """Cells of each sample among those of a day."""
    of = samples.of_cells[rows]
    return [(int(s), np.flatnonzero(of == s)) for s in np.unique(of[of >= 0])]


def _values(
    x: Array, shares: Array | None, there: tuple[str, ...], names: tuple[str, ...]
) -> Array:
    """Shares of all types, those of no cell of the day at 0, then coordinates: (n, F)."""
    of_types = np.zeros((len(x), len(names)))
    if shares is not None:
        of_types[:, [names.index(name) for name in there]] = shares
    return np.concatenate([of_types, x], axis=1)
