"""Columns: which one of `obs` holds the times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from cellam.errors import CellamError, DataError
from cellam.reading.labels import MISSING, did_you_mean, list_labels, tally
from cellam.reading.timepoints import MAX_TIMES, count_numbers, read_timeline

if TYPE_CHECKING:
    import pandas as pd

# Names of time columns, without blanks and marks, in order of preference.
_NAMES = """day days time times timepoint timepoints timeinfo stage age hour hours hpf dpf
week weeks developmentalstage embryonicday collectionday samplingtime samplingday
dayofcollection developmentstage developmentaltime devstage embryonicage embryostage
collectiontime sampletime sampleday dayofsampling timedays timehours hpi dpi pcw
gestationalweek month months"""

_WORDS = set(
    """day days time times timepoint timepoints stage age hour hours hpf dpf hpi dpi pcw week
    weeks month months minute minutes""".split()
)
# Beside one of these, such a word says when something else was.
_OTHER = set(
    """pseudo latent diffusion velocity cycle sequencing processing library prep dissociation
    sorting run thaw death birth""".split()
)


def find_time_key(obs: pd.DataFrame, requested: str | None) -> str:
    """Find the column that holds the times.

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
    times = {name: t for name in telling if (t := _cell_times(columns[name])) is not None}
    found = list(times) or telling
    agree = times and all(np.array_equal(times[found[0]], t, True) for t in times.values())
    if len(found) == 1 or agree:
        return found[0]
    if found:
        problem = "differ" if times else "cannot be read as they are"
        message = f"Several columns of obs may hold the times, and they {problem}: "
    else:
        found = [name for name, column in columns.items() if _cell_times(column) is not None]
        message = "No column of obs has a name such as 'day', 'time' or 'stage'. "
        message += "These read as times: " if found else "None reads as times."
    shown = (f"{s!r} with {list_labels(tally(columns[s])[2], 4)}" for s in found[:6])
    hint = f"Say which: --time-key NAME. {everything}"
    raise DataError(message + "; ".join(shown), hint)


def time_columns(obs: pd.DataFrame, codes: np.ndarray) -> tuple[str, ...]:
    """Find the columns that are the time itself: spelt otherwise, in bins, or finer.

    Such a column has a word of time in its name, or a unit in its labels, and never runs against
    the order of the days. It says nothing of who or what was processed together.

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
        times = _cell_times(obs[column]) if _is_time_word(str(column)) else None
        if times is not None and _runs_along(times, codes):
            found.append(str(column))
    return tuple(found)


def _is_time_word(name: str) -> bool:
    words = re.findall("[a-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", name).lower())
    return not _OTHER.intersection(words) and bool(_WORDS.intersection(words))


def _runs_along(times: np.ndarray, codes: np.ndarray) -> bool:
    """Whether later days never have an earlier time; unknown times do not count."""
    known = np.isfinite(times)
    order = np.lexsort((times[known], codes[known]))
    return bool((np.diff(times[known][order]) >= 0).all()) and len(np.unique(times[known])) > 1


def _cell_times(values: pd.Series) -> np.ndarray | None:
    """Return the time of each cell, NaN where missing; None if the column does not read."""
    if count_numbers(values) > MAX_TIMES:
        return None
    spelt, inverse, _ = tally(values)
    present = np.array([not MISSING.fullmatch(s) for s in spelt], dtype=bool)[inverse]
    try:
        timeline, codes = read_timeline(values[present], key="")
    except CellamError:
        return None
    times = np.full(len(values), np.nan)
    times[present] = np.array(timeline.times)[codes]
    return times
