"""Missing states: those of which a terminal day hardly has any, though they were not fading out.

Their cells may have died, become others, or not been measured (a state that is lost in handling, or
by chance): the days do not tell. The point follows what was measured, and by that they become
others; the range also holds that they stayed what they were (`analysis.fates`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.modelling.model import Model
from cellam.reading.cell_types import read_types

LACKING = 0.2  # share of the cells of a state that are expected, below which they are missing
EXPECTED = 5  # cells of a state on the terminal day, fewer of which may be missing by chance


@dataclass(frozen=True)
class Missing:
    """States that a terminal day lacks, that with most cells first.

    Parameters
    ----------
    label : str
        The last training day before the terminal one.
    first : bool
        Whether no training day is before that.
    before, there : dict of str to int
        Cells of each state on that day, and on the terminal one.
    """

    label: str
    first: bool
    before: dict[str, int]
    there: dict[str, int]

    def kept(self, types: pd.Series[Any], states: tuple[str, ...]) -> NDArray[np.float64]:
        """Probability of each state, (n, S), for cells that stay in a state that is missing.

        NaN for cells of other types, and 0 for all states if theirs is none of them.
        """
        names = read_types(types)
        stays = names.isin(list(self.before)).to_numpy()
        same = names.astype(object).to_numpy()[:, None] == np.array(states, dtype=object)
        return np.where(stays[:, None], same, np.nan)


def missing_states(model: Model, types: pd.Series[Any], terminal: str) -> Missing | None:
    """Which states a terminal day lacks; None if it lacks none, or no training day is before it.

    Parameters
    ----------
    model : Model
    types : pandas.Series
        State of every cell of the data.
    terminal : str
        Label of the day that fates are read on.
    """
    days = model.snapshots
    end = days.index(terminal)
    before = [days.index(label) for label in model.training.labels if days.index(label) < end]
    if not before:
        return None
    names = read_types(types)
    counts = pd.DataFrame(
        {k: names.iloc[days.rows[k]].value_counts() for k in (*before, end)}
    ).fillna(0)
    shares = counts / counts.sum().clip(lower=1)
    previous = shares[before[-1]]
    expected = previous * counts[end].sum()
    steady = previous >= 0.5 * shares[before].max(axis=1)  # what fades out has gone on its way
    lacking = steady & (expected >= EXPECTED) & (counts[end] < LACKING * expected)
    if not lacking.any():
        return None
    found = counts.loc[expected[lacking].sort_values(ascending=False).index].astype(int)
    return Missing(
        days.labels[before[-1]],
        len(before) == 1,
        {str(name): int(n) for name, n in found[before[-1]].items()},
        {str(name): int(n) for name, n in found[end].items()},
    )
