"""Stops: days on which cells that are followed go on as observed ones.

A fit is right for cells like those of a day, and brings them to the next one nearly as they are
there. What is wrong by a little grows from day to day, until the cells are where none was seen and
the fit extrapolates. At a stop each cell goes on as an observed cell of the day: as one to which
the population is coupled, once the flow has brought it there. So what follows begins with the
cells of that day again, and no more is asked of the fit than it was fitted to. What a cell shows
beyond its place among the observed ones is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.dynamics.couplings import Coupling
from cellam.dynamics.objectives import Level

Array = NDArray[np.float64]

LIGHTEST = 1e-6  # of the heaviest cell: lighter ones are coupled as if they had that


@dataclass(frozen=True)
class Stop:
    """A day on which cells go on as observed ones.

    Parameters
    ----------
    time : float
        Unit time.
    arrived : (n, d) array
        Where the flow brings cells that stand for the population.
    partners : (n, m) csr_matrix
        As which observed cells each of them goes on; rows sum to 1.
    observed : (m, d) array
        The observed cells.
    level : Level or None
        Level of growth from there on.
    """

    time: float
    arrived: Array
    partners: sparse.csr_matrix
    observed: Array
    level: Level | None = None

    @staticmethod
    def of(time: float, arrived: Array, mass: Array, observed: Array, coupling: Coupling) -> Stop:
        """The stop at which cells arrive with their masses (n,), coupled to the observed ones."""
        a = np.maximum(mass / mass.max(), LIGHTEST)
        b = np.full(len(observed), 1 / len(observed))
        pairs = coupling.pair(arrived, observed, a / a.sum(), b, np.random.default_rng(0))
        shape = len(arrived), len(observed)
        plan = sparse.csr_matrix((pairs.mass_0, (pairs.i, pairs.j)), shape)
        partners = sparse.diags(1 / np.asarray(plan.sum(1)).ravel()) @ plan
        return Stop(time, arrived, sparse.csr_matrix(partners), observed)

    def shares(self, x: Array) -> sparse.csr_matrix:
        """As which observed cells cells x (N, d) go on, (N, m); rows sum to 1.

        As the one that is nearest among those that stand for the population.
        """
        from scipy.spatial import cKDTree

        return self.partners[cKDTree(self.arrived).query(x)[1]]

    def draw(self, x: Array, rng: np.random.Generator) -> Array:
        """Where cells x (N, d) go on, each as one observed cell: (N, d)."""
        shares = self.shares(x)
        ends = np.cumsum(shares.data)
        before = np.r_[0.0, ends][shares.indptr[:-1]]
        aim = before + rng.random(len(x)) * (ends[shares.indptr[1:] - 1] - before)
        found = np.minimum(np.searchsorted(ends, aim, side="right"), shares.indptr[1:] - 1)
        drawn: Array = self.observed[shares.indices[found]]
        return drawn
