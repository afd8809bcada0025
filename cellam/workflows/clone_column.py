"""Clone column: the column of `obs` that holds lineage barcodes, as the user named it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cellam.errors import ConfigError


def clone_column(obs: pd.DataFrame, clones: str, states: str) -> pd.Series[Any]:
    """The column of that name.

    Parameters
    ----------
    obs : pandas.DataFrame
        Read with it.
    clones : str
    states : str
        Column of the states that fates end in, which is no clone.

    Raises
    ------
    ConfigError
        If it holds the states.
    """
    if clones == states:
        raise ConfigError(
            f"`clones={clones!r}`: this column holds the states that fates end in.",
            "Name the column with the lineage barcodes.",
        )
    return obs[clones]
