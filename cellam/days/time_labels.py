"""Labels: those of a time column as text, and each read by itself.

A label is word and number, number and word, or a number: "day2", "E8.5", "48 hrs", 2.0. The
words are the table `_WORDS`, the shape is the expression `_LABEL`; what they do not cover is
no time. A dash means:

- "-2", "-2 d", "day -2", "day_-2": minus two;
- "day-2" (also "day.2"): loose. It may be day 2 or minus two (or 0.2), which only the other
  labels of the column can tell;
- "day 0-3", "0-3 days": a range, read as its midpoint, 1.5.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cellam.names import closest as closest
from cellam.names import did_you_mean as did_you_mean
from cellam.names import known_names as known_names
from cellam.names import offer as offer
from cellam.names import plural as plural
from cellam.names import variables as variables
from cellam.pairs import parse_number as parse_number

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
MISSING = re.compile("|nan|n/?a|<na>|nat|none|null|[+-]?inf(inity)?", re.IGNORECASE)
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212", "------")


class Reading(NamedTuple):
    """What one label says."""

    low: float
    high: float  # equals low, except for a range
    unit: str
    origin: str  # what it is counted from, as a word: "hpf"; or ""
    loose: bool  # "day-2", "day.2": the mark may belong to the number

    @property
    def time(self) -> float:
        """The number, or the midpoint of a range."""
        return self.low + 0.5 * (self.high - self.low)


def parse_label(label: str) -> Reading | None:
    """Read one label by itself; None if it is no time.

    Examples
    --------
    >>> parse_label("day 0-3").time, parse_label("E8.5").unit, parse_label("late")
    (1.5, 'embryonic day', None)
    """
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
    return Reading(low, high, unit, origin, found["gap"] in ("-", "."))


def unit_of(word: str) -> str:
    """Return the unit that a word or letter stands for: "day", "hour", ...; "" if for none.

    Examples
    --------
    >>> unit_of("Hrs"), unit_of("rep")
    ('hour', '')
    """
    kind = _kind(word.lower()) if word.isalpha() else None
    return kind[0] if kind else ""


def spell(value: object) -> str:
    """Write a label as text; floats compactly, 2.0 as "2"."""
    if isinstance(value, float | np.floating):
        return np.format_float_positional(value + 0.0, trim="-")
    return str(value).strip()


def show(label: str) -> str:
    """Write a label for a line of text; quoted where it holds what cannot be printed."""
    return label if label.isprintable() else repr(label)


def tally(values: pd.Series) -> tuple[list[str], np.ndarray, dict[str, int]]:
    """Return the labels as text, each cell's index among them, and the cells of each label."""
    import pandas as pd

    if values.dtype == object:  # 1, True and 1.0 are one to a hash table; a list has no hash
        values = pd.Series([spell(value) for value in values], dtype=object)
    inverse, distinct = pd.factorize(values, use_na_sentinel=False)
    raw = np.asarray(distinct)  # pandas hands out float32 0.1 as float 0.10000000149
    spelt = [spell(value) for value in (raw if raw.dtype.kind == "f" else distinct)]
    cells = dict.fromkeys(spelt, 0)  # " d2" and "d2" are one
    for label, n in zip(spelt, np.bincount(inverse, minlength=len(spelt)).tolist(), strict=True):
        cells[label] += n
    return spelt, inverse, cells


def count_cells(n: int) -> str:
    """Write a number of cells."""
    return plural(n, "cell")


def list_labels(cells: Mapping[str, int], at_most: int = 8) -> str:
    """Write labels with their numbers of cells."""
    shown = ", ".join(
        f"{s!r} ({count_cells(n)})" for s, n in itertools.islice(cells.items(), at_most)
    )
    rest = list(cells.values())[at_most:]
    return f"{shown} and {len(rest)} more ({count_cells(sum(rest))})" if rest else shown


def named(label: str) -> str:
    """How a day is called in a sentence: "day2", but "time 2" where the label is but a number."""
    return label if any(c.isalpha() for c in label) else f"time {label}"


def _kind(word: str) -> tuple[str, str] | None:
    word = re.sub("[^a-z]", "", word)
    if word not in _KINDS and (post := _POST.fullmatch(word)):
        return {"h": "hour", "d": "day", "w": "week"}[post[1]], word
    return _KINDS.get(word)
