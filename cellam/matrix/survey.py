"""Survey: one pass over all values, for the checks of them and for what they show.

It finds what is not finite or too large, amounts and fingerprint of every cell, and on how many
cells of each day every gene is there. Nothing of the size of the data is kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellam.matrix.absent import Days, Found
from cellam.matrix.amounts import Amounts, join, measured
from cellam.matrix.fingerprints import fingerprints, multipliers
from cellam.matrix.matrices import Unsound
from cellam.matrix.rows import Rows


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
    prints = np.zeros(n, dtype=np.uint64)
    r = multipliers(g)
    found = Found.none(len(days.labels), n, g)
    amounts: list[dict[str, Any]] = []
    for ours, chunk in rows.chunks(unsound.look):
        if unsound.any:
            continue
        with np.errstate(invalid="ignore"):  # missing values, which may be allowed
            amounts.extend(measured(chunk))
        prints[ours] = fingerprints(chunk, r)
        found.add(chunk, ours, days.codes[ours])
    unsound.refuse()
    return Survey(join(amounts), prints, found)
