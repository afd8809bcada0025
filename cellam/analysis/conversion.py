"""Conversion: what cells become if nobody grows who need not (ρ = 0 of `growth_range`).

Cells of neighbouring training days are paired by exact transport, the masses of the earlier ones
having grown at the least rate; of large days, some cells stand for all. The pairs are the same
whichever day is followed, so the probabilities of all days are found in one pass from the terminal
day backward.

Where the terminal day lacks a state, its cells may also have stayed in it unmeasured (`missing`).
That is a conversion of its own: on the last step the cells of such a state stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.analysis.assignment import Reference, neighbours
from cellam.analysis.growth_range import least_growth
from cellam.analysis.missing import Missing, missing_states
from cellam.devices import threads
from cellam.dynamics.transport import exact_plan, squared_distances
from cellam.modelling.islands import find_islands
from cellam.modelling.model import Model

Array = NDArray[np.float64]

CELLS = 300  # a day, that stand for all


@dataclass(frozen=True)
class Conversion:
    """Probabilities by conversion to become the states of one day.

    Those of days that were asked for are kept, as those of earlier days begin from them.

    Parameters
    ----------
    model : Model
    end : int
        Position of that day in the snapshots.
    names : tuple of str, (S,)
        Its states.
    of_state : (m, S) csr_matrix
        Those of its cells.
    types : pandas.Series
        State of every cell of the data.
    missing : Missing or None
        States whose cells stay what they are; None to let transport decide for all.
    grown : list of (n,) arrays
        Least growth of the cells of each day, per unit of the user's time.
    """

    model: Model
    end: int
    names: tuple[str, ...]
    of_state: sparse.csr_matrix
    types: pd.Series[Any]
    missing: Missing | None
    grown: list[Array]
    _known: dict[int, Array] = field(default_factory=dict, repr=False)

    def of(self, start: int, x: Array) -> Array:
        """Probability of each state, (n, S), for cells x (n, p) of an earlier day.

        Parameters
        ----------
        start : int
            Position of the day.
        x : (n, p) array
            Model coordinates of its observed cells.
        """
        labels = self.model.snapshots.labels
        between = [k for k in range(start + 1, self.end) if labels[k] in self.model.training.labels]
        after = self.end
        for day in (*reversed(between), start):
            if day not in self._known:
                self._known[day] = self._step(day, after)
            after = day
        few = self.model.snapshots.points[start][self._few(start)]
        return np.asarray(neighbours(x, few) @ self._known[start])

    def _few(self, day: int) -> NDArray[np.int64]:
        """Cells of a day that stand for all."""
        rng = np.random.default_rng([self.model.options.seed, 18, day])
        return rng.permutation(len(self.model.snapshots.points[day]))[:CELLS]

    def _step(self, day: int, after: int) -> Array:
        """Probabilities of the cells of a day that stand for all, by those of the day after it."""
        days, last = self.model.snapshots, after == self.end
        ours, theirs = self._few(day), self._few(after)
        grown = np.exp(self.grown[day][ours] * (days.times[after] - days.times[day]))
        with threads(self.model.options.threads):
            plan = exact_plan(
                squared_distances(days.points[day][ours], days.points[after][theirs]),
                grown / grown.sum(),
                np.full(len(theirs), 1 / len(theirs)),
            )
        become = np.asarray(self.of_state[theirs].todense()) if last else self._known[after]
        p: Array = plan @ become / plan.sum(1)[:, None]
        if self.missing is None or not last:
            return p
        stays = self.missing.kept(self.types.iloc[days.rows[day][ours]], self.names)
        return np.where(np.isnan(stays), p, stays)


def conversions(
    model: Model, end: int, states: Reference, types: pd.Series[Any]
) -> tuple[Conversion, ...]:
    """That by transport alone, and if the day lacks states, that by which their cells stay in them.

    Parameters
    ----------
    model : Model
    end : int
        Position of the terminal day in the snapshots.
    states : Reference
        Its cells and states.
    types : pandas.Series
        State of every cell of the data.
    """
    days = model.snapshots
    rng = np.random.default_rng([model.options.seed, 18])
    with threads(model.options.threads):
        islands = find_islands(model.training, rng)
        codes = np.concatenate([islands.locate(x) for x in days.points])
        least = least_growth(model, islands, codes)
    grown = np.split(least, np.cumsum([len(x) for x in days.points])[:-1])
    missing = missing_states(model, types, days.labels[end])
    return tuple(
        Conversion(model, end, states.names, states.memberships(), types, stays, grown)
        for stays in ((None,) if missing is None else (None, missing))
    )
