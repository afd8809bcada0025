"""Model: what a fit leaves behind, and what can be asked of it.

`fit` is the pipeline in one place: cells → space → snapshots → path → action.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cellam import simulation
from cellam.cells import Cells
from cellam.config import Options, parse_options
from cellam.couplings import Coupling, Unbalanced
from cellam.curves import curve
from cellam.distances import resample
from cellam.embedding import Space, fit_space
from cellam.errors import ConfigError, DataError
from cellam.fitting import (
    Fit,
    OnProgress,
    draw_features,
    fit_growth,
    fit_kernel,
    fit_mlp,
    hold_growth,
    silent,
)
from cellam.objectives import Objective
from cellam.paths import PATHS, Mixture, build_path
from cellam.rotation import Rotation, measure_rotation
from cellam.selection import choose_recipe
from cellam.simulation import Cloud, Trajectories
from cellam.snapshots import Snapshots
from cellam.timepoints import Timeline

Array = NDArray[np.float64]

SIGMA = 0.3  # default noise: 0.3 standard deviations of the data over the whole range of times
GROWTH_SCALE = 1.0


@dataclass(frozen=True)
class Simulation:
    """Cells followed through time.

    Parameters
    ----------
    times : (T,) array
        Saved times, in the user's unit.
    points : (T, N, p) array
        Positions, in the coordinates of the representation.
    log_weights : (T, N) array
        Log of the mass of each cell relative to the start: above 0 it has grown.
    rows : (N,) int array
        Where each starting cell stands in the data.
    """

    times: Array
    points: Array
    log_weights: Array
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Model:
    """A fitted model of a time course.

    Parameters
    ----------
    options : Options
        As given; what was chosen stands in `fit.notes`.
    timeline : Timeline
        Times as understood.
    space : Space
        Coordinates, fitted on the training days.
    snapshots : Snapshots
        All days, the excluded ones too.
    fit : Fit
        Action and objective.
    rotation : Rotation
        Whether the motion is that of a gradient.
    seconds : float
        Wall time of the fit, embedding included.
    """

    options: Options
    timeline: Timeline
    space: Space
    snapshots: Snapshots
    fit: Fit
    rotation: Rotation
    seconds: float

    @property
    def training(self) -> Snapshots:
        """The days that the model was fitted on."""
        return self.snapshots.without(self.options.exclude)

    @property
    def conserves_mass(self) -> bool:
        """Whether growth is zero: without it in the method, or on a path that only moves mass."""
        growth = self.fit.growth
        own = growth is not None and bool((growth.theta.abs() > 1e-6).any())
        return not (own or self.fit.objective.growth_scale > 0)

    @property
    def _steps(self) -> int:
        """Steps of a simulation over all days: the action varies within every gap."""
        return max(simulation.STEPS, 8 * (len(self.training) - 1))

    def _unit_times(self, times: Array) -> Array:
        """Unit time of the training days; outside [0, 1] beyond them."""
        return np.array([self.training.unit_time(float(t)) for t in times])

    def velocity(self, time: float, x: Array) -> Array:
        """∇s at model coordinates x (n, p), in model coordinates per unit of the user's time."""
        t, rate = self._at(time, len(x))
        points = torch.as_tensor(x, dtype=torch.float32)
        return self.fit.dynamics.drift(t, points).double().numpy() * rate

    def growth(self, time: float, x: Array) -> Array:
        """Growth rate at model coordinates x (n, p): (n,) per unit of the user's time."""
        t, rate = self._at(time, len(x))
        points = torch.as_tensor(x, dtype=torch.float32)
        return self.fit.dynamics.growth(t, points).double().numpy() * rate

    def _at(self, time: float, n: int) -> tuple[torch.Tensor, float]:
        first, last = self.training.times[0], self.training.times[-1]
        unit = min(max(self.training.unit_time(time), 0.0), 1.0)
        return torch.full((n,), unit), 1.0 / (last - first)

    def simulate(
        self,
        start: str,
        *,
        to: str | None = None,
        backward: bool = False,
        rows: NDArray[np.int64] | None = None,
        n_cells: int | None = None,
        save_every: float | None = None,
        extrapolate: bool = False,
        seed: int = 0,
    ) -> Simulation:
        """Follow the cells of one day through time.

        Parameters
        ----------
        start : str
            Label or number of an observed day.
        to : str, optional
            Label or number of any time; the last day (the first if `backward`) without it.
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
        rng = np.random.default_rng(seed)
        k = self.timeline.index(start)
        begin = self.timeline.times[k]
        times = self._saved_times(begin, to, backward, save_every, extrapolate)
        chosen = np.arange(len(self.snapshots.rows[k]))
        if rows is not None:
            chosen = chosen[np.isin(self.snapshots.rows[k], rows)]
            if not len(chosen):
                raise ConfigError(
                    f"None of the {len(self.snapshots.rows[k])} cells of {self.timeline.labels[k]} "
                    "is among the cells asked for."
                )
        if n_cells is not None:
            chosen = np.sort(rng.choice(chosen, n_cells, replace=n_cells > len(chosen)))
        moved = self._follow(self.snapshots.points[k][chosen], times, rng)
        return Simulation(
            times,
            self.space.to_coordinates(moved.points),
            moved.log_weights,
            self.snapshots.rows[k][chosen],
        )

    def follow(self, x: Array, start: float, stop: float, *, seed: int = 0) -> tuple[Array, Array]:
        """Move model coordinates x (n, p) from one time to another: new x (n, p), weights (n,)."""
        moved = self._follow(x, np.array([start, stop]), np.random.default_rng(seed))
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
            In the user's unit; a day that was fitted on is predicted from its neighbours.
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
        days = self.training
        before = [k for k, t in enumerate(days.times) if t < time]
        after = [k for k, t in enumerate(days.times) if t > time]
        rng = np.random.default_rng(seed)
        unit = days.unit_time(time)
        clouds = [
            Cloud(days.points[k], days.weights[k], days.unit_time(days.times[k]))
            for k in (*before[-1:], *after[:1])
        ]
        with _threads(self.options.threads):
            if len(clouds) == 2:
                x, w = simulation.meet(
                    self.fit.dynamics, clouds[0], clouds[1], unit, rng=rng, steps=self._steps
                )
            else:
                between = np.array([clouds[0].time, unit])
                moved = simulation.simulate(
                    self.fit.dynamics, clouds[0].x, between, rng=rng, steps=self._steps
                )
                x, w = moved.points[-1], clouds[0].weights * np.exp(moved.log_weights[-1])
        if n_cells is None:
            return x, w
        drawn, share = resample(x, w, n_cells, rng, stratified=True)
        return drawn, share * w.sum()

    def _follow(self, x: Array, times: Array, rng: np.random.Generator) -> Trajectories:
        with _threads(self.options.threads):
            units = self._unit_times(times)
            return simulation.simulate(self.fit.dynamics, x, units, rng=rng, steps=self._steps)

    def _saved_times(
        self,
        begin: float,
        to: str | None,
        backward: bool,
        save_every: float | None,
        extrapolate: bool,
    ) -> Array:
        first, last = self.training.times[0], self.training.times[-1]
        end = self.timeline.position(to) if to is not None else first if backward else last
        if end == begin:
            raise ConfigError(
                f"There is no time to simulate: it starts and ends at {begin:g}.",
                "Give another --to." if to else f"Give --to{' or --backward' * (not backward)}.",
            )
        if backward and end > begin:
            raise ConfigError(f"--backward from {begin:g} cannot reach {end:g}, which is later.")
        outside = [t for t in (begin, end) if not first <= t <= last]
        if outside and not extrapolate:
            raise ConfigError(
                f"Time {outside[0]:g} lies outside the training days ({first:g} to {last:g}).",
                "Add --extrapolate to hold the dynamics of the nearest day there.",
            )
        sign = 1.0 if end > begin else -1.0
        saved = {begin, end, *(t for t in self.snapshots.times if (t - begin) * (end - t) > 0)}
        if save_every is not None:
            if not 0 < save_every < float("inf"):
                raise ConfigError(f"--save-every {save_every:g} is not a positive step of time.")
            n = int(abs(end - begin) / save_every + 1e-9)
            if n > 10_000:
                raise ConfigError(f"--save-every {save_every:g} would save {n:,} times.")
            steps = [begin + sign * j * save_every for j in range(n + 1)]
            near = 1e-9 * max(1.0, abs(begin), abs(end))
            saved |= {t for t in steps if all(abs(t - other) > near for other in saved)}
        return np.array(sorted(saved, reverse=sign < 0))


def fit(
    cells: Cells,
    options: Options | None = None,
    *,
    on_progress: OnProgress = silent,
    **changes: Any,
) -> Model:
    """Learn the dynamics of cells from their days.

    Parameters
    ----------
    cells : Cells
        From `cellam.read`.
    options : Options, optional
    **changes
        Any field of `Options`, e.g. ``method="am", exclude=("day4",), seed=1``.

    Raises
    ------
    ConfigError
        If the options contradict each other or the data.
    DataError
        If there are too few days or cells.
    TrainingError
        If the fit fails.
    """
    began = time.monotonic()
    options = parse_options({**(options or Options()).model_dump(), **changes})
    # How the cells were read belongs to the options, so that the same can be read again.
    options = options.model_copy(
        update={
            "time_key": cells.time_key,
            "time_map": cells.time_map,
            "use_rep": cells.rep,
            "layer": cells.layer,
        }
    )
    timeline = cells.timeline
    excluded = tuple(dict.fromkeys(timeline.labels[timeline.index(e)] for e in options.exclude))
    options = options.model_copy(update={"exclude": excluded})
    _check_days(cells, excluded)
    with _threads(options.threads):
        device = _device(options.device)
        training = np.isin(
            cells.codes, [k for k, label in enumerate(timeline.labels) if label not in excluded]
        )
        space = fit_space(
            cells, training, n_pcs=options.n_pcs, whiten=options.whiten, seed=options.seed
        )
        snapshots = take_snapshots(cells, space, options.population)
        result, rotation = _fit_action(snapshots.without(excluded), options, device, on_progress)
    seconds = time.monotonic() - began
    return Model(options, timeline, space, snapshots, result, rotation, seconds)


def take_snapshots(
    cells: Cells, space: Space, population: Literal["cells"] | dict[str, float] | None = None
) -> Snapshots:
    """Embed cells and split them by time.

    `population` gives every day its mass: the number of its cells in the data, or a size for each
    label. Only ratios count; without it every day has mass 1.
    """
    x = space.embed(cells)
    rows = [np.flatnonzero(cells.codes == k) for k in range(len(cells.timeline.times))]
    return Snapshots(
        tuple(x[r] for r in rows),
        cells.timeline.times,
        cells.timeline.labels,
        _masses(cells, population),
        tuple(rows),
    )


def _masses(
    cells: Cells, population: Literal["cells"] | dict[str, float] | None
) -> tuple[float, ...]:
    labels = cells.timeline.labels
    if population is None:
        return (1.0,) * len(labels)
    if population == "cells":
        sizes = [float(n) for n in cells.counts.values()]
    else:
        given = {cells.timeline.index(label): size for label, size in population.items()}
        missing = [label for k, label in enumerate(labels) if k not in given]
        if missing:
            raise ConfigError(
                f"--population has no size for {', '.join(missing)}.",
                f"Give one for every day: {', '.join(f'{label}=…' for label in labels)}.",
            )
        sizes = [given[k] for k in range(len(labels))]
    return tuple(size / sizes[0] for size in sizes)


def _fit_action(
    training: Snapshots, options: Options, device: str, on_progress: OnProgress
) -> tuple[Fit, Rotation]:
    # One stream of random numbers for each purpose, so that a change to one leaves the others.
    choosing, pairing, drawing, fitting, measuring, thinning = (
        np.random.default_rng(s) for s in np.random.SeedSequence(options.seed).spawn(6)
    )
    objective = Objective(
        sigma=(options.sigma or SIGMA) if options.has_noise else 0.0,
        growth_scale=(options.growth_scale or GROWTH_SCALE)
        if options.has_growth and options.growth == "tied"
        else 0.0,
        own_growth=options.has_growth and options.growth == "own",
    )
    n = training.n_cells
    training = training.thinned(options.max_cells, thinning)
    used = training.n_cells
    choice = choose_recipe(
        training,
        objective,
        choosing,
        coupling=_coupling(options),
        curvature=options.curvature,
        on_progress=on_progress,
    )
    straight = build_path(training, choice.recipe.coupling, pairing, sigma=objective.sigma)
    path = curve(straight, choice.recipe.curvature)
    if options.action == "kernel":
        features = draw_features(training, options.n_features, drawing)
        result = fit_kernel(
            path, objective, features, rng=fitting, device=device, on_progress=on_progress
        )
    else:
        result = fit_mlp(
            path,
            objective,
            rng=fitting,
            steps=options.steps or 3_000,
            device=device,
            on_progress=on_progress,
        )
    growth = None
    if objective.own_growth:
        still = draw_features(training, options.n_features // 2, drawing).still()
        growth = fit_growth(path, still, rng=fitting, device=device)
    notes = [*choice.notes, *result.notes]
    if used < n:
        notes.append(f"{used:,} of {n:,} cells: at most {options.max_cells:,} a day are fitted to")
    result = replace(
        result,
        notes=tuple(notes),
        growth=growth,
    )
    return hold_growth(result, path, fitting), measure_rotation(straight, training, measuring)


def _coupling(options: Options) -> Coupling | Mixture | None:
    """The coupling that was asked for; None leaves it to the training days."""
    if options.tau is not None:
        return Unbalanced(options.tau)
    if options.path == Unbalanced.name and not options.has_growth:
        return Unbalanced()
    if options.path in (None, Unbalanced.name):
        return None
    coupling: Coupling | Mixture = PATHS[options.path]()
    return coupling


def _check_days(cells: Cells, excluded: tuple[str, ...]) -> None:
    counts = {label: n for label, n in cells.counts.items() if label not in excluded}
    if len(counts) < 2:
        raise DataError(
            f"{len(counts)} day is left to fit on"
            + (f" without {', '.join(excluded)}" if excluded else "")
            + "; two are needed.",
            "Exclude fewer days." if excluded else "",
        )
    few = {label: n for label, n in counts.items() if n < 2}
    if few:
        label, n = next(iter(few.items()))
        raise DataError(
            f"Day {label} has {n} cell; at least two are needed.",
            f"Leave it out with --exclude {label}.",
        )


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[name]:
        raise ConfigError(
            f"--device {name}: torch {torch.__version__} sees no such device here.",
            "Use --device cpu, or install a torch that supports it.",
        )
    return name


@contextmanager
def _threads(n: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if n is not None:
        torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
