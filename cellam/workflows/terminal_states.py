"""Terminal states: of a column of `obs`, or found among the cells of the terminal day."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellam.analysis.drivers import drivers
from cellam.analysis.states import FoundStates, find_states
from cellam.analysis.terminal import Terminal, days_before, parse_place
from cellam.checks.caveat import Caveat
from cellam.checks.day_caveats import lacks_states
from cellam.errors import ConfigError, DataError
from cellam.reading.cell_types import list_offers, read_types, resolve_types
from cellam.runs.run import StoredRun
from cellam.workflows.given import Day, day_text

MARKERS = 5  # genes of a state, at most
MARKED = 0.05  # q-value of a marker, at most


@dataclass(frozen=True)
class TerminalStates:
    """Where cells are said to end, and by what.

    Parameters
    ----------
    end : Terminal
    states : pandas.Series, (n,)
        State of every cell of the data, or None.
    types : pandas.Series, (n,), or None
        What the cells that are followed are called: of the same column, or where states were
        found, by the column that is recognised as cell types, if there is one.
    found : FoundStates or None
    """

    end: Terminal
    states: pd.Series[Any]
    types: pd.Series[Any] | None
    found: FoundStates | None = None


def terminal_states(
    run: StoredRun,
    obs: pd.DataFrame,
    terminal: Day | None,
    *,
    ancestors: bool = False,
    find: bool = False,
    seed: int = 0,
) -> TerminalStates:
    """The states of the column that is named or recognised, else those that are found.

    Parameters
    ----------
    run : StoredRun
    obs : pandas.DataFrame
        Annotation of all cells.
    terminal : day or str, optional
        As for `analysis.terminal.parse_terminal`.
    ancestors : bool
        Whether it is the first day without a named one.
    find : bool
        Find them although there is a column.
    seed : int
        As for `analysis.states.find_states`.

    Raises
    ------
    ConfigError
        If there is no such day or column, or states are to be found although a column is named.
    DataError
        If none are found.
    """
    model, days = run.model, run.model.snapshots
    text = day_text(terminal) if terminal is not None else None
    if find and text is not None and (text in obs or ":" in text):
        raise ConfigError(
            f"`find_states` finds states among the cells, and `terminal={text!r}` names a column.",
            "Use only one of them, or name but the day.",
        )
    label, key = parse_place(model, obs, text, backward=ancestors)
    if key is not None and not find:
        states = read_types(obs[key])
        return TerminalStates(Terminal(label, key), states, states)
    try:
        found = find_states(days, label, seed)
    except DataError as error:
        if find:
            raise
        said = f"No cell types are named. {error.message}"
        advice = list_offers(obs, days.codes, f"terminal={label}:COLUMN")
        later = [
            day for day in days_before(model, label, backward=True) if day in model.training.labels
        ]
        if ancestors and len(later) > 1:  # the last has no later cells to follow
            advice += f" Or find the origins on a later day: `terminal={later[0]}`."
        raise DataError(said, advice) from None
    states = found.types(days).set_axis(obs.index)
    end = Terminal(label, str(states.name))
    types = resolve_types(obs, days.codes) if key is not None else None
    return TerminalStates(end, states, types, found)


def doubts(
    run: StoredRun, ends: TerminalStates, *, ancestors: bool = False
) -> tuple[Caveat, ...] | None:
    """Reasons to doubt the fit, with those of these terminal states for those of the last day.

    None where they were not looked for, and the states have none. Of `ancestors`, which go to an
    earlier day, a state that this lacks says nothing.
    """
    known = run.caveats()
    lacking = () if ancestors else tuple(lacks_states(run.model, ends.states, ends.end.label))
    if known is None:
        return lacking or None
    return (*lacking, *(caveat for caveat in known if caveat.name != "terminal"))


def markers(run: StoredRun, source: Path, states: pd.Series[Any]) -> dict[str, tuple[str, ...]]:
    """Genes that correlate with being of a state among the cells that have one, the highest first.

    Parameters
    ----------
    run : StoredRun
    source : pathlib.Path
        The data.
    states : pandas.Series, (n,)
        As in `TerminalStates`.

    Raises
    ------
    DataError
        If the data have no expression, or too few cells have a state.
    """
    cells = run.read_expression(source)
    known = states.notna().to_numpy()
    found = {}
    for name in sorted(states.dropna().unique()):
        table = drivers(cells, (states == name).to_numpy(dtype=np.float64), known)
        sure = table[(table["q_value"] <= MARKED) & (table["correlation"] > 0)]
        found[str(name)] = tuple(map(str, sure["gene"].head(MARKERS)))
    return found
