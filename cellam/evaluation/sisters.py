"""Sisters: cells of one clone on an early and on a late day, the nearest there is to a known fate.

A lineage barcode marks the descendants of one cell. Cells of a clone found on an early and on a
late day are sisters, not mother and daughter, but nothing that can be measured comes nearer to the
truth of a fate.

A fit that relies on barcodes has seen them. What it says of a clone is then asked of the same fit
without the barcodes of that clone and of others, a fifth of all in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.modelling.model import Model
from cellam.reading.cell_types import read_types, split_levels

Array = NDArray[np.float64]

FOLDS = 5  # of the clones, each asked of a fit without its barcodes
FEWEST = 5  # clones of either kind, of which something is told


@dataclass(frozen=True)
class Sisters:
    """Early cells of which sisters were found on the late day, and those sisters.

    Parameters
    ----------
    early : dict of str to (k,) int array
        Positions of these cells on each early day, by its label.
    clone : (n,) int array
        Clone of each of them, one day after the other: 0 to C − 1.
    late : tuple of C int arrays
        Positions of the sisters on the late day, for each clone.
    share : (C, S) array
        Share of each state among the sisters of a clone.
    """

    early: dict[str, NDArray[np.int64]]
    clone: NDArray[np.int64]
    late: tuple[NDArray[np.int64], ...]
    share: Array

    @property
    def number(self) -> int:
        """C, the number of clones."""
        return len(self.late)

    @property
    def observed(self) -> Array:
        """Share of each state among the sisters of each early cell, (n, S)."""
        return np.asarray(self.share[self.clone])

    def draws(self, n_boot: int, rng: np.random.Generator) -> Array:
        """How often each clone is drawn, (1 + n_boot, C): once each, then as a bootstrap does."""
        C = self.number
        drawn = rng.multinomial(C, np.full(C, 1 / C), size=n_boot)
        return np.concatenate([np.ones((1, C)), drawn])


def find_sisters(
    model: Model,
    types: pd.Series[Any],
    clones: pd.Series[Any],
    *,
    start: Sequence[str],
    terminal: str,
    of_state: sparse.csr_matrix,
) -> Sisters:
    """Early cells whose clone was found on the late day too.

    Parameters
    ----------
    model : Model
    types, clones : pandas.Series
        State and clone of every cell of the data, in its order. What is no type is no clone
        either (see `reading.cell_types`), and a sister without a state says nothing.
    start : sequence of str
        Labels of the early days.
    terminal : str
        Label of the late day.
    of_state : (m, S) csr_matrix
        States of the cells of that day.

    Raises
    ------
    DataError
        If very few clones were found on both an early and the late day.
    """
    days = model.snapshots
    codes, names = split_levels(clones)
    there = days.rows[days.index(terminal)]
    late = np.where(read_types(types).notna().to_numpy()[there], codes[there], -1)
    early = {label: codes[days.rows[days.index(label)]] for label in start}
    shared = np.intersect1d(late[late >= 0], np.concatenate(list(early.values())))
    if len(shared) < 2 * FEWEST:
        raise DataError(
            f"{len(shared)} of the {len(names):,} clones in obs[{clones.name!r}] have cells both "
            f"on {' or '.join(start)} and on {terminal}; at least {2 * FEWEST} are needed.",
            "Check the column, or choose other days with `start` and `terminal`.",
        )
    chosen = {label: np.flatnonzero(np.isin(found, shared)) for label, found in early.items()}
    sisters = tuple(np.flatnonzero(late == c) for c in shared)
    return Sisters(
        chosen,
        np.concatenate([np.searchsorted(shared, early[k][rows]) for k, rows in chosen.items()]),
        sisters,
        np.array([np.asarray(of_state[rows].mean(0)).ravel() for rows in sisters]),
    )


def unseen(
    model: Model, sisters: Sisters, terminal: str, *, seed: int = 0
) -> list[tuple[Model, NDArray[np.bool_]]]:
    """Models, and the clones (C,) of which each has seen no barcode; one where it relies on none.

    Fates of such a fit follow its pairs, so they are made anew without a fit. How far it relies on
    clones at all was chosen with all of them.

    Parameters
    ----------
    model : Model
    sisters : Sisters
        Their clones.
    terminal : str
        Label of their late day.
    seed : int
        Parts the clones.
    """
    C, days = sisters.number, model.snapshots
    if not model.relies_on_clones or days.clones is None:
        return [(model, np.ones(C, dtype=bool))]
    fold = np.random.default_rng(seed).permutation(C) % FOLDS
    late = days.clones[days.index(terminal)]
    early = np.concatenate([days.clones[days.index(k)][rows] for k, rows in sisters.early.items()])
    found = []
    for k in range(FOLDS):
        of = fold == k
        names = [late[rows] for rows, held in zip(sisters.late, of, strict=True) if held]
        hidden = np.unique(np.concatenate([*names, early[of[sisters.clone]]]))
        found.append((replace(model, snapshots=days.less_clones(hidden)), of))
    return found
