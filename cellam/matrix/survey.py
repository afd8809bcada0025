"""Survey: one pass over all values, for the checks of them and for what they show.

It finds what is not finite or too large, amounts and fingerprint of every cell, and on how many
cells of each day every gene is there. Nothing of the size of the data is kept. The parts of a file
are read by the current executor.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellam.matrix.absent import Days, Found
from cellam.matrix.amounts import Amounts, join, measured
from cellam.matrix.fingerprints import fingerprints, multipliers
from cellam.matrix.matrices import Unsound
from cellam.matrix.rows import Part, Rows, each_part


class Survey(NamedTuple):
    """What a pass over n cells and g genes has found.

    Parameters
    ----------
    amounts : Amounts
    prints : (n,) uint64 array
        Fingerprint of every cell.
    found : Found
        Where each gene is there, and where it is missing.
    """

    amounts: Amounts
    prints: NDArray[np.uint64]
    found: Found


def survey(rows: Rows, days: Days, where: str) -> Survey:
    """Look at all values once.

    Parameters
    ----------
    rows : Rows
        Nothing is done to their values.
    days : Days
    where : str
        What they are called.

    Raises
    ------
    DataError
        If the matrix is damaged, or has infinite values or values too large to compute with; the
        message says in how many cells.
    """
    n, g = rows.shape
    unsound = Unsound(where, n)
    amounts: list[dict[str, Any]] = []
    prints, found = np.zeros(n, dtype=np.uint64), Found.none(len(days.labels), n, g)
    for part in each_part(_look, (days, where), rows):
        unsound.join(part.unsound)
        amounts.extend(part.amounts)
        prints[part.cells] = part.prints
        found.join(part.found, part.cells)
    unsound.refuse()
    return Survey(join(amounts), prints, found)


class _Seen(NamedTuple):
    """What was seen of the cells of a part; only `unsound` counts where there is any."""

    cells: slice
    unsound: Unsound
    amounts: list[dict[str, Any]]
    prints: NDArray[np.uint64]
    found: Found


def _look(shared: tuple[Days, str], part: Part) -> _Seen:
    days, where = shared
    cells, rows = part
    codes, (n, g) = days.codes[cells], rows.shape
    unsound = Unsound(where, len(days.codes))
    amounts: list[dict[str, Any]] = []
    prints, found = np.zeros(n, dtype=np.uint64), Found.none(len(days.labels), n, g)
    r = multipliers(g)
    for ours, chunk in rows.chunks(unsound.look):
        if unsound.any:
            continue
        with np.errstate(invalid="ignore"):  # missing values, which may be allowed
            amounts.extend(measured(chunk))
        prints[ours] = fingerprints(chunk, r)
        found.add(chunk, ours, codes[ours])
    return _Seen(cells, unsound, amounts, prints, found)
