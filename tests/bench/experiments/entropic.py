"""Noise that is known: an Ornstein–Uhlenbeck process and a double well, from their marginals.

Entropic Action Matching is told σ and given samples of q_t; the drift that it finds is compared
with the one that made them, and the marginals of its stochastic simulation with fresh samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """dx = −κx dt + σ dW from N(μ, v₀I) in the plane; marginals in closed form."""

    name: ClassVar[str] = "Ornstein–Uhlenbeck"
    start: tuple[float, float] = (2.0, -1.0)
    v_0: float = 0.1
    kappa: float = 1.0
    sigma: float = 0.8
    times: ClassVar[tuple[float, float]] = (0.0, 2.0)

    def sample(self, t: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draws of q_t."""
        decay = np.exp(-self.kappa * t)
        v = self.v_0 * decay**2 + self.sigma**2 * (1 - decay**2) / (2 * self.kappa)
        noise = generator.standard_normal((len(t), 2))
        return decay[:, None] * np.array(self.start) + np.sqrt(v)[:, None] * noise

    def drift(self, x: np.ndarray) -> np.ndarray:
        """−κx."""
        return -self.kappa * x


@dataclass(frozen=True)
class DoubleWell:
    """dx = −∇V dt + σ dW with V = (x₁² − 1)² + ½x₂², from N((−0.3, 0), 0.3²I).

    The marginals are those of an Euler–Maruyama simulation in 400 steps of 5 thousand particles.
    """

    name: ClassVar[str] = "double well"
    sigma: float = 0.8
    times: ClassVar[tuple[float, float]] = (0.0, 1.0)
    path: np.ndarray | None = None

    @staticmethod
    def simulated(rng: np.random.Generator, n: int = 5_000, steps: int = 400) -> DoubleWell:
        """The sampler of n fresh particles."""
        well = DoubleWell()
        x = np.array([-0.3, 0.0]) + 0.3 * rng.standard_normal((n, 2))
        path, h = [x], 1 / steps
        for _ in range(steps):
            x = x + h * well.drift(x) + well.sigma * h**0.5 * rng.standard_normal(x.shape)
            path.append(x)
        return DoubleWell(path=np.stack(path))

    def sample(self, t: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Particles at the nearest step."""
        assert self.path is not None
        rows = generator.integers(self.path.shape[1], size=len(t))
        return self.path[np.rint(t * (len(self.path) - 1)).astype(int), rows]

    def split(self, n: int, generator: np.random.Generator) -> tuple[DoubleWell, DoubleWell]:
        """Hold out one particle in n."""
        assert self.path is not None
        out = generator.permutation(self.path.shape[1]) % n == 0
        return DoubleWell(path=self.path[:, ~out]), DoubleWell(path=self.path[:, out])

    def drift(self, x: np.ndarray) -> np.ndarray:
        """−∇V."""
        return np.stack([-4 * x[:, 0] * (x[:, 0] ** 2 - 1), -x[:, 1]], axis=1)
