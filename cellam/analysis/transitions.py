"""Transitions: where the cells of one day go among the cells observed on the next.

Cells are moved by the model to the next day, and meet there the cells that were measured. Two
answers are given. The transition matrix spreads a moved cell over the observed cells nearest to
it: a Markov chain whose steps are the gaps between days, as CellRank's kernels have it [1]_. The
coupling of two days is optimal transport between the moved cells, with the masses to which they
have grown, and the observed ones: both its marginals are exact, as Waddington-OT has it [2]_, and
every cell of both days is part of it.

References
----------
.. [1] Weiler, Lange, Klein, Pe'er and Theis, CellRank 2: unified fate mapping in multiview
   single-cell data, Nat. Methods 21, 1196–1205 (2024).
.. [2] Schiebinger et al., Optimal-transport analysis of single-cell gene expression identifies
   developmental trajectories in reprogramming, Cell 176, 928–943 (2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.devices import threads
from cellam.dynamics.couplings import Balanced, couple
from cellam.dynamics.nearest import nearest, stand_ins
from cellam.modelling.model import Model

Array = NDArray[np.float64]

NEIGHBOURS = 15  # observed cells that a moved one is spread over
WIDTH = 5  # the neighbour whose distance is the width of that spread
STAY = 0.95  # of a cell of the last day, of which nothing is known to go anywhere
DRAWS = 8  # ways of a cell where the dynamics have noise
LEAST = 1e-6  # of the mean mass: every cell stays part of a coupling


@dataclass(frozen=True)
class Gap:
    """The coupling of two days that follow each other.

    Parameters
    ----------
    start, stop : int
        Positions of the days in the model's snapshots.
    matrix : (n, m) csr_matrix
        Mass that goes from each cell of the first day to each of the second. A row sums to the
        mass to which its cell grows, a column to the mass of its cell, and all to the mass of
        the second day.
    growth : (n,) array
        Factor by which the mass of each cell of the first day grows over the gap.
    """

    start: int
    stop: int
    matrix: Any
    growth: Array


def transition_matrix(
    model: Model, *, neighbours: int = NEIGHBOURS, draws: int = DRAWS, seed: int = 0
) -> Any:
    """Probabilities to go from each cell to others, forward in real time.

    A cell of any day but the last goes to the observed cells of the next day that are nearest to
    where the model takes it, y, with

        Tᵢⱼ ∝ exp(−(|xⱼ − yᵢ|² − d₁²)/2(d₅² − d₁²)),

    where d₁ and d₅ are the distances to the first and the fifth of them: what all have in common, y
    lying beside the cloud, does not count. There is no later day than the last. Its cells stay
    where they are with probability 0.95 and go to their own neighbours otherwise, so the chain
    has groups of alike cells to end in rather than every cell for itself; were they to move
    faster, the groups would melt, and earlier cells would seem the more certain ones.

    Parameters
    ----------
    model : Model
    neighbours : int
        Cells to spread one over; fewer where a day has fewer. Of a day with very many, those
        that stand for all (`nearest`): to the others leads no step.
    draws : int
        Noisy ways to average over, where the dynamics have noise.
    seed : int
        For noise.

    Returns
    -------
    (n, n) csr_matrix
        In the order of the data. Rows sum to 1.
    """
    days = model.snapshots
    n = days.n_cells
    T = sparse.csr_matrix((n, n))
    with threads(model.options.threads):
        for k, (x, rows) in enumerate(zip(days.points, days.rows, strict=True)):
            last = k == len(days) - 1
            target = k if last else k + 1
            times = 1 if last or not model.fit.objective.sigma > 0 else draws
            for draw in range(times):
                y = (
                    x
                    if last
                    else model.follow(x, days.times[k], days.times[target], seed=seed + draw)[0]
                )
                near, share = _spread(y, days.points[target], neighbours)
                block = (
                    share.ravel() / times,
                    (np.repeat(rows, near.shape[1]), days.rows[target][near].ravel()),
                )
                T = T + sparse.csr_matrix(block, shape=(n, n))
    still = np.zeros(n)
    still[days.rows[-1]] = STAY
    T = sparse.csr_matrix(sparse.diags(1 - still) @ T + sparse.diags(still))
    T.sort_indices()
    return T


def _spread(y: Array, observed: Array, neighbours: int) -> tuple[NDArray[np.int64], Array]:
    """The observed cells nearest to each y (n, p), and its share of each: (n, k) both."""
    searched = stand_ins(len(observed))
    distance, near = nearest(y, observed[searched], neighbours)
    k = near.shape[1]
    beyond = distance**2 - distance[:, :1] ** 2
    width = np.maximum(beyond[:, min(WIDTH, k) - 1 :][:, :1], 1e-12)
    share = np.exp(-beyond / (2 * width))
    return searched[near], share / share.sum(1, keepdims=True)


def gaps(model: Model, *, seed: int = 0) -> Iterator[Gap]:
    """Yield the coupling of every day with the next.

    Parameters
    ----------
    model : Model
    seed : int
        For noise, and for the blocks that large days are solved in.
    """
    days = model.snapshots
    for k in range(len(days) - 1):
        y, growth = model.follow(days.points[k], days.times[k], days.times[k + 1], seed=seed)
        mass = np.maximum(days.weights[k] * growth, LEAST * days.weights[k].mean())
        after = days.weights[k + 1]
        with threads(model.options.threads):
            pairs = couple(
                Balanced(),
                y,
                days.points[k + 1],
                mass * (after.sum() / mass.sum()),
                after,
                np.random.default_rng(seed),
            )
        matrix = sparse.csr_matrix(
            (pairs.mass_1, (pairs.i, pairs.j)), shape=(len(y), len(after))
        )  # the parts of a cell in several blocks add up
        matrix.sort_indices()
        yield Gap(k, k + 1, matrix, growth)
