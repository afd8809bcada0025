"""Flows: how much of each type of one day goes to each state of a later one."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cellam.analysis.fates import Fates, named_types
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.cell_types import UNANNOTATED


def flow(model: Model, found: Fates, types: pd.Series[Any]) -> pd.DataFrame:
    """How much of each type of one day goes to each state of a later one.

    Parameters
    ----------
    model : Model
    found : Fates
        Of the cells of the earlier day.
    types : pandas.Series
        Type of every cell of the data, in its order; cells without one are the last source.

    Returns
    -------
    pandas.DataFrame
        A row for each type (`source`) and state (`target`): `before`, the mass on the earlier day
        of the cells that become it, and `after`, the mass of their descendants. The sum of
        `before` is the mass of that day, and what `after` has more is growth.

    Raises
    ------
    ConfigError
        If the fates are those of ancestors.
    """
    days = model.snapshots
    k = days.index(found.start)
    if days.index(found.terminal.label) < k:
        raise ConfigError(
            f"A flow runs from an earlier day to a later one, not from {found.start} to "
            f"{found.terminal.label}.",
            "Leave `ancestors` out.",
        )
    of_type = named_types(types.iloc[found.rows])
    each = days.masses[k] / len(found.rows)
    before = each * found.probability  # (n, S)
    after = found.mass[:, None] * before
    rows = [
        {
            "source": source,
            "target": state,
            "before": float(before[of_type == source, s].sum()),
            "after": float(after[of_type == source, s].sum()),
        }
        for source in sorted(set(of_type), key=lambda name: (name == UNANNOTATED, name))
        for s, state in enumerate(found.states)
    ]
    return pd.DataFrame(rows)
