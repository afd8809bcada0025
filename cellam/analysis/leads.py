"""Leads: whether the expression of a gene comes before what it goes with, or after.

Cells i of a day are followed to the cells j of the next one, with mass πᵢⱼ. Of a gene x and a
quantity z of each cell there are two correlations over these pairs, one each way round in time,

    before = r(xᵢ, zⱼ),    after = r(zᵢ, xⱼ),    lead = |before| − |after|,

pooled over the gaps between days and about the means of each. A gene that only marks what z says
has both alike: whatever couples cells badly, or makes x noisy, lessens both. One that is on before
z shows has more of the first, one that follows has more of the second. This is the cross-lagged
comparison of panel studies [1]_, here between cells and their descendants.

Of a fate, z is how much a cell looks like the terminal state by now (`likeness`), and not the
probability of it, which is the same along a trajectory.

References
----------
.. [1] Kenny, Cross-lagged panel correlation: a test for spuriousness, Psychological Bulletin 82,
   887–903 (1975); what it does not show, Rogosa, A critique of cross-lagged correlation,
   Psychological Bulletin 88, 245–258 (1980).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.analysis.assignment import reference_of
from cellam.analysis.descendants import transitions
from cellam.coordinates.normalisation import log_normalised
from cellam.errors import DataError
from cellam.matrix.moments import add_rows
from cellam.matrix.rows import Rows
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

Array = NDArray[np.float64]

FEWEST = 10  # cells of a state, and of all others, to tell them apart


@dataclass(frozen=True)
class Leads:
    """What comes before what.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each gene: gene, before, after, lead. NaN where a gene does not vary.
    gaps : int
        Gaps between days over which cells were followed.
    """

    table: pd.DataFrame
    gaps: int


@dataclass
class _Side:
    """One end of all pairs: what each cell (n,) weighs, and times what its expression counts."""

    weight: Array
    times: Array
    square: float = 0.0  # of the quantity at the other end, weighted and about its means


def leads(model: Model, cells: Cells, z: Array, keep: NDArray[np.bool_], *, seed: int = 0) -> Leads:
    """Correlations of expression with a quantity one day later, and one day earlier.

    Parameters
    ----------
    model : Model
        Its training days are gone through.
    cells : Cells
        Read as expression; it is normalised and logged as for a fit.
    z : (n,) array
        The quantity of every cell of the data, in their order.
    keep : (n,) bool array
        The cells that are followed.
    seed : int
        For noise, where the dynamics have it.

    Raises
    ------
    DataError
        If no cell is followed, or the quantity is the same in all of them.
    """
    first, then = _sides(model, z, keep, seed)
    if not min(first.square, then.square) > 1e-12 * float(z @ z):
        raise DataError(
            "It is the same in all cells of these days, so no gene can come before it.",
            "Use more cells, or ask for another quantity.",
        )
    X = log_normalised(cells)
    before, after = (_correlations(X, side, cells.codes) for side in (first, then))
    genes = np.asarray(cells.genes, dtype=object)
    lead = np.abs(before) - np.abs(after)
    table = pd.DataFrame({"gene": genes, "before": before, "after": after, "lead": lead})
    return Leads(table, len(np.unique(cells.codes[first.weight > 0])))


def _sides(model: Model, z: Array, keep: NDArray[np.bool_], seed: int) -> tuple[_Side, _Side]:
    """The earlier and the later end of the pairs; each day is either of two gaps."""
    days = model.snapshots
    first, then = (_Side(np.zeros(len(z)), np.zeros(len(z))) for _ in range(2))
    one_type = pd.Series("cell", index=range(len(z)))  # annotated or not, all stand for descendants
    for start, end in itertools.pairwise(model.training.labels):
        k, l = days.index(start), days.index(end)  # noqa: E741
        i, j = days.rows[k], days.rows[l]
        found = transitions(model, start, end, one_type, seed=seed)
        w = days.weights[k] * found.mass * keep[i]
        if not w.any():
            continue
        w *= keep[i].sum() / w.sum()
        pairs = sparse.csr_matrix(sparse.diags(w) @ found.alone)
        v = np.asarray(pairs.sum(0)).ravel()
        z_i, z_j = z[i] - np.average(z[i], weights=w), z[j] - np.average(z[j], weights=v)
        first.weight[i], first.times[i] = w, pairs @ z_j
        then.weight[j], then.times[j] = v, pairs.T @ z_i
        first.square += float(v @ z_j**2)
        then.square += float(w @ z_i**2)
    if not first.weight.any():
        raise DataError(
            "None of these cells has a later training day to be followed to.",
            "Use cells of earlier days.",
        )
    return first, then


def _correlations(X: Rows, side: _Side, codes: NDArray[np.int64]) -> Array:
    """Weighted correlation of each gene at one end with the quantity at the other, (g,)."""
    rows = np.flatnonzero(side.weight)
    weight, times = side.weight[rows], side.times[rows]
    days, day = np.unique(codes[rows], return_inverse=True)
    day = day.ravel()
    one = np.zeros(len(rows), dtype=np.int64)
    sums = np.zeros((len(days), X.shape[1]))
    products, squares = np.zeros((1, X.shape[1])), np.zeros((1, X.shape[1]))
    for ours, chunk in X[rows].chunks():
        values = (chunk.data if sparse.issparse(chunk) else chunk).astype(np.float64)
        w, t = (_beside(chunk, of[ours]) for of in (weight, times))
        sums = add_rows(sums, chunk, w * values, day[ours])
        products = add_rows(products, chunk, t * values, one[ours])
        squares = add_rows(squares, chunk, w * values**2, one[ours])
    of_day = np.bincount(day, weight)[:, None]
    within = squares[0] - (sums**2 / of_day).sum(0)
    varies = within > 1e-9 * np.maximum(squares[0], 1e-12)
    r = np.full(len(within), np.nan)
    r[varies] = products[0, varies] / np.sqrt(within[varies] * side.square)
    return np.asarray(np.clip(r, -1, 1))


def _beside(chunk: Any, of_cells: Array) -> Array:
    """A number of each cell, in the form of the values of a chunk."""
    if sparse.issparse(chunk):
        return np.asarray(np.repeat(of_cells, np.diff(chunk.indptr)))
    return of_cells[:, None]


def likeness(model: Model, types: pd.Series[Any], state: str) -> Array:
    """How much every cell looks like a terminal state by now, (n,), in the order of the data.

    The linear discriminant (with Ledoit and Wolf's shrinkage) between the cells of the last
    training day in the state and all others of that day with one, at each cell.

    Raises
    ------
    DataError
        If fewer than ten of its cells are in the state, or in any other.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    days, label = model.snapshots, model.training.labels[-1]
    last = reference_of(model, label, types)
    there = last.annotated
    of_state = last.codes[there] == last.names.index(state)
    for number, what in ((of_state.sum(), repr(state)), ((~of_state).sum(), "other states")):
        if number < FEWEST:
            raise DataError(
                f"{number} cells of {label} are in {what}; at least {FEWEST} are needed to tell "
                "what comes before they look like it.",
                "Ask for another fate.",
            )
    told = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    told.fit(last.points[there], of_state)
    return days.to_data_order(np.concatenate(days.points) @ told.coef_[0])
