"""Flow: the dynamics of a fit, run through the user's time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cellam.devices import threads
from cellam.dynamics import branching, simulation
from cellam.dynamics.branching import Branches
from cellam.dynamics.couplings import Coupling
from cellam.dynamics.fitting import Fit
from cellam.dynamics.simulation import Cloud, Trajectories
from cellam.modelling.stages import Stages
from cellam.modelling.support import Support
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Flow:
    """The dynamics of a fit, run through the user's time.

    Parameters
    ----------
    fit : Fit
    days : Snapshots
        The training days.
    threads : int or None
        As `Options.threads`.
    coupling : Coupling
        That of the fit.
    """

    fit: Fit
    days: Snapshots
    threads: int | None
    coupling: Coupling

    @property
    def span(self) -> float:
        """Time from the first training day to the last, which is the unit of the fit."""
        return self.days.times[-1] - self.days.times[0]

    @property
    def steps(self) -> int:
        """Steps of a simulation over all days: the action varies within every gap."""
        return max(simulation.STEPS, simulation.OF_A_GAP * (len(self.days) - 1))

    @cached_property
    def support(self) -> Support:
        """Where the cells of the training days are."""
        return Support.of(self.days)

    @cached_property
    def stages(self) -> Stages:
        """How far cells are followed at once."""
        return Stages(self.fit, self.days, self.support, self.coupling, self.steps, self.threads)

    def units(self, times: Array) -> Array:
        """Unit time of the training days, (T,); outside [0, 1] beyond them."""
        return np.array([self.days.unit_time(float(t)) for t in times])

    def follow(self, x: Array, times: Array, rng: np.random.Generator) -> Trajectories:
        """Move model coordinates x (n, p) through times (T,), saving each."""
        units = self.units(times)
        with threads(self.threads):
            dynamics = self.fit.dynamics_from(float(units[0]))
            stops = self.stages.between(*times[[0, -1]])
            return simulation.simulate(dynamics, x, units, rng=rng, steps=self.steps, stops=stops)

    def branch(self, x: Array, times: Array, turnover: float, rng: np.random.Generator) -> Branches:
        """The same, of cells that divide and die; `turnover` per unit of the user's time."""
        units = self.units(times)
        with threads(self.threads):
            return branching.branch(
                self.fit.dynamics_from(float(units[0])),
                x,
                units,
                turnover=turnover * self.span,
                rng=rng,
                steps=self.steps,
                stops=self.stages.between(*times[[0, -1]]),
            )

    def predict(self, time: float, rng: np.random.Generator) -> tuple[Array, Array]:
        """Cells (n, p) of a time and their masses (n,), from the training days next to it."""
        days, unit = self.days, self.days.unit_time(time)
        before = [k for k, t in enumerate(days.times) if t < time]
        after = [k for k, t in enumerate(days.times) if t > time]
        clouds = [
            Cloud(days.points[k], days.weights[k], days.unit_time(days.times[k]))
            for k in (*before[-1:], *after[:1])
        ]
        dynamics, steps = self.fit.dynamics, self.steps
        with threads(self.threads):
            if len(clouds) == 2:
                return simulation.from_both_sides(
                    dynamics, clouds[0], clouds[1], unit, rng=rng, steps=steps
                )
            between = np.array([clouds[0].time, unit])
            moved = simulation.simulate(dynamics, clouds[0].x, between, rng=rng, steps=steps)
        return moved.points[-1], clouds[0].weights * np.exp(moved.log_weights[-1])
