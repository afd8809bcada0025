"""From the labels of a time column to numbers in one unit, in order, with the real gaps.

The labels of a column are read together (each by itself in `labels`), and what cannot be
read is refused, with its number of cells, never guessed. "day-2" (also "day.2") is day 2 if every
label has such a mark ("day-0", "day-2"); beside "day0" it may just as well be minus two (or 0.2),
so it is refused. "day 0-3" is a range, read as its midpoint, which `Timeline.notes` says. What a
label holds beside a time ("D0_rep1") is cut off in `replicates` and kept in `Timeline.replicates`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellam.errors import ConfigError, DataError
from cellam.names import did_you_mean
from cellam.pairs import parse_number
from cellam.reading.hints import BIRTH, how_to_fix, put_on_one_clock, write_map
from cellam.reading.labels import MISSING, count_cells, list_labels, parse_label, show, spell, tally
from cellam.reading.replicates import Part, find_repeats, find_replicates
from cellam.reading.timeline import MAX_TIMES, SAME, Timeline

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
    named = {spell(label): time for label, time in (time_map or {}).items()}
    missing = {s: n for s, n in cells.items() if MISSING.fullmatch(s) and s not in named}
    if missing:
        test = f"~adata.obs[{key!r}].astype(str).str.strip().isin({list(missing)})"
        if values.isna().sum() == sum(missing.values()):
            test = f"adata.obs[{key!r}].notna()"
        lost = count_cells(sum(missing.values()))
        raise DataError(
            f"Column {key!r} gives {lost} no time: {list_labels(missing)}.",
            f"Fill them in, or drop these cells in Python: adata = adata[{test}]",
        )
    parts: dict[str, Part] = {}
    if time_map is None:
        parts, said = _read_parts(cells, key, text=_is_text(values))
        unit, times, notes = _read_labels(cells, key, parts)
        notes += said
    else:
        unit, times, notes = "", _read_map(named, cells, key), ["The times are from the time map."]

    groups: list[list[str]] = []  # of spellings; one a time
    for label in sorted(cells, key=lambda s: (times[s], s)):
        if not groups or times[label] - times[groups[-1][0]] > SAME:
            groups.append([])
        groups[-1].append(label)
    if len(groups) > MAX_TIMES:
        raise _continuous(key, len(groups))
    if len(groups) == 1:
        raise DataError(
            f"Column {key!r} holds a single time: {list_labels(cells)}.",
            "At least two time points are needed. If another column holds them: `time_key=NAME`",
        )
    index = {label: k for k, group in enumerate(groups) for label in group}
    names: list[dict[str, int]] = [{} for _ in groups]  # of each time, without replicates
    for label, n in cells.items():
        name = parts[label].time if label in parts else label
        names[index[label]][name] = names[index[label]].get(name, 0) + n
    labels = tuple(min(counts, key=lambda s: (-counts[s], s)) for counts in names)
    at = [times[group[0]] for group in groups]
    notes += [
        f"{', '.join(map(repr, sorted(counts)))} are one time, {spell(time)}."
        for counts, time in zip(names, at, strict=True)
        if len(counts) > 1
    ]
    notes += _contradicts(values, index, labels)
    codes = np.array([index[s] for s in spelt], dtype=np.intp)[inverse]  # (n,)
    known = {label: at[k] for label, k in index.items()} | dict(zip(labels, at, strict=True))
    replicates = {s: part.rest for s, part in parts.items() if len(groups[index[s]]) > 1}
    return Timeline(labels, tuple(at), unit, known, tuple(notes), replicates), codes


def _contradicts(values: pd.Series, index: Mapping[str, int], labels: Sequence[str]) -> list[str]:
    """Say where the declared order of an ordered category is not that of the times."""
    if values.dtype != "category" or not values.cat.ordered:
        return []
    declared = [s for s in map(spell, values.cat.categories) if s in index]
    if all(index[a] <= index[b] for a, b in itertools.pairwise(declared)):
        return []
    return [
        f"The order of the categories, {' < '.join(map(repr, declared[:8]))}, contradicts the "
        f"times. The order of the times is used: {' < '.join(map(repr, labels[:8]))}."
    ]


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


def _read_parts(
    cells: Mapping[str, int], key: str, *, text: bool
) -> tuple[dict[str, Part], list[str]]:
    """Split the labels that hold more than a time, and say so."""
    repeats, unsure = find_repeats(cells)
    read = {label: reading.time for label in cells if (reading := parse_label(label))}
    one_by_one = {label: spell(time) for label, time in read.items()}
    merged = one_by_one | {s: spell(p.reading.time) for s, p in (repeats | unsure).items()}
    if not text:  # numbers are times, but may have been made of such labels
        both = repeats | unsure
        listed = ", ".join(sorted(both, key=read.__getitem__))
        note = f"{listed} are read as times. If they are replicates: {write_map(merged)}"
        return {}, [note] if len({part.time for part in both.values()}) > 1 else []
    if unsure:
        listed = list_labels({s: cells[s] for s in unsure})
        raise DataError(
            f"Column {key!r} has numbers after a point that may be decimals, or replicates as "
            f"R's make.unique names them: {listed}.",
            f"If they are replicates: {write_map(merged)} If they are decimals: "
            f"{write_map(one_by_one)}",
        )
    if repeats:
        listed = _list_parts(repeats, "replicate ")
        return repeats, [
            f"{listed}: make.unique in R renames repeated labels like this. If they are times: "
            f"{write_map(one_by_one)}"
        ]
    parts = find_replicates(cells)
    if not parts:
        return {}, []
    of_parts = [part.reading.time for part in parts.values()]
    times = of_parts + [time for label, time in read.items() if label not in parts]
    pooled = len(set(times)) < len(times)
    does = (
        "replicates or conditions of one time are pooled"
        if pooled
        else ("the rest of the label is ignored")
    )
    return parts, [f"{_list_parts(parts)}: {does}."]


def _list_parts(parts: Mapping[str, Part], noun: str = "", at_most: int = 4) -> str:
    in_order = sorted(parts.items(), key=lambda pair: (pair[1].reading.time, pair[0]))
    shown = ", ".join(
        f"{label!r} {'' if k else 'is read '}as {show(part.time)} ({noun}{show(part.rest)})"
        for k, (label, part) in enumerate(in_order[:at_most])
    )
    more = len(in_order) - at_most
    return f"{shown} and {more} more" if more > 0 else shown


def _read_labels(
    cells: Mapping[str, int], key: str, parts: Mapping[str, Part]
) -> tuple[str, dict[str, float], list[str]]:
    """Read all labels of a column together: the unit, the times, and notes."""
    read = {
        label: reading
        for label in cells
        if (reading := parts[label].reading if label in parts else parse_label(label))
    }

    def refuse(problem: str, unsure: Iterable[str]) -> DataError:
        times = {s: "NUMBER" if s in unsure else spell(read[s].time) for s in cells}
        listed = list_labels({s: cells[s] for s in unsure})
        return DataError(f"Column {key!r} {problem}: {listed}.", how_to_fix(key, times))

    if strange := cells.keys() - read:
        raise refuse("holds labels that are not times", [s for s in cells if s in strange])
    units = {r.unit for r in read.values()} - {""}
    if len(units) > 1 or len({r.origin for r in read.values()} - {""}) > 1:
        clocks: dict[str, dict[str, int]] = {}
        for label, r in read.items():
            clocks.setdefault(r.origin or r.unit or "no unit", {})[label] = cells[label]
        listed = "; ".join(f"{name}: {list_labels(clock)}" for name, clock in clocks.items())
        hint = how_to_fix(key, put_on_one_clock(read, cells))
        hint += f", with birth at embryonic day {BIRTH}" * ("postnatal day" in units)
        raise DataError(f"Column {key!r} mixes units. {listed}.", hint)
    loose = [label for label, r in read.items() if r.loose]
    if 0 < len(loose) < len(read):
        raise refuse(
            "has a mark before some numbers that may be a minus sign or a separator", loose
        )
    ranges = [label for label, r in read.items() if r.low < r.high]
    spans = sorted({(r.low, r.high) for r in read.values()})
    if any(before[1] - after[0] > SAME for before, after in itertools.pairwise(spans)):
        # "d0-1", "d0-2" are replicates of day 0, not days 0.5 and 1.
        raise refuse("has ranges that overlap, or labels with replicate numbers", ranges)

    unit, notes = "".join(units), []
    bare = [label for label, r in read.items() if not r.unit]
    if unit and bare:
        notes.append(
            f"{', '.join(map(repr, bare))}: no unit, assumed to be {unit}s like the others."
        )
    if loose:
        notes.append(
            f"{loose[0]!r} is read as {spell(read[loose[0]].time)}, not as a negative time."
        )
    if ranges:
        midpoints = (f"{s!r} is read as {spell(read[s].time)}" for s in ranges)
        notes.append(f"{', '.join(midpoints)}: the midpoint of a range.")
    return unit, {label: r.time for label, r in read.items()}, notes


def _read_map(
    time_map: Mapping[str, float], cells: Mapping[str, int], key: str
) -> dict[str, float]:
    """Check that a time map names each label that occurs, no other, and finite times."""
    for label, time in time_map.items():
        if parse_number(time) is None:
            raise ConfigError(f"The time map gives {label!r} the time {time!r}.", "Use a number.")
    if missing := {s: n for s, n in cells.items() if s not in time_map}:
        times = {s: spell(time_map[s]) if s in time_map else "NUMBER" for s in cells}
        message = f"The time map lacks labels of column {key!r}: {list_labels(missing)}."
        raise ConfigError(message, how_to_fix(key, times))
    for label in time_map:
        if label not in cells:
            message = f"The time map names {label!r}, which no cell of column {key!r} has."
            raise ConfigError(
                message, f"{did_you_mean(label, cells)}It has: {list_labels(cells, 20)}."
            )
    return {label: float(time) + 0.0 for label, time in time_map.items()}
