"""Couplings: which cell of one day goes with which cell of the next, and how its mass changes.

A coupling is a sparse list of pairs. Every pair carries a mass at both ends,

    mass_0 = γᵢⱼ aᵢ/rᵢ        mass_1 = γᵢⱼ bⱼ/cⱼ

with r, c the row and column sums of the plan γ and a, b the masses of the cells: summed over
the pairs of a cell they give exactly its observed mass, whatever the plan. A plan with
free marginals (r ≠ a) therefore says that a pair grows by the factor mass_1/mass_0.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cellam.errors import TrainingError

# Plans larger than this are solved in blocks of random cells, so that time and memory
# grow linearly with the number of cells.
BLOCK = 1_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of cells with their mass at both ends, arrays of shape (P,).

    `i` and `j` are row numbers in the earlier and the later snapshot.
    """

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    mass_0: Array
    mass_1: Array

    def __len__(self) -> int:
        return len(self.i)

    def where(self, keep: NDArray[np.bool_]) -> Pairs:
        """The pairs marked in `keep` (P,)."""
        return Pairs(self.i[keep], self.j[keep], self.mass_0[keep], self.mass_1[keep])


class Coupling(Protocol):
    """How two snapshots are paired."""

    name: ClassVar[str]

    def plan(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Array:
        """Transport plan γ (n, m) between cells x_0 (n, d), x_1 (m, d) of masses a (n,), b (m,)."""
        ...


@dataclass(frozen=True)
class Independent:
    """Partners drawn at random: γ is a random permutation plan, not the full product."""

    name: ClassVar[str] = "independent"

    def plan(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Array:
        """Match random orders of both snapshots (the north-west corner rule on shuffled cells)."""
        gamma = np.zeros((len(a), len(b)))
        rows, cols = rng.permutation(len(a)), rng.permutation(len(b))
        cuts = np.union1d(np.cumsum(a[rows]), np.cumsum(b[cols]))
        middle = cuts - 0.5 * np.diff(cuts, prepend=0.0)
        i = np.minimum(np.searchsorted(np.cumsum(a[rows]), middle), len(a) - 1)
        j = np.minimum(np.searchsorted(np.cumsum(b[cols]), middle), len(b) - 1)
        np.add.at(gamma, (rows[i], cols[j]), np.diff(cuts, prepend=0.0))
        return gamma


@dataclass(frozen=True)
class Balanced:
    """Exact optimal transport with squared Euclidean cost: mass is only moved [1]_.

    References
    ----------
    .. [1] Peyré and Cuturi, Computational Optimal Transport, 2019.
    """

    name: ClassVar[str] = "ot"

    def plan(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Array:
        """Solve min ⟨γ, C⟩ with γ1 = a and γᵀ1 = b by the network simplex."""
        return exact_plan(squared_distances(x_0, x_1), a, b)


@dataclass(frozen=True)
class Unbalanced:
    """Optimal transport whose marginals may give way, at the price of a Kullback–Leibler term.

        min ⟨γ, C⟩/C̄ + τ KL(γ1 | a) + τ KL(γᵀ1 | b),       C̄ the mean of C

    Rare or outlying cells die or are born instead of being dragged across the map.
    Small τ: growth is cheap; large τ: the plan becomes balanced.

    C is measured after the affine part of the motion: x_0 is first carried along by the affine
    map nearest to a plan with τ of at least 1. Without that, the cells that are ahead on a
    common path seem to grow and those behind seem to die, only because they have farther to
    go (on a simulation where arms grow and shrink, the correlation of the inferred growth
    with the truth rose from 0.72 to 0.88).

    The marginals r, c of the optimum come from translation-invariant Sinkhorn iterations with
    a little entropy [1]_; the plan between them is then solved exactly, because an unbalanced
    optimum is the balanced optimum of its own marginals. That keeps the plan sparse, and is
    a hundred times faster than solving the unbalanced problem without entropy.

    References
    ----------
    .. [1] Séjourné, Vialard and Peyré, Faster Unbalanced Optimal Transport: Translation
       invariant Sinkhorn and 1-D Frank–Wolfe, AISTATS 2022.
    """

    tau: float = 1.0
    entropy: float = 0.01
    name: ClassVar[str] = "uot"

    def plan(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Array:
        """Solve for a plan, carry x_0 along its affine part, and solve again."""
        return self._relaxed(self._cost(x_0, x_1, a, b), a, b)

    def price(self, x_0: Array, x_1: Array, a: Array, b: Array) -> float:
        """The minimum: ⟨γ, C⟩/C̄ + τ KL(γ1 | a) + τ KL(γᵀ1 | b), to the precision of the entropy."""
        cost = self._cost(x_0, x_1, a, b)
        soft = self._soft(cost, a, b)
        moved = float((soft * cost).sum() / cost.mean())
        return moved + self.tau * (_divergence(soft.sum(1), a) + _divergence(soft.sum(0), b))

    def _cost(self, x_0: Array, x_1: Array, a: Array, b: Array) -> Array:
        """C, after the affine part of the motion."""
        # A plan that is too free would bend the affine map towards its own births and deaths.
        first = replace(self, tau=max(self.tau, 1.0))._soft(squared_distances(x_0, x_1), a, b)
        kept = first.sum(1)
        partners = np.divide(first @ x_1, kept[:, None], where=kept[:, None] > 0, out=x_0.copy())
        return squared_distances(affine_fit(x_0, partners, kept), x_1)

    def _relaxed(self, cost: Array, a: Array, b: Array) -> Array:
        """The sparse plan."""
        soft = self._soft(cost, a, b)
        # No cell vanishes altogether: the log of its mass must stay finite.
        r = np.maximum(soft.sum(1), 1e-6 * a)
        c = np.maximum(soft.sum(0), 1e-6 * b)
        return exact_plan(cost, r, c * (r.sum() / c.sum()))

    def _soft(self, cost: Array, a: Array, b: Array) -> Array:
        """The plan with entropy."""
        ot = _pot()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the marginals need not converge to rounding
            soft: Array = ot.unbalanced.sinkhorn_unbalanced(
                a,
                b,
                cost / cost.mean(),
                self.entropy,
                self.tau,
                method="sinkhorn_translation_invariant",
                numItermax=500,
                stopThr=1e-4,
            )
        if not (np.isfinite(soft).all() and soft.sum() > 0):
            raise TrainingError(
                f"The unbalanced plan with tau = {self.tau:g} did not converge.",
                "Use a larger --tau, or --path ot.",
            )
        return soft


def _divergence(p: Array, q: Array) -> float:
    """KL(p | q) of masses, whose sums may differ."""
    return float((p * np.log(np.maximum(p, 1e-300) / q) - p + q).sum())


def affine_fit(x: Array, y: Array, weights: Array) -> Array:
    """Where the weighted least-squares affine map from x (n, d) to y (n, d) sends x."""
    ones = np.column_stack([np.ones(len(x)), x])
    gram = ones.T @ (weights[:, None] * ones)
    gram += 1e-3 * weights.sum() * np.eye(len(gram))
    carried: Array = x + ones @ np.linalg.solve(gram, ones.T @ (weights[:, None] * (y - x)))
    return carried


def couple(
    coupling: Coupling,
    x_0: Array,
    x_1: Array,
    a: Array,
    b: Array,
    rng: np.random.Generator,
) -> Pairs:
    """Pair two snapshots, in blocks of random cells where they are large.

    Parameters
    ----------
    coupling : Coupling
    x_0, x_1 : (n, d) and (m, d) arrays
    a, b : (n,) and (m,) arrays
        Mass of each cell; the sums may differ.
    rng : numpy.random.Generator
        Draws the blocks.

    Returns
    -------
    Pairs
        At most about n + m pairs.
    """
    n_blocks = -(-max(len(x_0), len(x_1)) // BLOCK)
    n_blocks = min(n_blocks, len(x_0), len(x_1))
    blocks = zip(_blocks(a, n_blocks, rng), _blocks(b, n_blocks, rng), strict=True)
    parts = [
        _couple_block(coupling, x_0, x_1, *block_0, *block_1, rng) for block_0, block_1 in blocks
    ]
    return Pairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _blocks(mass: Array, n: int, rng: np.random.Generator) -> list[tuple[NDArray[np.int64], Array]]:
    """Random cells and their masses in n blocks of equal mass.

    A cell on the border of two blocks belongs to both with a part of its mass: with blocks of
    whole cells, of which some weigh more, balanced transport would seem to let them grow.
    """
    order = rng.permutation(len(mass))
    ends = np.cumsum(mass[order])
    cuts = ends[-1] * np.arange(1, n) / n
    bounds = np.union1d(ends, cuts)
    share = np.diff(bounds, prepend=0.0)
    real = share > 1e-9 * mass.mean()  # not only rounding between a cut and the end of a cell
    middle, share = (bounds - 0.5 * share)[real], share[real]
    cell = order[np.minimum(np.searchsorted(ends, middle), len(order) - 1)]
    whole = np.bincount(cell, minlength=len(mass))[cell] == 1
    share[whole] = mass[cell[whole]]
    block = np.searchsorted(cuts, middle)
    return [(cell[block == k], share[block == k]) for k in range(n)]


def _couple_block(
    coupling: Coupling,
    x_0: Array,
    x_1: Array,
    rows: NDArray[np.int64],
    a: Array,
    cols: NDArray[np.int64],
    b: Array,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, Array]:
    gamma = coupling.plan(x_0[rows], x_1[cols], a / a.sum(), b / b.sum(), rng)
    i, j = np.nonzero(gamma)
    share = gamma[i, j]
    mass_0 = share * (a / gamma.sum(1))[i]
    mass_1 = share * (b / gamma.sum(0))[j]
    return rows[i], cols[j], mass_0, mass_1


def squared_distances(x: Array, y: Array) -> Array:
    """Squared Euclidean distances, (n, d) and (m, d) -> (n, m)."""
    cost = (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2.0 * (x @ y.T)
    np.maximum(cost, 0.0, out=cost)
    return np.asarray(cost)


def exact_plan(cost: Array, a: Array, b: Array) -> Array:
    """Balanced optimal transport plan (n, m), or an error if it did not converge."""
    with _converging() as ot:
        gamma: Array = ot.emd(a, b, cost, numItermax=10_000_000)
    return gamma


def exact_transport(cost: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """As `exact_plan`, with the Kantorovich potentials f (n,) and g (m,) at the optimum."""
    with _converging() as ot:
        gamma, log = ot.emd(a, b, cost, numItermax=10_000_000, log=True)
    return gamma, log["u"], log["v"]


@contextmanager
def _converging() -> Iterator[Any]:
    """POT stops after 10⁵ iterations by default and only warns; then the plan is up to 5 % off."""
    ot = _pot()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield ot
    if any("converge" in str(w.message) or "numItermax" in str(w.message) for w in caught):
        raise TrainingError("Optimal transport did not converge in ten million iterations.")


def _pot() -> Any:
    """Import POT without the array libraries that it would probe for seconds."""
    for backend in ("JAX", "CUPY", "TENSORFLOW", "PYTORCH"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{backend}", "1")
    import ot

    return ot


COUPLINGS: dict[str, type[Coupling]] = {c.name: c for c in (Independent, Balanced, Unbalanced)}
