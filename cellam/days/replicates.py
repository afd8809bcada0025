"""Replicates: labels that hold more than a time, "D0_rep1" or "WT_d4".

Such a label is cut into pieces where a mark stands, and the pieces that read as a time, with a
unit, are the time. Which of its numbers belongs to the time, only the other labels of the column
can tell:

- "day0_1", "E8_5": a replicate, or a decimal? Replicates are numbered from 1 without a gap.
- "D0.1": day 0.1, or the second D0 as R's `make.unique` names it? That has "D0" beside it, and
  numbers from 1 without a gap for each day; of times there would be no such pairs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cellam.days.time_labels import Reading, parse_label, unit_of

MAX_LENGTH, MAX_PIECES = 120, 12  # of a label that somebody wrote as a name
LONGEST = 5  # pieces of a time: "2 days post fertilisation"
# Marks between pieces; a point between figures is a decimal point, "D7rep2" has no mark at all.
_PIECE = re.compile(r"(?:[^\s_:/|()\[\]#.-]|(?<=[0-9])\.(?=[0-9]))+")
_GLUED = re.compile(
    r"(?<=[0-9])(?=(?:rep|replicate|batch|sample|r|b|s)[0-9]|[a-z]$)", re.IGNORECASE
)
_REPLICATE = re.compile("(?:bio|tech)?rep(?:l|licate)?[0-9]*", re.IGNORECASE)
_NEGATIONS = {"minus", "neg", "negative", "before", "pre", "prior"}  # "pre_d2" is not day 2
_REPEATED = re.compile(r"(.*[0-9])\.([0-9]+)")


class Part(NamedTuple):
    """The time in a label, and the rest of it."""

    time: str  # as spelt in it: "D0"
    rest: str  # "rep1"
    reading: Reading  # of the time
    unsure: str  # a part of the rest that might be of the time; or ""


def find_replicates(labels: Collection[str]) -> dict[str, Part]:
    """Split those labels of a column that are not a time alone.

    Parameters
    ----------
    labels : collection of str
        All labels of the column.

    Returns
    -------
    dict of str to Part
        Without the labels that are a time, and those in which none is sure.

    Examples
    --------
    >>> {s: (p.time, p.rest) for s, p in find_replicates(["D0_rep1", "WT D2", "D4"]).items()}
    {'D0_rep1': ('D0', 'rep1'), 'WT D2': ('D2', 'WT')}
    """
    whole = {label for label in labels if parse_label(label)}
    if len(whole) == len(labels):
        return {}
    parts = {s: part for s in labels if (part := _split(s) or _split_repeat(s, labels))}
    sure = {s: part for s, part in parts.items() if not part.unsure and s not in whole}
    unsure = {s: part for s, part in parts.items() if part.unsure}
    # "d0-1" is no range where "d2-1" stands beside it.
    return {**sure, **unsure} if _are_numbered(sure, unsure, labels) else sure


def find_repeats(labels: Collection[str]) -> tuple[dict[str, Part], dict[str, Part]]:
    """Find labels made unique, "D0.1" beside "D0": those that are, and those that may be.

    Both are empty where the decimals must be times: they have a gap ("D0.5"), or all times are
    evenly spaced.

    Examples
    --------
    >>> [*find_repeats(["D0", "D0.1", "D2", "D2.1"])[0]], find_repeats(["E8", "E8.5", "E9"])
    (['D0.1', 'D2.1'], ({}, {}))
    """
    times = {label: reading.time for label in labels if (reading := parse_label(label))}
    if _evenly_spaced(times.values()):
        return {}, {}
    numbered: dict[str, dict[int, str]] = {}  # of each time, what its labels have behind a point
    for label in times:
        if (cut := _REPEATED.fullmatch(label)) and parse_label(cut[1]):
            numbered.setdefault(cut[1], {})[int(cut[2])] = label
    beside = {t: ks for t, ks in numbered.items() if t in times and _count_up(ks, from_=[1])}
    if len(beside) > 1:
        return _as_parts(beside), {}
    if not beside and not numbered.keys() & times.keys() and _are_alike(list(numbered.values())):
        beside = numbered
    return {}, _as_parts(beside)


def _evenly_spaced(times: Iterable[float]) -> bool:
    """Whether all gaps between times are the same, or there is none."""
    gaps = np.diff(sorted(set(times)))
    return not len(gaps) or bool(np.ptp(gaps) < 1e-9 * gaps.max())


def _are_alike(numbered: Sequence[Collection[int]]) -> bool:
    """Whether "D0.1", "D0.2", "D2.1", "D2.2" are as near to each other as replicates are."""
    several = len(numbered) > 1 and all(len(numbers) > 1 for numbers in numbered)
    return several and _count_up({k for numbers in numbered for k in numbers}, from_=[0, 1])


def _as_parts(numbered: Mapping[str, Mapping[int, str]]) -> dict[str, Part]:
    return {
        label: Part(time, str(k), reading, "")
        for time, ks in numbered.items()
        for k, label in ks.items()
        if (reading := parse_label(time))
    }


class _Words(NamedTuple):
    """A label cut into pieces."""

    label: str
    pieces: list[tuple[int, int]]  # from and to, in the label
    words: list[str]

    @staticmethod
    def of(label: str) -> _Words:
        spans = [piece.span() for piece in _PIECE.finditer(label)]
        pieces = [cut for span in spans for cut in _unglue(label, *span)]
        return _Words(label, pieces, [label[start:stop] for start, stop in pieces])

    def has_sign(self, i: int) -> bool:
        """Whether a minus stands before piece `i`, or a number: "WT-2d", "1_5h"."""
        start = self.pieces[i][0]
        marked = self.label[max(start - 1, 0) : start] in ("-", "+")
        counted = i > 0 and self.words[i - 1].isdecimal()
        return self.words[i][0].isdecimal() and (marked or counted)

    def unsure(self, j: int) -> str:
        """What follows the time that ends before piece `j`, if it may be a part of it."""
        if j == len(self.words):
            return ""
        glued = self.pieces[j][0] == self.pieces[j - 1][1]
        letter = glued and len(self.words[j]) == 1  # "D7a"
        return self.words[j] if letter or self.words[j].isdecimal() else ""


def _split(label: str) -> Part | None:
    """Split a label into its one time and the rest; None if there is not one time in it."""
    if len(label) > MAX_LENGTH:
        return None
    cut = _Words.of(label)
    words = cut.words
    if not 1 < len(words) <= MAX_PIECES:
        return None
    found = _find_time(label, cut.pieces)
    if found is None and words[0].isdecimal() and _REPLICATE.fullmatch(words[1]):  # "0_rep1"
        found = 0, 1
    if found is None:
        return None
    i, j = found
    time, rest = label[cut.pieces[i][0] : cut.pieces[j - 1][1]], words[:i] + words[j:]
    reading = parse_label(time)
    if reading is None or cut.has_sign(i) or _NEGATIONS.intersection(map(str.lower, rest)):
        return None
    units = [word for word in rest if unit_of(word)]
    if any(len(word) > 1 for word in units):
        return None
    return Part(time, "_".join(rest), reading, cut.unsure(j) or "".join(units))


def _find_time(label: str, pieces: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Find the pieces, from and to, of the one time of a label; None if there is not one."""
    found: dict[tuple[int, int], Reading] = {}
    for i, j in itertools.combinations(range(len(pieces) + 1), 2):
        text = label[pieces[i][0] : pieces[j - 1][1]]
        short = j - i <= min(LONGEST, len(pieces) - 1) and re.search("[A-Za-z]", text)
        if short and (reading := parse_label(text)):
            found[i, j] = reading
    if any(reading.unit for reading in found.values()):  # "T1_d4" is on day 4
        found = {span: reading for span, reading in found.items() if reading.unit}
    longest = [
        span
        for span in found
        if not any(a <= span[0] and span[1] <= b and (a, b) != span for a, b in found)
    ]
    return longest[0] if len(longest) == 1 else None


