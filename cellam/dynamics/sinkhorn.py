"""Sinkhorn: the entropic optimum of unbalanced transport, in the log domain.

For a cost C and masses a, b, the plan that minimises

    ⟨γ, C⟩ + τ KL(γ1 | a) + τ KL(γᵀ1 | b) + ε KL(γ | a⊗b)

is γᵢⱼ = aᵢ bⱼ exp((fᵢ + gⱼ − Cᵢⱼ)/ε), and its marginals are r = a exp(−f/τ), c = b exp(−g/τ) at
the optimum. Just before it they differ by a share that groups of cells far apart have in common.
Only f + g enters γ, so the dual is first maximised over f + λ, g − λ for every λ, which leaves

    H(f, g) = −2τ √(⟨a, exp(−f/τ)⟩ ⟨b, exp(−g/τ)⟩) − ε ⟨a⊗b, exp((f + g − C)/ε)⟩ + constants.

Maximising H over f and over g in turn [1]_ takes tens to hundreds of iterations where the plain
ones, which have to find the total mass by small steps, take thousands.

exp(−C/ε) is zero in double precision beyond C = 745 ε, which in many dimensions are most pairs: it
must never be formed. Sums over exp((g − C)/ε) are taken relative to the largest term of each
row. The kernel so scaled is kept while g stays near, which makes an iteration two products of a
matrix with a vector, as outside the log domain.

References
----------
.. [1] Séjourné, Vialard and Peyré, Faster Unbalanced Optimal Transport: Translation invariant
   Sinkhorn and 1-D Frank–Wolfe, AISTATS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ITERATIONS = 20_000
# Relative change of a cell's scaling exp(f/ε) in one iteration. What is left of the way shrinks by
# (1 + ε/τ)⁻² or faster with each, so the log of the mass that a cell keeps, −f/τ, is then off by at
# most half of it.
TOLERANCE = 1e-3
# Terms that a kernel lost to underflow are below e⁻⁷⁴⁵ of the largest in their row; as long as
# the potentials move by less than this times ε, they stay below e⁻³⁴⁵ of it.
NEAR = 200.0


@dataclass(frozen=True)
class Relaxed:
    """An optimum of entropic unbalanced transport.

    Parameters
    ----------
    plan : (n, m) array
    rows, columns : (n,) and (m,) arrays
        Mass that each cell keeps: the marginals of this plan. Those of the potentials belong to no
        plan before the optimum is reached: between them, groups of cells that lie far apart would
        have to trade the difference.
    iterations : int
    residual : float
        Largest relative change of a cell's scaling in the last iteration.
    converged : bool
    """

    plan: Array
    rows: Array
    columns: Array
    iterations: int
    residual: float
    converged: bool


def solve_relaxed(
    cost: Array,
    a: Array,
    b: Array,
    *,
    tau: float,
    entropy: float,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Relaxed:
    """Minimise ⟨γ, C⟩ + τ KL(γ1 | a) + τ KL(γᵀ1 | b) + ε KL(γ | a⊗b).

    Parameters
    ----------
    cost : (n, m) array
        Finite.
    a, b : (n,) and (m,) arrays
        Positive masses.
    tau, entropy : float
        τ and ε, in units of the cost.
    iterations : int
        At most so many.
    tolerance : float
        The iteration ends when no cell's scaling changes by a larger share.

    Returns
    -------
    Relaxed
        The caller looks at `converged`.
    """
    scaled = cost / entropy
    decay = entropy / tau
    of_x, of_y = _Side(-scaled, b), _Side(-scaled.T, a)
    F, G = np.zeros(len(a)), np.zeros(len(b))  # f/ε, g/ε
    residual = np.inf
    done = 0
    while done < iterations and residual > tolerance:
        before = F
        F = _best_response(of_x.log_sums(G), a, _log_mass(G, b, decay), decay)
        G = _best_response(of_y.log_sums(F), b, _log_mass(F, a, decay), decay)
        residual = float(np.abs(F - before).max())
        done += 1
    # Of all f + λ, g − λ the one at which the marginals agree with the potentials.
    shift = (_log_mass(F, a, decay) - _log_mass(G, b, decay)) / (2 * decay)
    F, G = F + shift, G - shift
    plan = a[:, None] * np.exp(F[:, None] + G[None, :] - scaled) * b[None, :]
    return Relaxed(plan, plan.sum(1), plan.sum(0), done, residual, residual <= tolerance)


def _best_response(log_sums: Array, mass: Array, log_others: float, decay: float) -> Array:
    """The potential (over ε) of one side that maximises H, the other being held."""
    plain = -log_sums / (1 + decay)
    return plain + (log_others - _log_mass(plain, mass, decay)) / (2 + decay)


def _log_mass(potential: Array, mass: Array, decay: float) -> float:
    """log⟨mass, exp(−potential/τ)⟩ of a potential over ε."""
    exponent = -decay * potential
    top = exponent.max()
    return float(top + np.log(mass @ np.exp(exponent - top)))


class _Side:
    """log Σⱼ bⱼ exp(gⱼ/ε − Cᵢⱼ/ε) for every i and any g, from a kernel kept while g is near."""

    def __init__(self, exponent: Array, mass: Array) -> None:
        self.exponent = exponent
        self.mass = mass
        self._anchor(np.zeros(len(mass)))

    def log_sums(self, potential: Array) -> Array:
        if np.abs(potential - self.anchor).max() > NEAR:
            self._anchor(potential)
        sums = self.kernel @ (self.mass * np.exp(potential - self.anchor))
        return np.asarray(self.top + np.log(sums))

    def _anchor(self, potential: Array) -> None:
        self.anchor = potential
        kernel = self.exponent + potential
        self.top = kernel.max(1)
        kernel -= self.top[:, None]
        self.kernel = np.exp(kernel, out=kernel)
