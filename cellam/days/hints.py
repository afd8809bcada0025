"""Hints: what to type where the labels of a time column cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cellam.days.time_labels import Reading

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
        return "Did you mean another column? `time_key=NAME`"
    return f"State the times: {write_map(times)} (your numbers, in one unit)"


def write_map(times: Mapping[str, str]) -> str:
    """Write the parameter that gives each label its time.

    Examples
    --------
    >>> write_map({"d2": "2", "late stage": "NUMBER", "d0": "0"})
    "`time_map={'d0': 0, 'd2': 2, 'late stage': NUMBER}`"
    """
    in_order = sorted(times.items(), key=lambda pair: float(pair[1].replace("NUMBER", "inf")))
    return f"`time_map={{{', '.join(f'{label!r}: {time}' for label, time in in_order)}}}`"
