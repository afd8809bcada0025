"""Starters: the cells that a command follows, those of the data or new ones from a file.

Whatever follows cells gets them here: their cohorts, names and types, and what has to be said of
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference
from cellam.analysis.terminal import days_before, days_beside
from cellam.days.time_labels import count_cells, named
from cellam.display import enumerated
from cellam.errors import ConfigError
from cellam.modelling.cohort import Cohort, day_cohort, new_cohorts
from cellam.modelling.model import Model
from cellam.modelling.support import FAR
from cellam.reading.cell_types import read_types
from cellam.reading.cells import Cells
from cellam.reading.queries import Query, select_rows
from cellam.runs.run import StoredRun
from cellam.workflows.given import Day, Days, day_text, day_texts

if TYPE_CHECKING:
    from anndata import AnnData

NewCells: TypeAlias = "Path | str | AnnData | Cells"


@dataclass(frozen=True)
class Starters:
    """The cells that may start.

    Parameters
    ----------
    model : Model
    cohorts : tuple of Cohort
        One for each of their times.
    obs : pandas.DataFrame or None
        Their annotation; None where the data are not there.
    new : Cells or None
        The new cells; None where they are those of the data.
    """

    model: Model
    cohorts: tuple[Cohort, ...]
    obs: pd.DataFrame | None
    new: Cells | None = None

    @staticmethod
    def of_data(model: Model, obs: pd.DataFrame | None) -> Starters:
        """The observed cells of every day."""
        days = model.snapshots
        found = tuple(day_cohort(model.timeline, days, label) for label in days.labels)
        return Starters(model, found, obs)

    @staticmethod
    def of_new(
        run: StoredRun, cells: NewCells, at: Day | None = None, *, new_batch: bool = False
    ) -> Starters:
        """Read new cells as those of a run were, and place them in its coordinates.

        Parameters
        ----------
        run : StoredRun
        cells : path, AnnData or Cells
            What `Model.read` or `cellam.read` returned is taken as it is.
        at : day or time, optional
            Of all cells; without it each has that of the time column.
        new_batch : bool
            As for `coordinates.placing.place`.

        Raises
        ------
        DataError, ConfigError
            As `Model.read` and `coordinates.placing.place`.
        """
        model = run.model
        read = cells
        if not isinstance(read, Cells):
            read = model.read(read, at)
        found = new_cohorts(model.timeline, model.space, read, at, new_batch=new_batch)
        return Starters(model, found, read.obs, read)

    @property
    def source(self) -> str | None:
        """What new cells were read from, in words; None for the data."""
        return None if self.new is None else self.new.source

    @property
    def names(self) -> pd.Index[Any]:
        """Names of all cells of the table, or else their numbers."""
        if self.obs is None:
            return pd.Index(list(map(str, range(self.model.snapshots.n_cells))))
        return self.obs.index

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of new cells, and how many lie outside the observed data."""
        if self.new is None:
            return ()
        n = sum(int(self.outside(cohort).sum()) for cohort in self.cohorts)
        outside = (
            f"{n:,} of the {count_cells(len(self.new))} of {self.source} "
            f"{'lies' if n == 1 else 'lie'} outside the observed data (of the observed cells, "
            f"{100 * (1 - FAR):.0f} % do); no data support their prediction (flagged off_manifold)."
        )
        said = (*self.new.notes, *self.cohorts[0].notes)
        return (*(f"{note.rstrip('.')}." for note in said), *([outside] if n else []))

    def on(self, days: Days) -> tuple[Cohort, ...]:
        """The cohorts of some days.

        Raises
        ------
        ConfigError
            If there is none of one of them.
        """
        if self.new is None:
            places = dict.fromkeys(self.model.timeline.index(day) for day in day_texts(days))
            return tuple(self.cohorts[k] for k in places)
        of_time = {cohort.time: cohort for cohort in self.cohorts}
        times = {day: self.model.timeline.position(day) for day in day_texts(days)}
        missing = [day for day, time in times.items() if time not in of_time]
        if missing:
            raise ConfigError(
                f"{self.source} has no cells of {named(missing[0])}.",
                f"It has cells of: {self._listed()}. To set the time of all its cells, use `at`.",
            )
        return tuple(of_time[time] for time in dict.fromkeys(times.values()))

    def before(self, end: str, *, backward: bool = False) -> tuple[str, ...]:
        """Labels of those days of new cells that lie before another (if `backward`, after).

        Raises
        ------
        ConfigError
            If a time is not that of an observed day.
        """
        days = self.model.snapshots.labels
        between = [cohort for cohort in self.cohorts if cohort.label not in days]
        if between:
            raise ConfigError(
                f"{self.source} has {count_cells(len(between[0]))} of time {between[0].label}, and "
                "fates start on days that were observed.",
                f"Observed days: {', '.join(days)}. `cellam simulate` takes any time.",
            )
        possible = days_before(self.model, end, backward=backward)
        return tuple(cohort.label for cohort in self.cohorts if cohort.label in possible)

    def one(self, day: Day | None) -> Cohort:
        """The cohort of a day; without it the only one.

        Raises
        ------
        ConfigError
            If there is none of that day, or several to choose from.
        """
        if day is not None:
            return self.on(day_text(day))[0]
        if len(self.cohorts) > 1:
            whose = "The run" if self.new is None else self.source
            raise ConfigError(
                f"{whose} has cells of several times: {self._listed()}.",
                f"Choose one, e.g. `start={self.cohorts[0].label!r}`"
                + ("." if self.new is None else ", or set the time of all with `at`."),
            )
        return self.cohorts[0]

    def _listed(self) -> str:
        return enumerated([f"{c.label} ({len(c):,} cells)" for c in self.cohorts])

    def among(self, cohort: Cohort, query: Query | None) -> Cohort:
        """Those of a cohort that fit a query on `obs`, or are marked; all without one."""
        if query is None:
            return cohort
        assert self.obs is not None  # a query needs the data
        return cohort.among(select_rows(self.obs, query))

    def outside(self, cohort: Cohort) -> NDArray[np.bool_]:
        """Which cells of a cohort lie outside the observed data, (n,)."""
        return np.asarray(self.model.support.remoteness(cohort.points) > 1)

    def types(self, known: pd.Series[Any] | None) -> pd.Series[Any] | None:
        """Type of every cell of the table.

        A new cell of a file without that column has the type of most of the ten observed cells
        nearest to it on its day (between days: on both).

        Parameters
        ----------
        known : pandas.Series or None
            Types of all cells of the data, with the name of their column, if there are any.
        """
        if known is None or self.new is None:
            return known
        if known.name in self.new.obs:
            return read_types(self.new.obs[known.name])
        types = pd.Series(None, index=self.new.obs.index, name=known.name, dtype=object)
        for cohort in self.cohorts:
            found = reference(self.model, days_beside(self.model, cohort.time), known)
            if found.names:
                names = np.array(found.names, dtype=object)
                types.iloc[cohort.rows] = names[found.assign(cohort.points).argmax(1)]
        return types

    def assigned(self, known: pd.Series[Any] | None) -> tuple[str, ...]:
        """A note where the types of new cells are not those of their file."""
        if known is None or self.new is None or known.name in self.new.obs:
            return ()
        return (
            f"{self.source} has no obs[{known.name!r}]: each cell has the type of most of the ten "
            "observed cells nearest to it.",
        )


def file_of(cells: NewCells | None) -> Path | None:
    """The file of new cells, which is never written to; None where there is none."""
    return Path(cells) if isinstance(cells, Path | str) else None


def starters(
    run: StoredRun,
    cells: NewCells | None,
    at: Day | None,
    obs: pd.DataFrame | None,
    *,
    new_batch: bool = False,
) -> Starters:
    """The cells that a command may follow: new ones, or those of the data, with their annotation.

    Raises
    ------
    ConfigError
        If a time is told of cells that have theirs, or a batch is new without new cells.
    """
    if cells is not None:
        return Starters.of_new(run, cells, at, new_batch=new_batch)
    if at is not None:
        raise ConfigError(
            f"`at={day_text(at)!r}` is the time of new cells, and none were given.",
            "Name their file with `cells`, or choose a day of the data with `start`.",
        )
    if new_batch:
        raise ConfigError(
            "`new_batch` is for new cells, and none were given.", "Name their file with `cells`."
        )
    return Starters.of_data(run.model, obs)
