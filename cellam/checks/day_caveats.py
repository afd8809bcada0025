"""Caveats of days: what the cells of the training days cannot show, whatever is fitted to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cellam.analysis.missing import missing_states
from cellam.checks.caveat import Caveat
from cellam.days.time_labels import named
from cellam.modelling.model import Model
from cellam.reading.cell_types import read_types, resolve_types
from cellam.reading.cells import Cells
from cellam.reading.snapshots import Snapshots

COMPARED = 600  # cells of all days, between which distances are taken
SHUFFLES = 199
CHANCE = 0.05
SHOWN = 5  # by name


def day_caveats(model: Model, cells: Cells) -> Iterator[Caveat]:
    """Reasons to doubt any fit to the training days of a model.

    Parameters
    ----------
    model : Model
    cells : Cells
        What it was fitted on.
    """
    days = model.training
    yield from _two_days(model)
    if (p := chance_of_days(days)) > CHANCE:
        yield Caveat(
            "motion",
            f"The days do not differ more than cells drawn at random (p = {p:.2f}, {SHUFFLES} "
            "permutations): there is no motion to learn, and what is simulated is noise.",
            "Look for a representation in which days differ, or do not interpret this fit.",
        )
    types = resolve_types(cells.obs, model.snapshots.codes)
    if types is not None:
        yield from lacks_states(model, read_types(types), days.labels[-1])


def _two_days(model: Model) -> Iterator[Caveat]:
    days = model.training
    if len(days) == 2:
        what = "motion" if model.conserves_mass else "motion and growth"
        yield Caveat(
            "two days",
            f"Only {named(days.labels[0])} and {named(days.labels[1])} were fitted: no day "
            f"between them can be held out, and nothing judges {what}.",
            "Measure a day between them, or take the result for one of many explanations.",
        )


def chance_of_days(days: Snapshots) -> float:
    """P value of the mean distance within days, by permuting the days over cells."""
    rng = np.random.default_rng(0)
    few = days.thinned(max(10, COMPARED // len(days)), rng)
    x = np.concatenate(few.points)
    D = cdist(x, x)
    sizes = [len(points) for points in few.points]
    day = np.repeat(np.arange(len(sizes)), sizes)

    def within(day: NDArray[np.int64]) -> float:
        # Of all pairs of cells, by the size of their day: DISCO (Rizzo and Szekely, 2010).
        of = [np.flatnonzero(day == k) for k in range(len(sizes))]
        return float(sum(D[np.ix_(rows, rows)].sum() / len(rows) for rows in of))

    found = within(day)
    less = sum(within(rng.permutation(day)) <= found for _ in range(SHUFFLES))
    return (1 + less) / (1 + SHUFFLES)


def lacks_states(model: Model, types: pd.Series[Any], terminal: str) -> Iterator[Caveat]:
    """A caveat where the terminal day lacks states that were not fading out before it.

    Parameters
    ----------
    model : Model
    types : pandas.Series
        State of every cell of the data.
    terminal : str
        Label of the day that fates are read on.
    """
    missing = missing_states(model, types, terminal)
    if missing is None:
        return
    names = list(missing.before)
    found = ", ".join(
        f"{name} ({missing.there[name]} cells, {missing.before[name]} on {named(missing.label)})"
        for name in names[:SHOWN]
    )
    advice = f"Read fates on an earlier day (`terminal={missing.label!r}`), or leave"
    advice += f" {named(terminal)} out."
    if missing.first:  # from which the fates start
        advice = "Do not read these fates without a day in between on which they can be seen."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    yield Caveat(
        "terminal",
        f"{named(terminal)}, on which fates are read, hardly has any {found}{more}: their "
        "cells are given other fates, and only the ranges hold that they were not measured.",
        advice,
    )
