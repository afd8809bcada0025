"""Columns: which one of `obs` holds the times, and whether others agree with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cellam.days.candidates import are_codes, is_plausible, read_column, times_of_cells
from cellam.days.column_names import names_group, names_time, words_of
from cellam.days.hints import HOURS
from cellam.days.relations import RELATIONS, Relation, compare, is_one_to_one, runs_along
from cellam.days.time_key import find_time_key
from cellam.days.time_labels import tally, unit_of
from cellam.days.timeline import Timeline
from cellam.days.timepoints import read_timeline
from cellam.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TimeColumn:
    """A column of `obs` that reads as times, beside the one that was chosen.

    Parameters
    ----------
    name : str
    timeline : Timeline
        What it reads as.
    relation : {"same", "scaled", "order", "nested", "contrary"}
        How its times are to the chosen ones, over the cells that have both; see `RELATIONS`.
    plausible : bool
        Whether its name or its labels say that it is a time; otherwise it holds bare numbers.
    """

    name: str
    timeline: Timeline
    relation: Relation
    plausible: bool

    @property
    def agrees(self) -> bool:
        """Whether no two cells are in another order."""
        return self.relation != "contrary"

    def describe(self) -> str:
        """Return its times, and how they are to the chosen ones."""
        pairs = self.timeline.describe(at_most=8)
        return f"obs[{self.name!r}]: {pairs}; {RELATIONS[self.relation]}"


def read_times(
    obs: pd.DataFrame, time_key: str | None, time_map: Mapping[str, float] | None
) -> tuple[str, Timeline, np.ndarray, tuple[TimeColumn, ...]]:
    """Find the column of times, read it, and compare it with the others that may be meant.

    Parameters
    ----------
    obs : pandas.DataFrame, (n, columns)
    time_key : str or None
        The user's choice; None takes the column with a telling name, if no other contradicts it.
    time_map : mapping of label to number, or None
        The times of all labels, which settle the choice too.

    Returns
    -------
    key : str
    timeline : Timeline
        Its notes tell of the columns that contradict it.
    codes : ndarray of int, (n,)
        Each cell's time, as its position in the timeline.
    others : tuple of TimeColumn

    Raises
    ------
    DataError, ConfigError
        As `find_time_key` and `read_timeline`, and where two plausible columns contradict each
        other.
    """
    key = find_time_key(obs, time_key)
    timeline, codes = read_timeline(obs[key], key=key, time_map=time_map)
    others = find_others(obs, key, timeline, codes)
    doubts = {other.name: _doubt(key, timeline, other) for other in others}
    refused = [other for other in others if doubts[other.name] == "refuse"]
    if refused and time_key is None and time_map is None:
        listed = ". ".join(other.describe() for other in refused[:4])
        raise DataError(
            f"Several columns may hold the times, and they contradict each other. obs[{key!r}]: "
            f"{timeline.describe()}. {listed}.",
            f"Choose one: `time_key={refused[0].name!r}` or `time_key={key!r}`",
        )
    notes = tuple(
        f"{other.describe()}. If it holds the times: `time_key={other.name!r}`"
        for other in others
        if doubts[other.name]
    )
    return key, replace(timeline, notes=timeline.notes + notes), codes, others


def find_others(
    obs: pd.DataFrame, key: str, timeline: Timeline, codes: np.ndarray
) -> tuple[TimeColumn, ...]:
    """Find the columns beside `key` that read as times.

    A column counts if its name or the units in its labels tell of a time. Bare numbers count only
    where each goes with one of the chosen times, in their order: numbers of clusters, replicates
    or plates hardly ever do.
    """
    found = []
    for name in map(str, obs.columns):
        if name == key or (read := read_column(obs[name])) is None:
            continue
        relation = compare(timeline, codes, *read)
        plausible = is_plausible(name, read[0], contrary=relation == "contrary")
        numbered = relation in ("same", "scaled", "order") and not names_group(name)
        if plausible or numbered:
            found.append(TimeColumn(name, read[0], relation, plausible))
    return tuple(found)


def time_columns(obs: pd.DataFrame, codes: np.ndarray) -> tuple[str, ...]:
    """Find the columns that are the time itself: spelt otherwise, in bins, or finer.

    Such a column has a word of time in its name, or a unit in its labels, and never runs against
    the order of the days. It says nothing of who or what was processed together; one with
    replicates in its labels does, and is not among them.

    Parameters
    ----------
    obs : pandas.DataFrame, (n, columns)
    codes : ndarray of int, (n,)
        The day of each cell, as its position among the days.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"embryo_time": [10, 20, 35], "embryo": ["a", "a", "b"]})
    >>> time_columns(obs, np.array([0, 0, 1]))
    ('embryo_time',)
    """
    found = []
    for column in obs.columns:
        name, values = str(column), obs[column]
        if values.dtype.kind in "iuf":
            same = names_time(name) and runs_along(
                values.to_numpy(dtype=float, na_value=np.nan), codes
            )
        elif read := read_column(values):
            plain = is_plausible(name, read[0]) and not read[0].replicates
            same = plain and runs_along(times_of_cells(*read), codes)
        else:  # "early" and "late", or bins with ">650" among them
            same = names_time(name) and is_one_to_one(tally(values)[1], codes)
        if same:
            found.append(name)
    return tuple(found)


def _doubt(key: str, timeline: Timeline, other: TimeColumn) -> Literal["refuse", "note", ""]:
    """Say how far another column contradicts the chosen one."""
    if not other.plausible or other.relation == "same":
        return ""
    if other.relation == "contrary" or (key.lower() == "age" and other.relation != "scaled"):
        return "refuse"  # an age may be the donor's
    if other.relation == "nested" or (not timeline.unit and _in_other_unit(key, timeline, other)):
        return ""
    # "day0", "day2", "day7" beside 0, 1, 2: codes that a converter left in place of the times.
    if (
        other.timeline.unit
        and not timeline.unit
        and (are_codes(timeline) or other.relation == "order")
    ):
        return "refuse"
    return "note" if other.relation == "order" and not are_codes(other.timeline) else ""


def _in_other_unit(key: str, timeline: Timeline, other: TimeColumn) -> bool:
    """Whether 0, 1, 3 of a column "day" are the "0h", "24h", "72h" of another."""
    units = [unit for word in words_of(key) if (unit := unit_of(word))]
    if (
        len(units) != 1
        or not other.timeline.unit
        or len(timeline.times) != len(other.timeline.times)
    ):
        return False
    ours = HOURS.get(units[0], 24.0) * np.array(timeline.times)
    return np.allclose(ours, HOURS.get(other.timeline.unit, 24.0) * np.array(other.timeline.times))
