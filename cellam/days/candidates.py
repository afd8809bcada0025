"""Candidates: columns of `obs` that may hold times, and what each reads as."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from cellam.days.column_names import names_group, names_time
from cellam.days.time_labels import MISSING, parse_number, tally
from cellam.days.timeline import MAX_TIMES, Timeline
from cellam.days.timepoints import count_numbers, read_timeline
from cellam.errors import CellamError

if TYPE_CHECKING:
    import pandas as pd

_MOST = 5 * MAX_TIMES  # labels of a column of times, with their replicates
_HEAD = 5000  # cells that show that a column holds no times


def read_column(values: pd.Series) -> tuple[Timeline, np.ndarray] | None:
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


def times_of_cells(timeline: Timeline, codes: np.ndarray) -> np.ndarray:
    """Return the time of each cell, NaN where it has none."""
    return np.where(codes >= 0, np.array(timeline.times)[codes], np.nan)


def is_plausible(name: str, timeline: Timeline, *, contrary: bool = False) -> bool:
    """Whether a name or the labels tell of a time; "D1", "D2" in "donor" are names."""
    united = bool(timeline.unit) and not _are_names(timeline)
    return names_time(name) or (united and not (contrary and names_group(name)))


def are_codes(timeline: Timeline) -> bool:
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


def _may_be_times(values: pd.Series) -> bool:
    """Whether there are few values, each with a figure; for the first cells this is fast."""
    if values.dtype.kind in "iuf":
        return count_numbers(values) <= MAX_TIMES
    labels = tally(values)[2]
    figures = all(re.search(r"\d", label) or MISSING.fullmatch(label) for label in labels)
    return len(labels) <= _MOST and figures
