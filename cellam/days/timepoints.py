"""From the labels of a time column to numbers in one unit, in order, with the real gaps.

The labels of a column are read together (each by itself in `labels`), and what cannot be
read is refused, with its number of cells, never guessed. "day-2" (also "day.2") is day 2 if every
label has such a mark ("day-0", "day-2"); beside "day0" it may just as well be minus two (or 0.2),
so it is refused. "day 0-3" is a range, read as its midpoint, which `Timeline.notes` says. What a
label holds beside a time ("D0_rep1") is cut off in `replicates` and kept in `Timeline.replicates`.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cellam.days.labelled import Labelled, read_map, read_parts
from cellam.days.replicates import Part
from cellam.days.time_labels import MISSING, count_cells, list_labels, spell, tally
from cellam.days.timeline import MAX_TIMES, SAME, Timeline
from cellam.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_timeline(
    values: pd.Series, *, key: str, time_map: Mapping[str, float] | None = None
) -> tuple[Timeline, np.ndarray]:
    """Read the times of all cells.

    Parameters
    ----------
    values : pandas.Series, (n,)
        The time column, of any dtype.
    key : str
        Its name, for messages.
    time_map : mapping of label to number, optional
        Replaces all reading: it names every label that occurs, and no other.

    Returns
    -------
    timeline : Timeline
        The K distinct times.
    codes : ndarray of int, (n,)
        The index of each cell's time in the timeline.

    Raises
    ------
    DataError
        Missing or unreadable labels, mixed units, a single time, or a continuous value.
    ConfigError
        The time map does not fit the labels.

    Examples
    --------
    >>> import pandas as pd
    >>> timeline, codes = read_timeline(pd.Series(["day10", "day2", "D2", "day2"]), key="day")
    >>> timeline.labels, timeline.times, timeline.unit, codes.tolist()
    (('day2', 'day10'), (2.0, 10.0), 'day', [1, 0, 0, 0])
    >>> timeline.notes
    ("'D2', 'day2' are one time, 2.",)
    """
    if time_map is None and (n := count_numbers(values)) > MAX_TIMES:
        raise _continuous(key, n)  # before a million numbers are spelt out
    spelt, inverse, cells = tally(values)
    if not cells:
        raise DataError(f"Column {key!r} is empty: there are no cells.")
    found = _read_times(values, cells, time_map, key)
    groups = _group(found.times, cells)
    if len(groups) > MAX_TIMES:
        raise _continuous(key, len(groups))
    if len(groups) == 1:
        raise DataError(
            f"Column {key!r} holds a single time: {list_labels(cells)}.",
            "At least two time points are needed. If another column holds them: `time_key=NAME`",
        )
    timeline = _assemble(found, groups, cells)
    index = {label: k for k, group in enumerate(groups) for label in group}
    codes = np.array([index[s] for s in spelt], dtype=np.intp)[inverse]  # (n,)
    if wrong := _contradicts(values, index, timeline.labels):
        timeline = replace(timeline, notes=(*timeline.notes, wrong))
    return timeline, codes


class _Times(NamedTuple):
    """What the labels of a column say."""

    unit: str
    times: Mapping[str, float]  # of each label
    parts: Mapping[str, Part]  # of those that hold more than a time
    notes: list[str]


def _read_times(
    values: pd.Series, cells: Mapping[str, int], time_map: Mapping[str, float] | None, key: str
) -> _Times:
    """Read all labels, or look them up in the map."""
    named = {spell(label): time for label, time in (time_map or {}).items()}
    _check_present(values, cells, named, key)
    if time_map is not None:
        return _Times("", read_map(named, cells, key), {}, ["The times are from the time map."])
    parts, said = read_parts(cells, key, text=_is_text(values))
    labelled = Labelled.of(key, cells, parts)
    labelled.check()
    times = {label: reading.time for label, reading in labelled.read.items()}
    return _Times("".join(labelled.units), times, parts, labelled.notes() + said)


def _assemble(found: _Times, groups: Sequence[Sequence[str]], cells: Mapping[str, int]) -> Timeline:
    """The timeline of groups of spellings, each called by its most frequent name."""
    at = [found.times[group[0]] for group in groups]
    names = [_count_names(group, cells, found.parts) for group in groups]
    labels = tuple(min(counts, key=lambda s: (-counts[s], s)) for counts in names)
    notes = found.notes + [
        f"{', '.join(map(repr, sorted(counts)))} are one time, {spell(time)}."
        for counts, time in zip(names, at, strict=True)
        if len(counts) > 1
    ]
    known = {s: time for group, time in zip(groups, at, strict=True) for s in group}
    known |= dict(zip(labels, at, strict=True))
    pooled = {s for group in groups if len(group) > 1 for s in group}
    replicates = {s: part.rest for s, part in found.parts.items() if s in pooled}
    return Timeline(labels, tuple(at), found.unit, known, tuple(notes), replicates)


def _check_present(
    values: pd.Series, cells: Mapping[str, int], named: Mapping[str, float], key: str
) -> None:
    """Refuse cells without a time; a time map may name whatever they have in its place."""
    missing = {s: n for s, n in cells.items() if MISSING.fullmatch(s) and s not in named}
    if not missing:
        return
    test = f"~adata.obs[{key!r}].astype(str).str.strip().isin({list(missing)})"
    if n_empty := values.isna().sum():  # no text since pandas 3
        known = f"adata.obs[{key!r}].notna()"
        test = known if n_empty == sum(missing.values()) else f"{known} & {test}"
    lost = count_cells(sum(missing.values()))
    raise DataError(
        f"Column {key!r} gives {lost} no time: {list_labels(missing)}.",
        f"Fill them in, or drop these cells in Python: adata = adata[{test}]",
    )


def _group(times: Mapping[str, float], cells: Mapping[str, int]) -> list[list[str]]:
    """The spellings of each time, in order."""
    groups: list[list[str]] = []
    for label in sorted(cells, key=lambda s: (times[s], s)):
        if not groups or times[label] - times[groups[-1][0]] > SAME:
            groups.append([])
        groups[-1].append(label)
    return groups


def _count_names(
    group: Collection[str], cells: Mapping[str, int], parts: Mapping[str, Part]
) -> dict[str, int]:
    """How many cells have each name of a time, without replicates."""
    counts: dict[str, int] = {}
    for label in group:
        name = parts[label].time if label in parts else label
        counts[name] = counts.get(name, 0) + cells[label]
    return counts


def _contradicts(values: pd.Series, index: Mapping[str, int], labels: Sequence[str]) -> str:
    """Say where the declared order of an ordered category is not that of the times."""
    if values.dtype != "category" or not values.cat.ordered:
        return ""
    declared = [s for s in map(spell, values.cat.categories) if s in index]
    if all(index[a] <= index[b] for a, b in itertools.pairwise(declared)):
        return ""
    return (
        f"The order of the categories, {' < '.join(map(repr, declared[:8]))}, contradicts the "
        f"times. The order of the times is used: {' < '.join(map(repr, labels[:8]))}."
    )


def count_numbers(values: pd.Series) -> int:
    """Count the distinct values of a column of numbers; 0 for any other."""
    return values.nunique() if values.dtype.kind in "iuf" else 0


def _continuous(key: str, n: int) -> DataError:
    return DataError(
        f"Column {key!r} has {n} distinct times: a pseudotime or a measurement?",
        "Name the column with the day on which each cell was sampled: `time_key=NAME`",
    )


def _is_text(values: pd.Series) -> bool:
    """Whether any label is written as text: in numbers, .1 is a decimal for certain."""
    found = values.cat.categories if values.dtype == "category" else values
    return found.dtype.kind not in "iufb" and any(isinstance(value, str) for value in found)
