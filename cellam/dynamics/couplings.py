"""Couplings: which cell of one day goes with which cell of the next, and how its mass changes.

A coupling is a sparse list of pairs. Every pair carries a mass at both ends,

    mass_0 = γᵢⱼ aᵢ/rᵢ        mass_1 = γᵢⱼ bⱼ/cⱼ

with r, c the row and column sums of the plan γ and a, b the masses of the cells: summed over
the pairs of a cell they give exactly its observed mass, whatever the plan. A plan with
free marginals (r ≠ a) therefore says that a pair grows by the factor mass_1/mass_0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, final

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.affine import affine_fit
from cellam.dynamics.sinkhorn import Relaxed, solve_relaxed
from cellam.dynamics.transport import exact_plan, squared_distances
from cellam.errors import TrainingError
from cellam.executors.executor import in_order

# Plans larger than this are solved in blocks of random cells, so that time and memory
# grow linearly with the number of cells.
BLOCK = 1_000
LEAST_KEPT = 1e-6  # share of its mass that every cell keeps

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
    """How two snapshots are paired.

    A coupling is a class and its place in `COUPLINGS`. `description` is for the methods of a paper:
    ``{coupling}`` is the coupling itself, ``{version[NAME]}`` the version of a package and
    ``{cite[KEY]}`` the number of a reference (`report.references`).
    """

    name: ClassVar[str]
    moves: ClassVar[bool]  # whether cells move to their partners; else they fade where they are
    description: ClassVar[str]

    @property
    def label(self) -> str:
        """What it is called among candidates: "ot", "tau 0.3"."""
        ...

    def pair(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Pairs:
        """Pair cells x_0 (n, d), x_1 (m, d) of masses a (n,), b (m,).

        Where nobody moves, `i` and `j` count through all n + m cells, those of x_0 first.
        """
        ...


class Planned(ABC):
    """A coupling by a transport plan."""

    name: ClassVar[str]
    moves: ClassVar[bool] = True

    @abstractmethod
    def plan(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Array:
        """Transport plan γ (n, m) between cells x_0 (n, d), x_1 (m, d) of masses a (n,), b (m,)."""

    @property
    def label(self) -> str:
        """What it is called among candidates."""
        return self.name

    def pair(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Pairs:
        """Pair two snapshots by plans between blocks of their cells."""
        return couple(self, x_0, x_1, a, b, rng)


@final
@dataclass(frozen=True)
class Independent(Planned):
    """Partners drawn at random: γ is a random permutation plan, not the full product."""

    name: ClassVar[str] = "independent"
    description: ClassVar[str] = "pairing cells at random"

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


@final
@dataclass(frozen=True)
class Balanced(Planned):
    """Exact optimal transport with squared Euclidean cost: mass is only moved [1]_.

    References
    ----------
    .. [1] Peyré and Cuturi, Computational Optimal Transport, 2019.
    """

    name: ClassVar[str] = "ot"
    description: ClassVar[str] = "exact optimal transport, by POT {version[POT]} {cite[pot]}"

    def plan(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Array:
        """Solve min ⟨γ, C⟩ with γ1 = a and γᵀ1 = b by the network simplex."""
        return exact_plan(squared_distances(x_0, x_1), a, b)


@final
@dataclass(frozen=True)
class Unbalanced(Planned):
    """Optimal transport whose marginals may give way, at the price of a Kullback–Leibler term.

        min ⟨γ, C⟩/C̄ + τ KL(γ1 | a) + τ KL(γᵀ1 | b),       C̄ the mean of C

    Rare or outlying cells die or are born instead of being dragged across the map.
    Small τ: growth is cheap; large τ: the plan becomes balanced.

    C is measured after the affine part of the motion: x_0 is first carried along by the affine
    map nearest to a plan with τ of at least 1. Without that, the cells that are ahead on a
    common path seem to grow and those behind seem to die, only because they have farther to
    go (on a simulation where arms grow and shrink, the correlation of the inferred growth
    with the truth rose from 0.72 to 0.88).

    The marginals r, c of the optimum come from Sinkhorn iterations with a little entropy
    (`sinkhorn`); the plan between them is then solved exactly, because an unbalanced optimum is
    the balanced optimum of its own marginals. That keeps the plan sparse, and is a hundred
    times faster than solving the unbalanced problem without entropy.
    """

    tau: float = 1.0
    entropy: float = 0.01
    name: ClassVar[str] = "uot"
    description: ClassVar[str] = (
        "unbalanced optimal transport (penalty on growth τ = {coupling.tau:g}; "
        "translation-invariant Sinkhorn iterations {cite[sinkhorn]}, then an exact plan, by POT "
        "{version[POT]} {cite[pot]}), with the cost measured after removal of the affine part of "
        "the motion"
    )

    @property
    def label(self) -> str:
        """What it is called among candidates.

        Examples
        --------
        >>> Unbalanced(0.3).label
        'tau 0.3'
        """
        return f"tau {self.tau:g}"

    def plan(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Array:
        """Solve for a plan, carry x_0 along its affine part, and solve again."""
        cost, found = self._relax(x_0, x_1, a, b)
        # No cell vanishes altogether: the log of its mass must stay finite.
        r = np.maximum(found.rows, LEAST_KEPT * a)
        c = np.maximum(found.columns, LEAST_KEPT * b)
        return exact_plan(cost, r, c * (r.sum() / c.sum()))

    def price(self, x_0: Array, x_1: Array, a: Array, b: Array) -> float:
        """The minimum: ⟨γ, C⟩/C̄ + τ KL(γ1 | a) + τ KL(γᵀ1 | b), to the precision of the entropy."""
        from scipy.special import kl_div

        cost, found = self._relax(x_0, x_1, a, b)
        moved = float((found.plan * cost).sum() / _unit(cost))
        changed = kl_div(found.rows, a).sum() + kl_div(found.columns, b).sum()
        return moved + self.tau * float(changed)

    def relax(self, x_0: Array, x_1: Array, a: Array, b: Array) -> Relaxed:
        """The optimum with entropy, after the affine part of the motion."""
        return self._relax(x_0, x_1, a, b)[1]

    def _relax(self, x_0: Array, x_1: Array, a: Array, b: Array) -> tuple[Array, Relaxed]:
        """C after the affine part of the motion, and the optimum with entropy."""
        # A plan that is too free would bend the affine map towards its own births and deaths.
        stiff = replace(self, tau=max(self.tau, 1.0))
        first = stiff._solve(squared_distances(x_0, x_1), a, b).plan
        kept = first.sum(1)
        partners = np.divide(first @ x_1, kept[:, None], where=kept[:, None] > 0, out=x_0.copy())
        cost = squared_distances(affine_fit(x_0, partners, kept), x_1)
        return cost, self._solve(cost, a, b)

    def _solve(self, cost: Array, a: Array, b: Array) -> Relaxed:
        """The optimum with entropy, or an error if it was not reached."""
        unit = _unit(cost)
        if not np.isfinite(unit):
            raise TrainingError(
                "Cells are too far apart for their distances to be finite numbers.",
                "Check the representation for extreme values.",
            )
        found = solve_relaxed(cost / unit, a, b, tau=self.tau, entropy=self.entropy)
        if not found.converged:
            raise TrainingError(
                f"The unbalanced plan with tau = {self.tau:g} did not converge: after "
                f"{found.iterations:,} iterations, cells still change by {found.residual:.2g} of "
                "their mass.",
                "Use a smaller `tau`, or `path='ot'`, which lets no cell grow.",
            )
        return found


@final
@dataclass(frozen=True)
class Mixture:
    """Nobody moves: the masses of the day before fade out while those of the day after fade in."""

    name: ClassVar[str] = "mixture"
    moves: ClassVar[bool] = False
    description: ClassVar[str] = "mixing both populations in proportion to time, without motion"

    @property
    def label(self) -> str:
        """What it is called among candidates."""
        return self.name

    def pair(self, x_0: Array, x_1: Array, a: Array, b: Array, rng: np.random.Generator) -> Pairs:
        """Pair every cell with itself."""
        stay, none, nobody = np.arange(len(a) + len(b)), np.zeros(len(a)), np.zeros(len(b))
        return Pairs(stay, stay, np.append(a, nobody), np.append(none, b))


def _unit(cost: Array) -> float:
    """C̄; 1 where all cells are at one place."""
    return float(cost.mean()) or 1.0


def couple(
    coupling: Planned,
    x_0: Array,
    x_1: Array,
    a: Array,
    b: Array,
    rng: np.random.Generator,
) -> Pairs:
    """Pair two snapshots, in blocks of random cells where they are large.

    Parameters
    ----------
    coupling : Planned
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
    own = rng.spawn(n_blocks)
    some = [_Block(*both[0], *both[1], its) for both, its in zip(blocks, own, strict=True)]
    parts = in_order(_couple_block, (coupling, x_0, x_1), some)
    return Pairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))


@dataclass(frozen=True)
class _Block:
    """Some rows of x_0 with their masses a, some rows of x_1 with theirs, and random numbers."""

    rows: NDArray[np.int64]
    a: Array
    cols: NDArray[np.int64]
    b: Array
    rng: np.random.Generator


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
    task: tuple[Planned, Array, Array], block: _Block
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, Array]:
    coupling, x_0, x_1 = task
    a, b = block.a, block.b
    gamma = coupling.plan(x_0[block.rows], x_1[block.cols], a / a.sum(), b / b.sum(), block.rng)
    i, j = np.nonzero(gamma)
    share = gamma[i, j]
    mass_0 = share * (a / gamma.sum(1))[i]
    mass_1 = share * (b / gamma.sum(0))[j]
    return block.rows[i], block.cols[j], mass_0, mass_1


COUPLINGS: dict[str, type[Coupling]] = {
    coupling.name: coupling for coupling in (Independent, Balanced, Unbalanced, Mixture)
}
