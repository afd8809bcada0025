"""Barcodes: lineage barcodes kept as a matrix of cells by clones, read as a column of names.

That is the form in which CoSpar keeps them, `obsm["X_clone"]`: a cell has an entry for each barcode
that was found in it. Several can be in one cell for three reasons, which their cells tell apart.
A founder got two of them at once, and most of its cells show both. A later event gave some of its
descendants another one, and nearly all cells with that have the first one too. Or two cells were
taken for one, as happens to a few cells of any clone.

So a barcode goes with another one, as frequent or more, that most of its cells have as well, and
barcodes that go together mark one clone: the descendants of a founder by the first event. A cell
is of that clone whichever of them it shows. One whose barcodes belong to several clones is of none:
which of them its sisters share with it cannot be told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.days.time_labels import count_cells
from cellam.errors import CellamError, DataError
from cellam.files.sources import Source
from cellam.matrix.matrices import read_numbers
from cellam.reading.barcode_columns import offer_barcodes

MOST = 0.5  # of the cells with a barcode; more have the other one as well
NONE, SEVERAL = -1, -2


def with_barcodes(
    obs: pd.DataFrame,
    source: Source,
    key: str | None,
    missing: type[CellamError] = DataError,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Annotation with a column of clones, where barcodes are a matrix in `obsm` under that name.

    With it, what has to be said of cells that are of no clone for having several.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of n cells. A column of that name is left as it is.
    source : Source
        The opened file.
    key : str or None
    missing : type of CellamError
        If neither has it: the data lack what a fit of them was asked for, or a run knows its data,
        and the name is wrong.

    Raises
    ------
    DataError
        If neither has it (or the error that is `missing`); if the matrix does not hold numbers, or
        negative ones, or not those of all cells, or no cell has a barcode, or most that have one
        have those of several clones.
    """
    if key is None or key in obs:
        return obs, ()
    if key not in source.keys("obsm"):
        raise missing(
            f"`clones={key!r}`: neither obs nor obsm of {source.name} has it.",
            offer_barcodes(key, obs, source),
        )
    value = source.element(f"obsm/{key}")
    where = f"obsm[{key!r}] of {source.name}"
    matrix = sparse.csr_matrix(read_numbers(value, where, "biuf", len(obs)))
    matrix.eliminate_zeros()
    if not matrix.nnz or matrix.data.min() < 0:
        what = "negative values" if matrix.nnz else "no barcode of any cell"
        raise DataError(
            f"{where} has {what}.", "It needs a 1 where a cell has a barcode, and 0 elsewhere."
        )
    number = clones_of(matrix)
    barcoded, torn = np.diff(matrix.indptr) > 0, number == SEVERAL
    if torn.sum() > MOST * barcoded.sum():
        raise DataError(
            f"{count_cells(int(torn.sum()))} of the {int(barcoded.sum()):,} with a barcode in "
            f"{where} have barcodes of several clones, so most cannot be told apart.",
            "Use the columns of one barcoding event, or remove doublets and barcodes that are in "
            "the background.",
        )
    clone = np.full(len(obs), None, dtype=object)
    clone[number >= 0] = [f"clone {c}" for c in number[number >= 0]]
    told = (
        f"{count_cells(int(torn.sum()))} of the {int(barcoded.sum()):,} with a barcode in {where} "
        "have barcodes of several clones, and count as cells without one.",
    )
    return obs.assign(**{key: clone}), told if torn.any() else ()


def clones_of(matrix: Any) -> NDArray[np.int64]:
    """Clone of each cell by its barcodes, (n,): the column of the barcode that stands for it.

    Parameters
    ----------
    matrix : (n, c) csr_matrix
        Not zero where a cell has a barcode.

    Returns
    -------
    (n,) int array
        −1 for a cell without a barcode, −2 for one with those of several clones.

    Examples
    --------
    Column 1 is of a later event, in descendants of the founder of column 0; the last cell is two.

    >>> cells = [[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 1]]
    >>> clones_of(sparse.csr_matrix(cells)).tolist()
    [0, 0, 0, 0, 2, 2, -2]
    """
    member = sparse.csr_matrix((np.ones(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape)
    goes_with = _merged(member)
    found = np.full(member.shape[0], NONE)
    filled = np.diff(member.indptr) > 0
    starts = member.indptr[:-1][filled]
    clone = goes_with[member.indices]
    if len(starts):
        least, most = np.minimum.reduceat(clone, starts), np.maximum.reduceat(clone, starts)
        found[filled] = np.where(least == most, least, SEVERAL)
    return found


def _merged(member: Any) -> NDArray[np.int64]:
    """The barcode that each one (c,) goes with in the end: the most frequent of its clone."""
    c = member.shape[1]
    cells = np.asarray(member.sum(0)).ravel()
    rank = np.empty(c, dtype=np.int64)
    rank[np.lexsort((np.arange(c), -cells))] = np.arange(c)
    both = sparse.coo_matrix(member.T @ member)
    hosts = (rank[both.col] < rank[both.row]) & (both.data > MOST * cells[both.row])
    row, col, shared = both.row[hosts], both.col[hosts], both.data[hosts]
    best = np.lexsort((-rank[col], shared, row))  # the last of each row: most shared, then frequent
    host = np.arange(c)
    host[row[best]] = col[best]
    while (host != host[host]).any():
        host = host[host]
    return np.asarray(host, dtype=np.int64)
