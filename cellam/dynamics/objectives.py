r"""Objectives: what an action is asked to do, and the dynamics that it then implies.

From a density to its action
----------------------------
Samples say what the density q_t of particles is at time t, but not who went where. Of all
velocities v that carry it along,

    ∂ₜq = −∇·(q v)                                                                        (1)

exactly one is a gradient, v = ∇s*, and it is the one of least kinetic energy ½∫E|v|²dt: the
others differ from it by a v′ with ∇·(q v′) = 0, and E[∇s*·v′] = 0. Action Matching [1]_ looks
for that s*, a scalar field s(t, x), by the least distance from it, the action gap

    ½ ∫₀¹ E_qₜ|∇s − ∇s*|² dt = ½ ∫E|∇s|² − ∫E[∇s·∇s*] + K,     K = ½ ∫E|∇s*|².            (2)

s* is not known, but the term that it is in is. By parts in x, then (1), then by parts in t,

    ∫E[∇s·∇s*]dt = −∬ s ∇·(q ∇s*) dx dt = ∬ s ∂ₜq dx dt = E_q₁[s] − E_q₀[s] − ∫E[∂ₜs]dt,    (3)

all of them means over samples. That leaves the loss of the paper, whose minimum is −K:

    L(s) = E_q₀[s] − E_q₁[s] + ∫₀¹ E_qₜ[½|∇s|² + ∂ₜs] dt.                                    (4)

It does not see what depends on t alone: s is free up to c(t).

The three losses
----------------
Let particles diffuse and change their mass w on the way,

    dx = ∇s dt + σ dW,      d log w = λ s dt                                              (5)
    ∂ₜq = −∇·(q ∇s) + ½σ² Δq + λ s q                                                      (6)

with q_t of any total mass, and E_qₜ[f] = ∫ q_t f dx. The same steps with (6) for (1) give

    am    σ = 0, λ = 0    (4): mass is moved                                  (eq. 5 of [1]_)
    eam   σ > 0, λ = 0    … + ½σ² ∫E[Δs]: it diffuses       (7)   (entropic, sec. 3.1 of [1]_)
    uam   σ = 0, λ > 0    … + ½λ ∫E[s²]: it grows, dies     (8)   (unbalanced, sec. 3.3 of [1]_)
    ueam  σ > 0, λ > 0    all terms

Under (7) ∇s* is the drift of the process with noise σ: that of its probability flow plus
½σ²∇log q. Under (8) the motion and growth of (5) are those of least energy ½∫E[|∇s|² + λs²]dt,
and c(t) is no longer free: s carries the change of mass. Growth may also be a field of its own,
g(t, x) in place of λs in (5) and (6): then s explains the motion alone, and g the change of
mass.

Two estimators, and the weight of time
--------------------------------------
A weight w(t) ≥ 0 makes some times count more than others, in the gap (2) and so in the loss. It
goes through (3), where by parts in t it leaves w′. From samples of q_t alone, all of it
together,

    L(s) = w₀E_q₀[s] − w₁E_q₁[s]
           + ∫₀¹ E_qₜ[w (½|∇s|² + ∂ₜs + ½σ²Δs + ½λs²) + w′ s] dt.                            (9)

The authors' code has w = 1 − t where data come from noise: close to finite data the velocity is
largest and least sure. Where particles are known with their velocity ẋ and growth rate ġ = d
log w/dt, nothing has to be integrated by parts in t, since d/dt E_qₜ[s] = E_qₜ[∂ₜs + ∇s·ẋ + s
ġ]:

    L(s) = ∫₀¹ w E_qₜ[½|∇s|² − ∇s·ẋ + ½σ²Δs + ½λs² − s ġ] dt,                               (10)

and where the conditional score of the path is known, E[Δs] = −E[∇s·∇log q]. For the exact path
(9) and (10) are one number; from samples (10) has far less variance. ẋ need not be a gradient:
(10) is ½∫wE|∇s − ẋ|² less what does not depend on s, a regression on ẋ that only a gradient can
enter.

The closed form
---------------
For s = Σ θⱼφⱼ(t, x) either loss is ½θᵀAθ − bᵀθ, and its minimum solves Aθ = b:

    A = ∫ w E[∇φ∇φᵀ + λφφᵀ] dt,
    b = w₁E_q₁[φ] − w₀E_q₀[φ] − ∫E[w∂ₜφ + w′φ + ½σ²wΔφ]dt, or ∫wE[∇φ·ẋ − ½σ²Δφ + φġ]dt.    (11)

A growth field of its own is the least-squares fit to the growth of the path,

    G(g) = ∫₀¹ E_qₜ[½g² − g ġ] dt.                                                         (12)

For any s, with K = ½∫wE[|∇s*|² + λs*²]dt (plus what σ adds, the same for all s),

    L(s) = ½ ∫ w E_qₜ[|∇s − ∇s*|² + λ(s − s*)²] dt − K:                                      (13)

on held-out samples L ranks actions by their distance from s*, which is how ridge, length and
duration of features are chosen and a network's training is stopped. Its value alone says
nothing.

What checks what
----------------
In `tests/dynamics/`: (9), (10) and (13) as numbers and (11) as their quadratic form in
`test_objectives.py`; the minimisers for q_t = N(mt, vI) in `test_fitting.py`; fits from
samplers in `test_matching.py`. In `tests/bench/paper.py`, results in `tests/bench/PAPER.md`:

    (4) from marginals       a hydrogen atom in superposition, |ψ|² as q_t
    (7)                      Ornstein–Uhlenbeck process and double well: drift and marginals
    (8)                      a mixture that grows in place; a Wasserstein–Fisher–Rao geodesic, which
                             is the path q of least energy of (8): mass and position over time
    (9) against (10), w(t)   8 Gaussians to two moons, and digits from noise
    (11) against gradients   all of them, kernel beside network

References
----------
.. [1] Neklyudov, Brekelmans, Severo and Makhzani, Action Matching: Learning Stochastic
   Dynamics from Samples, ICML 2023, arXiv:2210.06662.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cellam.dynamics.actions import Action, Features
from cellam.dynamics.samples import Ends, PathSample, Sample
from cellam.errors import ConfigError


@dataclass(frozen=True)
class Level:
    """A rate that depends on time alone: one value in each gap between neighbouring days.

    Parameters
    ----------
    times : (K + 1,) tuple of float
        Unit times of the days.
    rates : (K,) tuple of float
        Per unit time; before the first day and after the last one the nearest holds.
    """

    times: tuple[float, ...]
    rates: tuple[float, ...]

    @staticmethod
    def after_each(levels: Sequence[Level]) -> Level:
        """Of the levels of all days: in each gap that of the day before it."""
        rates = tuple(level.rates[k] for k, level in enumerate(levels[:-1]))
        return Level(levels[0].times, rates)

    def at(self, t: Tensor) -> Tensor:
        """Rate at unit times (N,) -> (N,); on a day itself that of the gap after it."""
        gap = torch.bucketize(t, t.new_tensor(self.times[1:-1]), right=True)
        return t.new_tensor(self.rates)[gap]

    def integral(self, start: float, stop: float) -> float:
        """What it adds up to from one unit time to another, earlier or later.

        Examples
        --------
        >>> level = Level((0.0, 0.5, 1.0), (2.0, 4.0))
        >>> level.integral(0.25, 0.75), level.integral(0.75, 0.25), level.integral(-1.0, 0.0)
        (1.5, -1.5, 2.0)
        """
        edges = (float("-inf"), *self.times[1:-1], float("inf"))
        first, last = min(start, stop), max(start, stop)
        total = sum(
            rate * max(0.0, min(last, end) - max(first, begin))
            for rate, begin, end in zip(self.rates, edges[:-1], edges[1:], strict=True)
        )
        return total if stop >= start else -total


@dataclass(frozen=True)
class Dynamics:
    """Equation (5) for a fitted action: where a cell goes and how its mass changes.

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
    growth_range : (float, float) or None
        Growth rates are held within it, if it is given: a field knows nothing of rates beyond
        those that it was fitted to, and a single cell that strays from the data could otherwise
        outgrow all.
    growth_level : Level or None
        Taken off all growth rates: what they would add to the known masses of the days, if it is
        given.
    """

    action: Action
    sigma: float = 0.0
    growth_action: Action | None = None
    growth_scale: float = 1.0
    growth_range: tuple[float, float] | None = None
    growth_level: Level | None = None

    @property
    def jumps(self) -> tuple[float, ...]:
        """Unit times at which the drift jumps, in order."""
        return self.action.jumps

    def drift(self, t: Tensor, x: Tensor) -> Tensor:
        """∇s, (N,), (N, d) -> (N, d), in model coordinates per unit time."""
        return self.action.gradient(t, x)

    def growth(self, t: Tensor, x: Tensor) -> Tensor:
        """λs or g less the level, (N,), (N, d) -> (N,), per unit time."""
        rate = self.growth_field(t, x)
        return rate if self.growth_level is None else rate - self.growth_level.at(t)

    def growth_field(self, t: Tensor, x: Tensor) -> Tensor:
        """λs or g without the level, (N,), (N, d) -> (N,), per unit time."""
        if self.growth_action is None:
            return x.new_zeros(len(x))
        rate = self.growth_scale * self.growth_action.value(t, x)
        return rate if self.growth_range is None else rate.clamp(*self.growth_range)


@dataclass(frozen=True)
class Objective:
    """Loss (9) or (10), and the dynamics (5) that its minimiser implies.

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
            raise ConfigError("Growth is either tied to the action or an independent field.")

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
        growth_range: tuple[float, float] | None = None,
        growth_level: Level | None = None,
    ) -> Dynamics:
        """Equation (5) for the minimiser, and for the growth field if it has one of its own."""
        held = growth_range, growth_level
        if self.own_growth:
            return Dynamics(action, self.sigma, growth, 1.0, *held)
        if self.growth_scale > 0:
            return Dynamics(action, self.sigma, action, self.growth_scale, *held)
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
        phase = features.phases(path.t, path.x)  # (N, m)
        S = features.a * torch.sin(phase)
        b = -((self._target(path) @ features.omega.T) * S).T @ w
        A = self._gram(features, S, w)
        diffuses = self.sigma > 0 and path.score is None
        if diffuses or self.growth_scale > 0:  # without both, cosines have no part in it
            C = features.a * torch.cos(phase)
            if diffuses:
                b += self._diffusion(features, C.T @ w)
            if self.growth_scale > 0:
                b += C.T @ (w * path.growth)
                A += self._growth_gram(C, w)
        return A, b

    def quadratic_from_samples(self, features: Features, sample: Sample) -> tuple[Tensor, Tensor]:
        """A (m, m) of (11) and b = −∫E[w∂ₜφ + w′φ + ½σ²wΔφ] (m,): (9) without its `boundary`."""
        w, dwdt = self._weigh(sample.t, sample.weight)
        C, S = features.cos_sin(sample.t, sample.x)
        b = features.nu * (S.T @ w)
        if self.sigma > 0:
            b += self._diffusion(features, C.T @ w)
        if self.time_weight is not None:
            b -= C.T @ dwdt
        A = self._gram(features, S, w)
        if self.growth_scale > 0:
            A += self._growth_gram(C, w)
        return A, b

    def boundary(self, features: Features, ends: Ends) -> Tensor:
        """What equation (9) adds to b at the ends: w₁E_q₁[φ] − w₀E_q₀[φ], (m,)."""
        return features.cos_sin(ends.t, ends.x)[0].T @ self._weigh(ends.t, ends.w)[0]

    def _gram(self, features: Features, S: Tensor, w: Tensor) -> Tensor:
        """∫wE[∇φ∇φᵀ], (m, m)."""
        return (features.omega @ features.omega.T) * _weighted_gram(S, w)

    def _growth_gram(self, C: Tensor, w: Tensor) -> Tensor:
        """λ∫wE[φφᵀ], (m, m)."""
        return self.growth_scale * _weighted_gram(C, w)

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
    C = features.a * torch.cos(features.phases(path.t, path.x))
    return _weighted_gram(C, path.weight), C.T @ (path.weight * path.growth)


def _weighted_gram(S: Tensor, w: Tensor) -> Tensor:
    """SᵀWS, (m, m), with weights (N,) that are not negative.

    As XᵀX it is half of the multiplications for numpy, which knows a symmetric product; torch does
    not.
    """
    X = S * w.sqrt()[:, None]
    if X.device.type != "cpu":
        return X.T @ X
    half = X.numpy()
    return torch.from_numpy(half.T @ half)
