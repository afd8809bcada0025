"""Designs: the table of cells by day, condition and replicate, as far as columns tell of them."""

from __future__ import annotations

from cellam.checks.conditions import find_pools
from cellam.errors import DataError
from cellam.reading.cells import Cells
from cellam.reading.design import Design
from cellam.reading.samples import replicates_of


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
