"""Stages: how far cells are followed at once, and where they go on as observed ones.

A fit that brings every day nearly to the next one may still lead cells away from the data over
many days (of the worm's, eight of ten ended where none was seen, though each gap alone is right).
So the cells of a day are followed at once only as long as they stay where the data are: before the
first day on which more of them than of the observed cells are outside, by the rule of `outside`,
they go on as observed ones (`dynamics.stops`). Where the flow keeps to the data nothing stops, and
what single cells show is kept. On a way over twenty days they stop in any case, or the cost of
following every day to the last one would grow with the square of their number.

All cells that start on a day stop where those that stand for the whole day do, whether all of them
are followed, or a few, or new ones.

The coupling of a fit may let mass go, so those that go on are not spread as the cells of the day
are, and would not keep the masses of the days with the level of growth that is theirs. What all
cells of the day of the start would gain by that is taken off from stop to stop.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import named
from cellam.devices import threads
from cellam.display import enumerated
from cellam.dynamics import simulation
from cellam.dynamics.couplings import Balanced, Coupling, Unbalanced
from cellam.dynamics.fitting import Fit
from cellam.dynamics.nearest import stand_ins
from cellam.dynamics.objectives import Level
from cellam.dynamics.stops import Stop
from cellam.modelling.outside import outside_at
from cellam.modelling.support import Support
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

LONGEST = 20  # training days over which cells are followed at once
CELLS = 1_500  # of a day that stand for all of it


@dataclass(frozen=True)
class Leg:
    """How far the cells that stand for a day are followed at once.

    Parameters
    ----------
    masses : (T, n) array
        Of each cell on its own day and on each that it passes, up to a factor of each day.
    stop : Stop or None
        Where they go on as observed ones, if they do.
    """

    masses: Array
    stop: Stop | None


@dataclass(frozen=True)
class Stages:
    """How far cells are followed at once. What was found of a day is kept.

    Parameters
    ----------
    fit : Fit
    days : Snapshots
        The training days.
    support : Support
        Of their cells.
    coupling : Coupling
        That of the fit. At stops cells are paired by it where it transports, else by exact
        optimal transport.
    steps : int
        Of a simulation, per unit time.
    threads : int or None
        As `Options.threads`.
    """

    fit: Fit
    days: Snapshots
    support: Support
    coupling: Coupling
    steps: int
    threads: int | None
    _known: dict[tuple[int, int], Leg] = field(default_factory=dict, repr=False)

    def between(self, start: float, end: float) -> tuple[Stop, ...]:
        """The stops of cells on their way from one of the user's times to another, in order."""
        return tuple(self._on(start, end))

    def first(self, start: float, end: float) -> Stop | None:
        """The first of them, if there is one."""
        return next(self._on(start, end), None)

    def times(self, start: float, end: float) -> tuple[float, ...]:
        """When they are."""
        return tuple(self.time(stop) for stop in self._on(start, end))

    def surplus(self, start: float, end: float) -> float:
        """Log mass that is taken off on a way, over what the levels of the days take off."""
        stops, total = self.between(start, end), 0.0
        times = [*(stop.time for stop in stops), self.days.unit_time(end)]
        for stop, (a, b) in zip(stops, itertools.pairwise(times), strict=True):
            own = self.fit.dynamics_from(stop.time).growth_level
            if stop.level is not None and own is not None:
                total += stop.level.integral(a, b) - own.integral(a, b)
        return total

    def says(self, starts: Iterable[float], end: float, *, drawn: bool) -> tuple[str, ...]:
        """What the user has to know of those between some times and another, if there are any.

        Parameters
        ----------
        starts : iterable of float
        end : float
        drawn : bool
            Whether a cell goes on as one that is drawn, or as all that it may go on as.
        """
        found = {self._position(stop) for start in starts for stop in self._on(start, end)}
        if not found:
            return ()
        labels = enumerated([named(self.days.labels[k]) for k in sorted(found)])
        many = f", or pass more than {LONGEST} days" * (len(self.days) > LONGEST + 1)
        why = f": followed further at once, too many would leave the observed data{many}."
        if drawn:
            return (
                f"At {labels} each cell is replaced by an observed cell of that day, drawn at "
                f"random from those that the fit couples it to{why} So a trajectory is not one "
                "lineage across these days, and shares and masses vary with `seed`, the less the "
                "larger `n_cells` is.",
            )
        return (
            f"At {labels} each cell goes on as all observed cells of that day that the fit couples "
            f"it to, by their shares{why} The more such days, the less fates depend on where a "
            "cell started; ask over shorter times for more.",
        )

    def _observed(self, k: int) -> Array:
        """Cells (m, d) of a training day that stand for all, as which others go on."""
        return self.days.points[k][self._some(k)]

    def time(self, stop: Stop) -> float:
        """When a stop is, in the user's unit."""
        return self.days.times[self._position(stop)]

    def _position(self, stop: Stop) -> int:
        """Which of the training days it is."""
        return self.days.unit_times.index(stop.time)

    def _some(self, k: int) -> NDArray[np.int64]:
        return stand_ins(len(self.days.points[k]), most=CELLS)

    def _on(self, start: float, end: float) -> Iterator[Stop]:
        step = 1 if end > start else -1
        days = range(len(self.days))[::step]
        passed = [k for k in days if step * (self.days.times[k] - start) <= 0]
        k = passed[-1] if passed else days[0]  # that of the start, or the last before it
        share = np.ones(len(self._some(k)))
        while (stop := self._before(k, step, end)) is not None:
            j = self._position(stop)
            share = (share * self._leg(k, step).masses[abs(j - k)]) @ stop.partners
            yield replace(stop, level=self._level(j, step, share / share.sum()))
            k = j

    def _before(self, k: int, step: int, end: float) -> Stop | None:
        """The stop of the cells of day k, if it lies before the end of their way."""
        before_end = [j for j in self._after(k, step) if step * (end - self.days.times[j]) > 0]
        stop = self._leg(k, step).stop if before_end else None
        return stop if stop is not None and self._position(stop) in before_end else None

    def _leg(self, k: int, step: int) -> Leg:
        if (k, step) not in self._known:
            self._known[k, step] = self._find(k, step)
        return self._known[k, step]

    def _level(self, j: int, step: int, share: Array) -> Level | None:
        """Level of growth that keeps the masses of the days for cells of day j by their shares."""
        units = self.days.unit_times
        level = self.fit.dynamics_from(units[j]).growth_level
        if level is None:
            return None
        # In the gaps of these days: a member of an ensemble was fitted without some of them.
        gaps = itertools.pairwise(units)
        rates = np.array([level.integral(a, b) / (b - a) for a, b in gaps])
        masses = self._leg(j, step).masses
        more = np.diff(np.log(masses @ share) - np.log(masses.mean(1)))
        for k, gain in zip(range(j, j + step * len(more), step), more, strict=True):
            rates[min(k, k + step)] += gain / (units[k + step] - units[k])
        return Level(units, tuple(rates))

    def _after(self, k: int, step: int) -> range:
        return range(k + step, len(self.days) if step > 0 else -1, step)

    def _find(self, k: int, step: int) -> Leg:
        """Where the cells of day k stop on the way to the last day of their direction."""
        units, times = self.days.unit_times, self.days.times
        some, rng = self._some(k), np.random.default_rng(0)
        x, log_w = self.days.points[k][some], np.zeros(len(some))
        masses, stop = [np.ones(len(some))], None
        after = self._after(k, step)
        with threads(self.threads):
            dynamics = self.fit.dynamics_from(float(units[k]))
            for number, j in enumerate(after, 1):
                gap = np.array([units[j - step], units[j]])
                moved = simulation.simulate(dynamics, x, gap, rng=rng, steps=self.steps)
                x, log_w = moved.points[-1], log_w + moved.log_weights[-1]
                masses.append(np.exp(log_w - log_w.max()))
                far = self.support.remoteness(x) > 1
                left = outside_at(self.days, self.support, times[j], far, masses[-1]).too_many
                # In a gap that leads away by itself, nothing can be done before its end.
                if not left or stop is None:
                    stop = j, x, masses[-1]
                if left or number == LONGEST:
                    break
            else:
                stop = None
            found = None if stop is None or stop[0] == after[-1] else self._stop(*stop)
        return Leg(np.array(masses), found)

    def _stop(self, j: int, arrived: Array, mass: Array) -> Stop:
        moves = isinstance(self.coupling, Balanced | Unbalanced)
        coupling = self.coupling if moves else Balanced()
        return Stop.of(self.days.unit_times[j], arrived, mass, self._observed(j), coupling)
