r"""Objectives: what an action is asked to do, and the dynamics that it then implies.

Let q_t be the density of cells and m_t its mass. Action Matching [1]_ looks for the scalar
s(t, x) whose particles follow q_t:

    dx = ∇s dt + σ dW,      d log w = λ s dt                                          (1)
    ∂ₜq = −∇·(q ∇s) + ½σ² Δq + λ s q                                                  (2)

The four methods of the paper are the four cases of σ and λ:

    am    σ = 0, λ = 0      mass is moved                                (eq. 5 of [1]_)
    eam   σ > 0, λ = 0      … while it diffuses                          (entropic, sec. 3.1)
    uam   σ = 0, λ > 0      … while it grows and dies                    (unbalanced, sec. 3.3)
    ueam  σ > 0, λ > 0      all three

where the growth rate is tied to the action. It may also be a field of its own, g(t, x) in place
of λs in (1) and (2): then s explains the motion alone, and g the change of mass (eq. 5).

All minimise one loss, with expectations under q_t weighted by mass:

    L(s) = E_q₀[s] − E_q₁[s] + ∫₀¹ E_qₜ[½|∇s|² + ∂ₜs + ½σ²Δs + ½λs²] dt               (3)

It needs samples of q_t only. Where the particles of the path are known with their velocity ẋ
and growth rate ġ = d log w/dt, the boundary terms and ∂ₜs can be integrated by parts, since
d/dt E_qₜ[s] = E_qₜ[∂ₜs + ∇s·ẋ + s ġ]:

    L(s) = ∫₀¹ E_qₜ[½|∇s|² − ∇s·ẋ + ½σ²Δs + ½λs² − s ġ] dt                            (4)

and where the conditional score of the path is known, E[Δs] = −E[∇s·∇log q]. Equations (3)
and (4) are the same number for the exact path; from samples, (4) has far less variance.

A growth field of its own is the least-squares fit to the growth of the path,

    G(g) = ∫₀¹ E_qₜ[½g² − g ġ] dt.                                                       (5)

Completing the squares in (4): L(s) = ½∫E[|∇s − ∇s*|² + λ(s − s*)²]dt − K, so that the minimum is
minus the kinetic and growth energy K, and L on held-out cells ranks actions on one path.

References
----------
.. [1] Neklyudov, Brekelmans, Severo and Makhzani, Action Matching: Learning Stochastic
   Dynamics from Samples, ICML 2023, arXiv:2210.06662.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cellam.actions import Action, Features
from cellam.errors import ConfigError
from cellam.samples import Ends, PathSample, Sample


@dataclass(frozen=True)
class Dynamics:
    """Equation (1) for a fitted action: where a cell goes and how its mass changes.

    Parameters
    ----------
    action : Action
        s.
    sigma : float
        Noise σ.
    growth_action : Action or None
        What the growth rate is proportional to; None conserves mass.
    growth_scale : float
        λ.
    growth_range : (float, float)
        Growth rates are held within it: a field knows nothing of rates beyond those that it was
        fitted to, and a single cell that strays from the data could otherwise outgrow all.
    """

    action: Action
    sigma: float = 0.0
    growth_action: Action | None = None
    growth_scale: float = 1.0
    growth_range: tuple[float, float] = (-math.inf, math.inf)

    def drift(self, t: Tensor, x: Tensor) -> Tensor:
        """∇s, (N,), (N, d) -> (N, d), in model coordinates per unit time."""
        return self.action.gradient(t, x)

    def growth(self, t: Tensor, x: Tensor) -> Tensor:
        """λs or g, (N,), (N, d) -> (N,), per unit time."""
        if self.growth_action is None:
            return x.new_zeros(len(x))
        return (self.growth_scale * self.growth_action.value(t, x)).clamp(*self.growth_range)


@dataclass(frozen=True)
class Objective:
    """Loss (3) or (4), and the dynamics (1) that its minimiser implies.

    Parameters
    ----------
    sigma : float
        Noise σ, in model coordinates per square root of unit time.
    growth_scale : float
        λ, the growth rate per unit of action; 0 leaves growth out of the loss.
    own_growth : bool
        Growth is a field of its own, fitted by (12), instead of being tied to the action.
    time_weight : callable or None
        w(t), (N,) -> (N,) in torch, positive within (0, 1): how much each unit time counts, with
        the w′(t) s of (9). For instance ``lambda t: 1 - t``; None counts all alike.

    Examples
    --------
    >>> Objective(growth_scale=1.0).method
    'uam'
    """

    sigma: float = 0.0
    growth_scale: float = 0.0
    own_growth: bool = False
    time_weight: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not (self.sigma >= 0 and self.growth_scale >= 0):
            raise ConfigError(
                f"sigma = {self.sigma:g} and growth_scale = {self.growth_scale:g}: "
                "neither can be negative."
            )
        if self.own_growth and self.growth_scale > 0:
            raise ConfigError("Growth is either tied to the action or a field of its own.")

    @property
    def grows(self) -> bool:
        """Whether the dynamics change mass."""
        return self.own_growth or self.growth_scale > 0

    @property
    def method(self) -> str:
        """The paper's name: am, eam, uam or ueam."""
        return f"{'u' * self.grows}{'e' * (self.sigma > 0)}am"

    def dynamics(
        self,
        action: Action,
        growth: Action | None = None,
        growth_range: tuple[float, float] = (-math.inf, math.inf),
    ) -> Dynamics:
        """Equation (1) for the minimiser, and for the growth field if it has one of its own."""
        if self.own_growth:
            return Dynamics(action, self.sigma, growth, 1.0, growth_range)
        if self.growth_scale > 0:
            return Dynamics(action, self.sigma, action, self.growth_scale, growth_range)
        return Dynamics(action, self.sigma)

    # ------------------------------------------------------------------ the loss, two ways

    def loss(self, action: Action, path: PathSample) -> Tensor:
        """Equation (10), from particles whose velocity and growth are known."""
        t, x = path.t, path.x
        dsdx = action.gradient(t, x)  # (N, d)
        density = 0.5 * dsdx.square().sum(-1) - (dsdx * self._target(path)).sum(-1)
        if self.sigma > 0 and path.score is None:
            density = density + 0.5 * self.sigma**2 * action.laplacian(t, x)
        if self.growth_scale > 0:
            s = action.value(t, x)
            density = density + 0.5 * self.growth_scale * s.square() - s * path.growth
        return (self._weigh(t, path.weight)[0] * density).sum()

    def loss_from_samples(self, action: Action, sample: Sample, ends: Ends) -> Tensor:
        """Equation (9), from positions alone."""
        t, x = sample.t, sample.x
        w, dwdt = self._weigh(t, sample.weight)
        dsdx, dsdt = action.derivatives(t, x)
        density = 0.5 * dsdx.square().sum(-1) + dsdt
        if self.sigma > 0:
            density = density + 0.5 * self.sigma**2 * action.laplacian(t, x)
        if self.growth_scale > 0:
            density = density + 0.5 * self.growth_scale * action.value(t, x).square()
        loss = (w * density).sum() - self._weigh(ends.t, ends.w)[0] @ action.value(ends.t, ends.x)
        if self.time_weight is not None:
            loss = loss + dwdt @ action.value(t, x)
        return loss

    # ------------------------------------------- the same, for an action linear in θ
    #
    # With s = Σ θⱼφⱼ the loss is ½θᵀAθ − bᵀθ. A and b are sums over particles. The gradient
    # of a cosine feature is −ω a sin, so ∫E[∇φ∇φᵀ] is (ΩΩᵀ) ∘ (SᵀWS): no factor d.

    def quadratic(self, features: Features, path: PathSample) -> tuple[Tensor, Tensor]:
        """A (m, m) of (11) and b = ∫wE[∇φ·ẋ − ½σ²Δφ + φġ] (m,), by equation (10)."""
        w, _ = self._weigh(path.t, path.weight)
        C, S = features.waves(path.t, path.x)  # (N, m)
        b = -((self._target(path) @ features.omega.T) * S).T @ w
        if self.sigma > 0 and path.score is None:
            b += self._diffusion(features, C.T @ w)
        if self.growth_scale > 0:
            b += C.T @ (w * path.growth)
        return self._gram(features, C, S, w), b

    def quadratic_from_samples(self, features: Features, sample: Sample) -> tuple[Tensor, Tensor]:
        """A (m, m) of (11) and b = −∫E[w∂ₜφ + w′φ + ½σ²wΔφ] (m,): (9) without its `boundary`."""
        w, dwdt = self._weigh(sample.t, sample.weight)
        C, S = features.waves(sample.t, sample.x)
        b = features.nu * (S.T @ w)
        if self.sigma > 0:
            b += self._diffusion(features, C.T @ w)
        if self.time_weight is not None:
            b -= C.T @ dwdt
        return self._gram(features, C, S, w), b

    def boundary(self, features: Features, ends: Ends) -> Tensor:
        """What equation (9) adds to b at the ends: w₁E_q₁[φ] − w₀E_q₀[φ], (m,)."""
        return features.waves(ends.t, ends.x)[0].T @ self._weigh(ends.t, ends.w)[0]

    def _gram(self, features: Features, C: Tensor, S: Tensor, w: Tensor) -> Tensor:
        A = (features.omega @ features.omega.T) * (S.T @ (S * w[:, None]))
        if self.growth_scale > 0:
            A += self.growth_scale * (C.T @ (C * w[:, None]))
        return A

    def _diffusion(self, features: Features, mean_C: Tensor) -> Tensor:
        """−½σ²∫wE[Δφ], (m,)."""
        return 0.5 * self.sigma**2 * features.omega.square().sum(-1) * mean_C

    def _target(self, path: PathSample) -> Tensor:
        """ẋ + ½σ²∇log q: the drift that carries the path where noise is added to it."""
        if self.sigma > 0 and path.score is not None:
            return path.velocity + 0.5 * self.sigma**2 * path.score
        return path.velocity

    def _weigh(self, t: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Quadrature weights (N,) times w(t), and times w′(t)."""
        if self.time_weight is None:
            return weight, torch.zeros_like(weight)
        with torch.enable_grad():
            t = t.detach().requires_grad_()
            w = self.time_weight(t)
            dwdt = torch.autograd.grad(w.sum(), t)[0] if w.requires_grad else torch.zeros_like(t)
        return weight * w.detach(), weight * dwdt


def growth_quadratic(features: Features, path: PathSample) -> tuple[Tensor, Tensor]:
    """A = ∫E[φφᵀ] (m, m) and b = ∫E[φġ] (m,): equation (12) for a growth field linear in θ."""
    C, _ = features.waves(path.t, path.x)
    Cw = C * path.weight[:, None]
    return C.T @ Cw, Cw.T @ path.growth
