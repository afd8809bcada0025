"""Composition: what simulated cells have become, by the observed cells nearest to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.modelling.model import Model, Simulation
from cellam.reading.cell_types import read_types

NEIGHBOURS = 10


def composition(
    model: Model, simulation: Simulation, types: pd.Series[Any] | None = None
) -> pd.DataFrame:
    """Mass and cell types of a simulation at every observed day on its way.

    Parameters
    ----------
    model : Model
    simulation : Simulation
    types : pandas.Series, optional
        Cell type of every cell of the data, in its order; cells without one take no part.

    Returns
    -------
    pandas.DataFrame
        A row for each observed day: label, time, mass (relative to the start), ess (effective
        sample size of the weights, (Σw)²/Σw²), and for each type its share by weight
        among the simulated cells (`simulated`) and among the cells observed that day
        (`observed`). A simulated cell counts for the types of its ten nearest annotated
        cells of that day. Both are empty on a day without annotated cells. A simulation that ends
        on another time has a row for that too, whose label is the number; its cells count for those
        of the training days next to it, and nothing is `observed`.
    """
    rows: list[dict[str, Any]] = []
    of_cell = read_types(types) if types is not None else None
    for t, (time, log_w) in enumerate(zip(simulation.times, simulation.log_weights, strict=True)):
        times, labels = model.snapshots.times, model.snapshots.labels
        at = [times.index(time)] if time in times else []
        if not at and t != len(simulation.times) - 1:
            continue
        w = np.exp(log_w)
        row: dict[str, Any] = {
            "label": labels[at[0]] if at else f"{time:g}",
            "time": float(time),
            "mass": float(w.mean()),
            "ess": float(w.sum() ** 2 / (w**2).sum()),
        }
        if of_cell is not None:
            near = at or _nearest(model, float(time))
            observed = of_cell.iloc[np.concatenate([model.snapshots.rows[k] for k in near])]
            points = np.concatenate([model.snapshots.points[k] for k in near])
            known = observed.notna().to_numpy()
            x = (simulation.points[t] - model.space.centre) / model.space.scale
            row["simulated"] = _shares(x, w, points[known], observed[known].to_numpy(dtype=str))
            row["observed"] = observed.value_counts(normalize=True).to_dict() if at else {}
        rows.append(row)
    return pd.DataFrame(rows)


def _nearest(model: Model, time: float) -> list[int]:
    """Positions of the training days before and after a time that was not observed."""
    days, training = model.snapshots, model.training.times
    before, after = [t for t in training if t < time], [t for t in training if t > time]
    return [days.times.index(t) for t in (*before[-1:], *after[:1])]


def _shares(
    x: NDArray[np.float64],
    w: NDArray[np.float64],
    observed: NDArray[np.float64],
    types: NDArray[Any],
) -> dict[str, float]:
    if not len(types):
        return {}
    names, codes = np.unique(types, return_inverse=True)
    votes = w @ type_votes(x, observed, codes, len(names))
    return {str(name): float(v) for name, v in zip(names, votes / votes.sum(), strict=True)}


def type_votes(
    x: NDArray[np.float64],
    observed: NDArray[np.float64],
    codes: NDArray[np.int64],
    n_types: int,
) -> NDArray[np.float64]:
    """Share of each type among the ten observed cells nearest to each cell.

    Parameters
    ----------
    x, observed : (N, d) and (M, d) arrays
        In the same coordinates.
    codes : (M,) int array
        Type of each observed cell, below `n_types`.

    Returns
    -------
    (N, n_types) array
        Rows sum to 1.
    """
    votes: NDArray[np.float64] = neighbours(x, observed) @ np.eye(n_types)[codes]
    return votes


def neighbours(x: NDArray[np.float64], observed: NDArray[np.float64]) -> sparse.csr_matrix:
    """The ten observed cells (all, if fewer) nearest to each cell, which share its mass of 1.

    Parameters
    ----------
    x, observed : (N, d) and (M, d) arrays
        In the same coordinates.

    Returns
    -------
    (N, M) csr_matrix
        Rows sum to 1.
    """
    from sklearn.neighbors import NearestNeighbors

    n = min(NEIGHBOURS, len(observed))
    # A tree in few coordinates; in many, where every branch would be searched, all distances.
    near = NearestNeighbors(n_neighbors=n).fit(observed).kneighbors(x, return_distance=False)
    starts = n * np.arange(len(x) + 1)
    return sparse.csr_matrix(
        (np.full(near.size, 1 / n), near.ravel(), starts), (len(x), len(observed))
    )
