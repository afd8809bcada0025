"""Course: from when to when cells are followed, which of them, and what is saved on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.days.timeline import Timeline
from cellam.errors import ConfigError
from cellam.modelling.cohort import Cohort
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

FARTHEST = 10  # times the span of the training days, beyond which no simulation goes
MOST_SAVED = 10_000  # steps


@dataclass(frozen=True)
class Course:
    """How cells of one time are followed; the same for those that carry weights and for families.

    The fields are the parameters of `Model.simulate`.
    """

    to: str | float | None = None
    backward: bool = False
    rows: NDArray[np.int64] | None = None
    n_cells: int | None = None
    save_every: float | None = None
    extrapolate: bool = False
    seed: int = 0

    def cells(self, cohort: Cohort, rng: np.random.Generator) -> Cohort:
        """Those of a cohort that are followed.

        Raises
        ------
        ConfigError
            If there are none.
        """
        if self.n_cells is not None and self.n_cells < 1:
            raise ConfigError(
                f"`n_cells={self.n_cells}` leaves no cell to simulate.", "Use 1 or more."
            )
        if self.rows is not None:
            cohort = cohort.among(self.rows)
        return cohort if self.n_cells is None else cohort.drawn(self.n_cells, rng)

    def times(
        self, timeline: Timeline, snapshots: Snapshots, training: Snapshots, begin: float
    ) -> Array:
        """Times (T,) from `begin` to the end: these, the days between, and steps.

        Parameters
        ----------
        timeline : Timeline
        snapshots, training : Snapshots
            All days, and those of the fit.
        begin : float
            In the user's unit.

        Raises
        ------
        ConfigError
            If start and end are one, the end cannot be reached in that direction or lies where
            nothing is known, or a step is none or too short.
        """
        end = self._end(timeline, training, begin)
        self._check_reach(training, begin, end)
        saved = {begin, end, *(t for t in snapshots.times if (t - begin) * (end - t) > 0)}
        near = 1e-9 * max(1.0, abs(begin), abs(end))
        saved |= {
            t for t in self._steps(begin, end) if all(abs(t - other) > near for other in saved)
        }
        return np.array(sorted(saved, reverse=end < begin))

    def _end(self, timeline: Timeline, training: Snapshots, begin: float) -> float:
        first, last = training.times[0], training.times[-1]
        end = first if self.backward else last
        if self.to is not None:
            end = timeline.position(self.to)
        if end == begin:
            raise ConfigError(
                f"Start and end of the simulation are both {begin:g}.",
                "Choose another `to`."
                if self.to is not None
                else f"Set `to`{' or `backward=True`' * (not self.backward)}.",
            )
        if self.backward and end > begin:
            raise ConfigError(f"`backward` from {begin:g} cannot reach {end:g}, which is later.")
        return end

    def _check_reach(self, training: Snapshots, begin: float, end: float) -> None:
        """Refuse times outside the training days unless asked for, and such as are too far."""
        first, last = training.times[0], training.times[-1]
        outside = [t for t in (begin, end) if not first <= t <= last]
        if outside and not self.extrapolate:
            raise ConfigError(
                f"Time {outside[0]:g} lies outside the training days ({first:g} to {last:g}).",
                "Add `extrapolate=True` to use the dynamics of the nearest training day there.",
            )
        far = max(first - min(begin, end), max(begin, end) - last)
        if far > FARTHEST * (last - first):
            raise ConfigError(
                f"The simulation from {begin:g} to {end:g} leaves the training days by {far:g}, "
                f"and they span {last - first:g}: nothing is known of such times.",
                f"Stay within {FARTHEST} times that span.",
            )

    def _steps(self, begin: float, end: float) -> list[float]:
        """Times at every `save_every` from the beginning on."""
        every = self.save_every
        if every is None:
            return []
        if not 0 < every < float("inf"):
            raise ConfigError(f"`save_every={every:g}` is not a positive time step.")
        n = int(abs(end - begin) / every + 1e-9)
        if n > MOST_SAVED:
            raise ConfigError(
                f"`save_every={every:g}` would save {n:,} times.",
                f"Give a longer step: at most {MOST_SAVED:,} times are saved.",
            )
        return [begin + np.sign(end - begin) * j * every for j in range(n + 1)]
