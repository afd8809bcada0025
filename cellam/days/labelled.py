"""Labelled: the labels of one column, read together.

What a single label leaves open, the others tell; what they leave open too is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cellam.days.hints import BIRTH, how_to_fix, put_on_one_clock, write_map
from cellam.days.replicates import Part, find_repeats, find_replicates
from cellam.days.time_labels import Reading, list_labels, parse_label, show, spell
from cellam.days.timeline import SAME
from cellam.errors import ConfigError, DataError
from cellam.names import did_you_mean
from cellam.pairs import parse_number


@dataclass(frozen=True)
class Labelled:
    """The labels of a column, each as it reads by itself.

    Parameters
    ----------
    key : str
        Name of the column, for messages.
    cells : mapping of label to int
        How many cells have it.
    read : mapping of label to Reading
        Those labels that are a time, or hold one.
    """

    key: str
    cells: Mapping[str, int]
    read: Mapping[str, Reading]

    @staticmethod
    def of(key: str, cells: Mapping[str, int], parts: Mapping[str, Part]) -> Labelled:
        """Read each label, or the part of it that is its time."""
        found = {s: parts[s].reading if s in parts else parse_label(s) for s in cells}
        return Labelled(key, cells, {s: r for s, r in found.items() if r is not None})

    @property
    def units(self) -> set[str]:
        """What the labels that have a unit are in."""
        return {reading.unit for reading in self.read.values()} - {""}

    @property
    def loose(self) -> list[str]:
        """Labels with a mark that may belong to the number: "day-2"."""
        return [label for label, reading in self.read.items() if reading.loose]

    @property
    def ranges(self) -> list[str]:
        """Labels from a time to another: "day 0-3"."""
        return [label for label, reading in self.read.items() if reading.low < reading.high]

    def check(self) -> None:
        """Refuse labels that do not go together.

        Raises
        ------
        DataError
        """
        if strange := [label for label in self.cells if label not in self.read]:
            raise self._refusal("holds labels that are not times", strange)
        origins = {reading.origin for reading in self.read.values()} - {""}
        if len(self.units) > 1 or len(origins) > 1:
            raise self._mixed()
        if 0 < len(self.loose) < len(self.read):
            problem = "has a mark before some numbers that may be a minus sign or a separator"
            raise self._refusal(problem, self.loose)
        spans = sorted({(reading.low, reading.high) for reading in self.read.values()})
        if any(before[1] - after[0] > SAME for before, after in itertools.pairwise(spans)):
            # "d0-1", "d0-2" are replicates of day 0, not days 0.5 and 1.
            problem = "has ranges that overlap, or labels with replicate numbers"
            raise self._refusal(problem, self.ranges)

    def notes(self) -> list[str]:
        """What was decided on the user's behalf."""
        said, unit = [], "".join(self.units)
        bare = [label for label, reading in self.read.items() if not reading.unit]
        if unit and bare:
            said.append(
                f"{', '.join(map(repr, bare))}: no unit, assumed to be {unit}s like the others."
            )
        if self.loose:
            label = self.loose[0]
            said.append(f"{label!r} is read as {self._spelt(label)}, not as a minus.")
        if self.ranges:
            midpoints = (f"{label!r} is read as {self._spelt(label)}" for label in self.ranges)
            said.append(f"{', '.join(midpoints)}: the midpoint of a range.")
        return said

    def _spelt(self, label: str) -> str:
        return spell(self.read[label].time)

    def _refusal(self, problem: str, unsure: Iterable[str]) -> DataError:
        times = {s: "NUMBER" if s in unsure else self._spelt(s) for s in self.cells}
        listed = list_labels({s: self.cells[s] for s in unsure})
        return DataError(f"Column {self.key!r} {problem}: {listed}.", how_to_fix(self.key, times))

    def _mixed(self) -> DataError:
        clocks: dict[str, dict[str, int]] = {}
        for label, reading in self.read.items():
            clock = clocks.setdefault(reading.origin or reading.unit or "no unit", {})
            clock[label] = self.cells[label]
        listed = "; ".join(f"{name}: {list_labels(clock)}" for name, clock in clocks.items())
        hint = how_to_fix(self.key, put_on_one_clock(self.read, self.cells))
        hint += f", with birth at embryonic day {BIRTH}" * ("postnatal day" in self.units)
        return DataError(f"Column {self.key!r} mixes units. {listed}.", hint)


def read_parts(
    cells: Mapping[str, int], key: str, *, text: bool
) -> tuple[dict[str, Part], list[str]]:
    """Split the labels of a column that hold more than a time, and say so.

    Parameters
    ----------
    cells : mapping of label to int
    key : str
    text : bool
        Whether labels are written as text: in numbers, .1 is a decimal for certain.

    Raises
    ------
    DataError
        For numbers behind a point that may be decimals or replicates.
    """
    repeats, unsure = find_repeats(cells)
    if repeats or unsure:
        return _read_repeats(cells, key, repeats, unsure, text=text)
    parts = find_replicates(cells) if text else {}
    if not parts:
        return {}, []
    times = [part.reading.time for part in parts.values()]
    times += [r.time for label in cells if label not in parts and (r := parse_label(label))]
    pooled = len(set(times)) < len(times)
    does = (
        "replicates or conditions of one time are pooled"
        if pooled
        else ("the rest of the label is ignored")
    )
    return parts, [f"{_list_parts(parts)}: {does}."]


def _read_repeats(
    cells: Mapping[str, int],
    key: str,
    repeats: Mapping[str, Part],
    unsure: Mapping[str, Part],
    *,
    text: bool,
) -> tuple[dict[str, Part], list[str]]:
    """Labels as R's make.unique names them, "D0.1" beside "D0"."""
    both = {**repeats, **unsure}
    read = {label: reading.time for label in cells if (reading := parse_label(label))}
    as_times = write_map({label: spell(time) for label, time in read.items()})
    merged = {label: both[label].reading.time if label in both else read[label] for label in read}
    as_replicates = write_map({label: spell(time) for label, time in merged.items()})
    if not text:  # numbers are times, but may have been made of such labels
        listed = ", ".join(sorted(both, key=read.__getitem__))
        note = f"{listed} are read as times. If they are replicates: {as_replicates}"
        return {}, [note] if len({part.time for part in both.values()}) > 1 else []
    if unsure:
        listed = list_labels({s: cells[s] for s in unsure})
        raise DataError(
            f"Column {key!r} has numbers after a point that may be decimals, or replicates as "
            f"R's make.unique names them: {listed}.",
            f"If they are replicates: {as_replicates} If they are decimals: {as_times}",
        )
    return dict(repeats), [
        f"{_list_parts(repeats, 'replicate ')}: make.unique in R names repeated labels in this "
        f"way. If they are times: {as_times}"
    ]


def _list_parts(parts: Mapping[str, Part], noun: str = "", at_most: int = 4) -> str:
    in_order = sorted(parts.items(), key=lambda pair: (pair[1].reading.time, pair[0]))
    shown = ", ".join(
        f"{label!r} {'' if k else 'is read '}as {show(part.time)} ({noun}{show(part.rest)})"
        for k, (label, part) in enumerate(in_order[:at_most])
    )
    more = len(in_order) - at_most
    return f"{shown} and {more} more" if more > 0 else shown


def read_map(time_map: Mapping[str, float], cells: Mapping[str, int], key: str) -> dict[str, float]:
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