def _unglue(label: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut "D7rep2" and "D7a" behind the number, but not "24h"."""
    cut = _GLUED.search(label[:stop], start)
    if cut and not parse_label(label[start:stop]):
        yield start, cut.start()
        start = cut.start()
    yield start, stop


def _split_repeat(label: str, labels: Collection[str]) -> Part | None:
    """Split "E8.5.1" beside "E8.5"."""
    found = _REPEATED.fullmatch(label)
    if found is None or found[1] not in labels or (reading := parse_label(found[1])) is None:
        return None
    return Part(found[1], found[2], reading, found[2])


def _are_numbered(
    sure: Mapping[str, Part], unsure: Mapping[str, Part], labels: Collection[str]
) -> bool:
    """Whether what may be of the time counts replicates: 1, 2, 3 or A, B, C without a gap."""
    marks = {part.unsure.lower() for part in unsure.values()}
    marks |= {part.rest.lower() for part in sure.values() if len(part.rest) == 1}
    numbers = _numbers(marks)
    if numbers is None:
        return False
    others = {reading.time for s in labels if s not in unsure and (reading := parse_label(s))}
    others |= {part.reading.time for part in sure.values()}
    times = [part.reading.time for part in unsure.values()]
    lone = any(times.count(time) == 1 and time not in others for time in times)
    if lone and len(unsure) < len(labels):
        return False
    return _count_up(numbers, from_=[0, 1, 2] if others.issuperset(times) else [0, 1])


def _numbers(marks: Collection[str]) -> set[int] | None:
    """Marks as numbers, A as 1; None where they are neither all letters nor all numbers."""
    if all(map(str.isdecimal, marks)):
        return set(map(int, marks))
    if all(len(mark) == 1 and "a" <= mark <= "z" for mark in marks):
        return {ord(mark) - ord("a") + 1 for mark in marks}
    return None


def _count_up(numbers: Collection[int], *, from_: Collection[int]) -> bool:
    """Whether numbers are consecutive, and begin with one of those."""
    first = min(numbers, default=0)
    return first in from_ and set(numbers) == set(range(first, first + len(numbers)))
