"""Sinkhorn: the entropic optimum of unbalanced transport, in the log domain.

For a cost C and masses a, b, the plan that minimises

    ⟨γ, C⟩ + τ KL(γ1 | a) + τ KL(γᵀ1 | b) + ε KL(γ | a⊗b)

is γᵢⱼ = aᵢ bⱼ exp((fᵢ + gⱼ − Cᵢⱼ)/ε), and its marginals are r = a exp(−f/τ), c = b exp(−g/τ) at
the optimum. Just before it they differ by a share that groups of cells far apart have in common.
Only f + g enters γ, so the dual is first maximised over f + λ, g − λ for every λ, which leaves

    H(f, g) = −2τ √(⟨a, exp(−f/τ)⟩ ⟨b, exp(−g/τ)⟩) − ε ⟨a⊗b, exp((f + g − C)/ε)⟩ + constants.

Maximising H over f and over g in turn [1]_ takes tens to hundreds of iterations where the plain
ones, which have to find the total mass by small steps, take thousands. Each such round is a
contraction f -> T(f), and of its last images the combination is taken whose residuals cancel best
(Anderson acceleration [2]_): a sixth of the rounds, with a smaller error at the end. Where that
leads further away, the next round begins from the image of the best f so far, as without.

exp(−C/ε) is zero in double precision beyond C = 745 ε, which in many dimensions are most pairs: it
must never be formed. Sums over exp((g − C)/ε) are taken relative to the largest term of each
row. The kernel so scaled is kept while g stays near, which makes an iteration two products of a
matrix with a vector, as outside the log domain.

References
----------
.. [1] Séjourné, Vialard and Peyré, Faster Unbalanced Optimal Transport: Translation invariant
   Sinkhorn and 1-D Frank–Wolfe, AISTATS 2022.
.. [2] Walker and Ni, Anderson Acceleration for Fixed-Point Iterations, SIAM Journal on Numerical
   Analysis 49, 2011.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ITERATIONS = 20_000
# Relative change of a cell's scaling exp(f/ε) by a round. What is left of the way shrinks by
# (1 + ε/τ)⁻² or faster with each, so the log of the mass that a cell keeps, −f/τ, is then off by at
# most half of it, however f was found.
TOLERANCE = 1e-3
# Terms that a kernel lost to underflow are below e⁻⁷⁴⁵ of the largest in their row; as long as
# the potentials move by less than this times ε, they stay below e⁻³⁴⁵ of it.
NEAR = 200.0
DEPTH = 5  # images besides the last that are combined
WORSE = 10.0  # times the least residual so far: then a combination has led away, and is given up


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
        Largest relative change of a cell's scaling by the last round.
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
        It ends when no cell's scaling changes by a larger share in a round.

    Returns
    -------
    Relaxed
        The caller looks at `converged`.
    """
    scaled = cost / entropy
    decay = entropy / tau
    of_x, of_y = _Side(-scaled, b), _Side(-scaled.T, a)

    def respond(G: Array) -> Array:
        return _best_response(of_x.log_sums(G), a, _log_mass(G, b, decay), decay)

    F = respond(np.zeros(len(b)))  # f/ε, and below g/ε
    rounds = _Accelerated()
    residual, done = np.inf, 0
    while done < iterations and not residual <= tolerance and rounds.may_go_on:
        G = _best_response(of_y.log_sums(F), b, _log_mass(F, a, decay), decay)
        image = respond(G)
        residual = float(np.abs(image - F).max())
        F = image if residual <= tolerance else rounds.next(image, image - F, residual)
        done += 1
    G = _best_response(of_y.log_sums(F), b, _log_mass(F, a, decay), decay)
    # Of all f + λ, g − λ the one at which the marginals agree with the potentials.
    shift = (_log_mass(F, a, decay) - _log_mass(G, b, decay)) / (2 * decay)
    F, G = F + shift, G - shift
    plan = a[:, None] * np.exp(F[:, None] + G[None, :] - scaled) * b[None, :]
    return Relaxed(plan, plan.sum(1), plan.sum(0), done, residual, residual <= tolerance)


class _Accelerated:
    """Where to go on from, by the images T(f) and the residuals T(f) - f of a contraction."""

    def __init__(self) -> None:
        self.images: list[Array] = []
        self.residuals: list[Array] = []
        self.best, self.least = np.empty(0), np.inf

    @property
    def may_go_on(self) -> bool:
        """Whether there is somewhere to go on from: not if the first residual is no number."""
        return not np.isnan(self.least)

    def next(self, image: Array, residual: Array, size: float) -> Array:
        """The next f; `size` is the norm of the residual in which T contracts."""
        if not size <= WORSE * self.least and len(self.best):
            self.images, self.residuals = [], []
            return self.best
        if not size >= self.least:
            self.best, self.least = image, size
        self.images = [*self.images[-DEPTH:], image]
        self.residuals = [*self.residuals[-DEPTH:], residual]
        if len(self.images) == 1:
            return image
        steps = np.stack([residual - other for other in self.residuals[:-1]], axis=1)
        share = np.linalg.lstsq(steps, residual, rcond=1e-8)[0]
        apart = np.stack([image - other for other in self.images[:-1]], axis=1)
        return np.asarray(image - apart @ share) if np.isfinite(share).all() else image


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
