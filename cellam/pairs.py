"""Pairs: a number for each label, as a mapping, as text or in a table.

A table is a CSV file with the columns `time` and `count`, a row for each day; times are labels or
numbers, as anywhere else.
"""

from __future__ import annotations

import math
from pathlib import Path

from cellam.errors import ConfigError, DataError

COLUMNS = ("time", "count")
EXAMPLE = "the lines time,count and day0,1e5 and day2,3e5"


def parse_number(value: object) -> float | None:
    """Read a finite number; None if it is none."""
    try:
        number = float(str(value)) + 0.0
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def parse_pairs(text: str, name: str) -> dict[str, float]:
    """Read a text that gives each label a number, for the parameter of that name.

    Raises
    ------
    ConfigError
        A part is not LABEL=NUMBER, or a label has two numbers.

    Examples
    --------
    >>> parse_pairs("day0=0, late stage=7.5", "time_map")
    {'day0': 0.0, 'late stage': 7.5}
    """
    numbers: dict[str, float] = {}
    for part in text.split(","):
        # The last "=" separates: labels may hold one ("t=0=0"), numbers never.
        label, _, number = (piece.strip() for piece in part.rpartition("="))
        value = parse_number(number)
        if not label or value is None:
            raise ConfigError(
                f"`{name}`: {part.strip()!r} is not LABEL=NUMBER.",
                f"Write `{name}='day0=0,late=7.5'`, with decimal points and no commas in labels.",
            )
        if numbers.setdefault(label, value) != value:
            both = f"{numbers[label]:.12g} and {value:.12g}"
            raise ConfigError(f"`{name}`: {label!r} is both {both}.", "Name each label once.")
    return numbers


def parse_population(text: str) -> str | dict[str, float]:
    """Read a population that is written as cells, LABEL=NUMBER pairs, or the path of a table.

    Raises
    ------
    ConfigError
        If it is none of these.
    DataError
        If a table is not what it should be.

    Examples
    --------
    >>> parse_population("cells"), parse_population("day0=1e5, day2=3e5")
    ('cells', {'day0': 100000.0, 'day2': 300000.0})
    """
    if text == "cells":
        return text
    path = Path(text)
    try:
        there = path.exists()
    except (OSError, ValueError):  # too long, or with a null character
        there = False
    if there or "=" not in text:
        return _read_table(path, there=there)
    return parse_pairs(text, "population")


def _read_table(path: Path, *, there: bool) -> dict[str, float]:
    if not there:
        raise ConfigError(
            f"`population={str(path)!r}`: there is no such file.",
            "Give a CSV file with time and count, 'day0=1e5,day2=3e5', or cells.",
        )
    if not path.is_file():
        raise DataError(
            f"`population={str(path)!r}` is not a file.", f"Give a CSV file, e.g. with {EXAMPLE}."
        )
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except PermissionError:
        raise DataError(
            f"{path}: you have no permission to read it.", "Ask its owner for access."
        ) from None
    except (ValueError, OSError) as error:  # pandas' own errors, and text that is no UTF-8
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path} cannot be read as CSV: {reason}.", f"E.g. {EXAMPLE}.") from None
    names = {str(name).strip().lower(): name for name in table.columns}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise DataError(
            f"{path} has no column {' or '.join(map(repr, missing))}; its columns are: "
            f"{', '.join(map(str, table.columns))}.",
            f"It must have a row for each day, e.g. {EXAMPLE}.",
        )
    times = [str(time).strip() for time in table[names["time"]]]
    sizes: dict[str, float] = {}
    for row, (time, count) in enumerate(zip(times, table[names["count"]], strict=True), start=2):
        size = parse_number(count)
        if size is None or not size > 0:
            raise DataError(
                f"{path}, line {row}: the count of {time!r} is {count!r}.",
                "Every count must be a positive number, e.g. 1e5 or 100000, without commas or "
                "units.",
            )
        if sizes.setdefault(time, size) != size:
            raise DataError(
                f"{path} gives {time!r} the counts {sizes[time]:g} and {size:g}.",
                "Write one count per day, e.g. the mean of the replicates.",
            )
    if not sizes:
        raise DataError(f"{path} has no rows.", f"E.g. {EXAMPLE}.")
    return sizes
