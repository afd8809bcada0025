"""Designs: the table of cells by day, condition and replicate, as far as columns tell of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellam.checks.conditions import find_pools
from cellam.errors import DataError
from cellam.reading.cells import Cells
from cellam.reading.design import MOST_ROWS, NONE, Design
from cellam.reading.samples import replicates_of

ALL = "all cells"


def find_design(cells: Cells) -> Design | None:
    """Cells by day, condition (the first that is pooled on a day) and replicate; None without any.

    Raises
    ------
    DataError
        As `replicates_of`, for a column that was asked for.
    """
    replicates = replicates_of(cells)
    keys = [pool.key for pool in find_pools(cells)][:1]
    if replicates is not None and replicates.key not in keys:
        keys.append(replicates.key)
    try:
        return Design.of(cells, *keys) if keys else None
    except DataError:  # levels of a condition in several spellings; as a caveat both are named
        return replicates.design if replicates is not None else None


def counts_of(cells: Cells) -> pd.DataFrame:
    """Cells of each group (rows) on each day (columns): of one group, all cells, without a design.

    Groups are named by their levels; of more than 24 the rest share the last row. The name of the
    index is that of the columns of `obs`.
    """
    found, days = find_design(cells), cells.timeline.labels
    if found is None:
        sizes = np.bincount(cells.codes[cells.codes >= 0], minlength=len(days))
        return pd.DataFrame([sizes], index=[ALL], columns=list(days))
    names = [", ".join(NONE if level is None else level for level in g) for g in found.groups]
    counts = pd.DataFrame(found.counts, index=names, columns=list(found.days))
    if len(counts) > MOST_ROWS:
        rest = counts.iloc[MOST_ROWS - 1 :]
        counts = counts.iloc[: MOST_ROWS - 1]
        counts.loc[f"{len(rest)} more"] = rest.sum()
    return counts.rename_axis(", ".join(found.keys))
