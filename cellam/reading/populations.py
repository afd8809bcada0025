"""Populations: how many cells lived on each day, as a user writes it down.

A table of counts is a CSV file with the columns `time` and `count`, a row for each day; times are
labels or numbers, as anywhere else. What the sizes mean for a fit is told in `snapshots`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cellam.errors import ConfigError, DataError
from cellam.reading.labels import parse_number
from cellam.reading.timepoints import parse_numbers

COLUMNS = ("time", "count")
EXAMPLE = "the lines time,count and day0,1e5 and day2,3e5"


def parse_population(text: str) -> str | dict[str, float]:
    """Read the value of --population: cells, LABEL=NUMBER pairs, or the path of a table.

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
    return parse_numbers(text, "--population")


def _read_table(path: Path, *, there: bool) -> dict[str, float]:
    if not there:
        raise ConfigError(
            f"--population {path}: there is no such file.",
            "Give a CSV file with time and count, 'day0=1e5,day2=3e5', or cells.",
        )
    if not path.is_file():
        raise DataError(
            f"--population {path} is not a file.", f"Give a CSV file, e.g. with {EXAMPLE}."
        )
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except PermissionError:
        raise DataError(f"{path}: no permission to read it.", "Ask its owner.") from None
    except (ValueError, OSError) as error:  # pandas' own errors, and text that is no UTF-8
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path} cannot be read as CSV: {reason}.", f"E.g. {EXAMPLE}.") from None
    names = {str(name).strip().lower(): name for name in table.columns}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise DataError(
            f"{path} has no column {' or '.join(map(repr, missing))}; its columns are: "
            f"{', '.join(map(str, table.columns))}.",
            f"It has a row for each day, e.g. {EXAMPLE}.",
        )
    times = [str(time).strip() for time in table[names["time"]]]
    sizes: dict[str, float] = {}
    for row, (time, count) in enumerate(zip(times, table[names["count"]], strict=True), start=2):
        size = parse_number(count)
        if size is None or not size > 0:
            raise DataError(
                f"{path}, line {row}: the count of {time!r} is {count!r}.",
                "Every count is a positive number, e.g. 1e5 or 100000: no commas, no units.",
            )
        if sizes.setdefault(time, size) != size:
            raise DataError(
                f"{path} counts {time!r} as {sizes[time]:g} and as {size:g}.",
                "Give one count for each day, e.g. the mean of the replicates.",
            )
    if not sizes:
        raise DataError(f"{path} has no rows.", f"E.g. {EXAMPLE}.")
    return sizes
