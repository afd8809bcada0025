"""From the labels of a time column to numbers in one unit, in order, with the real gaps.

A label is word and number, number and word, or a number: "day2", "E8.5", "48 hrs", 2.0. The
words are the table `_WORDS`, the shape is the expression `_LABEL`; what they do not cover is
refused, with its number of cells, never guessed. A dash means:

- "-2", "-2 d", "day -2", "day_-2": minus two;
- "day-2" (also "day.2"): day 2, if every label has such a mark ("day-0", "day-2"). Beside
  "day0" it may just as well be minus two (or 0.2), so it is refused;
- "day 0-3", "0-3 days": a range, read as its midpoint, 1.5, which `Timeline.notes` says.
"""

from __future__ import annotations

import difflib
import itertools
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cellam.errors import CellamError, ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

_WORDS = {  # (unit, counted from): words; "m" is left out: minutes or months?
    ("", ""): "t tp time timepoint age",
    ("minute", ""): "min mins minute minutes",
    ("hour", ""): "h hr hrs hour hours",
    ("day", ""): "d day days",
    ("week", ""): "w wk wks week weeks",
    ("week", "pcw"): "pcw",  # post conception; gestational weeks run two ahead
    ("week", "gw"): "gw gestationalweek",
    ("month", ""): "mo mos mth mths month months",
    ("year", ""): "y yr yrs year years",
    ("embryonic day", ""): "e ed dpc embryonic embryonicday",
    ("postnatal day", ""): "p pn pnd dpp postnatal postnatalday",
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_POST = re.compile("([hdw])p[a-z]")  # hpf, dpi, wpc: hours, days, weeks post something
_ONLY_BEFORE = {"e", "p", "t"}  # "8e", "3p", "2t" are not times
_WORD, _NUMBER = r"[a-z]+(?:[\s_-]+[a-z]+)*", r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_LABEL = re.compile(
    rf"(?:(?P<before>{_WORD})(?P<gap>[-.]|[\s_:=]*|\s*[-.:=]\s+))?"
    rf"(?P<low>[+-]?{_NUMBER})(?:\s*(?:-|to)\s*(?P<high>{_NUMBER}))?"
    rf"(?:[\s_.-]*(?P<after>{_WORD})\.?)?"
)
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212", "------")
_MISSING = re.compile("|nan|n/?a|<na>|nat|none|null|[+-]?inf(inity)?", re.IGNORECASE)
_MAX_TIMES = 200  # more are hardly days on which somebody took a sample
_SAME = 1e-9  # times nearer than this are one time
_HOURS = {"minute": 1 / 60, "hour": 1.0, "week": 168.0, "month": 730.5, "year": 8766.0}
_BIRTH = 19  # embryonic day of the mouse; only for the example in an error message

# Names of time columns, without blanks and marks, in order of preference.
_NAMES = """day days time times timepoint timepoints timeinfo stage age hour hours hpf dpf
week weeks developmentalstage embryonicday collectionday samplingtime samplingday
dayofcollection developmentstage developmentaltime devstage embryonicage embryostage
collectiontime sampletime sampleday dayofsampling timedays timehours hpi dpi pcw
gestationalweek month months"""


class _Reading(NamedTuple):
    low: float
    high: float  # equals low, except for a range
    unit: str
    origin: str  # what it is counted from, as a word: "hpf"; or ""
    loose: bool  # "day-2", "day.2": the mark may belong to the number

    @property
    def time(self) -> float:
        return self.low + 0.5 * (self.high - self.low)


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
        asked, known = _parse(text), [r for r in map(_parse, self.spellings) if r]
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
        line = ", ".join(s if _number(s) == t else f"{s} = {_spell(t)}" for s, t in pairs)
        return f"{line} ({self.unit}s)" if self.unit else line

    def _refusal(self, text: str, reason: str) -> ConfigError:
        near = "Give the option once for each time. " if "," in text else ""
        near = near or _did_you_mean(text, self.spellings)
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
    if time_map is None and (n := _count_numbers(values)) > _MAX_TIMES:
        raise _continuous(key, n)  # before a million numbers are spelt out
    spelt, inverse, cells = _tally(values)
    if not cells:
        raise DataError(f"Column {key!r} is empty: there are no cells.")
    named = {_spell(label): time for label, time in (time_map or {}).items()}
    missing = {s: n for s, n in cells.items() if _MISSING.fullmatch(s) and s not in named}
    if missing:
        test = f"~adata.obs[{key!r}].astype(str).str.strip().isin({list(missing)})"
        if values.isna().sum() == sum(missing.values()):
            test = f"adata.obs[{key!r}].notna()"
        raise DataError(
            f"Column {key!r} gives {_count(sum(missing.values()))} no time: {_list(missing)}.",
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
    if len(groups) > _MAX_TIMES:
        raise _continuous(key, len(groups))
    if len(groups) == 1:
        raise DataError(
            f"Column {key!r} holds a single time: {_list(cells)}.",
            "Two times at least are needed. If another column holds them: --time-key NAME",
        )
    labels = tuple(min(group, key=lambda s: (-cells[s], s)) for group in groups)
    notes += [
        f"{', '.join(map(repr, group))} are one time, {_spell(times[group[0]])}."
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
        value = _number(number)
        if not label or value is None:
            raise ConfigError(
                f"{option}: {part.strip()!r} is not LABEL=NUMBER.",
                f"Write {option} 'day0=0,late=7.5': decimal points, and no commas in labels.",
            )
        if numbers.setdefault(label, value) != value:
            both = f"{_spell(numbers[label])} and {_spell(value)}"
            raise ConfigError(f"{option}: {label!r} is both {both}.", "Name each label once.")
    return numbers


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
        hint = f"{_did_you_mean(requested, columns)}{everything}"
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
    shown = (f"{s!r} with {_list(_tally(columns[s])[2], 4)}" for s in found[:6])
    hint = f"Say which: --time-key NAME. {everything}"
    raise DataError(message + "; ".join(shown), hint)


def _cell_times(values: pd.Series) -> np.ndarray | None:
    """Return the time of each cell, NaN where missing; None if the column does not read."""
    if _count_numbers(values) > _MAX_TIMES:
        return None
    spelt, inverse, _ = _tally(values)
    present = np.array([not _MISSING.fullmatch(s) for s in spelt], dtype=bool)[inverse]
    try:
        timeline, codes = read_timeline(values[present], key="")
    except CellamError:
        return None
    times = np.full(len(values), np.nan)
    times[present] = np.array(timeline.times)[codes]
    return times


def _tally(values: pd.Series) -> tuple[list[str], np.ndarray, dict[str, int]]:
    """Return the labels as text, each cell's index among them, and the cells of each label."""
    import pandas as pd

    if values.dtype == object:  # 1, True and 1.0 are one to a hash table; a list has no hash
        values = pd.Series([_spell(value) for value in values], dtype=object)
    inverse, distinct = pd.factorize(values, use_na_sentinel=False)
    raw = np.asarray(distinct)  # pandas hands out float32 0.1 as float 0.10000000149
    spelt = [_spell(value) for value in (raw if raw.dtype.kind == "f" else distinct)]
    cells = dict.fromkeys(spelt, 0)  # " d2" and "d2" are one
    for label, n in zip(spelt, np.bincount(inverse, minlength=len(spelt)).tolist(), strict=True):
        cells[label] += n
    return spelt, inverse, cells


def _count_numbers(values: pd.Series) -> int:
    return values.nunique() if values.dtype.kind in "iuf" else 0


def _continuous(key: str, n: int) -> DataError:
    return DataError(
        f"Column {key!r} has {n} distinct times: a pseudotime or a measurement?",
        "Name the column with the day on which each cell was taken: --time-key NAME",
    )


def _kind(word: str) -> tuple[str, str] | None:
    word = re.sub("[^a-z]", "", word)
    if word not in _KINDS and (post := _POST.fullmatch(word)):
        return {"h": "hour", "d": "day", "w": "week"}[post[1]], word
    return _KINDS.get(word)


def _parse(label: str) -> _Reading | None:
    """Read one label by itself; None if it is no time."""
    found = _LABEL.fullmatch(" ".join(label.lower().translate(_DASHES).split()))
    if found is None or found["after"] in _ONLY_BEFORE:
        return None
    kinds = {_kind(found[side]) for side in ("before", "after") if found[side]} - {("", "")}
    low, high = float(found["low"]) + 0.0, float(found["high"] or found["low"]) + 0.0
    # "E8.5-1" is no range backwards but a replicate.
    backwards = found["high"] is not None and not 0 <= low < high
    if None in kinds or len(kinds) > 1 or backwards or not math.isfinite(high):
        return None
    unit, origin = (kinds.pop() if kinds else None) or ("", "")
    return _Reading(low, high, unit, origin, found["gap"] in ("-", "."))


def _read_labels(cells: Mapping[str, int], key: str) -> tuple[str, dict[str, float], list[str]]:
    """Read all labels of a column together: the unit, the times, and notes."""
    read = {label: reading for label in cells if (reading := _parse(label))}

    def refuse(problem: str, unsure: Iterable[str]) -> DataError:
        times = {s: "NUMBER" if s in unsure else _spell(read[s].time) for s in cells}
        listed = _list({s: cells[s] for s in unsure})
        return DataError(f"Column {key!r} {problem}: {listed}.", _how_to_fix(key, times))

    if strange := cells.keys() - read:
        raise refuse("holds labels that are not times", [s for s in cells if s in strange])
    units = {r.unit for r in read.values()} - {""}
    if len(units) > 1 or len({r.origin for r in read.values()} - {""}) > 1:
        clocks: dict[str, dict[str, int]] = {}
        for label, r in read.items():
            clocks.setdefault(r.origin or r.unit or "no unit", {})[label] = cells[label]
        listed = "; ".join(f"{name}: {_list(clock)}" for name, clock in clocks.items())
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
        notes.append(f"{loose[0]!r} is read as {_spell(read[loose[0]].time)}, not as a minus.")
    if ranges:
        midpoints = (f"{s!r} is read as {_spell(read[s].time)}" for s in ranges)
        notes.append(f"{', '.join(midpoints)}: the midpoint of a range.")
    return unit, {label: r.time for label, r in read.items()}, notes


def _read_map(
    time_map: Mapping[str, float], cells: Mapping[str, int], key: str
) -> dict[str, float]:
    """Check that a time map names each label that occurs, no other, and finite times."""
    for label, time in time_map.items():
        if _number(time) is None:
            raise ConfigError(f"The time map gives {label!r} the time {time!r}.", "Give a number.")
    if missing := {s: n for s, n in cells.items() if s not in time_map}:
        times = {s: _spell(time_map[s]) if s in time_map else "NUMBER" for s in cells}
        message = f"The time map lacks labels of column {key!r}: {_list(missing)}."
        raise ConfigError(message, _how_to_fix(key, times))
    for label in time_map:
        if label not in cells:
            message = f"The time map names {label!r}, which no cell of column {key!r} has."
            raise ConfigError(message, f"{_did_you_mean(label, cells)}It has: {_list(cells, 20)}.")
    return {label: float(time) + 0.0 for label, time in time_map.items()}


def _on_one_clock(read: Mapping[str, _Reading], cells: Mapping[str, int]) -> dict[str, str]:
    """Convert all times to the unit of most cells, as an example for the user."""
    units = [r.unit for r in read.values() if r.unit]
    unit = max(units, key=lambda u: sum(cells[s] for s, r in read.items() if r.unit == u))
    born = {"postnatal day": _BIRTH * 24.0}

    def convert(reading: _Reading) -> str:
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


def _spell(value: object) -> str:
    """Write a label as text; floats compactly, 2.0 as "2"."""
    if isinstance(value, float | np.floating):
        return np.format_float_positional(value + 0.0, trim="-")
    return str(value).strip()


def _number(value: object) -> float | None:
    try:
        number = float(str(value)) + 0.0
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _count(n: int) -> str:
    return f"{n} cell{'s' * (n != 1)}"


def _list(cells: Mapping[str, int], at_most: int = 8) -> str:
    shown = ", ".join(f"{s!r} ({_count(n)})" for s, n in itertools.islice(cells.items(), at_most))
    rest = list(cells.values())[at_most:]
    return f"{shown} and {len(rest)} more ({_count(sum(rest))})" if rest else shown


def _did_you_mean(text: str, names: Iterable[str]) -> str:
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(text.lower(), lower, n=1)
    return f"Did you mean {lower[close[0]]!r}? " if close else ""
