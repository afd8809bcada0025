"""The time key: which column of `obs` holds the times, by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cellam.days.candidates import is_plausible, read_column, times_of_cells
from cellam.days.column_names import telling
from cellam.days.relations import are_proportionate
from cellam.days.time_labels import did_you_mean, list_labels, tally
from cellam.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

NAMED_SO = "Several columns of obs may hold the times, and they "
NOT_NAMED = "No column of obs has a name such as 'day', 'time' or 'stage'. "


def find_time_key(obs: pd.DataFrame, requested: str | None) -> str:
    """Find the column that holds the times, by its name.

    Parameters
    ----------
    obs : pandas.DataFrame, (n, columns)
        What is known about the cells.
    requested : str or None
        The user's choice; None takes the column with a telling name that reads as times.
        A lone one that does not is returned too: a time map may cover it, and otherwise
        `read_timeline` says what is wrong with it.

    Raises
    ------
    DataError
        There is no such column, or several that disagree.

    Examples
    --------
    >>> import pandas as pd
    >>> find_time_key(pd.DataFrame({"batch": ["a", "b"], "Time_Point": ["d0", "d2"]}), None)
    'Time_Point'
    """
    columns = {str(column): obs[column] for column in obs.columns}
    if requested is not None:
        return _named(requested, columns)
    named = telling(columns)
    times = {name: times_of_cells(*read) for name in named if (read := read_column(columns[name]))}
    if times:
        first, *others = times
        if all(are_proportionate(times[first], times[other]) for other in others):
            return first
        raise _ambiguous(f"{NAMED_SO}differ: ", times, columns)
    reads = {name: read[0] for name, c in columns.items() if (read := read_column(c))}
    plausible = [name for name, timeline in reads.items() if is_plausible(name, timeline)]
    if plausible and all(_is_constant(columns[name]) for name in named):
        named = []  # "age" is the same in all cells
    if len(named) == 1:
        return named[0]
    if named:
        raise _ambiguous(f"{NAMED_SO}cannot be read as they are: ", named, columns)
    if not reads:
        raise _ambiguous(f"{NOT_NAMED}None reads as times.", [], columns)
    raise _ambiguous(f"{NOT_NAMED}These read as times: ", plausible or reads, columns)


def _is_constant(values: pd.Series) -> bool:
    return len(tally(values)[2]) == 1


def _named(requested: str, columns: Mapping[str, pd.Series]) -> str:
    if requested not in columns:
        hint = f"{did_you_mean(requested, columns)}{_listed(columns)}"
        raise DataError(f"There is no column {requested!r} in obs.", hint)
    return requested


def _ambiguous(message: str, found: Iterable[str], columns: Mapping[str, pd.Series]) -> DataError:
    few = list(found)
    shown = (f"{name!r} with {list_labels(tally(columns[name])[2], 4)}" for name in few[:6])
    option = repr(few[0]) if len(few) == 1 else "NAME"
    hint = f"Say which: `time_key={option}`. {_listed(columns)}"
    return DataError(message + "; ".join(shown), hint)


def _listed(columns: Mapping[str, pd.Series]) -> str:
    return f"The columns are: {', '.join(columns) or 'none'}."
