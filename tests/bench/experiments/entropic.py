"""Noise that is known: an Ornstein–Uhlenbeck process and a double well, from their marginals.

Entropic Action Matching is told σ and given samples of q_t; the drift that it finds is compared
with the one that made them, and the marginals of its stochastic simulation with fresh samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import cellam
from experiments.figures import curves
from experiments.rows import KEPT, Row, distance, timed


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


# ------------------------------------------------------------------ the experiment


def ou() -> list[Row]:
    """Ornstein–Uhlenbeck."""
    return _run(OrnsteinUhlenbeck(), OrnsteinUhlenbeck())


def well() -> list[Row]:
    """Double well."""
    rng = np.random.default_rng(0)
    return _run(DoubleWell.simulated(rng), DoubleWell.simulated(rng))


def _run(q: Any, fresh: Any) -> list[Row]:
    rng = np.random.default_rng(1)
    stop = q.times[1]
    times = np.linspace(0, stop, 6)
    truth = [fresh.sample(np.full(2_000, t), rng) for t in times]
    again = [fresh.sample(np.full(2_000, t), rng) for t in times]
    rows, drawn = [], {}
    for action, options in (
        ("kernel", {"n_features": 500, "particles": 100_000}),
        ("mlp", {"steps": 2_000, "width": 64}),
    ):
        objective = cellam.Objective(sigma=q.sigma)
        with timed() as clock:
            fitted = cellam.fit_action(q, objective, action, times=q.times, **options)
        errors, size = [], []
        for t in np.linspace(0, stop, 21)[1:-1]:
            x = fresh.sample(np.full(2_000, t), rng)
            errors.append(((fitted.velocity(t, x) - q.drift(x)) ** 2).mean())
            size.append((q.drift(x) ** 2).mean())
        moved = fitted.simulate(truth[0], times).points
        gaps = [distance(moved[k], truth[k]) for k in range(1, 6)]
        floor = [distance(again[k], truth[k]) for k in range(1, 6)]
        drawn[action] = moved
        rows += [
            Row(
                "entropic",
                f"{q.name}, {action}",
                "relative error of the drift, under q_t",
                f"{np.sqrt(np.mean(errors) / np.mean(size)):.3f}",
                "0: exact",
                clock.wall,
                clock.cpu,
            ),
            Row(
                "entropic",
                f"{q.name}, {action}",
                "energy distance of simulated marginals, mean of 5 times",
                f"{np.mean(gaps):.1e}",
                f"fresh samples {np.mean(floor):.1e}; cloud at the start "
                f"{np.mean([distance(truth[0], truth[k]) for k in range(1, 6)]):.1e}",
            ),
        ]
    curves(
        KEPT / f"entropic-{'ou' if q.times[1] == 2 else 'well'}.png",
        [truth, drawn["kernel"], drawn["mlp"]],
        ["fresh samples", "kernel", "mlp"],
        [f"t = {t:.1f}" for t in times],
    )
    return rows
