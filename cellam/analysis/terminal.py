"""Terminal: on which day, and by which column of `obs`, it is read what cells have become."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.cell_types import find_types, list_offers, resolve_types


class Terminal(NamedTuple):
    """Which day's cells, and which column of `obs`, say what cells have become."""

    label: str
    key: str


def days_before(model: Model, label: str, *, backward: bool = False) -> tuple[str, ...]:
    """Labels of the observed days within the training days that lie before another one.

    With `backward` those that lie after it.
    """
    days, times = model.snapshots, model.training.times
    stop = days.times[position_of(model, label)]
    return tuple(
        name
        for name, t in zip(days.labels, days.times, strict=True)
        if times[0] <= t <= times[-1] and (t > stop if backward else t < stop)
    )


def days_beside(model: Model, time: float) -> list[int]:
    """Position of the day at a time in the snapshots, or of the training days before and after."""
    days, training = model.snapshots, model.training.times
    if time in days.times:
        return [days.times.index(time)]
    before, after = [t for t in training if t < time], [t for t in training if t > time]
    return [days.times.index(t) for t in (*before[-1:], *after[:1])]


def parse_terminal(
    model: Model, obs: pd.DataFrame, text: str | None, *, backward: bool = False
) -> Terminal:
    """Understand DAY:COLUMN, or one of them alone.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of all cells.
    text : str or None
        E.g. "day7:cell_type", "day7", "cell_type". Without a day it is the last training day (the
        first if `backward`), without a column the one with the usual name of cell types.

    Raises
    ------
    ConfigError
        If there is no such day or column, or the column tells the time.
    """
    label, key = parse_place(model, obs, text, backward=backward)
    if key is None:
        raise ConfigError(
            "No column of obs is recognised as cell types.",
            f"{list_offers(obs, model.snapshots.codes, f'terminal={label}:COLUMN')} "
            "Without one, add the states to obs that `cellam fates` finds, if it finds any: see "
            "`cellam guide fates`.",
        )
    return Terminal(label, key)


def parse_place(
    model: Model, obs: pd.DataFrame, text: str | None, *, backward: bool = False
) -> tuple[str, str | None]:
    """As `parse_terminal`, where None is no column that is named or recognised.

    Raises
    ------
    ConfigError
        As `parse_terminal`, but not for a lack of cell types.
    """
    days, label, key = model.snapshots.codes, model.training.labels[0 if backward else -1], None
    if text in obs:
        key = text
    elif text is not None:
        day, colon, column = text.rpartition(":")
        try:
            label = model.timeline.labels[model.timeline.index(day if colon else text)]
        except ConfigError as error:
            if colon:
                raise
            hint = f"{error.hint} Nor is it a column of obs. {list_offers(obs, days)}"
            raise ConfigError(error.message, hint) from None
        key = column if colon and column else None
    key = key if key is not None else find_types(obs, days)
    if key is not None:
        resolve_types(obs, days, key)
    return label, key


def position_of(model: Model, text: str) -> int:
    """Position of a day that is within the training days."""
    k = model.timeline.index(text)
    time, first, last = model.snapshots.times[k], model.training.times[0], model.training.times[-1]
    if not first <= time <= last:
        raise ConfigError(
            f"{model.timeline.labels[k]} lies outside the training days ({first:g} to {last:g}).",
            f"The training days are: {', '.join(model.training.labels)}.",
        )
    return k
