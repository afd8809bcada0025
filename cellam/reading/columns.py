"""Columns: which one of `obs` holds the times, and whether others agree with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cellam.errors import CellamError, DataError
from cellam.reading.hints import HOURS
from cellam.reading.labels import MISSING, did_you_mean, list_labels, parse_number, tally, unit_of
from cellam.reading.timeline import MAX_TIMES, Timeline
from cellam.reading.timepoints import count_numbers, read_timeline

if TYPE_CHECKING:
    import pandas as pd

# Names of time columns, without blanks and marks, in order of preference.
_NAMES = """day days time times timepoint timepoints timeinfo stage age hour hours hpf dpf
week weeks developmentalstage embryonicday collectionday samplingtime samplingday
dayofcollection developmentstage developmentaltime devstage embryonicage embryostage
collectiontime sampletime sampleday dayofsampling timedays timehours hpi dpi pcw
gestationalweek month months"""
# Words in other names of times; and those beside which they are the time of something else.
_WORDS = """day time timepoint timeinfo stage age hour hpf dpf hpi dpi pcw week month minute"""
_OTHER_WORDS = """pseudo latent diffusion velocity palantir cycle seq sequencing processing library
prep preparation dissociation sort sorting facs run thaw freeze frozen storage capture death
survival birth onset donor patient subject maternal tumor tumour disease cancer clinical cluster
leiden score passage"""
# Words in the names of columns that say who or what was processed together, or is alike.
_GROUPS = """batch sample library lane plate well chip run channel pool experiment replicate rep
donor patient individual subject animal mouse embryo line clone cluster leiden louvain phase type
ident"""
_MOST = 5 * MAX_TIMES  # labels of a column of times, with their replicates
_HEAD = 5000  # cells that show that a column holds no times
RELATIONS = {
    "same": "the same times",
    "scaled": "the same order, proportional gaps",
    "order": "the same order, different gaps",
    "nested": "the same order, finer or coarser",
    "contrary": "a different order",
}


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
    relation: Literal["same", "scaled", "order", "nested", "contrary"]
    plausible: bool

    @property
    def agrees(self) -> bool:
        """Whether no two cells are in a different order."""
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


def find_time_key(obs: pd.DataFrame, requested: str | None) -> str:
    """Find the column that holds the times, by its name.

    Parameters
    ----------
    obs : pandas.DataFrame, (n, columns)
        What is known about the cells.
    requested : str or None
        The user's choice; None takes the column with a telling name that reads as times.
        A lone one that does not is returned too: a time map may cover it, and otherwise
        `read_timeline` says what is wrong with it.

    Raises
    ------
    DataError
        There is no such column, or several that disagree.

    Examples
    --------
    >>> import pandas as pd
    >>> find_time_key(pd.DataFrame({"batch": ["a", "b"], "Time_Point": ["d0", "d2"]}), None)
    'Time_Point'
    """
    columns = {str(column): obs[column] for column in obs.columns}
    everything = f"The columns are: {', '.join(columns) or 'none'}."
    if requested is not None:
        if requested in columns:
            return requested
        hint = f"{did_you_mean(requested, columns)}{everything}"
        raise DataError(f"There is no column {requested!r} in obs.", hint)
    plain = {name: re.sub(r"[\s_.-]", "", name.lower()) for name in columns}
    telling = [name for known in _NAMES.split() for name in columns if plain[name] == known]
    times = {name: _times(*read) for name in telling if (read := _read(columns[name]))}
    found = list(times) or telling
    agree = times and all(_are_proportionate(times[found[0]], t) for t in times.values())
    reads = {} if times else {s: read[0] for s, c in columns.items() if (read := _read(c))}
    plausible = [name for name, timeline in reads.items() if _is_plausible(name, timeline)]
    if plausible and all(len(tally(columns[name])[2]) == 1 for name in found):
        found = []  # "age" is the same in all cells
    if len(found) == 1 or agree:
        return found[0]
    if found:
        problem = "differ" if times else "cannot be read as times"
        message = f"Several columns of obs may hold the times, and they {problem}: "
    else:
        found = plausible or list(reads)
        message = "No column of obs has a name such as 'day', 'time' or 'stage'. "
        message += "These can be read as times: " if found else "None can be read as times."
    shown = (f"{s!r} with {list_labels(tally(columns[s])[2], 4)}" for s in found[:6])
    option = repr(found[0]) if len(found) == 1 else "NAME"
    hint = f"Choose one: `time_key={option}`. {everything}"
    raise DataError(message + "; ".join(shown), hint)


def _are_proportionate(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether times (n,) are the same but for their unit, as 0, 24, 48 hours are 0, 1, 2 days."""
    size = np.nanmax(np.abs(a)), np.nanmax(np.abs(b))
    return min(size) > 0 and np.allclose(a / size[0], b / size[1], equal_nan=True)


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
        if name == key or (read := _read(obs[name])) is None:
            continue
        relation = _compare(timeline, codes, *read)
        plausible = _is_plausible(name, read[0], contrary=relation == "contrary")
        numbered = relation in ("same", "scaled", "order") and not _has(name, _GROUPS)
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
            same = _names_time(name) and _runs_along(
                values.to_numpy(dtype=float, na_value=np.nan), codes
            )
        elif read := _read(values):
            plain = _is_plausible(name, read[0]) and not read[0].replicates
            same = plain and _runs_along(_times(*read), codes)
        else:  # "early" and "late", or bins with ">650" among them
            same = _names_time(name) and _is_one_to_one(tally(values)[1], codes)
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
        and (_are_codes(timeline) or other.relation == "order")
    ):
        return "refuse"
    return "note" if other.relation == "order" and not _are_codes(other.timeline) else ""


