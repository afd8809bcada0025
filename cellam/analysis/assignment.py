"""Assignment: of which cell type a position on a day is. One rule, for every answer.

A position counts for the ten annotated cells of the day that are nearest to it, a tenth for each;
of very many, those are searched that stand for all (`nearest`). Cells without a type take no part.
Observed cells have the type that they were given and need no rule; what the rule says of each of
them without itself is its bias (`Reference.relabelled`), and no share of simulated cells is to be
trusted beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.analysis.terminal import position_of
from cellam.dynamics.nearest import nearest, nearest_others, stand_ins
from cellam.errors import DataError
from cellam.limits import FEW
from cellam.modelling.model import Model
from cellam.reading.cell_types import MOST_TYPES, read_types

Array = NDArray[np.float64]

NEIGHBOURS = 10
RECOGNISED = 0.8  # of the observed cells of a type, for positions to be assigned to it in trust


@dataclass(frozen=True)
class Reference:
    """Observed cells, by which positions are assigned to types.

    Parameters
    ----------
    points : (m, p) array
        Model coordinates of all cells, annotated or not.
    codes : (m,) int array
        Type of each cell, as its place in `names`; -1 where it has none.
    names : tuple of str, (S,)
        The types of these cells, in alphabetical order; empty where none is annotated.
    """

    points: Array
    codes: NDArray[np.int64]
    names: tuple[str, ...]

    @property
    def annotated(self) -> NDArray[np.int64]:
        """Places of the cells that have a type."""
        return np.flatnonzero(self.codes >= 0)

    @property
    def searched(self) -> NDArray[np.int64]:
        """Places of the annotated cells that positions are assigned by: all, unless too many."""
        there = self.annotated
        return there[stand_ins(len(there))]

    @property
    def shares(self) -> Array:
        """Share of each type among the annotated cells, (S,)."""
        return self._shares(self.annotated)

    def nearest(self, x: Array) -> sparse.csr_matrix:
        """Which cells each position (N, p) counts for: (N, m), rows sum to 1."""
        return self._spread(neighbours(x, self.points[self.annotated]))

    def assign(self, x: Array) -> Array:
        """Share of each type in each position (N, p): (N, S), rows sum to 1."""
        there = self.annotated
        return type_votes(x, self.points[there], self.codes[there], len(self.names))

    def memberships(self) -> sparse.csr_matrix:
        """Share of each type in each of the cells, (m, S): its own type is 1.

        A cell without a type is assigned, as any other position is.
        """
        there, blank = self.annotated, np.flatnonzero(self.codes < 0)
        share = np.zeros((len(self.codes), len(self.names)))
        share[there, self.codes[there]] = 1.0
        if len(blank):
            share[blank] = self.assign(self.points[blank])
        return sparse.csr_matrix(share)

    def relabelled(self) -> Array:
        """Share of each type in each searched cell by the rule, were the cell not there: (k, S).

        A cell that is alone keeps its type.
        """
        there = self.searched
        own = np.eye(len(self.names))[self.codes[there]]
        if len(there) < 2:
            return own
        return np.asarray(own[nearest_others(self.points[there], NEIGHBOURS)].mean(1))

    def bias(self) -> Array:
        """Share of each type by the rule less its true share, over the searched cells, (S,)."""
        return np.asarray(self.relabelled().mean(0) - self._shares(self.searched))

    def recognised(self) -> Array:
        """Share of the cells of each type, (S,), that the rule gives back their own type."""
        told, codes = self.relabelled(), self.codes[self.searched]
        own = told[np.arange(len(codes)), codes]
        counts = np.bincount(codes, minlength=len(self.names))
        return np.asarray(np.bincount(codes, own, len(self.names)) / np.maximum(counts, 1))

    def mixed_up(self) -> dict[str, float]:
        """Types of which less than 80 % of the cells are recognised, and how much of each is.

        Of `rare` types nothing is said: fewer cells than neighbours are asked for have others among
        these wherever they are.
        """
        found = zip(self.names, self.recognised(), strict=True)
        return {n: float(p) for n, p in found if p < RECOGNISED and n not in self.rare}

    @property
    def rare(self) -> tuple[str, ...]:
        """Types with fewer than ten cells."""
        counts = np.bincount(self.codes[self.annotated], minlength=len(self.names))
        return tuple(name for name, n in zip(self.names, counts, strict=True) if n < FEW)

    def _shares(self, places: NDArray[np.int64]) -> Array:
        counts = np.bincount(self.codes[places], minlength=len(self.names))
        return np.asarray(counts / max(counts.sum(), 1))

    def _spread(self, near: sparse.csr_matrix) -> sparse.csr_matrix:
        """Columns of annotated cells, at their places among all cells."""
        return sparse.csr_matrix(
            (near.data, self.annotated[near.indices], near.indptr),
            (near.shape[0], len(self.codes)),
        )


def reference(model: Model, days: Sequence[int], types: pd.Series[Any]) -> Reference:
    """The cells of some days, with their types.

    Parameters
    ----------
    model : Model
    days : sequence of int
        Positions in the snapshots.
    types : pandas.Series
        Type of every cell of the data, in its order.
    """
    snapshots = model.snapshots
    found = read_types(types.iloc[np.concatenate([snapshots.rows[k] for k in days])])
    known = found.notna().to_numpy()
    codes = np.full(len(known), -1, dtype=np.int64)
    names, codes[known] = np.unique(found[known].to_numpy(dtype=str), return_inverse=True)
    points = np.concatenate([snapshots.points[k] for k in days])
    return Reference(points, codes, tuple(map(str, names)))


def reference_of(model: Model, day: str, types: pd.Series[Any]) -> Reference:
    """The cells of a day within the training days, whose types are the states that fates end in.

    Raises
    ------
    ConfigError
        If there is no such day, or it lies outside the training days.
    DataError
        If the day has no cell with a state, or too many states.
    """
    k = position_of(model, day)
    found, label = reference(model, [k], types), model.snapshots.labels[k]
    if not found.names:
        raise DataError(
            f"None of the {len(found.codes):,} cells of {label} has a value in "
            f"obs[{types.name!r}], which defines the fates.",
            "Choose a day with annotated cells, or another column: `terminal=DAY:COLUMN`.",
        )
    if len(found.names) > MOST_TYPES:
        raise DataError(
            f"obs[{types.name!r}] has {len(found.names):,} different values in the "
            f"{len(found.codes):,} cells of {label}; between 1 and {MOST_TYPES} are allowed.",
            "Choose a column of cell types, e.g. `terminal='cell_type'`.",
        )
    return found


def type_votes(x: Array, observed: Array, codes: NDArray[np.int64], n_types: int) -> Array:
    """Share of each type among the ten observed cells nearest to each position.

    Parameters
    ----------
    x, observed : (N, d) and (M, d) arrays
        In the same coordinates.
    codes : (M,) int array
        Type of each observed cell, below `n_types`.

    Returns
    -------
    (N, n_types) array
        Rows sum to 1.
    """
    votes: Array = neighbours(x, observed) @ np.eye(n_types)[codes]
    return votes


def neighbours(x: Array, observed: Array, number: int = NEIGHBOURS) -> sparse.csr_matrix:
    """The observed cells nearest to each position, ten or as told, which share its mass of 1.

    Parameters
    ----------
    x, observed : (N, d) and (M, d) arrays
        In the same coordinates.
    number : int
        How many; all, if there are fewer.

    Returns
    -------
    (N, M) csr_matrix
        Rows sum to 1.
    """
    searched = stand_ins(len(observed))
    near = searched[nearest(x, observed[searched], number)[1]]
    n = near.shape[1]
    starts = n * np.arange(len(x) + 1)
    return sparse.csr_matrix(
        (np.full(near.size, 1 / n), near.ravel(), starts), (len(x), len(observed))
    )
