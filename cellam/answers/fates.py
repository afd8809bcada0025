"""Fates: what the cells of one observed day become by another, or came from.

A cell is followed along the fitted dynamics, several times with other noise where the fit has
some, and each way counts by its mass for the ten observed cells nearest to where it arrives. A
profile is one noisy measurement of a state, and any of the ten cells nearest to it on its own
day may be what was measured: the fate of a cell is the mean over them. It is not weighted, as
the question is which of them the cell is, and not which has more descendants. So a fate is a row of
a sparse matrix between observed cells (`Transitions`); with their types it becomes a probability of
each terminal state, and summed over cells a table of flows. An ensemble is followed member by
member, and its spread says how sure the fates are. Backward the same says where cells came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.answers.composition import neighbours
from cellam.answers.terminal import Terminal, position_of
from cellam.answers.uncertainty import Spread
from cellam.errors import ConfigError, DataError
from cellam.modelling.model import Model
from cellam.reading.cell_types import MOST_TYPES, UNANNOTATED, read_types

Array = NDArray[np.float64]

DRAWS = 16  # ways of a cell, where the fit has noise


@dataclass(frozen=True)
class Transitions:
    """Which observed cells of a day those of another become, or came from.

    Parameters
    ----------
    start, end : int
        Positions of the days in the snapshots.
    matrix : (n, m) csr_matrix
        Share of each cell of `end` in the fate of each cell of `start`; rows sum to 1.
    mass : (n,) array
        Of the descendants (backward: of the ancestors) of each cell, which has mass 1 itself.
    """

    start: int
    end: int
    matrix: sparse.csr_matrix
    mass: Array


@dataclass(frozen=True)
class Fates:
    """Probability of each state for the cells of one day.

    Parameters
    ----------
    start : str
        Label of their day.
    terminal : Terminal
        Where the states were read.
    rows : (n,) int array
        Where the cells stand in the data.
    states : tuple of str, (S,)
        Names of the states.
    probability : (n, S) array
        Rows sum to 1.
    mass : (n,) array
        Of the descendants (backward: of the ancestors) of each cell.
    members : (M, n, S) array
        The probabilities of each member of the ensemble; M = 0 without one.
    """

    start: str
    terminal: Terminal
    rows: NDArray[np.int64]
    states: tuple[str, ...]
    probability: Array
    mass: Array
    members: Array

    @property
    def entropy(self) -> Array:
        """−Σ p log₂ p of each cell, (n,), in bits: 0 is certain, 1 is even between two states."""
        p = self.probability
        h: Array = -(p * np.log2(np.where(p > 0, p, 1.0))).sum(1)
        return np.maximum(h, 0.0)

    def table(self, names: pd.Index[Any], types: pd.Series[Any]) -> pd.DataFrame:
        """One row for each cell: its name, day, own type, mass, entropy and probabilities.

        With an ensemble, each probability also has its sd and the low and high end of its 90 %
        interval.

        Parameters
        ----------
        names : pandas.Index
            Names of all cells of the data.
        types : pandas.Series
            Their types, in the same order.
        """
        columns: dict[str, Any] = {
            "cell": names[self.rows].astype(str),
            "day": self.start,
            "type": _named(types.iloc[self.rows]),
            "mass": self.mass,
            "entropy": self.entropy,
        }
        columns |= {f"fate_{s}": self.probability[:, k] for k, s in enumerate(self.states)}
        if len(self.members):
            spread = Spread.of(self.probability, self.members)
            for suffix, value in zip(("sd", "low", "high"), _limits(spread), strict=True):
                columns |= {f"fate_{s}_{suffix}": value[:, k] for k, s in enumerate(self.states)}
        return pd.DataFrame(columns)

    def by_type(self, types: pd.Series[Any]) -> list[dict[str, Any]]:
        """Mean over the cells of each type, the largest first, as plain rows.

        Parameters
        ----------
        types : pandas.Series
            Type of all cells of the data; cells without one share the last row.

        Returns
        -------
        list of dict
            type, cells, mass, entropy (mean over the cells), fate (mean probability of each
            state), and with an ensemble its sd and the low and high end of its 90 % interval.
        """
        names = _named(types.iloc[self.rows])
        rows: list[dict[str, Any]] = []
        sizes = pd.Series(names).value_counts()
        for name, n in sorted(sizes.items(), key=lambda item: item[0] == UNANNOTATED):
            of = names == name
            row = {
                "type": str(name),
                "cells": int(n),
                "mass": float(self.mass[of].mean()),
                "entropy": float(self.entropy[of].mean()),
                "fate": self._named(self.probability[of].mean(0)),
            }
            if len(self.members):
                spread = Spread.of(self.probability[of].mean(0), self.members[:, of].mean(1))
                for suffix, value in zip(("sd", "low", "high"), _limits(spread), strict=True):
                    row[suffix] = self._named(value)
            rows.append(row)
        return rows

    def _named(self, values: Array) -> dict[str, float]:
        return {state: float(v) for state, v in zip(self.states, values, strict=True)}


def transitions(
    model: Model, start: str, end: str, *, draws: int = DRAWS, seed: int = 0
) -> Transitions:
    """Follow all cells of one observed day to another, earlier or later.

    Parameters
    ----------
    model : Model
    start, end : str
        Labels or numbers of days within the days fitted on.
    draws : int
        Ways of each cell where the fit has noise; without noise there is one.
    seed : int
        For the noise.

    Raises
    ------
    ConfigError
        If the days are one, or outside those fitted on, or noise would have to run backward.
    """
    days = model.snapshots
    k, l = position_of(model, start), position_of(model, end)  # noqa: E741
    if k == l:
        raise ConfigError(
            f"{days.labels[k]} is both the start and the end.", "Give two different days."
        )
    x, n = days.points[k], draws if model.fit.objective.sigma > 0 else 1
    moved, w = model.follow(np.repeat(x, n, axis=0), days.times[k], days.times[l], seed=seed)
    mass = w.reshape(-1, n)
    share = mass / mass.sum(1, keepdims=True)
    of_ways = sparse.csr_matrix((share.ravel(), np.arange(len(w)), n * np.arange(len(x) + 1)))
    own = of_ways @ neighbours(moved, days.points[l])  # (n cells, n ways) @ (n ways, m)
    return Transitions(k, l, neighbours(x, x) @ own, mass.mean(1))


def predict_fates(
    model: Model,
    start: str,
    types: pd.Series[Any],
    *,
    terminal: str | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Fates:
    """Probability of each state of another day, for every cell of `start`.

    Parameters
    ----------
    model : Model
        With an ensemble, the fates have a spread.
    start : str
        Label or number of a day.
    types : pandas.Series
        State of every cell of the data, in its order. Where a cell of the other day has none, the
        ten cells nearest to it that have one stand for it.
    terminal : str, optional
        Label or number of the day whose states are meant: the last one fitted on without it. If it
        is earlier than `start`, cells are followed backward, to their ancestors.
    draws, seed
        As for `transitions`.

    Raises
    ------
    ConfigError
        As `transitions`.
    DataError
        If the day has no cell with a state, or the column has too many.

    Examples
    --------
    >>> import cellam
    >>> cells = cellam.read("data/demo.h5ad")
    >>> model = cellam.fit(cells, n_features=64, tau=1, curvature=1)
    >>> found = predict_fates(model, "day2", cells.obs["cell_type"])
    >>> found.states, found.probability.shape
    (('erythroid', 'myeloid'), (900, 2))
    """
    end = terminal or model.training.labels[-1]
    of_state, states = memberships(model, end, types)
    own = transitions(model, start, end, draws=draws, seed=seed)
    members = [transitions(m, start, end, draws=draws, seed=seed) for m in model.members]
    probability = probabilities(own.matrix, of_state)
    return Fates(
        model.snapshots.labels[own.start],
        Terminal(model.snapshots.labels[own.end], str(types.name)),
        model.snapshots.rows[own.start],
        states,
        probability,
        own.mass,
        np.array([probabilities(m.matrix, of_state) for m in members]).reshape(
            -1, *probability.shape
        ),
    )


def memberships(
    model: Model, day: str, types: pd.Series[Any]
) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    """Which state each cell of a day is in, a matrix (m, S), and the names of the states (S,).

    A row has a single 1, or for a cell without a state the shares of the states among the ten
    cells nearest to it that have one.

    Raises
    ------
    DataError
        If the day has no cell with a state, or too many states.
    """
    k = position_of(model, day)
    of_day = read_types(types.iloc[model.snapshots.rows[k]])
    known = of_day.notna().to_numpy()
    names, codes = np.unique(of_day[known].to_numpy(dtype=str), return_inverse=True)
    if not len(names):
        raise DataError(
            f"None of the {len(of_day):,} cells of {model.snapshots.labels[k]} has a value in "
            f"obs[{types.name!r}], and fates are told by it.",
            "Choose a day whose cells are annotated, or another column: `terminal=DAY:COLUMN`.",
        )
    if len(names) > MOST_TYPES:
        raise DataError(
            f"obs[{types.name!r}] has {len(names):,} different values in the {len(of_day):,} cells "
            f"of {model.snapshots.labels[k]}; states are 1 to {MOST_TYPES}.",
            "Give a column with cell types, e.g. `terminal='cell_type'`.",
        )
    x, ones, rows = model.snapshots.points[k], np.ones(len(codes)), np.flatnonzero(known)
    of_state = sparse.csr_matrix((ones, (rows, codes)), (len(known), len(names)))
    if not known.all():
        blank = np.flatnonzero(~known)
        place = sparse.csr_matrix((np.ones(len(blank)), (blank, np.arange(len(blank)))))
        nearest = sparse.csr_matrix(place @ neighbours(x[blank], x[rows]))
        nearest.resize(len(known), len(rows))  # the last cells may be known
        of_state = sparse.csr_matrix(of_state + nearest @ of_state[rows])
    return of_state, tuple(map(str, names))


def probabilities(matrix: sparse.csr_matrix, of_state: sparse.csr_matrix) -> Array:
    """Probability of each state, (n, S), from transitions (n, m) and memberships (m, S)."""
    votes = np.asarray((matrix @ of_state).todense(), dtype=np.float64)
    share: Array = votes / votes.sum(1, keepdims=True)
    return share


def flow(model: Model, found: Fates, types: pd.Series[Any]) -> pd.DataFrame:
    """How much of each type of one day goes to each state of a later one.

    Parameters
    ----------
    model : Model
    found : Fates
        Of the cells of the earlier day.
    types : pandas.Series
        Type of every cell of the data, in its order; cells without one are the last source.

    Returns
    -------
    pandas.DataFrame
        A row for each type (`source`) and state (`target`): `before`, the mass on the earlier day
        of the cells that become it, and `after`, the mass of their descendants. The sum of
        `before` is the mass of that day, and what `after` has more is growth.

    Raises
    ------
    ConfigError
        If the fates are those of ancestors.
    """
    days = model.snapshots
    k = days.index(found.start)
    if days.index(found.terminal.label) < k:
        raise ConfigError(
            f"A flow goes from an earlier day to a later one, not from {found.start} to "
            f"{found.terminal.label}.",
            "Leave `ancestors` out.",
        )
    of_type = _named(types.iloc[found.rows])
    before = days.weights[k][:, None] * found.probability  # (n, S)
    after = found.mass[:, None] * before
    rows = [
        {
            "source": source,
            "target": state,
            "before": float(before[of_type == source, s].sum()),
            "after": float(after[of_type == source, s].sum()),
        }
        for source in sorted(set(of_type), key=lambda name: (name == UNANNOTATED, name))
        for s, state in enumerate(found.states)
    ]
    return pd.DataFrame(rows)


def _limits(spread: Spread) -> tuple[Array, Array, Array]:
    """Standard deviation and 90 % interval of probabilities, which stay within 0 and 1."""
    low, high = spread.interval()
    return spread.sd, np.maximum(low, 0.0), np.minimum(high, 1.0)


def _named(types: pd.Series[Any]) -> NDArray[Any]:
    """Types as text, with a name for cells that have none."""
    names = read_types(types)
    return names.where(names.notna(), UNANNOTATED).to_numpy(dtype=str)
