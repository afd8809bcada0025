"""A timeline: the times of a data set, and how a user may name them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cellam.days.time_labels import Reading, did_you_mean, parse_label, parse_number, show, spell
from cellam.errors import ConfigError

MAX_TIMES = 200  # more are hardly days on which somebody took a sample
SAME = 1e-9  # times nearer than this are one time


@dataclass(frozen=True)
class Timeline:
    """The K distinct times of a data set, in order.

    Parameters
    ----------
    labels : tuple of str, (K,)
        As spelt in the data: the most frequent spelling of each time, without a replicate.
    times : tuple of float, (K,)
        Strictly increasing, in `unit`.
    unit : str
        "minute", "hour", "day", "week", "month", "year", "embryonic day", "postnatal day",
        or "" where the labels carry none or a time map was given.
    spellings : dict of str to float
        Every spelling found, and its time.
    notes : tuple of str
        What was decided on the user's behalf and should be said aloud.
    replicates : dict of str to str
        What spellings hold beside a time: {"D0_rep1": "rep1"}. Cells of one spelling are a sample.

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
    replicates: dict[str, str] = field(default_factory=dict)

    @property
    def per_time(self) -> str:
        """How a rate is written: "per day"."""
        return f"per {self.unit or 'unit of time'}"

    @property
    def units(self) -> str:
        """What times are counted in: "days"."""
        return f"{self.unit}s" if self.unit else "units of time"

    @property
    def axis_label(self) -> str:
        """How an axis of time is called: "time (days)"."""
        return f"time ({self.unit}s)" if self.unit else "time"

    def label_at(self, time: float) -> str:
        """The label of a time: that of the day, where it is one, else the number.

        Examples
        --------
        >>> Timeline(("0", "2"), (0.0, 2.0), "", {"0": 0.0, "2": 2.0}, ()).label_at(1.5)
        '1.5'
        """
        return self.labels[self.times.index(time)] if time in self.times else spell(time)

    def index(self, text: str | float) -> int:
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
        if abs(self.times[nearest] - time) > SAME:
            raise self._refusal(spell(text), "no cells were sampled at that time")
        return nearest

    def position(self, text: str | float) -> float:
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
        text = spell(text)
        if text in self.replicates:
            label = self.labels[self.times.index(self.spellings[text])]
            message = f"Time {text!r} is one of the labels that are pooled as {label!r}."
            raise ConfigError(message, f"Use the time {label!r}.")
        if text in self.spellings:
            return self.spellings[text]
        alike = {time for label, time in self.spellings.items() if label.lower() == text.lower()}
        if len(alike) == 1:
            return alike.pop()
        asked = parse_label(text)
        if asked is None:
            raise self._refusal(text, "it is neither a label nor a number")
        if strange := self._strangeness(asked):
            raise self._refusal(text, strange)
        return asked.time

    def _strangeness(self, asked: Reading) -> str:
        """Why a time that no label spells cannot be placed among the times; or ""."""
        known = [reading for reading in map(parse_label, self.spellings) if reading]
        origins = {reading.origin for reading in known} - {"", asked.origin}
        if asked.loose and not all(reading.loose for reading in known):
            return "the mark before its number may be a minus or a point"
        if asked.unit not in ("", self.unit):
            if self.unit:
                return f"it is in {asked.unit}s, but the data are in {self.unit}s"
            if any(reading.unit for reading in known):
                # With a map "d2=48", "D 2" must not become time 2.
                return "the times come from `time_map`, so use a label or a number"
        if asked.origin and origins:
            return f"the data are not counted in {asked.origin}"
        return ""

    def describe(self, *, at_most: int = MAX_TIMES) -> str:
        """Return the labels with their times on one line: so many of them, and the last.

        Examples
        --------
        >>> Timeline(("0", "late"), (0.0, 7.0), "", {"0": 0.0, "late": 7.0}, ()).describe()
        '0, late = 7'
        """
        pairs = [
            s if parse_number(s) == t else f"{show(s)} = {spell(t)}"
            for s, t in zip(self.labels, self.times, strict=True)
        ]
        if len(pairs) > at_most:
            pairs[at_most - 1 : -1] = ["…"]
        line = ", ".join(pairs)
        return f"{line} ({self.unit}s)" if self.unit else line

    def _refusal(self, text: str, reason: str) -> ConfigError:
        near = "Repeat the option for each time. " if "," in text else ""
        near = near or did_you_mean(text, self.spellings)
        hint = f"{near}The times are: {self.describe()}."
        return ConfigError(f"Time {text!r}: {reason}.", hint)
