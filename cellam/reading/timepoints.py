"""From the labels of a time column to numbers in one unit, in order, with the real gaps.

The labels of a column are read together (each by itself in `labels`), and what cannot be
read is refused, with its number of cells, never guessed. "day-2" (also "day.2") is day 2 if every
label has such a mark ("day-0", "day-2"); beside "day0" it may just as well be minus two (or 0.2),
so it is refused. "day 0-3" is a range, read as its midpoint, which `Timeline.notes` says.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellam.errors import ConfigError, DataError
from cellam.reading.labels import (
    MISSING,
    Reading,
    count_cells,
    did_you_mean,
    list_labels,
    parse_label,
    parse_number,
    spell,
    tally,
)

if TYPE_CHECKING:
    import pandas as pd

MAX_TIMES = 200  # more are hardly days on which somebody took a sample
_SAME = 1e-9  # times nearer than this are one time
_HOURS = {"minute": 1 / 60, "hour": 1.0, "week": 168.0, "month": 730.5, "year": 8766.0}
_BIRTH = 19  # embryonic day of the mouse; only for the example in an error message


@dataclass(frozen=True)
class Timeline:
    """The K distinct times of a data set, in order.

    Parameters
    ----------
    labels : tuple of str, (K,)
        As spelt in the data: the most frequent spelling of each time.
    times : tuple of float, (K,)
        Strictly increasing, in `unit`.
    unit : str
        "minute", "hour", "day", "week", "month", "year", "embryonic day", "postnatal day",
        or "" where the labels carry none or a time map was given.
    spellings : dict of str to float
        Every spelling found, and its time.
    notes : tuple of str
        What was decided on the user's behalf and should be said aloud.

    Examples
    --------
    >>> line = Timeline(("day0", "day2"), (0.0, 2.0), "day", {"day0": 0.0, "day2": 2.0}, ())
    >>> line.index("D2"), line.index("2.0"), line.position("day 1.5"), line.describe()
    (1, 1, 1.5, 'day0 = 0, day2 = 2 (days)')
    """

    labels: tuple[str, ...]
    times: tuple[float, ...]
    unit: str
    spellings: dict[str, float]
    notes: tuple[str, ...]

    def index(self, text: str) -> int:
        """Return the index of the snapshot at a time given as label or number.

        Raises
        ------
        ConfigError
            There is no snapshot at that time, or the text is no time of this timeline.

        Examples
        --------
        >>> Timeline(("0", "2"), (0.0, 2.0), "", {"0": 0.0, "2": 2.0}, ()).index("d2")
        1
        """
        time = self.position(text)
        nearest = min(range(len(self.times)), key=lambda k: abs(self.times[k] - time))
        if abs(self.times[nearest] - time) > _SAME:
            raise self._refusal(text, "no cells were taken then")
        return nearest

    def position(self, text: str) -> float:
        """Return a time given as label or number, also between or beyond the snapshots.

        Raises
        ------
        ConfigError
            The text is neither a label nor a number, or has another unit.

        Examples
        --------
        >>> Timeline(("0", "2"), (0.0, 2.0), "", {"0": 0.0, "2": 2.0}, ()).position("3.5")
        3.5
        """
        text = text.strip()
        if text in self.spellings:
            return self.spellings[text]
        alike = {time for label, time in self.spellings.items() if label.lower() == text.lower()}
        if len(alike) == 1:
            return alike.pop()
        asked, known = parse_label(text), [r for r in map(parse_label, self.spellings) if r]
        if asked is None:
            raise self._refusal(text, "it is neither a label nor a number")
        if asked.loose and not all(r.loose for r in known):
            raise self._refusal(text, "the mark before its number may be a minus or a point")
        if asked.unit and not self.unit and any(r.unit for r in known):
            # With a map "d2=48", "D 2" must not become time 2.
            raise self._refusal(text, "the times come from a map, so give a label or a number")
        if asked.unit and self.unit and asked.unit != self.unit:
            raise self._refusal(text, f"it is in {asked.unit}s, the data are in {self.unit}s")
        if asked.origin and any(r.origin not in ("", asked.origin) for r in known):
            raise self._refusal(text, f"the data are not counted in {asked.origin}")
        return asked.time

    def describe(self) -> str:
        """Return the labels with their times on one line.

        Examples
        --------
        >>> Timeline(("0", "late"), (0.0, 7.0), "", {"0": 0.0, "late": 7.0}, ()).describe()
        '0, late = 7'
        """
        pairs = zip(self.labels, self.times, strict=True)
        line = ", ".join(s if parse_number(s) == t else f"{s} = {spell(t)}" for s, t in pairs)
        return f"{line} ({self.unit}s)" if self.unit else line

    def _refusal(self, text: str, reason: str) -> ConfigError:
        near = "Give the option once for each time. " if "," in text else ""
        near = near or did_you_mean(text, self.spellings)
        hint = f"{near}The times are: {self.describe()}."
        return ConfigError(f"Time {text!r}: {reason}.", hint)


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
    if time_map is None:
        unit, times, notes = _read_labels(cells, key)
    else:
        unit, times, notes = "", _read_map(named, cells, key), ["The times are from the time map."]

    groups: list[list[str]] = []  # of spellings; one a time
    for label in sorted(cells, key=lambda s: (times[s], s)):
        if not groups or times[label] - times[groups[-1][0]] > _SAME:
            groups.append([])
        groups[-1].append(label)
    if len(groups) > MAX_TIMES:
        raise _continuous(key, len(groups))
    if len(groups) == 1:
        raise DataError(
            f"Column {key!r} holds a single time: {list_labels(cells)}.",
            "Two times at least are needed. If another column holds them: --time-key NAME",
        )
    labels = tuple(min(group, key=lambda s: (-cells[s], s)) for group in groups)
    notes += [
        f"{', '.join(map(repr, group))} are one time, {spell(times[group[0]])}."
        for group in groups
        if len(group) > 1
    ]
    index = {label: k for k, group in enumerate(groups) for label in group}
    codes = np.array([index[s] for s in spelt], dtype=np.intp)[inverse]  # (n,)
    known = {label: times[labels[k]] for label, k in index.items()}
    return Timeline(labels, tuple(times[s] for s in labels), unit, known, tuple(notes)), codes


def parse_numbers(text: str, option: str = "--time-map") -> dict[str, float]:
    """Parse the value of an option that gives each label a number.

    Raises
    ------
    ConfigError
        A part is not LABEL=NUMBER, or a label has two numbers.

    Examples
    --------
    >>> parse_numbers("day0=0, late stage=7.5")
    {'day0': 0.0, 'late stage': 7.5}
    """
    numbers: dict[str, float] = {}
    for part in text.split(","):
        # The last "=" separates: labels may hold one ("t=0=0"), numbers never.
        label, _, number = (piece.strip() for piece in part.rpartition("="))
        value = parse_number(number)
        if not label or value is None:
            raise ConfigError(
                f"{option}: {part.strip()!r} is not LABEL=NUMBER.",
                f"Write {option} 'day0=0,late=7.5': decimal points, and no commas in labels.",
            )
        if numbers.setdefault(label, value) != value:
            both = f"{spell(numbers[label])} and {spell(value)}"
            raise ConfigError(f"{option}: {label!r} is both {both}.", "Name each label once.")
    return numbers


def count_numbers(values: pd.Series) -> int:
    """Count the distinct values of a column of numbers; 0 for any other."""
    return values.nunique() if values.dtype.kind in "iuf" else 0


def _continuous(key: str, n: int) -> DataError:
    return DataError(
        f"Column {key!r} has {n} distinct times: a pseudotime or a measurement?",
        "Name the column with the day on which each cell was taken: --time-key NAME",
    )


def _read_labels(cells: Mapping[str, int], key: str) -> tuple[str, dict[str, float], list[str]]:
    """Read all labels of a column together: the unit, the times, and notes."""
    read = {label: reading for label in cells if (reading := parse_label(label))}

    def refuse(problem: str, unsure: Iterable[str]) -> DataError:
        times = {s: "NUMBER" if s in unsure else spell(read[s].time) for s in cells}
        listed = list_labels({s: cells[s] for s in unsure})
        return DataError(f"Column {key!r} {problem}: {listed}.", _how_to_fix(key, times))

    if strange := cells.keys() - read:
        raise refuse("holds labels that are not times", [s for s in cells if s in strange])
    units = {r.unit for r in read.values()} - {""}
    if len(units) > 1 or len({r.origin for r in read.values()} - {""}) > 1:
        clocks: dict[str, dict[str, int]] = {}
        for label, r in read.items():
            clocks.setdefault(r.origin or r.unit or "no unit", {})[label] = cells[label]
        listed = "; ".join(f"{name}: {list_labels(clock)}" for name, clock in clocks.items())
        hint = _how_to_fix(key, _on_one_clock(read, cells))
        hint += f", with birth at embryonic day {_BIRTH}" * ("postnatal day" in units)
        raise DataError(f"Column {key!r} mixes units. {listed}.", hint)
    loose = [label for label, r in read.items() if r.loose]
    if 0 < len(loose) < len(read):
        raise refuse("has a mark before some numbers that may be a minus or a point", loose)
    ranges = [label for label, r in read.items() if r.low < r.high]
    spans = sorted({(r.low, r.high) for r in read.values()})
    if any(before[1] - after[0] > _SAME for before, after in itertools.pairwise(spans)):
        # "d0-1", "d0-2" are replicates of day 0, not days 0.5 and 1.
        raise refuse("has ranges that overlap, or labels with replicate numbers", ranges)

    unit, notes = "".join(units), []
    bare = [label for label, r in read.items() if not r.unit]
    if unit and bare:
        notes.append(f"{', '.join(map(repr, bare))}: no unit, taken as {unit}s like the others.")
    if loose:
        notes.append(f"{loose[0]!r} is read as {spell(read[loose[0]].time)}, not as a minus.")
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
            raise ConfigError(f"The time map gives {label!r} the time {time!r}.", "Give a number.")
    if missing := {s: n for s, n in cells.items() if s not in time_map}:
        times = {s: spell(time_map[s]) if s in time_map else "NUMBER" for s in cells}
        message = f"The time map lacks labels of column {key!r}: {list_labels(missing)}."
        raise ConfigError(message, _how_to_fix(key, times))
    for label in time_map:
        if label not in cells:
            message = f"The time map names {label!r}, which no cell of column {key!r} has."
            raise ConfigError(
                message, f"{did_you_mean(label, cells)}It has: {list_labels(cells, 20)}."
            )
    return {label: float(time) + 0.0 for label, time in time_map.items()}


def _on_one_clock(read: Mapping[str, Reading], cells: Mapping[str, int]) -> dict[str, str]:
    """Convert all times to the unit of most cells, as an example for the user."""
    units = [r.unit for r in read.values() if r.unit]
    unit = max(units, key=lambda u: sum(cells[s] for s, r in read.items() if r.unit == u))
    born = {"postnatal day": _BIRTH * 24.0}

    def convert(reading: Reading) -> str:
        given = reading.unit or unit
        hours = reading.time * _HOURS.get(given, 24.0) + born.get(given, 0.0)
        return f"{(hours - born.get(unit, 0.0)) / _HOURS.get(unit, 24.0):.6g}"

    return {label: convert(reading) for label, reading in read.items()}


def _how_to_fix(key: str, times: Mapping[str, str]) -> str:
    column = f"adata.obs[{key!r}]"
    if any(re.match(r"\d{4}-\d\d-\d\d", label) for label in times):
        days = f"t = pd.to_datetime({column}.astype(str)); {column} = (t - t.min())"
        return f"Dates? In Python: {days} / pd.Timedelta(days=1)"
    if any(re.match(r"-?\d+ days [\d+]", label) for label in times):
        days = f"{column} = pd.to_timedelta({column}.astype(str))"
        return f"Durations? In Python: {days} / pd.Timedelta(days=1)"
    if any("," in label for label in times):
        points = f"{column} = {column}.astype(str).str.replace(',', '.')"
        return f"Write decimal points, not commas. In Python: {points}"
    if len(times) > 50:
        return "Is another column meant? --time-key NAME"
    in_order = sorted(times.items(), key=lambda pair: float(pair[1].replace("NUMBER", "inf")))
    example = shlex.quote(",".join(f"{label}={time}" for label, time in in_order))
    return f"Give the times: --time-map {example} (your numbers, in one unit)"
