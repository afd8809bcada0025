"""Caveats: what in the data or the fit makes its results less believable than they look.

Each is found by a rule of its own, and comes with what can be done about it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from cellam.checks.batches import find_batches
from cellam.checks.caveat import Caveat
from cellam.checks.day_caveats import day_caveats
from cellam.checks.design_caveats import of_design
from cellam.checks.fit_caveats import fit_caveats
from cellam.coordinates.batch_shift import read_batches
from cellam.days.time_labels import count_cells, named
from cellam.display import in_words
from cellam.errors import CellamError
from cellam.evaluation.contenders import Sides
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

COLLAPSED = 0.2  # effective share of the cells that are followed: errors are 2.2 times as large
FOLLOWED = 500
ALIKE = 0.1  # of the logarithm of masses and of cell numbers
APART = 0.3  # of the spread of all cells: batches that lie so far apart within days
FAR = 10.0  # widths of all cells from their middle; no cell of the real data sets is beyond 1.3


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
    return caveats_by_holdout(model, cells, [holdout])[0]


def caveats_by_holdout(
    model: Model, cells: Cells, holdouts: Sequence[Collection[str]]
) -> list[tuple[Caveat, ...]]:
    """The caveats for each of several choices of held-out days, as `caveats`.

    What does not depend on the days (a simulation among it) is worked out once.
    """
    of_fit = [
        *day_caveats(model, cells),
        *_uncorrected(model, cells),
        *_far_out(model),
        *_collapse(model),
        *_counted_growth(model, cells),
        *_rotation(model),
    ]
    of_actions = tuple(fit_caveats(model, cells))
    designs: dict[frozenset[str], list[Caveat]] = {}
    found = []
    for holdout in holdouts:
        used = frozenset((*model.training.labels, *holdout))
        if used not in designs:
            designs[used] = of_design(cells, used)
        found.append((*designs[used], *of_fit, *_wide_gaps(model, holdout), *of_actions))
    return found


def _uncorrected(model: Model, cells: Cells) -> Iterator[Caveat]:
    """A caveat where batches that are spread over days lie apart within them, and stay so."""
    if model.space.batches is not None:
        return
    training = np.zeros(len(cells), dtype=bool)
    training[model.training.data_rows] = True
    x = model.snapshots.to_data_order(np.concatenate(model.snapshots.points))[training]
    spread = np.linalg.norm(x.std(0))
    for batch in find_batches(cells, model.training.labels):
        if batch.key not in cells.obs or len(batch.groups) > 1 or batch.confounded:
            continue
        reading = cells.reading.model_copy(update={"batch_key": batch.key})
        try:
            found = read_batches(replace(cells, reading=reading), training)
        except CellamError:  # some cells have no batch, or none is linked
            continue
        assert found is not None
        shift = found.shift(x)
        apart = float(np.linalg.norm(shift[:, None] - shift[None], axis=-1).max() / spread)
        if apart > APART:
            yield Caveat(
                "batch",
                f"Cells of the same day and kind in different levels of {batch.where} are up to "
                f"{apart:.2g} times the spread of all cells apart. Where the shares of batches "
                "change over days, that passes for motion and growth.",
                f"If the difference is technical, fit with `batch_key={batch.key!r}`, which takes "
                "it off.",
            )


def _far_out(model: Model) -> Iterator[Caveat]:
    points = np.concatenate(model.training.points)
    low, middle, high = np.quantile(points, (0.1, 0.5, 0.9), axis=0)
    width = float((high - low).max())
    far = [(np.abs(x - middle) > FAR * width).any(1).sum() for x in model.training.points]
    if width > 0 and sum(far):
        n = int(sum(far))
        days = [named(label) for label, k in zip(model.training.labels, far, strict=True) if k]
        yield Caveat(
            "outliers",
            f"{count_cells(n)} of {in_words(days)} {('lies' if n == 1 else 'lie')} more than "
            f"{FAR:g} times as far from the centre as the others: they dominate distances, and "
            "therefore growth.",
            "Remove these cells, or correct their values.",
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
            f"{n} cells of {named(first)}, followed to {named(last)}, carry as much information "
            f"as {ess:.0f} cells of equal weight (effective sample size): averages over them are "
            "noisy.",
            "Follow cells over shorter times, or allow less growth with a larger `tau`.",
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
            "The population sizes are the numbers of sequenced cells: growth then reflects how "
            "many cells were sampled, not how many were alive.",
            "Use counts of living cells (`population={'day0': 1e5, 'day2': 3e5}`), or leave "
            "`population` out.",
        )


def _rotation(model: Model) -> Iterator[Caveat]:
    if model.rotation.rotates:
        yield Caveat(
            "rotation",
            f"A steady landscape explains {100 * model.rotation.gradient:.0f} % of the motion, "
            f"and {100 * model.rotation.free:.0f} % if circular flow is allowed: cells move in "
            "circles.",
            "Predictions between days remain valid; do not interpret a landscape, or "
            "trajectories over long times.",
        )


def _wide_gaps(model: Model, holdout: Collection[str]) -> Iterator[Caveat]:
    for label in holdout:
        training = model.snapshots.without({*model.options.exclude, label})
        time = model.snapshots.times[model.snapshots.index(label)]
        reach = min(abs(time - training.times[k]) for k in Sides.of(training, time).days)
        gaps = [
            after - before
            for before, after in itertools.pairwise(training.times)
            if not before < time < after  # the gap that is to be bridged is no example
        ]
        if gaps and reach > max(gaps):
            yield Caveat(
                "gap",
                f"{named(label)} is {reach:g} away from the nearest day it is predicted from, "
                f"and no gap between the other days is longer than {max(gaps):g}: the data do "
                "not show how cells move over such a long time.",
                "Hold out a day with closer neighbours, or read this score as a worst case.",
            )
