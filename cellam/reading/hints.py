"""Hints: what to type where the labels of a time column cannot be read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from cellam.reading.labels import Reading

HOURS = {"minute": 1 / 60, "hour": 1.0, "week": 168.0, "month": 730.5, "year": 8766.0}
BIRTH = 19  # embryonic day of the mouse; only for the example in an error message


def put_on_one_clock(read: Mapping[str, Reading], cells: Mapping[str, int]) -> dict[str, str]:
    """Convert all times to the unit of most cells, as an example for the user."""
    units = [r.unit for r in read.values() if r.unit]
    unit = max(units, key=lambda u: sum(cells[s] for s, r in read.items() if r.unit == u))
    born = {"postnatal day": BIRTH * 24.0}

    def convert(reading: Reading) -> str:
        given = reading.unit or unit
        hours = reading.time * HOURS.get(given, 24.0) + born.get(given, 0.0)
        return f"{(hours - born.get(unit, 0.0)) / HOURS.get(unit, 24.0):.6g}"

    return {label: convert(reading) for label, reading in read.items()}


def how_to_fix(key: str, times: Mapping[str, str]) -> str:
    """Say what to type, or to do in Python, for labels and their times as far as known."""
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
    return f"Give the times: {write_map(times)} (your numbers, in one unit)"


def write_map(times: Mapping[str, str]) -> str:
    """Write the option that gives each label its time, as a shell takes it.

    Examples
    --------
    >>> write_map({"d2": "2", "d0": "0"}), write_map({"d\\t0": "0"})
    ('--time-map d0=0,d2=2', "--time-map $'d\\\\u00090=0'")
    """
    in_order = sorted(times.items(), key=lambda pair: float(pair[1].replace("NUMBER", "inf")))
    return f"--time-map {quote(','.join(f'{label}={time}' for label, time in in_order))}"


def quote(text: str) -> str:
    """Quote a text as a shell takes it, what would move the cursor spelt out."""
    if text.isprintable():
        return shlex.quote(text)
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{''.join(c if c.isprintable() else _escape(c) for c in text)}'"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
