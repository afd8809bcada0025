"""Cohort: cells that start together, at one time, wherever they come from.

Whatever is followed through time starts as a cohort: the cells of a day of the data, cells that
were not in the fit, or plain points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.coordinates.placing import place
from cellam.coordinates.space import Space
from cellam.days.time_labels import named
from cellam.days.timeline import Timeline
from cellam.errors import ConfigError
from cellam.reading.cells import Cells
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cohort:
    """Cells that start together.

    Parameters
    ----------
    label : str
        How their time is called: the label of a day, or a number.
    time : float
        In the user's unit.
    points : (n, p) array
        Model coordinates.
    rows : (n,) int array
        Where each stands in its table: the data of the fit, new cells, or the points given.
    cells : Cells or None
        The table, where these are new cells.
    new : bool
        Whether they are not those of a day of the data.
    notes : tuple of str
        What was assumed to place them.
    """

    label: str
    time: float
    points: Array
    rows: NDArray[np.int64]
    cells: Cells | None = None
    new: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def among(self, rows: NDArray[np.int64]) -> Cohort:
        """Those of the cells that stand in some rows of their table.

        Raises
        ------
        ConfigError
            If none does.
        """
        chosen = np.isin(self.rows, rows)
        if not chosen.any():
            raise ConfigError(
                f"None of the {len(self):,} cells of {named(self.label)} is among the selected "
                "cells."
            )
        return self._take(np.flatnonzero(chosen))

    def drawn(self, n: int, rng: np.random.Generator) -> Cohort:
        """So many of them, drawn without replacement where there are enough."""
        return self._take(np.sort(rng.choice(len(self), n, replace=n > len(self))))

    def _take(self, chosen: NDArray[np.int64]) -> Cohort:
        return replace(self, points=self.points[chosen], rows=self.rows[chosen])


def day_cohort(timeline: Timeline, days: Snapshots, day: str | float) -> Cohort:
    """All observed cells of a day.

    Raises
    ------
    ConfigError
        If there is no such day.
    """
    k = timeline.index(day)
    return Cohort(days.labels[k], days.times[k], days.points[k], days.rows[k])


def new_cohorts(
    timeline: Timeline,
    space: Space,
    cells: Cells,
    at: str | float | None = None,
    *,
    new_batch: bool = False,
) -> tuple[Cohort, ...]:
    """Cells that were not in the fit: a cohort for each of their times.

    Parameters
    ----------
    timeline : Timeline
        That of the fit.
    space : Space
    cells : Cells
        Read as those of the fit were.
    at : str or number, optional
        Day or time of all of them; without it each has its own.
    new_batch : bool
        As for `coordinates.placing.place`.

    Raises
    ------
    ConfigError
        If `at` is no time.
    DataError
        As `coordinates.placing.place`.
    """
    times = np.array(cells.timeline.times)[cells.codes]
    if at is not None:
        times = np.full(len(cells), timeline.position(at))
    placed = place(space, cells, new_batch=new_batch)
    found = []
    for time in np.unique(times).tolist():
        rows = np.flatnonzero(times == time)
        x = placed.points[rows]
        found.append(Cohort(timeline.label_at(time), time, x, rows, cells, True, placed.notes))
    return tuple(found)


def point_cohort(timeline: Timeline, space: Space, points: Array, at: str | float) -> Cohort:
    """Points (n, p) in the coordinates of the representation, at a day or time.

    Raises
    ------
    ConfigError
        If they are not finite numbers of that many coordinates, or `at` is no time.
    """
    x, p = np.asarray(points, dtype=np.float64), space.n_dims
    if x.ndim != 2 or x.shape[1] != p or not len(x) or not np.isfinite(x).all():
        raise ConfigError(
            f"Points of shape {x.shape} cannot be simulated: {p} finite coordinates are needed "
            "for each.",
            f"Give an array (n, {p}) in the coordinates of {space.name}.",
        )
    time = timeline.position(at)
    rows = np.arange(len(x))
    return Cohort(timeline.label_at(time), time, space.from_coordinates(x), rows, new=True)
