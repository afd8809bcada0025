"""Cell types: which column of `obs` names them, and which cells have none.

This is the one place where the column is found, checked and read. A cell without a type is
unannotated and takes no part in shares or in growth by type. These values are no type: a missing
value, an empty text, the texts that missing values become when a table is written and read again
("nan", "NA", "N/A", "<NA>", "NaT", "None", "null"), and "unannotated", which is what we call such
cells ourselves. "unknown" and "unassigned" are types like any other, as a user wrote them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import did_you_mean, parse_label, parse_number, spell
from cellam.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

UNANNOTATED = "unannotated"
MOST_TYPES = 100  # a column with more values names no types
# Names of the column, without blanks and marks, in order of preference.
_NAMES = """celltype celltypes cellannotation annotation cluster clusters leiden louvain stateinfo
cellstate state"""
_NO_TYPE = re.compile(f"|nan|n/?a|<na>|nat|none|null|{UNANNOTATED}", re.IGNORECASE)


def read_types(values: pd.Series[Any]) -> pd.Series[Any]:
    """Types as text, and None for cells that have none.

    Parameters
    ----------
    values : pandas.Series, (n,)
        A column of any dtype, or what this function returned before.

    Examples
    --------
    >>> import pandas as pd
    >>> list(read_types(pd.Series(["A", " ", float("nan"), "NA", "unknown"])))
    ['A', None, None, None, 'unknown']
    """
    import pandas as pd

    codes, names = split_levels(values)
    text = np.array([*names, None], dtype=object)[codes]  # code -1 is the last
    return pd.Series(text, index=values.index, name=values.name, dtype=object)


def split_levels(
    values: pd.Series[Any], *, missing: re.Pattern[str] = _NO_TYPE
) -> tuple[NDArray[np.int64], list[str]]:
    """Level of every cell, (n,), −1 where there is none, and the names of the levels as text.

    `missing` matches the names that are none.
    """
    import pandas as pd

    codes, distinct = pd.factorize(values)
    spelt = [spell(value) for value in distinct]
    spelt = ["" if missing.fullmatch(name) else name for name in spelt]
    names = [name for name in dict.fromkeys(spelt) if name]
    place = {name: k for k, name in enumerate(names)} | {"": -1}
    of_code = np.array([*(place[name] for name in spelt), -1], dtype=np.int64)
    return of_code[codes], names


def find_types(obs: pd.DataFrame, days: NDArray[np.int64]) -> str | None:
    """The column of `obs` that is recognised as cell types and 2 to 100 types.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of n cells.
    days : (n,) int array
        Position of the day of every cell. A column that tells the time is not taken.
    """
    plain = {_plain(str(name)): str(name) for name in obs.columns}
    for name in _NAMES.split():
        key = plain.get(name)
        if key is None or obs[key].nunique() > MOST_TYPES:
            continue
        if len(split_levels(obs[key])[1]) > 1 and not tells_time(obs[key], days):
            return key
    return None


def offer_types(obs: pd.DataFrame, days: NDArray[np.int64]) -> list[str]:
    """Columns of `obs` that may name cell types: 2 to 100 values that are not the time."""
    return [
        str(key)
        for key in obs.columns
        if _is_categorical(obs[key])
        and 1 < len(split_levels(obs[key])[1]) <= MOST_TYPES
        and not tells_time(obs[key], days)
    ]


def resolve_types(
    obs: pd.DataFrame, days: NDArray[np.int64], requested: str | None = None
) -> pd.Series[Any] | None:
    """The types of all cells: of the column asked for, else of the one with a usual name.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of n cells.
    days : (n,) int array
        Position of the day of every cell.
    requested : str, optional
        Name of the column.

    Returns
    -------
    pandas.Series or None
        As from `read_types`, with the name of the column; None if nothing was asked for and there
        is no such column.

    Raises
    ------
    ConfigError
        If there is no such column, it tells the time, or no cell has a type.
    """
    key = requested if requested is not None else find_types(obs, days)
    if key is None:
        return None
    if key not in obs:
        raise ConfigError(
            f"There is no column {key!r} in obs.",
            f"{did_you_mean(key, map(str, obs.columns))}{list_offers(obs, days)}",
        )
    types = read_types(obs[key])
    if types.isna().all():
        raise ConfigError(f"No cell has a value in obs[{key!r}].", list_offers(obs, days))
    if tells_time(obs[key], days):
        raise ConfigError(
            f"obs[{key!r}] says when cells were sampled, not what they are.",
            list_offers(obs, days),
        )
    return types


def list_offers(obs: pd.DataFrame, days: NDArray[np.int64], choose: str = "") -> str:
    """A sentence with the columns that may name cell types, and with how to choose one of them."""
    offered = offer_types(obs, days)
    if not offered:
        return (
            f"No other column could stand for cell types (2 to {MOST_TYPES} values that are not "
            "the time): annotate the cells first."
        )
    how = f" Choose one: `{choose}`." if choose else ""
    return f"Columns that may name cell types: {', '.join(offered)}.{how}"


def tells_time(values: pd.Series[Any], days: NDArray[np.int64]) -> bool:
    """Whether a column says no more of a cell than when it was taken.

    So does one whose values follow the time, and one with the same value in all cells of a day
    (unless it is the same on all days, or the column is recognised as cell types).
    """
    if follows_time(values, days):
        return True
    if _plain(str(values.name)) in _NAMES.split():
        return False
    levels, names = split_levels(values)
    of_day = (count_levels(levels, len(names), days) > 0).sum(1)  # levels on each day
    return len(names) > 1 and bool((of_day < 2).all())


def follows_time(values: pd.Series[Any], days: NDArray[np.int64]) -> bool:
    """Whether a column is the time, its bins, or a finer time that agrees with it.

    Its values read as numbers or times, and no cell has a higher one than a cell of a later day
    (or none a lower one).

    Examples
    --------
    >>> import pandas as pd
    >>> days = np.array([0, 0, 1, 2])
    >>> follows_time(pd.Series(["210-270", "210-270", "270-330", "330-390"]), days)
    True
    >>> follows_time(pd.Series(["1", "2", "1", "3"]), days)
    False
    """
    levels, names = split_levels(values)
    if len(names) < 2:
        return False
    times = np.array([_time_of(name) for name in names])
    if np.isnan(times).any():
        return False
    known = levels >= 0
    t, day = times[levels[known]], days[known]
    low, high = np.full(day.max() + 1, np.inf), np.full(day.max() + 1, -np.inf)
    np.minimum.at(low, day, t)
    np.maximum.at(high, day, t)
    there = np.isfinite(low)
    low, high = low[there], high[there]
    return bool((high[:-1] <= low[1:]).all() or (low[:-1] >= high[1:]).all()) and len(low) > 1


def count_levels(
    levels: NDArray[np.int64], n_levels: int, days: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cells of each day in each level, (K, n_levels); those without a level are not counted."""
    known = levels >= 0
    counts = np.zeros((int(days.max()) + 1, n_levels), dtype=np.int64)
    np.add.at(counts, (days[known], levels[known]), 1)
    return counts


def _is_categorical(values: pd.Series[Any]) -> bool:
    """Whether a column has text, categories, truth values or whole numbers, and few of them."""
    if values.nunique() > MOST_TYPES:
        return False
    if values.dtype.kind != "f":
        return True
    numbers = values.dropna().to_numpy()
    return bool((numbers == np.round(numbers)).all())


def _time_of(name: str) -> float:
    number = parse_number(name)
    if number is not None:
        return number
    reading = parse_label(name)
    return reading.time if reading is not None else float("nan")


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
