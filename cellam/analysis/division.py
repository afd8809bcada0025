"""Division: whether the growth of a fit goes with the genes that dividing cells express.

Growth is inferred from how many cells of each kind are found on the next day. It need not be
division: death, sampling and errors of the motion are in it too. Where the genes of the phases S
and G2/M are measured, the two can be confronted: a rank correlation within days, as both may
change with time for other reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.reading.cells import Cells
from cellam.reading.growth import division_scores

Array = NDArray[np.float64]

CONTRARY = -0.2  # five times the standard error of 600 cells; below it ranks share 4 % of variance
ERRORS = 3.0  # standard errors that a correlation of few cells has to lie below zero
ENOUGH = 5_000  # cells that are scored


@dataclass(frozen=True)
class Division:
    """Growth beside division.

    Parameters
    ----------
    correlation : float
        Spearman's, within training days and pooled over them.
    genes : int
        Division genes that were found.
    cells : int
        Cells that were compared.
    """

    correlation: float
    genes: int
    cells: int

    @property
    def contradicts(self) -> bool:
        """Whether cells that divide more are given clearly less growth."""
        return bool(self.correlation < min(CONTRARY, -ERRORS / self.cells**0.5))

    def __str__(self) -> str:
        verdict = ": growth here does not follow division" if self.contradicts else ""
        return f"correlation with {self.genes} division genes {self.correlation:+.2f}{verdict}"


def compare_division(model: Model, cells: Cells) -> Division | None:
    """Correlate the growth of training cells with their expression of division genes.

    Parameters
    ----------
    model : Model
    cells : Cells
        What it was fitted on.

    Returns
    -------
    Division or None
        None where mass is conserved, the cells were read without their expression, or fewer than
        five genes of division are among the genes.
    """
    if model.conserves_mass:
        return None
    days = model.snapshots
    rate = np.empty(days.n_cells)
    rate[days.data_rows] = growth_rates(model)
    rows = np.sort(model.training.data_rows)
    if len(rows) > ENOUGH:
        rows = np.sort(np.random.default_rng(0).choice(rows, ENOUGH, replace=False))
    found = division_scores(cells, rows)
    if found is None:
        return None
    scores, n_genes = found
    ranks = [_within(values, cells.codes[rows]) for values in (rate[rows], scores)]
    norm = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    if not norm > 0:
        return None
    return Division(float((ranks[0] * ranks[1]).sum()) / norm, n_genes, len(rows))


def _within(values: Array, codes: NDArray[np.int64]) -> Array:
    """Ranks within each day, between -1 and 1 and about their mean."""
    from scipy.stats import rankdata  # a second of imports, for a question asked once

    ranks = np.empty(len(values))
    for code in np.unique(codes):
        of = codes == code
        ranks[of] = (rankdata(values[of]) - (of.sum() + 1) / 2) / (of.sum() / 2)
    return ranks
