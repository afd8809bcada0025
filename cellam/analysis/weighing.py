"""Weighing: how much of the fate of a cell is its own way, and how much is left to chance.

    c alike + (1 − c) rest,    rest ∝ max(w − c mean, 0),

with w the composition of the terminal day, `alike` the mean by the flow over the cells that may be
what was measured (`descendants`), and `mean` that of all cells of the day by mass. A share c of
every cell follows its own way; what the terminal day has beyond that falls to the others by chance.
Where the flow makes of the day what it becomes, that is w + c (alike − w).

c is r², with r how much of the scatter of fates by the flow cells share with their nearest cells.
Of fates that differ from one cell to the next little is left; those that are alike over wide
regions stay. The square is a compromise: on forks whose truth is known r is better where fates are
decided early and r³ where they are not. Clones replace it by what they tell
(`evaluation.calibration`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.analysis.assignment import Reference, neighbours
from cellam.analysis.descendants import Joined, Transitions, alike

Array = NDArray[np.float64]

SHARED = 0.95  # of the scatter of fates: then no fate is left to chance
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Weighed:
    """Probabilities (n, S) of cells: their own, by the flow alone, the least, the largest.

    And of the observed cells of the day (S,) the mean by the flow and what they become as a whole;
    `chance` says whether it may be chance that decides among them, with that of the whole.
    """

    own: Array
    flow: Array
    low: Array
    high: Array
    mean: Array
    whole: Array
    kept: float
    chance: bool


def weigh(
    follow: Transitions,
    cells: Reference,
    of_state: sparse.csr_matrix,
    kept: float | None,
    new: Joined | None = None,
) -> Weighed:
    """Probability of each state for the observed cells of a day, or for new ones beside them."""
    flow, smooth = (probabilities(m, of_state) for m in (follow.alone, follow.matrix))
    mean = by_mass(follow.mass, smooth)
    forward = follow.end > follow.start
    whole = np.asarray(of_state.mean(0)).ravel() if forward else mean
    number = alike(len(flow)) + 1
    near = neighbours(cells.points, cells.points, number).indices.reshape(len(flow), -1)
    off = flow - flow.mean(0)
    others = (off[near].sum(1) - off) / max(near.shape[1] - 1, 1)
    scatter = float((off**2).sum())
    shared = float((off * others).sum()) / scatter if scatter > 1e-9 * off.size else 1.0
    left = float(np.clip(shared, 0.0, 1.0) ** 2) if kept is None else kept
    lowest, highest = flow[near].min(1), flow[near].max(1)
    if new is not None:  # in the place of the nearest, with a way of its own
        own = probabilities(new.alone, of_state)
        by_own = follow.shared.diagonal()[new.beside, None]
        smooth = smooth[new.beside] + by_own * (own - flow[new.beside])
        lowest = np.minimum(lowest[new.beside], own)
        highest = np.maximum(highest[new.beside], own)
    p = mixed(smooth, mean, whole, left)
    low, high = np.minimum(p, lowest), np.maximum(p, highest)
    chance = shared < SHARED
    if chance:  # its mean is known to the error of counting
        fewest, most = counted(whole, of_state.shape[0])
        low, high = np.minimum(low, fewest), np.maximum(high, most)
    return Weighed(p, smooth, low, high, mean, whole, left, chance)


def mixed(alike_: Array, mean: Array, whole: Array, kept: float) -> Array:
    """Own ways (n, S) in the share `kept`, and for the rest what is left of the whole day (S,).

    Examples
    --------
    >>> ways = np.array([[1.0, 0.0], [1.0, 0.0]])  # to a state that half of the day becomes
    >>> mixed(ways, ways.mean(0), np.array([0.5, 0.5]), 0.4)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    rest = np.maximum(whole - kept * mean, 0.0)
    rest = rest / rest.sum() if rest.sum() > 0 else whole
    mixed: Array = kept * alike_ + (1 - kept) * rest
    return mixed


def probabilities(matrix: sparse.csr_matrix, of_state: sparse.csr_matrix) -> Array:
    """Probability of each state, (n, S), from transitions (n, m) and memberships (m, S)."""
    votes = np.asarray((matrix @ of_state).todense(), dtype=np.float64)
    share: Array = votes / votes.sum(1, keepdims=True)
    return share


def by_mass(mass: Array, probability: Array) -> Array:
    """Mean of probabilities (…, n, S) over cells by their masses (…, n): (…, S)."""
    share: Array = (mass[..., None] * probability).sum(-2) / mass.sum(-1)[..., None]
    return share


def counted(share: Array, n: float | Array) -> tuple[Array, Array]:
    """95 % interval of shares that were counted on n cells, by Wilson (1927), within 0 and 1.

    Examples
    --------
    >>> low, high = counted(np.array([0.0, 0.5]), 100)
    >>> low.round(3), high.round(3)
    (array([0.   , 0.404]), array([0.037, 0.596]))
    """
    more = Z**2 / np.maximum(n, 1e-9)
    centre = (share + more / 2) / (1 + more)
    off = np.sqrt(np.maximum(share * (1 - share), 0.0) * more + more**2 / 4) / (1 + more)
    return np.clip(centre - off, 0.0, 1.0), np.clip(centre + off, 0.0, 1.0)
