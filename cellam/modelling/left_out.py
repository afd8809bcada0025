"""Left out: quick fits without each replicate, and the intervals that follow from them.

How growth and fates would come out with other mice is asked of fits that each leave one replicate
of one training day out (`jackknife`, which has the variance). A fit as it was made would take as
long each time. These take at most 400 cells a day and 256 features, the same ones each time, and
keep what was chosen for the fit: the space, the path and how far it bends. Fewer cells of a mouse
scatter more, so the intervals of large days are a little too wide rather than too narrow.

A replicate that is on several days, as a culture that is sampled again and again, is one
replicate: what it contributes on each of them is added up with its sign before it is squared, and
days that have one in common count as one sample for the degrees of freedom. Without it, an offset
of a culture that stays would count as if it were drawn anew every day.

What such an interval leaves out: that other replicates could have led to another choice of the
path, and what no number of replicates tells (`analysis.growth_range`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.devices import choose_device, threads
from cellam.dynamics.actions import Features, Kernel
from cellam.dynamics.fitting import add_growth, draw_features, fit_kernel
from cellam.dynamics.masses import keep_masses
from cellam.modelling.jackknife import Codes, Jackknife, freedom, leave_out, spread
from cellam.modelling.model import Model
from cellam.reading.samples import ENOUGH, Replicates
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

CELLS = 400  # of a day, in a fit
FEATURES = 256
PARTICLES = 8_000


@dataclass(frozen=True)
class LeftOut:
    """Fits without each replicate of each training day.

    Parameters
    ----------
    key : str
        Column of `obs` that tells the replicates.
    sizes : tuple of int
        Replicates of each training day, at least three.
    names : tuple of tuple
        What each fit left out of each training day: the same name where it is the same replicate.
    models : tuple of tuple of Model
        For each training day, without each of its replicates. Their days have at most 400 cells.
    rows : tuple of tuple of int arrays
        Where the cells that each fit left out stand in the data.
    seen : dict of str to tuple of int arrays
        Of each observed day with at least three replicates, where the cells of each stand: held-out
        days too, which no fit is needed for.
    """

    key: str
    sizes: tuple[int, ...]
    names: tuple[tuple[Hashable, ...], ...]
    models: tuple[tuple[Model, ...], ...]
    rows: tuple[tuple[Codes, ...], ...]
    seen: dict[str, tuple[Codes, ...]]

    @property
    def fitted(self) -> tuple[str, ...]:
        """Labels of the training days."""
        return self.models[0][0].training.labels

    @property
    def says(self) -> str:
        """What the intervals are over, in words."""
        least, most = min(self.sizes), max(self.sizes)
        several = f"{least}" if least == most else f"{least} to {most}"
        return f"95 % over {several} replicates a day (obs[{self.key!r}])"

    def interval(
        self, value: Array, answer: Callable[[Model, Codes], Array]
    ) -> tuple[Array, Array]:
        """The ends of the 95 % interval of an answer over replicates, by Student's t.

        Parameters
        ----------
        value : array
            The answer of the fit itself; a number, or several.
        answer : callable
            The same of a fit that left cells at some rows of the data out. NaN where there is
            none; then there is no interval.
        """
        contributions = [
            spread(np.stack([answer(m, rows) for m, rows in zip(*day, strict=True)]))
            for day in zip(self.models, self.rows, strict=True)
        ]
        return _around(value, _joined(contributions, self.names))

    def interval_of_day(
        self, label: str, value: Array, answer: Callable[[Codes], Array]
    ) -> tuple[Array, Array] | None:
        """The same of what is observed on one day; None where it has fewer than three replicates.

        Parameters
        ----------
        label : str
        value : array
            The answer of all cells.
        answer : callable
            The same of cells of the day that stand at some rows of the data.
        """
        replicates = self.seen.get(label)
        if replicates is None:
            return None
        rows = np.concatenate(replicates)
        answers = [answer(np.setdiff1d(rows, out)) for out in replicates]
        return _around(value, [spread(np.stack(answers))])


def leave_replicates_out(model: Model, replicates: Replicates | None) -> LeftOut | None:
    """Fit a model without each replicate, quickly.

    Parameters
    ----------
    model : Model
    replicates : Replicates or None
        Of the cells that it was fitted on.

    Returns
    -------
    LeftOut or None
        None where a training day has fewer than three replicates, or the action is a network,
        which is not fitted again.
    """
    training = model.training
    if replicates is None or model.options.action != Kernel.name:
        return None
    sizes = tuple(len(replicates.on(label)) for label in training.labels)
    if min(sizes) < ENOUGH:
        return None
    groups = leave_out(model, replicates, refit=False)
    codes = replicates.design.codes()
    rows = tuple(
        tuple(known[of == g] for g in np.unique(of))
        for known, of in zip(groups.rows, groups.groups, strict=True)
    )
    names = tuple(
        tuple(_name(k, np.unique(codes[out])) for out in day) for k, day in enumerate(rows)
    )
    days = model.snapshots
    seen = {
        label: tuple(of_day[codes[of_day] == level] for level in np.unique(codes[of_day]))
        for label, of_day in zip(days.labels, days.rows, strict=True)
        if len(replicates.on(label)) >= ENOUGH
    }
    return LeftOut(replicates.key, sizes, names, _fits(model, groups, rows), rows, seen)


def _name(day: int, levels: Codes) -> Hashable:
    """Cells without a replicate are not the same ones on another day."""
    return tuple(levels.tolist()) if levels[0] >= 0 else (day, *levels.tolist())


def _fits(
    model: Model, groups: Jackknife, rows: tuple[tuple[Codes, ...], ...]
) -> tuple[tuple[Model, ...], ...]:
    options = model.options
    rng = np.random.default_rng(np.random.SeedSequence((options.seed, 6)))
    few = model.choice.recipe.applied(model.training).thinned(CELLS, rng)
    seen = model.snapshots.thinned(CELLS, rng)
    m = min(FEATURES, options.n_features)
    features = draw_features(few, m, rng)
    still = draw_features(few, max(m // 2, 1), rng).time_independent()
    with threads(options.threads):
        return tuple(
            tuple(
                replace(_fitted(model, few.less(out), features, still), snapshots=seen.less(out))
                for out in day
            )
            for day in rows
        )


def _fitted(model: Model, days: Snapshots, features: Features, still: Features) -> Model:
    """The model fitted to fewer cells along the path of its recipe, nothing chosen anew."""
    recipe, objective = model.choice.recipe, model.fit.objective
    device = choose_device(model.options.device)
    rng = np.random.default_rng(np.random.SeedSequence((model.options.seed, 5)))
    path = recipe.path(days, objective, rng)
    fit = fit_kernel(path, objective, features, rng=rng, particles=PARTICLES, device=device)
    grown = add_growth(
        fit, path.less_total_growth(), still if objective.own_growth else None,
        rng=rng, particles=PARTICLES, device=device,
    )  # fmt: skip
    return replace(model.without_ensemble(), fit=keep_masses(grown, days, rng))


def _joined(contributions: Sequence[Array], names: Sequence[Sequence[Hashable]]) -> list[Array]:
    """Contributions of independent samples, (units, …) each, from those of days.

    Days that have a replicate in common are one sample, and its units are the replicates.

    Examples
    --------
    >>> days = [np.array([1.0, -1.0]), np.array([1.0, -1.0]), np.array([2.0, -2.0])]
    >>> _joined(days, [("m1", "m2"), ("m2", "m1"), ("m3", "m4")])
    [array([0., 0.]), array([ 2., -2.])]
    """
    samples: list[dict[Hashable, Array]] = []
    for day, known in zip(contributions, names, strict=True):
        own = dict(zip(known, day, strict=True))
        for other in [s for s in samples if s.keys() & own.keys()]:
            samples.remove(other)
            own = {name: other.get(name, 0.0) + own.get(name, 0.0) for name in {**other, **own}}
        samples.append(own)
    return [np.stack([np.asarray(c) for c in sample.values()]) for sample in samples]


def _around(value: Array, samples: Sequence[Array]) -> tuple[Array, Array]:
    """The interval of a value, from contributions (units, …) of independent samples."""
    variance = np.sum([(c**2).sum(0) for c in samples], axis=0)
    margin = _quantile(freedom(samples)) * np.sqrt(variance)
    return value - margin, value + margin


def _quantile(df: Array) -> Array:
    """Standard errors on both sides of 95 %; where nothing varies, df 0, it does not matter."""
    from scipy.stats import t

    found: Array = t.ppf(0.975, np.maximum(df, 1.0))
    return found
