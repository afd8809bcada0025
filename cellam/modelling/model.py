"""Model: what a fit leaves behind, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from cellam.coordinates.space import Space
from cellam.days.timeline import Timeline
from cellam.display import Displayed, enumerated
from cellam.dynamics.distances import resample
from cellam.dynamics.fitting import Fit
from cellam.errors import ConfigError
from cellam.modelling.agreement import Agreement
from cellam.modelling.cohort import Cohort, day_cohort, new_cohorts, point_cohort
from cellam.modelling.course import Course
from cellam.modelling.families import Families, check_forward, check_room, check_turnover
from cellam.modelling.flow import Flow
from cellam.modelling.kinetic import Kinetic
from cellam.modelling.recipe import Choice
from cellam.modelling.rotation import Rotation
from cellam.modelling.simulated import Simulation
from cellam.modelling.stages import Stages
from cellam.modelling.support import Support
from cellam.options import Options
from cellam.reading.cells import Cells
from cellam.reading.growth import PriorSource
from cellam.reading.new_cells import read_new
from cellam.reading.snapshots import Snapshots

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]
ROUNDING = 1e-6  # growth per unit time that is none
Start: TypeAlias = str | float | Cohort | Cells | Array


@dataclass(frozen=True, repr=False)
class Model(Displayed):
    """A fitted model of a time course.

    Parameters
    ----------
    options : Options
        As given; what was chosen for the others stands in `choice`.
    timeline : Timeline
        Times as understood.
    space : Space
        Coordinates, fitted on the training days.
    snapshots : Snapshots
        All days, the excluded ones too.
    fit : Fit
        Action and objective.
    choice : Choice
        How the path was made, and why so.
    rotation : Rotation
        Whether the motion is that of a gradient.
    seconds : float
        Wall time of the fit, embedding included.
    ensemble : tuple of Fit
        The same fit to half of the cells with features drawn anew, where it was asked for.
    prior_source : PriorSource or None
        Where the growth prior came from, if there is one.
    kinetic : Kinetic or None
        How much of the motion the action keeps; None with noise, or where no cell moves, and for
        fits of earlier versions.
    agreement : Agreement or None
        Of velocities of cells with the fit without them; None where none were given.
    """

    options: Options
    timeline: Timeline
    space: Space
    snapshots: Snapshots
    fit: Fit
    choice: Choice
    rotation: Rotation
    seconds: float
    ensemble: tuple[Fit, ...] = ()
    prior_source: PriorSource | None = None
    kinetic: Kinetic | None = None
    agreement: Agreement | None = None

    @property
    def facts(self) -> dict[str, str]:
        """Method, cells, days, coordinates and what was chosen, in short."""
        rep = self.space.rep
        return {
            "method": f"{self.options.method}, {self.options.action} action",
            "path": self.choice.recipe.coupling.name,
            "cells": f"{self.training.n_cells:,}",
            "days": enumerated(list(self.training.labels)),
            "space": f"{self.space.n_dims} of {f'obsm[{rep!r}]' if rep else 'a PCA'}",
            "ensemble": str(len(self.ensemble) or "none"),
            "fitted in": f"{self.seconds:.1f} s",
        }

    def without_ensemble(self) -> Model:
        """The same model without its ensemble."""
        if not self.ensemble:
            return self
        options = self.options.model_copy(update={"ensemble": None})
        return replace(self, options=options, ensemble=())

    @property
    def members(self) -> tuple[Model, ...]:
        """The models of the ensemble, whose spread says how sure this one is.

        Where fates follow pairs by barcodes, each has half of the clones, and a coupling among
        those left open.
        """
        alone = self.without_ensemble()
        models = tuple(replace(alone, fit=fit) for fit in self.ensemble)
        if not self.relies_on_clones:
            return models
        seeds = np.random.SeedSequence((self.options.seed, 8)).spawn(len(models))
        return tuple(
            _with_half_of_clones(model, np.random.default_rng(seed))
            for model, seed in zip(models, seeds, strict=True)
        )

    @property
    def training(self) -> Snapshots:
        """The training days of the model."""
        return self.snapshots.without(self.options.exclude)

    @property
    def relies_on_clones(self) -> bool:
        """Whether cells are paired by what barcodes tell."""
        return bool(self.choice.recipe.clones)

    @property
    def n_fitted(self) -> int:
        """Cells that were fitted to: at most `max_cells` of a day."""
        return sum(min(len(x), self.options.max_cells) for x in self.training.points)

    @property
    def conserves_mass(self) -> bool:
        """Whether growth is zero: without it in the method, or on a path that only moves mass."""
        growth = self.fit.growth
        own = growth is not None and bool((growth.theta.abs() > ROUNDING).any())
        known = any(abs(r) > ROUNDING for level in self.fit.growth_levels for r in level.rates)
        return not (own or known or self.fit.objective.growth_scale > 0)

    @property
    def without_growth(self) -> tuple[str, str]:
        """Why nothing grows in this model, and what to do about it; for `conserves_mass`."""
        method = self.options.method
        if not self.options.has_growth:
            return (
                f"method {method} conserves mass, so no cell grows or dies",
                f"Fit with `method={'ueam' if self.options.has_noise else 'uam'!r}`",
            )
        whose = "which you asked for" if self.options.path else "which was chosen"
        return (
            f"path {self.choice.recipe.coupling.name}, {whose}, conserves mass, so no cell grows "
            f"or dies (method {method} would allow it)",
            "Fit with `path='uot'`",
        )

    @cached_property
    def _flow(self) -> Flow:
        coupling = self.choice.recipe.coupling
        return Flow(self.fit, self.training, self.options.threads, coupling)

    @property
    def support(self) -> Support:
        """Where the cells of the training days are."""
        return self._flow.support

    @property
    def stages(self) -> Stages:
        """How far cells are followed at once, and where they go on as observed ones."""
        return self._flow.stages

    def velocity(self, time: float, x: Array) -> Array:
        """∇s at model coordinates x (n, p), in model coordinates per unit of the user's time."""
        t, rate = self._at(time, len(x))
        points = torch.as_tensor(x, dtype=torch.float32)
        return self.fit.dynamics.drift(t, points).double().numpy() * rate

    def action(self, time: float, x: Array) -> Array:
        """s(t, x) at model coordinates x (n, p): (n,), squared model coordinates per unit of time.

        Its gradient is the velocity; at each time it is known but for a constant.
        """
        t, rate = self._at(time, len(x))
        points = torch.as_tensor(x, dtype=torch.float32)
        return self.fit.dynamics.action.value(t, points).double().numpy() * rate

    def growth(self, time: float, x: Array) -> Array:
        """Growth rate at model coordinates x (n, p): (n,) per unit of the user's time."""
        if self.conserves_mass:  # and not what rounding leaves of it
            return np.zeros(len(x))
        t, rate = self._at(time, len(x))
        points = torch.as_tensor(x, dtype=torch.float32)
        return self.fit.dynamics.growth(t, points).double().numpy() * rate

    def _at(self, time: float, n: int) -> tuple[torch.Tensor, float]:
        first, last = self.training.times[0], self.training.times[-1]
        unit = min(max(self.training.unit_time(time), 0.0), 1.0)
        return torch.full((n,), unit), 1.0 / (last - first)

    def read(self, data: str | Path | AnnData, at: str | float | None = None) -> Cells:
        """Read cells that were not in the fit, in the way that those of the fit were.

        Parameters
        ----------
        data : path or AnnData
        at : str or number, optional
            Day or time of all of them; without it each has that of the time column of the fit.

        Raises
        ------
        DataError, ConfigError
            As `reading.new_cells.read_new`.
        """
        reading = self.options.reading
        return read_new(data, reading, self.timeline, at, kind=self.space.kind)

    def cohort(self, start: Start, at: str | float | None = None) -> Cohort:
        """The cells that start together.

        Parameters
        ----------
        start, at
            As for `simulate`.

        Raises
        ------
        ConfigError
            If there is no such day, new cells are of several times, or points have none.
        DataError
            If new cells cannot be placed; see `coordinates.placing.place`.
        """
        if isinstance(start, Cells):
            return self._new_cells(start, at)
        if not isinstance(start, Cohort) and np.ndim(start):
            if at is None:
                raise ConfigError(
                    "Points need a time to start from.", f"E.g. `at={self.timeline.labels[0]!r}`."
                )
            return point_cohort(self.timeline, self.space, np.asarray(start), at)
        if at is not None:
            raise ConfigError("`at` is the time of new cells.", "Leave it out, or give cells.")
        if isinstance(start, Cohort):
            return start
        day = start if isinstance(start, str) else float(start)
        return day_cohort(self.timeline, self.snapshots, day)

    def _new_cells(self, cells: Cells, at: str | float | None) -> Cohort:
        found = new_cohorts(self.timeline, self.space, cells, at)
        if len(found) == 1:
            return found[0]
        times = ", ".join(f"{each.label} ({len(each):,} cells)" for each in found)
        raise ConfigError(
            f"The cells of {cells.source} are of several times: {times}.",
            "Choose one of them, or set the time of all cells with `at`.",
        )

    def simulate(
        self,
        start: Start,
        at: str | float | None = None,
        *,
        to: str | float | None = None,
        backward: bool = False,
        rows: NDArray[np.int64] | None = None,
        n_cells: int | None = None,
        save_every: float | None = None,
        extrapolate: bool = False,
        seed: int = 0,
    ) -> Simulation:
        """Follow cells of one time through time.

        Parameters
        ----------
        start : str, number, Cohort, Cells or (n, p) array
            Label or time of an observed day, whose cells are followed; or cells that were not in
            the fit (from `Model.read`); or points in the coordinates of the representation, which
            for our PCA are those of `Simulation.points`.
        at : str or number, optional
            Day or time of new cells or points, observed or not.
        to : str or number, optional
            Label or time, observed or not; the last day (the first if `backward`) without it.
        backward : bool
            Run time backward; implied where `to` lies before `start`.
        rows : (k,) int array, optional
            Only these cells, as rows of the data.
        n_cells : int, optional
            Draw so many of them: without replacement where there are enough.
        save_every : float, optional
            Save at these steps, in the user's unit, besides the observed days on the way.
        extrapolate : bool
            Allow times outside the training days, where the dynamics of the nearest one hold.
        seed : int
            For the draw of cells and for noise.

        Raises
        ------
        ConfigError
            For times, cells or directions that do not fit together.
        """
        course = Course(to, backward, rows, n_cells, save_every, extrapolate, seed)
        return self.trajectories(self.cohort(start, at), course)

    def branch(
        self,
        start: Start,
        at: str | float | None = None,
        *,
        to: str | float | None = None,
        rows: NDArray[np.int64] | None = None,
        n_cells: int | None = None,
        save_every: float | None = None,
        extrapolate: bool = False,
        turnover: float = 0.0,
        seed: int = 0,
    ) -> Families:
        """Follow cells of one time, and all that descend from them, as they divide and die.

        A cell divides at the rate max(g, 0) and dies at max(−g, 0), with g the growth rate of the
        fit where it is. The expected numbers are the weights of `simulate`.

        Parameters
        ----------
        start, at, to, rows, n_cells, save_every, extrapolate
            As for `simulate`; time runs forward.
        turnover : float
            Rate that is added to both, per cell and unit of the user's time. The days do not tell
            it.
        seed : int
            For the draw of cells, noise, divisions and deaths.

        Raises
        ------
        ConfigError
            As for `simulate`; and if time would run backward, no cell grows or dies, or more
            cells are to be expected than fit into memory.
        """
        course = Course(to, False, rows, n_cells, save_every, extrapolate, seed)
        return self.families(self.cohort(start, at), course, turnover)

    def trajectories(self, cohort: Cohort, course: Course) -> Simulation:
        """As `simulate`, of cells that start together on a course."""
        times = course.times(self.timeline, self.snapshots, self.training, cohort.time)
        # Of their own, so that all cells go the same way whether their number was named or not.
        cells = course.cells(cohort, np.random.default_rng((course.seed, 3)))
        moved = self._flow.follow(cells.points, times, np.random.default_rng(course.seed))
        positions = self.space.to_coordinates(moved.points)
        stops = self.stages.times(*times[[0, -1]])
        return Simulation(times, positions, moved.log_weights, cells.rows, stops)

    def families(self, cohort: Cohort, course: Course, turnover: float = 0.0) -> Families:
        """As `branch`, of cells that start together on a course."""
        check_turnover(turnover)
        if self.conserves_mass and not turnover:
            why, advice = self.without_growth
            raise ConfigError(
                f"`discrete`: {why}.", f"{advice}, give a `turnover`, or leave out `discrete`."
            )
        weighted = self.trajectories(cohort, course)
        check_forward(weighted.times)
        check_room(weighted, turnover)
        flow, start = self._flow, self.space.from_coordinates(weighted.points[0])
        rng = np.random.default_rng((course.seed, 19))
        grown = flow.branch(start, weighted.times, turnover, rng)
        positions = self.space.to_coordinates(np.concatenate(grown.points))
        return Families.of(grown, weighted, positions, flow.days.times[0], flow.span)

    def follow(self, x: Array, start: float, stop: float, *, seed: int = 0) -> tuple[Array, Array]:
        """Move model coordinates x (n, p) from one time to another: new x (n, p), weights (n,).

        In the same steps as `simulate`, which stops at the days between: with the same seed both
        have the same answer.
        """
        between = [t for t in self.snapshots.times if (t - start) * (stop - t) > 0]
        times = np.array([start, *sorted(between, reverse=stop < start), stop])
        moved = self._flow.follow(x, times, np.random.default_rng(seed))
        return moved.points[-1], np.exp(moved.log_weights[-1])

    def predict(
        self, time: float, *, n_cells: int | None = None, seed: int = 0
    ) -> tuple[Array, Array]:
        """Predict the cells of any time from the training days next to it.

        Between two days both are followed to it, and count by their nearness in time; before the
        first and after the last one, that day is followed alone.

        Parameters
        ----------
        time : float
            In the user's unit; a training day is predicted from its neighbours.
        n_cells : int, optional
            Thin the prediction to so many draws, spread evenly over it.
        seed : int
            For noise and draws.

        Returns
        -------
        points : (n, p) array
            Model coordinates of the cells of both days, or of those drawn.
        weights : (n,) array
            Their masses; the sum is the mass of the population at that time.
        """
        rng = np.random.default_rng(seed)
        x, w = self._flow.predict(time, rng)
        if n_cells is None:
            return x, w
        drawn, share = resample(x, w, n_cells, rng, stratified=True)
        return drawn, share * w.sum()


def _with_half_of_clones(model: Model, rng: np.random.Generator) -> Model:
    """The model with half of its clones, whose pairs are made by another of the open couplings."""
    days, choice = model.snapshots, model.choice
    assert days.clones is not None
    names = np.unique(np.concatenate(days.clones))
    names = names[names >= 0]
    hidden = rng.choice(names, len(names) // 2, replace=False)
    coupling = choice.couplings[rng.integers(len(choice.couplings))]
    recipe = replace(choice.recipe, coupling=coupling)
    return replace(model, snapshots=days.less_clones(hidden), choice=replace(choice, recipe=recipe))