def _in_other_unit(key: str, timeline: Timeline, other: TimeColumn) -> bool:
    """Whether 0, 1, 3 of a column "day" are the "0h", "24h", "72h" of another."""
    units = [unit for word in _words(key) if (unit := unit_of(word))]
    if (
        len(units) != 1
        or not other.timeline.unit
        or len(timeline.times) != len(other.timeline.times)
    ):
        return False
    ours = HOURS.get(units[0], 24.0) * np.array(timeline.times)
    return np.allclose(ours, HOURS.get(other.timeline.unit, 24.0) * np.array(other.timeline.times))


def _is_plausible(name: str, timeline: Timeline, *, contrary: bool = False) -> bool:
    """Whether a name or the labels tell of a time; "D1", "D2" in "donor" are names."""
    united = bool(timeline.unit) and not _are_names(timeline)
    return _names_time(name) or (united and not (contrary and _has(name, _GROUPS)))


def _names_time(name: str) -> bool:
    return _has(name, _WORDS) and not _has(name, _OTHER_WORDS)


def _has(name: str, words: str) -> bool:
    known = set(words.split())
    return any(word in known or word.removesuffix("s") in known for word in _words(name))


def _words(name: str) -> list[str]:
    return re.findall("[a-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", name).lower())


def _are_codes(timeline: Timeline) -> bool:
    """Whether times are numbered 0, 1, 2 or 1, 2, 3, without a unit."""
    first = timeline.times[0]
    bare = all(parse_number(label) is not None for label in timeline.labels)
    return bare and first in (0, 1) and _count_from(first, timeline.times)


def _are_names(timeline: Timeline) -> bool:
    """Whether labels are a letter and a number from 0 or 1 on, as names are: "D1", "D2"."""
    lettered = all(re.fullmatch(r"[A-Za-z][\s_-]?[0-9]+", label) for label in timeline.labels)
    first = timeline.times[0]
    return lettered and first in (0, 1) and _count_from(first, timeline.times)


def _count_from(first: float, times: tuple[float, ...]) -> bool:
    return list(times) == [first + k for k in range(len(times))]


def _compare(
    timeline: Timeline, codes: np.ndarray, other: Timeline, theirs: np.ndarray
) -> Literal["same", "scaled", "order", "nested", "contrary"]:
    both = theirs >= 0
    if not _runs_along(np.where(both, theirs, np.nan), codes):
        return "contrary"
    pairs = np.unique(np.stack([codes[both], theirs[both]], axis=1), axis=0)  # (pairs, 2)
    if not _is_one_to_one(*pairs.T):
        return "nested"
    t, s = np.array(timeline.times)[pairs[:, 0]], np.array(other.times)[pairs[:, 1]]
    if np.allclose(t, s):
        return "same"
    gaps = np.diff(s) / np.diff(t)
    return "scaled" if np.allclose(gaps, gaps[0]) else "order"


def _runs_along(times: np.ndarray, codes: np.ndarray) -> bool:
    """Whether later days never have an earlier time; unknown times do not count."""
    known = np.isfinite(times)
    order = np.lexsort((times[known], codes[known]))
    return bool((np.diff(times[known][order]) >= 0).all()) and len(np.unique(times[known])) > 1


def _is_one_to_one(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = np.unique(np.stack([a, b], axis=1), axis=0)
    return len(pairs) == len(np.unique(a)) == len(np.unique(b)) > 1


def _times(timeline: Timeline, codes: np.ndarray) -> np.ndarray:
    """Return the time of each cell, NaN where it has none."""
    return np.where(codes >= 0, np.array(timeline.times)[codes], np.nan)


def _may_be_times(values: pd.Series) -> bool:
    """Whether there are few values, each with a figure; for the first cells this is fast."""
    if values.dtype.kind in "iuf":
        return count_numbers(values) <= MAX_TIMES
    labels = tally(values)[2]
    figures = all(re.search(r"\d", label) or MISSING.fullmatch(label) for label in labels)
    return len(labels) <= _MOST and figures


def _read(values: pd.Series) -> tuple[Timeline, np.ndarray] | None:
    """Read a column, the codes of cells without a time -1; None if it holds no times."""
    import pandas as pd

    if not _may_be_times(values.iloc[:_HEAD]):
        return None
    if pd.api.types.infer_dtype(values) == "string":  # so that each label is looked at once
        values = values.astype("category")
    if not _may_be_times(values):
        return None
    spelt, inverse, _ = tally(values)
    present = np.array([not MISSING.fullmatch(s) for s in spelt], dtype=bool)[inverse]
    try:
        timeline, known = read_timeline(values[present], key="")
    except CellamError:
        return None
    codes = np.full(len(values), -1)
    codes[present] = known
    return timeline, codes
