"""Barcode columns: what in a file looks like lineage barcodes, for those who did not name them.

A column of `obs` counts by its name, if it holds ten clones or more and some clone has two cells:
names of cells are no clones, and lineages as cell types are too few. A matrix of `obsm` counts by
its name alone, as it is not read for this.
"""

from __future__ import annotations

import re

import pandas as pd

from cellam.days.time_labels import count_cells
from cellam.files.sources import Source
from cellam.names import did_you_mean
from cellam.reading.cell_types import split_levels

NAMED = re.compile("clone|barcode|lineage|larry|fate_?tag", re.IGNORECASE)
CLONES = 10  # and more are in a column of barcodes


def find_barcodes(obs: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Columns that look like lineage barcodes: how many cells have one, and of how many clones.

    Examples
    --------
    >>> clones = [f"c{k % 12}" for k in range(30)] + [None]
    >>> cells = [f"AC-{k}" for k in range(31)]
    >>> find_barcodes(pd.DataFrame({"clone_id": clones, "barcode": cells, "lineage": "B"}))
    {'clone_id': (30, 12)}
    """
    found = {}
    for key in map(str, obs.columns):
        if NAMED.search(key) and obs[key].dtype.kind not in "fcmM":
            codes, levels = split_levels(obs[key])
            cells = int((codes >= 0).sum())
            if CLONES <= len(levels) < cells:
                found[key] = (cells, len(levels))
    return found


def matrices_of_barcodes(source: Source) -> tuple[str, ...]:
    """Keys of `obsm` that are named like lineage barcodes."""
    return tuple(sorted(key for key in source.keys("obsm") if NAMED.search(key)))


def tell_barcodes(obs: pd.DataFrame, source: Source) -> tuple[str, ...]:
    """A note on barcodes that the file has and nobody asked for; none if it has none."""
    columns, matrices = find_barcodes(obs), matrices_of_barcodes(source)
    if not columns and not matrices:
        return ()
    listed = [
        *(f"obs[{key!r}], {count_cells(n)} in {c:,} clones" for key, (n, c) in columns.items()),
        *(f"obsm[{key!r}]" for key in matrices),
    ]
    return (
        f"lineage barcodes: {'; '.join(listed)}. Not used unless named: `clones` of `cellam fates` "
        "and `cellam validate` takes them, and that of `cellam fit` for the fit itself.",
    )


def offer_barcodes(key: str, obs: pd.DataFrame, source: Source) -> str:
    """What could be named in place of a key that is not there: barcodes alone."""
    likely = [*find_barcodes(obs), *matrices_of_barcodes(source)]
    meant = did_you_mean(key, likely or map(str, obs.columns))
    if not likely:
        return f"{meant}No column of obs and no matrix of obsm looks like lineage barcodes."
    return f"{meant}These may hold barcodes: {', '.join(likely)}."
