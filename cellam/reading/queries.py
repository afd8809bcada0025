"""Queries: the cells that an expression over the columns of `obs` selects."""

from __future__ import annotations

from tokenize import TokenError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.errors import ConfigError

# What pandas and the operators of its columns raise for a text that is no query.
_NOT_UNDERSTOOD = (
    ArithmeticError, AttributeError, LookupError, NameError, NotImplementedError, RecursionError,
    SyntaxError, TokenError, TypeError, ValueError,
)  # fmt: skip


def select_rows(obs: pd.DataFrame, query: str) -> NDArray[np.int64]:
    """Rows of the data that a query selects.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of the n cells.
    query : str
        E.g. ``cell_type == "HSC"``, over the columns of `obs`; no names of Python.

    Returns
    -------
    (k,) int array

    Raises
    ------
    ConfigError
        If it cannot be understood, or fits no cell.
    """
    try:
        if "@" in query or "__" in query:
            raise ValueError("names of Python are not allowed")
        selected = obs.eval(query, engine="python", local_dict={}, global_dict={})
        mask = np.asarray(selected)
        if mask.shape != (len(obs),) or mask.dtype != bool:
            raise ValueError("it is not true or false for every cell")
    except _NOT_UNDERSTOOD as error:
        raise ConfigError(
            f"--from-cells {query!r} cannot be understood: {error}.",
            f"Columns of obs are: {', '.join(map(str, obs.columns))}. "
            "Example: --from-cells 'cell_type == \"HSC\"'.",
        ) from None
    if not mask.any():
        raise ConfigError(f"--from-cells {query!r} fits none of the {len(obs)} cells.")
    return np.flatnonzero(mask)
