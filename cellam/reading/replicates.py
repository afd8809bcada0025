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
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cellam.reading.labels import Reading, parse_label, unit_of

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
    times = {label: reading for label in labels if (reading := parse_label(label))}
    gaps = np.diff(sorted({reading.time for reading in times.values()}))
    if not len(gaps) or np.ptp(gaps) < 1e-9 * gaps.max():
        return {}, {}
    numbered: dict[str, dict[int, str]] = {}  # of each time, what its labels have behind a point
    for label in times:
        if (cut := _REPEATED.fullmatch(label)) and parse_label(cut[1]):
            numbered.setdefault(cut[1], {})[int(cut[2])] = label
    beside = {t: ks for t, ks in numbered.items() if t in times and _count_up(ks, from_=[1])}
    sure = len(beside) > 1
    if not beside and len(numbered) > 1 and not numbered.keys() & times.keys():
        # "D0.1", "D0.2", "D2.1", "D2.2": as near to each other as replicates are.
        several = all(len(ks) > 1 for ks in numbered.values())
        if several and _count_up({k for ks in numbered.values() for k in ks}, from_=[0, 1]):
            beside = numbered
    found = {
        label: Part(time, str(k), reading, "")
        for time, ks in beside.items()
        for k, label in ks.items()
        if (reading := parse_label(time))
    }
    return (found, {}) if sure else ({}, found)


def _split(label: str) -> Part | None:
    """Split a label into its one time and the rest; None if there is not one time in it."""
    if len(label) > MAX_LENGTH:
        return None
    pieces = [cut for piece in _PIECE.finditer(label) for cut in _unglue(label, *piece.span())]
    words = [label[start:stop] for start, stop in pieces]
    if not 1 < len(words) <= MAX_PIECES:
        return None
    found = _find_time(label, pieces)
    if found is None and words[0].isdecimal() and _REPLICATE.fullmatch(words[1]):  # "0_rep1"
        found = 0, 1
    if found is None:
        return None
    i, j = found
    start, stop = pieces[i][0], pieces[j - 1][1]
    reading, rest = parse_label(label[start:stop]), words[:i] + words[j:]
    minus = label[max(start - 1, 0) : start] in ("-", "+") or (i > 0 and words[i - 1].isdecimal())
    if reading is None or (words[i][0].isdecimal() and minus):  # "WT-2d", "1_5h"
        return None
    units = [word for word in rest if unit_of(word)]
    if any(len(word) > 1 for word in units) or _NEGATIONS.intersection(map(str.lower, rest)):
        return None
    follows = words[j] if j < len(words) and words[j].isdecimal() else ""
    if j < len(words) and pieces[j][0] == stop and len(words[j]) == 1:  # "D7a"
        follows = words[j]
    return Part(label[start:stop], "_".join(rest), reading, follows or "".join(units))


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
    letters = {mark for mark in marks if len(mark) == 1 and "a" <= mark <= "z"}
    if marks != letters and not all(map(str.isdecimal, marks)):
        return False
    numbers = {int(mark) if mark.isdecimal() else ord(mark) - ord("a") + 1 for mark in marks}
    others = {reading.time for s in labels if s not in unsure and (reading := parse_label(s))}
    others |= {part.reading.time for part in sure.values()}
    times = [part.reading.time for part in unsure.values()]
    lone = any(times.count(time) == 1 and time not in others for time in times)
    if lone and len(unsure) < len(labels):
        return False
    return _count_up(numbers, from_=[0, 1, 2] if others.issuperset(times) else [0, 1])


def _count_up(numbers: Collection[int], *, from_: Collection[int]) -> bool:
    """Whether numbers are consecutive, and begin with one of those."""
    first = min(numbers, default=0)
    return first in from_ and set(numbers) == set(range(first, first + len(numbers)))
