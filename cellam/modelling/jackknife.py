"""Jackknife: the same fit without one replicate, for each in turn.

How far an answer moves when one of m replicates of a day is left out says how far it rests on the
mice, or samples, that happened to be taken [1]_:

    variance = Σ over days of (m − 1)/m · Σ over replicates r of (answer without r − their mean)²

Days are sampled independently of each other, so that their variances add up. A day without
replicates is split into random groups of its cells, which then stand for them: what such a day adds
is the chance in sampling cells, not mice. Many replicates are joined into groups, as each takes a
fit. The space, and what was chosen for the fit, stay; so do its random numbers.

The number of degrees of freedom is that of Satterthwaite for a sum of variances.

References
----------
.. [1] Shao and Tu, The Jackknife and Bootstrap, Springer 1995.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.devices import threads
from cellam.dynamics.actions import Kernel
from cellam.limits import REFITTED
from cellam.modelling.model import Model
from cellam.modelling.refits import fit_to_score
from cellam.reading.samples import Replicates
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_FITS = 24
FEWEST_GROUPS = 3


@dataclass(frozen=True)
class Jackknife:
    """Fits that each left one group of cells out.

    Parameters
    ----------
    rows : tuple of (n_k,) int arrays
        Where the cells of each training day stand in the data, in their order.
    groups : tuple of (n_k,) int arrays
        Group of the cells of each training day, from 0: a replicate, or several, or random cells.
    replicates : tuple of int
        Replicates of each training day; 0 where its groups are random cells.
    models : tuple of tuple of Model
        For each training day, without each of its groups: they predict from the other cells too.
        Empty for a network, which is not fitted again.
    """

    rows: tuple[Codes, ...]
    groups: tuple[Codes, ...]
    replicates: tuple[int, ...]
    models: tuple[tuple[Model, ...], ...]

    def among(self, k: int, rows: Codes) -> Codes:
        """Group of some cells of a training day, given by where they stand in the data."""
        found: Codes = self.groups[k][np.searchsorted(self.rows[k], rows)]
        return found

    def predicting_from(self, snapshots: Snapshots) -> list[list[Model]]:
        """The same fits, which follow no more cells than these less those that were left out."""
        return [
            [
                replace(model, snapshots=snapshots.less(rows[groups == g]))
                for g, model in enumerate(day)
            ]
            for rows, groups, day in zip(self.rows, self.groups, self.models, strict=False)
        ]


def leave_out(model: Model, replicates: Replicates, *, refit: bool = True) -> Jackknife:
    """Fit a model without each replicate of each of its training days.

    Parameters
    ----------
    model : Model
    replicates : Replicates
        Of the cells that it was fitted on.
    refit : bool
        Without it only the groups are made.
    """
    options, training = model.options, model.training
    codes = replicates.design.codes()
    n = tuple(_usable(len(replicates.on(label))) for label in training.labels)
    most = max(FEWEST_GROUPS, MOST_FITS // len(training))
    rng = np.random.default_rng(np.random.SeedSequence((options.seed, 4)))
    groups = tuple(
        _grouped(codes[rows], most, rng) if m else rng.permutation(np.arange(len(rows)) % most)
        for rows, m in zip(training.rows, n, strict=True)
    )
    if not refit or options.action != Kernel.name:
        return Jackknife(training.rows, groups, n, ())
    with threads(options.threads):
        models = tuple(
            tuple(_without(model, rows[of_day == g]) for g in np.unique(of_day))
            for rows, of_day in zip(training.rows, groups, strict=True)
        )
    return Jackknife(training.rows, groups, n, models)


def _usable(n: int) -> int:
    return n if n > 1 else 0


def _grouped(codes: Codes, most: int, rng: np.random.Generator) -> Codes:
    """Replicates of a day, from 0; of many, several are joined at random."""
    _, of_cells = np.unique(codes, return_inverse=True)
    m = int(of_cells.max()) + 1
    return rng.permutation(np.arange(m) % most)[of_cells] if m > most else of_cells


def _without(model: Model, rows: Codes) -> Model:
    """The model without the cells at some rows of the data."""
    options = model.options
    # The same random numbers each time: what differs are the cells.
    rng = np.random.default_rng(np.random.SeedSequence((options.seed, 5)))
    days = model.training.thinned(min(2 * REFITTED, options.max_cells), rng).less(rows)
    fit = fit_to_score(model, days, model.choice.recipe, rng)
    return replace(model.without_ensemble(), snapshots=model.snapshots.less(rows), fit=fit)


def spread(answers: Array) -> Array:
    """Contributions to the variance, (m, …), from answers (m, …) without each of m groups.

    The sum of their squares is the variance that the day adds.
    """
    m = len(answers)
    moved: Array = -np.sqrt((m - 1) / m) * (answers - answers.mean(0))
    return moved


def freedom(contributions: Sequence[Array]) -> Array:
    """Degrees of freedom of a sum of variances, from the contributions (m_k, …) of each day.

    0 where nothing varies.

    Examples
    --------
    >>> float(freedom([np.array([-1.0, 1.0, 0.0]), np.array([-1.0, 0.0, 1.0])]))
    4.0
    """
    v = np.array([(c**2).sum(0) for c in contributions])
    own = np.array([len(c) - 1 for c in contributions]).reshape(-1, *[1] * (v.ndim - 1))
    total, each = v.sum(0) ** 2, (v**2 / own).sum(0)
    found: Array = np.divide(total, each, where=each > 0, out=np.zeros(np.shape(total)))
    return found
