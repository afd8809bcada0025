"""Clones: which cells descend from one barcoded cell, as a column of `obs` tells it.

A barcode is static: it is given once, before the first day, and marks all descendants of a cell.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.days.time_labels import count_cells
from cellam.errors import DataError
from cellam.reading.cell_types import split_levels
from cellam.reading.cells import Cells


def read_clones(cells: Cells, training: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Clone of every cell, (n,), by the column that `cells` were read with; None without one.

    Parameters
    ----------
    cells : Cells
    training : (n,) bool array
        Cells of training days. Those of other days have no clone here, so nothing of these days is
        in the fit.

    Returns
    -------
    (n,) int array or None
        −1 where a cell has no barcode, or is of no training day.

    Raises
    ------
    DataError
        If none of its clones has cells on two days.
    """
    key = cells.reading.clones
    if key is None:
        return None
    codes, names = split_levels(cells.obs[key])
    if not _on_two_days(codes, cells.codes, len(names)):
        barcoded = int((codes >= 0).sum())
        raise DataError(
            f"None of the {len(names):,} clones in obs[{key!r}] has cells on two days "
            f"({count_cells(barcoded)} of {len(cells):,} have a barcode).",
            "Barcodes tell where cells go only if sisters were measured on different days. Does "
            "the column number clones within each day?",
        )
    known = training & (codes >= 0)
    found = np.full(len(codes), -1)
    # Numbered as if there were no other day.
    found[known] = pd.factorize(codes[known])[0]
    return found


def clones_between(cells: Cells) -> dict[tuple[str, str], int]:
    """Number of clones with cells on both of two neighbouring days, by their labels.

    Parameters
    ----------
    cells : Cells
        Read with barcodes; of others there is nothing to count.

    Raises
    ------
    DataError
        As `read_clones`.
    """
    codes = read_clones(cells, np.ones(len(cells), dtype=bool))
    if codes is None:
        return {}
    labels = cells.timeline.labels
    on = [np.unique(codes[(cells.codes == k) & (codes >= 0)]) for k in range(len(labels))]
    return {
        both: len(np.intersect1d(*of, assume_unique=True))
        for both, of in zip(itertools.pairwise(labels), itertools.pairwise(on), strict=True)
    }


def _on_two_days(codes: NDArray[np.int64], days: NDArray[np.int64], n: int) -> int:
    """How many of n clones have cells on two days or more."""
    known = codes >= 0
    pairs = np.unique(np.stack([codes[known], days[known]]), axis=1)
    return int((np.bincount(pairs[0], minlength=n) > 1).sum())
