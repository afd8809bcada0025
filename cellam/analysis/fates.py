"""Fates: what the cells of one observed day become by another, or came from.

The descendants of a cell among the observed cells (see `descendants`), with the types of these,
make a probability of each terminal state. Of several cells together the fate is the share of each
state in their descendants by mass: what a simulation of them gives, whichever command asks. An
ensemble is followed member by member, and its spread says how sure the fates are. Backward the same
says where cells came from.

Mean fates of many cells are known far better than those of one: what the cells of a day become
together is the composition w of the terminal day. Days alone do not tell cells whose fate is
decided from cells that decide by chance later: both leave the same snapshots. The probability of a
cell therefore lies between two explanations, its own way (the flow) or chance; `weighing` says how
far from each. What types become is drawn to what the day becomes. Backward, where the earlier day
has cells without descendants, w is the mean by the flow.

The range of a probability is that over explanations: the flow from any of the cells that may be
what was measured; chance, unless hardly any cell's fate differs from those next to it; and
conversion, by which cells leave at random and grow as little as can be, or stay in a state that
the terminal day lacks (`conversion`). What the whole day becomes is known to the error of counting
the terminal day. Cells of one type together have the same explanations: that a cluster goes one way
in the fit does not show that its cells are decided. Of the monocytes of larry on day 4 all other
explanations make 65 to 91 % monocytes, and of their sisters 46 % were.

Cells that were not in the fit go their own way, and stand in the place of the observed cell of
their day that is nearest: the cells that may be what was measured, the scatter of fates, and the
mean fate that chance would give are those of the observed cells, so a single new cell is treated
as a thousand are. One that is in the fit has the fate that it has there. In the same way the cells
of a day with very many join those that stand for all (`nearest`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import Reference, reference, reference_of
from cellam.analysis.conversion import Conversion, conversions
from cellam.analysis.descendants import DRAWS, Joined, Ways
from cellam.analysis.terminal import Terminal, position_of
from cellam.analysis.uncertainty import Spread
from cellam.analysis.weighing import by_mass, counted, mixed, weigh
from cellam.errors import ConfigError
from cellam.limits import FEW
from cellam.modelling.cohort import Cohort
from cellam.modelling.model import Model
from cellam.modelling.observed import thinned_day
from cellam.reading.cell_types import UNANNOTATED, read_types

Array = NDArray[np.float64]

DECIDED = 0.9  # probability of a fate


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
        Where the cells stand in the data, or in the table of new cells.
    states : tuple of str, (S,)
        Names of the states.
    probability : (n, S) array
        Rows sum to 1.
    mass : (n,) array
        Of the descendants (backward: of the ancestors) of each cell.
    low, high : (n, S) arrays
        The least and the largest probability over the explanations.
    explanations : (E, n, S) array
        The probabilities by the flow alone, as a mean over alike cells; forward those by
        conversion; where states are missing, the same if their cells stay in them (rows sum to less
        than 1 where the terminal day has none of them); and where chance may decide, those of the
        whole day.
    mean : (S,) array
        The same by the flow, as a mean over the observed cells of the day by mass (of very many,
        over those that stand for all).
    whole : (S,) array
        Share of each state on the terminal day: what all cells of the day become together.
    ends : int
        Cells of the terminal day that have a state.
    kept : float
        c, the share of every cell that follows its own way.
    forward : bool
        Whether cells were followed to a later day.
    members : (M, n, S) array
        The probabilities of each member of the ensemble; M = 0 without one.
    member_mass : (M, n) array
        The masses of each member.
    """

    start: str
    terminal: Terminal
    rows: NDArray[np.int64]
    states: tuple[str, ...]
    probability: Array
    mass: Array
    low: Array
    high: Array
    explanations: Array
    mean: Array
    whole: Array
    ends: int
    kept: float
    forward: bool
    members: Array
    member_mass: Array

    @property
    def entropy(self) -> Array:
        """−Σ p log₂ p of each cell, (n,), in bits: 0 is certain, 1 is even between two states."""
        p = self.probability
        h: Array = -(p * np.log2(np.where(p > 0, p, 1.0))).sum(1)
        return np.maximum(h, 0.0)

    def keeping(self, kept: float) -> Array:
        """The probabilities, (n, S), if the share `kept` of every cell follows its own way."""
        return mixed(self.explanations[0], self.mean, self.whole, kept)

    @property
    def decided(self) -> tuple[float, float]:
        """Share of cells with a fate of 90 % or more, at least and at most.

        At least: by all explanations the same one. At most: by any of them.
        """
        least, most = (float((p.max(1) >= DECIDED).mean()) for p in (self.low, self.high))
        return least, most

    @property
    def observed(self) -> tuple[Array, Array, Array] | None:
        """Share of each state on the terminal day, (S,), and its 95 % interval by the number of
        cells.

        None for ancestors: what a day came from is not observed.
        """
        if not self.forward:
            return None
        return self.whole, *counted(self.whole, self.ends)

    def left_out(self, row: Mapping[str, Any]) -> frozenset[str]:
        """States of which the range of a row of all cells leaves out the observed share."""
        if not self.forward:
            return frozenset()
        shares = zip(self.states, self.whole, strict=True)
        return frozenset(s for s, w in shares if not row["least"][s] <= w <= row["most"][s])

    def table(self, names: pd.Index[Any], types: pd.Series[Any]) -> pd.DataFrame:
        """One row for each cell: its name, day, own type, mass, entropy and probabilities.

        Each probability has the ends of its range over explanations (least, most), and with an
        ensemble its sd and the low and high end of its 90 % interval.

        Parameters
        ----------
        names : pandas.Index
            Names of all cells of the data, or of all new cells.
        types : pandas.Series
            Their types, in the same order.
        """
        columns: dict[str, Any] = {
            "cell": names[self.rows].astype(str),
            "day": self.start,
            "type": named_types(types.iloc[self.rows]),
            "mass": self.mass,
            "entropy": self.entropy,
        }
        columns |= {f"fate_{s}": self.probability[:, k] for k, s in enumerate(self.states)}
        for suffix, value in zip(("least", "most"), (self.low, self.high), strict=True):
            columns |= {f"fate_{s}_{suffix}": value[:, k] for k, s in enumerate(self.states)}
        if len(self.members):
            spread = Spread.of(self.probability, self.members)
            for suffix, value in zip(("sd", "low", "high"), _limits(spread), strict=True):
                columns |= {f"fate_{s}_{suffix}": value[:, k] for k, s in enumerate(self.states)}
        return pd.DataFrame(columns)

    def by_type(self, types: pd.Series[Any]) -> list[dict[str, Any]]:
        """What the cells of each type become together, the largest type first, as plain rows.

        Parameters
        ----------
        types : pandas.Series
            Type of all cells of the data; cells without one share the last row.

        Returns
        -------
        list of dict
            type, cells, few (whether these are fewer than ten), mass and entropy (mean over the
            cells), fate (share of each state in their descendants by mass) with the ends of its
            range over explanations (least, most), and with an ensemble its sd and the low and high
            end of its 90 % interval.
        """
        names = named_types(types.iloc[self.rows])
        sizes = pd.Series(names).value_counts()
        ordered = sorted(sizes.index, key=lambda name: name == UNANNOTATED)
        return [{"type": str(name), **self.together(names == name)} for name in ordered]

    def together(self, of: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """What some cells, (n,) bool, or all of them become together: a row of `by_type`."""
        chosen = np.ones(len(self.rows), dtype=bool) if of is None else of
        fate = by_mass(self.mass[chosen], self.probability[chosen])
        flow, *others = self.explanations[:, chosen]
        each = np.stack([fate, by_mass(self.mass[chosen], flow), *(p.mean(0) for p in others)])
        fewest, largest = (each, each) if of is not None else counted(each, self.ends)
        least, most = fewest.min(0), largest.max(0)
        row = {
            "cells": int(chosen.sum()),
            "few": bool(chosen.sum() < FEW),
            "mass": float(self.mass[chosen].mean()),
            "entropy": float(self.entropy[chosen].mean()),
            "fate": self._named(fate),
            "least": self._named(least),
            "most": self._named(most),
        }
        if len(self.members):
            each = by_mass(self.member_mass[:, chosen], self.members[:, chosen])
            for suffix, value in zip(
                ("sd", "low", "high"), _limits(Spread.of(fate, each)), strict=True
            ):
                row[suffix] = self._named(value)
        return row

    def _named(self, values: Array) -> dict[str, float]:
        return {state: float(v) for state, v in zip(self.states, values, strict=True)}


def predict_fates(
    model: Model,
    start: str | Cohort,
    types: pd.Series[Any],
    *,
    terminal: str | None = None,
    kept: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Fates:
    """Probability of each state of another day, for every cell of `start`.

    Parameters
    ----------
    model : Model
        With an ensemble, the fates have a spread.
    start : str or Cohort
        Label or number of a day, or cells that were not in the fit, at the time of an observed day.
    types : pandas.Series
        State of every cell of the data, in its order; cells of the other day without one stand for
        nobody.
    terminal : str, optional
        Label or number of the day whose states are meant: the last training day without it. If it
        is earlier than `start`, cells are followed backward, to their ancestors.
    kept : float, optional
        Share of every cell that follows its own way, 0 to 1, as from `evaluation.calibration`;
        without it r² of the day.
    draws, seed
        As for `transitions`.

    Raises
    ------
    ConfigError
        As `transitions`, or if `kept` is no share.
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
    how: dict[str, Any] = {"terminal": terminal, "kept": kept, "draws": draws, "seed": seed}
    return next(fates_by_day(model, [start], types, **how))


def fates_by_day(
    model: Model,
    starts: Iterable[str | Cohort],
    types: pd.Series[Any],
    *,
    terminal: str | None = None,
    kept: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Iterator[Fates]:
    """As `predict_fates` for several days, in turn; what they have in common is found once.

    Parameters
    ----------
    model : Model
    starts : iterable of str or Cohort
    types, terminal, kept, draws, seed
        As for `predict_fates`.

    Raises
    ------
    ConfigError, DataError
        As `predict_fates`.
    """
    if kept is not None and not 0 <= kept <= 1:
        raise ConfigError(f"`kept={kept!r}` is no share.", "Use a number between 0 and 1.")
    label = terminal or model.training.labels[-1]
    states = reference_of(model, label, types)
    end = position_of(model, label)
    members = (model.without_ensemble(), *model.members)
    ways = tuple(Ways(m, end, types, draws, seed) for m in members)
    converted: tuple[Conversion, ...] | None = None
    for start in starts:
        cohort = model.cohort(start)
        if converted is None and position_of(model, cohort.label) < end:
            converted = conversions(model, end, states, types)
        yield _fates(model, cohort, states, ways, kept, converted or ())


def _fates(
    model: Model,
    cohort: Cohort,
    states: Reference,
    ways: tuple[Ways, ...],
    kept: float | None,
    converted: tuple[Conversion, ...],
) -> Fates:
    """Fates of the cells of one day; `converted` is for the days before the terminal one."""
    end, types, of_state = ways[0].end, ways[0].types, states.memberships()
    k = position_of(model, cohort.label)
    few = thinned_day(model, k)
    follow = [
        way.transitions(k, m)
        for way, m in zip(ways, (few.without_ensemble(), *few.members), strict=True)
    ]
    joined: list[Joined | None] = [
        way.join(k, cohort.points, few) if cohort.new or few is not model else None for way in ways
    ]
    there = reference(few, [k], types)
    first, *others = (
        weigh(f, there, of_state, kept, new) for f, new in zip(follow, joined, strict=True)
    )
    masses = [f.mass if new is None else new.mass for f, new in zip(follow, joined, strict=True)]
    n, S = first.own.shape
    explained = [first.flow]
    if k < end:
        beside = slice(None) if joined[0] is None else joined[0].beside
        explained += [c.of(k, few.snapshots.points[k])[beside] for c in converted]
        explained += [np.broadcast_to(first.whole, (n, S))] * first.chance
    explanations = np.stack(explained)
    return Fates(
        cohort.label,
        Terminal(model.snapshots.labels[end], str(types.name)),
        cohort.rows,
        states.names,
        first.own,
        masses[0],
        np.minimum(first.low, explanations[1:].min(0, initial=1.0)),
        np.maximum(first.high, explanations[1:].max(0, initial=0.0)),
        explanations,
        first.mean,
        first.whole,
        of_state.shape[0],
        first.kept,
        k < end,
        np.array([w.own for w in others]).reshape(-1, n, S),
        np.array(masses[1:]).reshape(-1, n),
    )


def _limits(spread: Spread) -> tuple[Array, Array, Array]:
    """Standard deviation and 90 % interval of probabilities, which stay within 0 and 1."""
    low, high = spread.interval()
    return spread.sd, np.maximum(low, 0.0), np.minimum(high, 1.0)


def named_types(types: pd.Series[Any]) -> NDArray[Any]:
    """Types as text, with a name for cells that have none."""
    names = read_types(types)
    return names.where(names.notna(), UNANNOTATED).to_numpy(dtype=str)
