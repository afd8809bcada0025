"""Queries: the cells that an expression over the columns of `obs` selects."""

from __future__ import annotations

from tokenize import TokenError
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cellam.errors import ConfigError

# What pandas and the operators of its columns raise for a text that is no query.
_NOT_UNDERSTOOD = (
    ArithmeticError, AttributeError, LookupError, NameError, NotImplementedError, RecursionError,
    SyntaxError, TokenError, TypeError, ValueError,
)  # fmt: skip


Query: TypeAlias = str | ArrayLike  # an array marks the cells


def select_rows(obs: pd.DataFrame, query: Query) -> NDArray[np.int64]:
    """Rows of the data that a query selects.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of the n cells.
    query : str or (n,) bool array
        E.g. ``cell_type == "HSC"``, over the columns of `obs`; no names of Python. Or the cells
        that are meant, marked: ``obs["cell_type"] == "HSC"``.

    Returns
    -------
    (k,) int array

    Raises
    ------
    ConfigError
        If it cannot be understood, or fits no cell.
    """
    if not isinstance(query, str):
        return _marked(obs, query)
    try:
        if "@" in query or "__" in query:
            raise ValueError("Python names are not allowed")
        selected = obs.eval(query, engine="python", local_dict={}, global_dict={})
        mask = np.asarray(selected)
        if mask.shape != (len(obs),) or mask.dtype != bool:
            raise ValueError("it is not true or false for every cell")
    except _NOT_UNDERSTOOD as error:
        raise ConfigError(
            f"`from_cells={query!r}` cannot be understood: {error}.",
            f"Columns of obs are: {', '.join(map(str, obs.columns))}. "
            "Example: `from_cells='cell_type == \"HSC\"'`.",
        ) from None
    if not mask.any():
        raise ConfigError(f"`from_cells={query!r}` matches none of the {len(obs)} cells.")
    return np.flatnonzero(mask)


def _marked(obs: pd.DataFrame, marks: ArrayLike) -> NDArray[np.int64]:
    mask = np.asarray(marks)
    if mask.shape != (len(obs),) or mask.dtype != bool:
        raise ConfigError(
            f"`from_cells`: an array of {mask.dtype} of shape {mask.shape} does not select cells.",
            f"Use True or False for each of the {len(obs):,} cells of the data, or a query.",
        )
    if isinstance(marks, pd.Series) and not marks.index.equals(obs.index):
        raise ConfigError(
            "`from_cells`: the marked cells have other names, or another order, than those of "
            "the run.",
            "Mark cells of the data of the run.",
        )
    if not mask.any():
        raise ConfigError(f"`from_cells` selects none of the {len(obs):,} cells.")
    return np.flatnonzero(mask)
