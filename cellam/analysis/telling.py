"""Telling: whether new cells tell two predictions of them apart, and how many it takes.

A new cell z votes for the first of two predicted clouds x and y with

    v(z) = 2 E|z − y| − 2 E|z − x| + E|x − x′| − E|y − y′|,

and the mean vote of n cells is the energy distance of these to y less that to x. It is the energy
distance E(x, y) in the mean where x is right, and −E(x, y) where y is. So the sign of the mean
tells which. With s the standard deviation of a vote, the mean scatters by s/√n for the new cells;
and as the predictions are made of cells that were drawn as well, and move with these together, by
about s/√N more, N being as many cells as they are worth. The sign is right with the probability

    Φ(E / (s √(1/n + 1/N))).

Half-way between n₀ cells of one day and n₁ of the other the cells are the means of two, and at the
share α of the gap 1/N = (1 − α)²/n₀ + α²/n₁. All this is the noise of drawing cells from one
population: animals and batches add theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.transport import squared_distances

Array = NDArray[np.float64]

RIGHT = 0.95  # probability with which two predictions count as told apart


@dataclass(frozen=True)
class Telling:
    """Two predictions, as a new cell tells them apart.

    Parameters
    ----------
    distance : float
        Energy distance E between them.
    scatter : float
        Standard deviation s of the vote of one cell.
    known : float
        Cells N that the predictions are worth.

    Examples
    --------
    >>> telling = Telling(0.1, 1.0, 1_000)
    >>> round(telling.noise(100), 3), round(telling.right(100), 3), telling.cells()
    (0.953, 0.83, 371)
    >>> Telling(0.1, 1.0, 200).cells() is None  # with any number
    True
    """

    distance: float
    scatter: float
    known: float

    def noise(self, n: int) -> float:
        """The distance in units of the noise, with n new cells."""
        noise = self.scatter * math.sqrt(1 / n + 1 / self.known)
        return self.distance / noise if noise > 0 else 0.0

    def right(self, n: int) -> float:
        """Probability that n cells are nearer to the prediction that is right."""
        return NormalDist().cdf(self.noise(n))

    def cells(self, right: float = RIGHT) -> int | None:
        """How many new cells it takes to be right so often; None where no number is enough."""
        if self.distance <= 0:
            return None
        noise = self.distance / NormalDist().inv_cdf(right)  # that is allowed
        left = (noise / self.scatter) ** 2 - 1 / self.known if self.scatter > 0 else math.inf
        return math.ceil(1 / left) if left > 1e-12 else None


@dataclass(frozen=True)
class Clouds:
    """Several predictions of one time.

    Parameters
    ----------
    points : tuple of (n, d) arrays
    weights : tuple of (n,) arrays
        Each sums to 1.
    known : float
        Cells that they are worth.
    """

    points: tuple[Array, ...]
    weights: tuple[Array, ...]
    known: float

    def tellings(self) -> dict[tuple[int, int], Telling]:
        """Every two of them, by their places.

        They are taken as they are: no term for the chance that a cell meets itself is taken off,
        as predictions of the same cells have their chance in common.
        """
        n = len(self.points)
        to = {(a, b): self._mean_distance(a, b) for a in range(n) for b in range(n)}
        return {(a, b): self._telling(to, a, b) for a in range(n) for b in range(a + 1, n)}

    def _mean_distance(self, a: int, b: int) -> Array:
        """E|z − x| over the cells x of b, for the cells z of a."""
        return np.asarray(
            np.sqrt(squared_distances(self.points[a], self.points[b])) @ self.weights[b]
        )

    def _telling(self, to: dict[tuple[int, int], Array], a: int, b: int) -> Telling:
        u, v = self.weights[a], self.weights[b]
        votes = 2 * (to[a, b] - to[a, a]), 2 * (to[b, b] - to[b, a])
        E = 0.5 * float(u @ votes[0] - v @ votes[1])
        variances = [w @ (vote - w @ vote) ** 2 for w, vote in zip((u, v), votes, strict=True)]
        return Telling(max(E, 0.0), float(np.sqrt(np.mean(variances))), self.known)
