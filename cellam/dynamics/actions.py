"""Actions: the scalar s(t, x) whose gradient is the velocity.

Two forms. `Kernel` is linear in its parameters, so the loss has a closed-form minimum;
`MLP` is a network for stochastic gradients. Both give, for t (N,) and x (N, d),

    s (N,),   ∇s (N, d),   ∂ₜs (N,),   Δs (N,).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellam.dynamics.mean_motion import MeanMotion

BLOCK = 1_024  # points whose features are held at once


class Action(Protocol):
    """A scalar field of time and place, and its derivatives."""

    name: ClassVar[str]

    @property
    def jumps(self) -> tuple[float, ...]:
        """Unit times at which its gradient jumps, in order."""
        ...

    def value(self, t: Tensor, x: Tensor) -> Tensor:
        """s, (N,), (N, d) -> (N,)."""
        ...

    def gradient(self, t: Tensor, x: Tensor) -> Tensor:
        """∇s, (N,), (N, d) -> (N, d)."""
        ...

    def derivatives(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """∇s and ∂ₜs, (N,), (N, d) -> (N, d), (N,)."""
        ...

    def laplacian(self, t: Tensor, x: Tensor) -> Tensor:
        """Δs, (N,), (N, d) -> (N,)."""
        ...

    def hessian(self, t: Tensor, x: Tensor) -> Tensor:
        """∇∇s, (N,), (N, d) -> (N, d, d)."""
        ...


@dataclass(frozen=True)
class Features:
    """Random Fourier features φⱼ(t, x) = aⱼ cos(ωⱼ·x + νⱼt + βⱼ), j = 1 … m [1]_.

    Parameters
    ----------
    omega : (m, d) Tensor
        Frequencies in space.
    nu : (m,) Tensor
        Frequencies in time.
    beta : (m,) Tensor
        Phases.
    a : (m,) Tensor
        Amplitudes.

    References
    ----------
    .. [1] Rahimi and Recht, Random Features for Large-Scale Kernel Machines, NIPS 2007.
    """

    omega: Tensor
    nu: Tensor
    beta: Tensor
    a: Tensor

    @staticmethod
    def draw(
        m: int, d: int, *, length: float, duration: float, rng: np.random.Generator
    ) -> Features:
        """Random features for fields that vary over `length` in space and `duration` in time.

        Length scales are log-uniform from 0.4 to 8 times `length`: the long ones hold the affine
        part of a motion, the short ones its detail. Amplitudes grow with the length scale,
        so that a priori all of them contribute alike to the velocity. A few features
        are constant in space, for growth that all cells share.
        """
        scale = 0.4 * 20.0 ** rng.random(m)
        omega = rng.standard_normal((m, d)) / (scale * length)[:, None]
        nu = rng.standard_normal(m) / (0.6 * duration)
        beta = rng.uniform(0, 2 * np.pi, m)
        flat = max(4, m // 64)
        omega[:flat], scale[:flat] = 0.0, 1.0
        values = omega, nu, beta, scale * np.sqrt(2 / m)
        return Features(*(torch.as_tensor(v, dtype=torch.float32) for v in values))

    def time_independent(self) -> Features:
        """The same features without change in time, but for those that are constant in space.

        For growth: a property of a cell's state, and a level that all cells share.
        """
        moving = self.omega.abs().sum(-1) > 0
        amplitude = torch.full_like(self.a, (2 / len(self)) ** 0.5)
        return Features(self.omega, self.nu.masked_fill(moving, 0.0), self.beta, amplitude)

    def __len__(self) -> int:
        return len(self.a)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Features:
        """The same features elsewhere, in single precision unless told otherwise."""
        return Features(*(v.to(device, dtype) for v in (self.omega, self.nu, self.beta, self.a)))

    def cos_sin(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """a cos and a sin of the phases, each (N, m)."""
        phase = self.phases(t, x)
        return self.a * torch.cos(phase), self.a * torch.sin(phase)

    def phases(self, t: Tensor, x: Tensor) -> Tensor:
        """ω·x + νt + β, (N, m)."""
        return torch.addmm(self.beta + t[:, None] * self.nu, x, self.omega.T)


Field = Callable[["Kernel", Tensor, Tensor], Tensor]


def _in_blocks(field: Field) -> Field:
    """A field that is evaluated for `BLOCK` points at a time, where there are more.

    What the features take then stays in the cache of a processor, which is three times as fast.
    """

    @wraps(field)
    def blocked(self: Kernel, t: Tensor, x: Tensor) -> Tensor:
        if len(x) <= BLOCK or x.device.type != "cpu":
            return field(self, t, x)
        blocks = zip(torch.split(t, BLOCK), torch.split(x, BLOCK), strict=True)
        return torch.cat([field(self, *block) for block in blocks])

    return blocked


@dataclass(frozen=True)
class Kernel:
    """s = Σⱼ θⱼ φⱼ(t, x) over random Fourier features, and a(t)·x for a mean motion held apart."""

    features: Features
    theta: Tensor
    mean: MeanMotion | None = None
    name: ClassVar[str] = "kernel"

    @property
    def jumps(self) -> tuple[float, ...]:
        """The days between the first and the last, if a mean motion is held apart."""
        return () if self.mean is None else tuple(self.mean.knots[1:-1].tolist())

    def to(self, device: torch.device | str) -> Kernel:
        """The same action on another device."""
        mean = None if self.mean is None else self.mean.to(device)
        return Kernel(self.features.to(device), self.theta.to(device), mean)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Features, θ and the mean motion by name, to be written."""
        parts = {**vars(self.features), "theta": self.theta}
        if self.mean is not None:
            parts |= {"knots": self.mean.knots, "mean_motion": self.mean.coefficients}
        return {name: part.numpy() for name, part in parts.items()}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Kernel:
        """The action that `arrays` gave, its names preceded by a prefix.

        Raises
        ------
        KeyError, ValueError
            If one is missing, or their shapes are inconsistent.
        """
        names = ("omega", "nu", "beta", "a", "theta")
        omega, *others = (torch.from_numpy(arrays[prefix + name]) for name in names)
        if omega.ndim != 2 or any(part.shape != omega.shape[:1] for part in others):
            raise ValueError("the shapes of a kernel's arrays are inconsistent")
        nu, beta, a, theta = others
        mean = None
        if prefix + "knots" in arrays:
            knots, motion = (torch.from_numpy(arrays[prefix + n]) for n in ("knots", "mean_motion"))
            if knots.ndim != 1 or motion.shape != (len(knots) - 1, 3, omega.shape[1]):
                raise ValueError("the shapes of a kernel's mean motion do not fit each other")
            mean = MeanMotion(knots, motion)
        return Kernel(Features(omega, nu, beta, a), theta, mean)

    @_in_blocks
    def value(self, t: Tensor, x: Tensor) -> Tensor:
        """s = Σ θ a cos + a(t)·x."""
        f = self.features
        s = torch.cos(f.phases(t, x)) @ (f.a * self.theta)
        return s if self.mean is None else s + (self.mean.velocity(t) * x).sum(-1)

    @_in_blocks
    def gradient(self, t: Tensor, x: Tensor) -> Tensor:
        """∇s = −Σ θ a sin · ω + a(t)."""
        f = self.features
        v = -torch.sin(f.phases(t, x)) @ ((f.a * self.theta)[:, None] * f.omega)
        return v if self.mean is None else v + self.mean.velocity(t)

    def derivatives(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """∇s = −Σ θ a sin · ω + a(t) and ∂ₜs = −Σ θ a sin · ν + a′(t)·x."""
        f = self.features
        both = torch.cat([f.omega, f.nu[:, None]], 1)
        slopes = -torch.sin(f.phases(t, x)) @ ((f.a * self.theta)[:, None] * both)
        dsdx, dsdt = slopes[:, :-1], slopes[:, -1]
        if self.mean is None:
            return dsdx, dsdt
        return dsdx + self.mean.velocity(t), dsdt + (self.mean.acceleration(t) * x).sum(-1)

    @_in_blocks
    def laplacian(self, t: Tensor, x: Tensor) -> Tensor:
        """Δs = −Σ θ a cos · |ω|²."""
        f = self.features
        return -torch.cos(f.phases(t, x)) @ (f.a * self.theta * f.omega.square().sum(-1))

    @_in_blocks
    def hessian(self, t: Tensor, x: Tensor) -> Tensor:
        """∇∇s = −Σ θ a cos · ωωᵀ."""
        f = self.features
        waves = -torch.cos(f.phases(t, x)) * (f.a * self.theta)
        return torch.stack([(waves * row) @ f.omega for row in f.omega.T], 1)


@dataclass(frozen=True)
class MLP:
    """A network s(t, x) with SiLU units, whose derivatives are written out.

    The gradient is one backward pass written by hand, the Laplacian one forward pass that
    carries first and second derivatives along: exact, without random probes, and a tenth
    of the cost of differentiating twice.

    Parameters
    ----------
    weights : tuple of (width_out, width_in) Tensors
        The first has d + 1 columns, the last of them for time.
    biases : tuple of (width_out,) Tensors
        The last one pins the level of s, which the unbalanced loss needs.
    squared : bool
        s = ½|x − h(t, x)|² of a network h with d outputs [1]_, instead of s = h with one.

    References
    ----------
    .. [1] Neklyudov, Brekelmans, Severo and Makhzani, Action Matching, ICML 2023, appendix.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    squared: bool = False
    name: ClassVar[str] = "mlp"

    @property
    def jumps(self) -> tuple[float, ...]:
        """None: a network is smooth."""
        return ()

    @staticmethod
    def init(
        d: int,
        rng: np.random.Generator,
        *,
        width: int = 128,
        depth: int = 3,
        squared: bool = False,
    ) -> MLP:
        """A random network of `depth` hidden layers for d coordinates."""
        sizes = [d + 1, *[width] * depth, d if squared else 1]
        weights = [rng.standard_normal((n, m)) / np.sqrt(m) for m, n in itertools.pairwise(sizes)]
        return MLP(
            tuple(torch.as_tensor(w, dtype=torch.float32) for w in weights),
            tuple(torch.zeros(n) for n in sizes[1:]),
            squared,
        )

    def parameters(self) -> tuple[Tensor, ...]:
        """All weights and biases."""
        return (*self.weights, *self.biases)

    def copy(self) -> MLP:
        """A copy that takes no part in gradients."""
        return MLP(
            tuple(w.detach().clone() for w in self.weights),
            tuple(b.detach().clone() for b in self.biases),
            self.squared,
        )

    def to(self, device: torch.device | str) -> MLP:
        """The same network on another device."""
        return MLP(
            tuple(w.to(device) for w in self.weights),
            tuple(b.to(device) for b in self.biases),
            self.squared,
        )

    def value(self, t: Tensor, x: Tensor) -> Tensor:
        """s, by the plain forward pass."""
        h, _ = self._forward(t, x)
        return 0.5 * (x - h).square().sum(-1) if self.squared else h[:, 0]

    def gradient(self, t: Tensor, x: Tensor) -> Tensor:
        """∇s, a part of `derivatives`."""
        return self.derivatives(t, x)[0]

    def derivatives(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """∇s and ∂ₜs, by one written-out backward pass.

        ∇½|x − h|² is (x − h) − (∂h/∂x)ᵀ(x − h). The network sees 2t − 1 for t.
        """
        h, pre_activations = self._forward(t, x)
        g = (h - x if self.squared else torch.ones_like(h)) @ self.weights[-1]
        for z, W in zip(reversed(pre_activations), reversed(self.weights[:-1]), strict=True):
            gate = torch.sigmoid(z)
            g = (g * gate * (1 + z * (1 - gate))) @ W
        dsdx = x - h + g[:, :-1] if self.squared else g[:, :-1]
        return dsdx, 2.0 * g[:, -1]

    def laplacian(self, t: Tensor, x: Tensor) -> Tensor:
        """Δs, carrying J = ∂h/∂x (N, width, d) and L = Δh (N, width) through the layers.

        At the end, ½|x − h|² has the Laplacian |I − J|² − (x − h)·L.
        """
        h, pre_activations = self._forward(t, x)
        J = self.weights[0][:, :-1].expand(len(x), -1, -1)
        L = x.new_zeros(J.shape[:2])
        for z, W in zip(pre_activations, self.weights[1:], strict=True):
            gate = torch.sigmoid(z)
            first = gate * (1 + z * (1 - gate))
            second = gate * (1 - gate) * (2 + z * (1 - 2 * gate))
            L = (second * J.square().sum(-1) + first * L) @ W.T
            J = torch.einsum("oi,nid->nod", W, first[..., None] * J)
        if self.squared:
            spread = (torch.eye(x.shape[1], dtype=x.dtype, device=x.device) - J).square()
            return spread.sum((-2, -1)) - ((x - h) * L).sum(-1)
        return L[:, 0]

    def hessian(self, t: Tensor, x: Tensor) -> Tensor:
        """∇∇s: each coordinate of the gradient, differentiated by torch."""
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            slope = self.gradient(t, at)
            rows = [torch.autograd.grad(part.sum(), at, retain_graph=True)[0] for part in slope.T]
        return torch.stack(rows, 1).detach()

    def _forward(self, t: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        h = torch.cat([x, (2 * t - 1)[:, None]], 1)
        pre_activations = []
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = torch.addmm(b, h, W.T)
            pre_activations.append(z)
            h = torch.nn.functional.silu(z)
        return torch.addmm(self.biases[-1], h, self.weights[-1].T), pre_activations
