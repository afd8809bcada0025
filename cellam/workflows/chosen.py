"""Chosen: which cells of the data a command takes, by their day and by a query."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.queries import Query, select_rows
from cellam.workflows.given import Days, day_texts

Chosen: TypeAlias = NDArray[np.bool_]


def chosen_cells(model: Model, obs: pd.DataFrame, day: Days, query: Query | None) -> Chosen:
    """Whether each cell of the data, (n,), is of one of some days and fits a query.

    Parameters
    ----------
    model : Model
    obs : pandas.DataFrame
        Of the data of the fit.
    day : day or several
        All that have a cell, where none is named.
    query : str or (n,) bool array, optional
        On `obs`; all cells without one.

    Raises
    ------
    ConfigError
        If there is no such day, or the query cannot be read.
    """
    codes = model.snapshots.codes
    days = [model.timeline.index(label) for label in day_texts(day)]
    keep = np.isin(codes, days) if days else codes >= 0
    if query is not None:
        keep &= np.isin(np.arange(len(codes)), select_rows(obs, query))
    return keep


def check_any(keep: Chosen, why: str = "") -> None:
    """Refuse a choice that leaves no cell; `why` may say more.

    Raises
    ------
    ConfigError
    """
    if not keep.any():
        raise ConfigError(
            f"None of the selected cells can be used{why}.",
            "Select other cells with `day` or `from_cells`.",
        )
