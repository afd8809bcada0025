"""Caveats: what in the data or the fit makes its results less believable than they look.

Each is found by a rule of its own, and comes with what can be done about it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.reading.labels import count_cells, named
from cellam.trust.baselines import neighbours
from cellam.trust.caveat import Caveat
from cellam.trust.fit_caveats import fit_caveats

# Words in the name of a column of obs that say who or what was processed together.
BATCH = {
    "batch", "sample", "library", "lane", "plate", "chip", "run", "channel", "flowcell", "pool",
    "experiment", "replicate", "donor", "patient", "individual", "animal", "mouse", "embryo",
}  # fmt: skip
FEW = 30  # cells a day; below that its mean alone is off by a fifth of a standard deviation
COLLAPSED = 0.2  # effective share of the cells that are followed: errors are 2.2 times as large
FOLLOWED = 500
ALIKE = 0.1  # of the logarithm of masses and of cell numbers


@dataclass(frozen=True)
class Batch:
    """A column of `obs` that says who or what was processed together.

    Parameters
    ----------
    key : str
    levels : int
        Number of batches.
    confounded : bool
        Whether each batch is in one day only, so that batches and days cannot be told apart.
    """

    key: str
    levels: int
    confounded: bool


def caveats(model: Model, cells: Cells, *, holdout: Collection[str] = ()) -> tuple[Caveat, ...]:
    """Reasons to doubt a fit, or the scores of days held out from it.

    Parameters
    ----------
    model : Model
    cells : Cells
        What it was fitted on.
    holdout : collection of str
        Labels of days that are or will be predicted from the others.

    Returns
    -------
    tuple of Caveat
        Empty where there is none.
    """
    used = {*model.training.labels, *holdout}
    found = itertools.chain(
        confounded(batches(cells)),
        few_cells({label: n for label, n in cells.counts.items() if label in used}),
        _collapse(model),
        _counted_growth(model, cells),
        _rotation(model),
        _wide_gaps(model, holdout),
        fit_caveats(model, cells),
    )
    return tuple(found)


def batches(cells: Cells) -> list[Batch]:
    """The columns of batches, known by their names: of two levels to half as many as cells."""
    found = []
    for key in cells.obs.columns:
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", str(key)).lower())
        column = cells.obs[key]
        levels = column.nunique()
        named = any(word.removesuffix("s") in BATCH or word in BATCH for word in words)
        if key == cells.time_key or not named or not 1 < levels <= len(cells) / 2:
            continue
        days = pd.Series(cells.codes, index=column.index).groupby(column, observed=True).nunique()
        found.append(Batch(str(key), levels, bool((days == 1).all())))
    return found


def confounded(found: Iterable[Batch]) -> Iterator[Caveat]:
    """A caveat for every batch that is in one day only."""
    for batch in found:
        if batch.confounded:
            yield Caveat(
                "batch",
                f"Each of the {batch.levels} levels of obs[{batch.key!r}] is in one day only: what "
                "differs between days may be technical.",
                "Integrate on genes that do not change in time, or repeat a day in another batch.",
            )


def few_cells(counts: Mapping[str, int]) -> Iterator[Caveat]:
    """A caveat for every day, by label, with too few cells."""
    for label, n in counts.items():
        if n < FEW:
            yield Caveat(
                "cells",
                f"{named(label)} has only {count_cells(n)}: rare types are missed, its mean is "
                "uncertain.",
                f"Leave it out (--exclude {label}), or join it with a day beside it (--time-map).",
            )


def _collapse(model: Model) -> Iterator[Caveat]:
    if model.conserves_mass:
        return
    first, last = model.training.labels[0], model.training.labels[-1]
    n = min(FOLLOWED, len(model.training.points[0]))
    moved = model.simulate(first, to=last, n_cells=n, seed=model.options.seed)
    w = np.exp(moved.log_weights[-1] - moved.log_weights[-1].max())
    ess = float(w.sum() ** 2 / (w**2).sum())
    if ess < COLLAPSED * n:
        yield Caveat(
            "weights",
            f"{n} cells of {named(first)}, followed to {named(last)}, have the weight of {ess:.0f} "
            "(effective number of cells): averages over them are noisy.",
            "Follow cells over shorter times, or allow less growth with a larger --tau.",
        )


def _counted_growth(model: Model, cells: Cells) -> Iterator[Caveat]:
    if model.options.population is None or model.conserves_mass:
        return
    days = model.training
    counted = np.log([cells.counts[label] for label in days.labels])
    off = np.log(days.masses) - counted
    if np.ptp(off) < ALIKE and np.ptp(counted) > ALIKE:
        yield Caveat(
            "growth",
            "The population sizes are the numbers of sequenced cells: growth mirrors how many "
            "cells were sampled, which says nothing about how many lived.",
            "Give counts of living cells (--population day0=1e5,…), or leave --population out.",
        )


def _rotation(model: Model) -> Iterator[Caveat]:
    if model.rotation.rotates:
        yield Caveat(
            "rotation",
            f"A steady gradient explains {100 * model.rotation.gradient:.0f} % of the motion, a "
            f"steady field that may rotate {100 * model.rotation.free:.0f} %: cells move in "
            "circles.",
            "Trust predictions between days, not a landscape or cells followed for long.",
        )


def _wide_gaps(model: Model, holdout: Collection[str]) -> Iterator[Caveat]:
    for label in holdout:
        training = model.snapshots.without({*model.options.exclude, label})
        time = model.snapshots.times[model.snapshots.index(label)]
        sides = neighbours(training, time)
        reach = min(abs(time - training.times[k]) for k in sides if k is not None)
        gaps = [
            after - before
            for before, after in itertools.pairwise(training.times)
            if not before < time < after  # the gap that is to be bridged is no example
        ]
        if gaps and reach > max(gaps):
            yield Caveat(
                "gap",
                f"{named(label)} is {reach:g} away from the nearest day that it is predicted from, "
                f"and no other gap is longer than {max(gaps):g}: nothing shows how cells move over "
                "so long.",
                "Hold out a day with closer neighbours, or read this score as a worst case.",
            )
