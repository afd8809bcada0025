"""Units: what would be sampled again if an experiment were repeated, cells or replicates.

Cells of one mouse are alike, so an interval that takes every cell for a repeat of the experiment is
too narrow. Where the held-out day has replicates, the variance of its scores is that over
replicates: of the held-out day by the influence of their cells, summed [1]_, and of the training
days by fits without each of them (`modelling.jackknife`). The scatter of cells within a replicate
is part of both. A bootstrap of m replicates would give (m − 1)/m of it, which is too little for
three of them; and with few, Student's t takes the place of the normal.

Scores against each replicate, and of replicates against each other, take clouds of the same size.
In energy, the mean over the m replicates of the distance of a prediction P is

    mean V(P, R) = V(P, D) + mean V(R, D),    D: their even mixture,

so a prediction that is as good as the mean over all mice is still at a distance from each of them:
half of that of two mice. One that is farther from the replicates than they are from one another
adds an error of its own to theirs.

References
----------
.. [1] Liang and Zeger, Longitudinal data analysis using generalized linear models, Biometrika 73
   (1986).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.modelling.jackknife import Jackknife, leave_out
from cellam.modelling.model import Model
from cellam.reading.samples import Replicates

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

CELLS, REPLICATES = "cells", "replicates"
AT_MOST = 300  # cells in a cloud that is compared with one replicate


@dataclass(frozen=True)
class Units:
    """Replicates of a held-out day and of the training days.

    Parameters
    ----------
    sizes : dict of str to int
        The replicates of the held-out day with their cells; at least two.
    of_truth : (m,) int array
        Replicate of each cell of the day: its position in `sizes`, or beyond for cells of none.
    jackknife : Jackknife
        Of the training days.
    """

    sizes: Mapping[str, int]
    of_truth: Codes
    jackknife: Jackknife

    @staticmethod
    def of(model: Model, label: str, replicates: Replicates | None, *, refit: bool) -> Units | None:
        """Those of a day that a model was fitted without; None where it has fewer than two."""
        sizes = sizes_on(replicates, label)
        if replicates is None or not sizes:
            return None
        snapshots = model.snapshots
        levels = list(replicates.design.levels())
        codes = replicates.design.codes()[snapshots.rows[snapshots.index(label)]]
        # Small replicates are clusters too, though none to be compared with; so are all cells
        # without one together.
        order = [levels.index(name) for name in sizes]
        order += [k for k in (*range(len(levels)), -1) if k not in order and (codes == k).any()]
        place = {level: k for k, level in enumerate(order)}
        of_truth = np.array([place[code] for code in codes.tolist()], dtype=np.int64)
        return Units(sizes, of_truth, leave_out(model, replicates, refit=refit))


def sizes_on(replicates: Replicates | None, label: str) -> dict[str, int]:
    """The replicates of a day that is scored, with their cells; empty for fewer than two."""
    found = replicates.on(label) if replicates is not None else {}
    return found if len(found) > 1 else {}


def clustered(influence: Array, groups: Codes, m: int = 0) -> Array:
    """Contributions (m,) of m groups to the variance of a score, from the influence (n,) of cells.

    The sum of their squares is the variance over other samples of as many groups. Of the groups,
    from 0, the last may have no cell if `m` is given.
    """
    sums = np.bincount(groups, influence, minlength=m)
    m = len(sums)
    found: Array = np.sqrt(m / (m - 1)) * (sums - sums.mean())
    return found


def pairs_of(sizes: Mapping[str, int]) -> list[tuple[str, str]]:
    """Every two replicates."""
    return list(itertools.combinations(sizes, 2))
