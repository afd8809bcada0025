"""Clone column: the column of `obs` that holds lineage barcodes, as the user named it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cellam.errors import ConfigError
from cellam.reading.time_labels import did_you_mean


def clone_column(obs: pd.DataFrame, clones: str, states: str) -> pd.Series[Any]:
    """The column of that name.

    Parameters
    ----------
    obs : pandas.DataFrame
    clones : str
    states : str
        Column of the states that fates end in, which is no clone.

    Raises
    ------
    ConfigError
        If there is no such column, or it holds the states.
    """
    if clones not in obs:
        columns = list(map(str, obs.columns))
        raise ConfigError(
            f"`clones={clones!r}`: neither obs nor obsm has it.",
            f"{did_you_mean(clones, columns)}The columns are: {', '.join(columns)}.",
        )
    if clones == states:
        raise ConfigError(
            f"`clones={clones!r}`: this column holds the states that fates end in.",
            "Name the column with the lineage barcodes.",
        )
    return obs[clones]
