"""Terminal: on which day, and by which column of `obs`, it is read what cells have become."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.cells import annotation
from cellam.reading.labels import did_you_mean


class Terminal(NamedTuple):
    """Which day's cells, and which column of `obs`, say what cells have become."""

    label: str
    key: str


def days_before(model: Model, label: str, *, backward: bool = False) -> tuple[str, ...]:
    """Labels of the observed days within those fitted on that lie before another one.

    With `backward` those that lie after it.
    """
    days, times = model.snapshots, model.training.times
    stop = days.times[position_of(model, label)]
    return tuple(
        name
        for name, t in zip(days.labels, days.times, strict=True)
        if times[0] <= t <= times[-1] and (t > stop if backward else t < stop)
    )


def parse_terminal(
    model: Model, obs: pd.DataFrame, text: str | None, *, backward: bool = False
) -> Terminal:
    """Understand DAY:COLUMN, or one of them alone.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of all cells.
    text : str or None
        E.g. "day7:cell_type", "day7", "cell_type". Without a day it is the last one fitted on (the
        first if `backward`), without a column the one with the usual name of cell types.

    Raises
    ------
    ConfigError
        If there is no such day or column.
    """
    columns = list(map(str, obs.columns))
    label, key = model.training.labels[0 if backward else -1], annotation(obs)
    if text in columns:
        return Terminal(label, str(text))
    if text is not None:
        day, colon, column = text.rpartition(":")
        if not colon:
            day, column = text, ""
        label = model.timeline.labels[model.timeline.index(day)]
        key = column or key
    if key not in columns:
        raise ConfigError(
            f"There is no column {key!r} in obs."
            if key
            else "No column of obs has the usual name of a cell type.",
            (did_you_mean(key, columns) if key else "")
            + f"Give one of: {', '.join(columns)}; e.g. --terminal {label}:{columns[0]}.",
        )
    return Terminal(label, str(key))


def position_of(model: Model, text: str) -> int:
    """Position of a day that is within those fitted on."""
    k = model.timeline.index(text)
    time, first, last = model.snapshots.times[k], model.training.times[0], model.training.times[-1]
    if not first <= time <= last:
        raise ConfigError(
            f"{model.timeline.labels[k]} lies outside the training days ({first:g} to {last:g}).",
            f"Those within are: {', '.join(model.training.labels)}.",
        )
    return k
