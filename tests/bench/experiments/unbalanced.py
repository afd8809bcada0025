"""Mass that changes: a mixture whose parts grow and shrink in place, and a WFR geodesic.

Unbalanced Action Matching with λ = 1 minimises ∫∫(½|v|² + ½g²) q_t dx dt over motions v and
growth rates g that have the marginals q_t. That is the energy whose geodesics are those of
Wasserstein–Fisher–Rao on the cone over points of mass w = r² at angles |x − y|/2: between two
unit masses at distance d < π

    w(t) = (1 − t)² + t² + 2t(1 − t) cos(d/2),

on the way from N((−1, 0), 0.3²) to N((1, 0), 0.3²) every pair of an optimal plan moves so. The
plan is found on a grid by Sinkhorn iterations with the cost −2 log cos(|x − y|/2) and
Kullback–Leibler divergences at both ends; mass and mean of the geodesic then follow from its
pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

import cellam
from cellam.toys import WeightChange
from experiments.figures import clouds
from experiments.rows import KEPT, TIMES, Row, timed

SPREAD, FAR = 0.3, 1.0


@dataclass(frozen=True)
class GrowingMixture:
    """Two Gaussians 8 standard deviations apart, of masses 0.8 to 0.2 and 0.2 to 0.8."""

    name: ClassVar[str] = "mixture that grows"
    truth: ClassVar[WeightChange] = WeightChange(0.2, 0.8, gap=8.0, v=1.0)

    def sample(
        self, t: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws of q_t, and its mass."""
        x = generator.standard_normal((len(t), 2))
        left, right = 0.8 ** (1 - t) * 0.2**t, 0.2 ** (1 - t) * 0.8**t
        at_right = generator.random(len(t)) * (left + right) < right
        x[:, 0] += np.where(at_right, 4.0, -4.0)
        return x, left + right


@dataclass(frozen=True)
class Geodesic:
    """The WFR geodesic between two Gaussians, λ = 1, from a plan on a grid of n_1 × n_2 points."""

    name: ClassVar[str] = "WFR geodesic"
    n_1: int = 45
    n_2: int = 25
    blur: float = 2e-3  # of the entropy in the plan

    @cached_property
    def pairs(self) -> tuple[np.ndarray, ...]:
        """x_0, x_1 (P, 2), masses w_0, w_1 (P,) of the pairs that matter, and angles (P,)."""
        side = np.linspace(-4 * SPREAD, 4 * SPREAD, self.n_1)
        across = np.linspace(-4 * SPREAD, 4 * SPREAD, self.n_2)
        grid = np.stack(np.meshgrid(side, across, indexing="ij"), -1).reshape(-1, 2)
        p = np.exp(-0.5 * (grid**2).sum(1) / SPREAD**2)
        p /= p.sum()
        x, y = grid - [FAR, 0], grid + [FAR, 0]
        angle = 0.5 * np.linalg.norm(x[:, None] - y[None], axis=2)
        reach = angle < np.pi / 2 - 1e-6
        cost = np.where(reach, -2 * np.log(np.cos(np.where(reach, angle, 0.0))), np.inf)
        f, g = np.zeros(len(p)), np.zeros(len(p))
        log_p, eps = np.log(p), self.blur
        for width in (0.1, 0.03, 0.01, *([eps] * 300)):
            f = -width / (1 + width) * _logsumexp((g[None] - cost) / width + log_p[None])
            g = -width / (1 + width) * _logsumexp((f[:, None] - cost).T / width + log_p[None])
        plan = np.exp((f[:, None] + g[None] - cost) / eps + log_p[:, None] + log_p[None])
        # A pair holds the share of its cell that the plan gives it.
        i, j = np.nonzero(plan > 1e-9 * plan.max())
        w_0 = p[i] * plan[i, j] / plan.sum(1)[i]
        w_1 = p[j] * plan[i, j] / plan.sum(0)[j]
        return x[i], y[j], w_0, w_1, angle[i, j]

    def at(self, t: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (n, 2) and masses (n,) of pairs at times t: a chord in the cone."""
        x_0, x_1, w_0, w_1, angle = (part[pair] for part in self.pairs)
        r_0, r_1 = (1 - t) * np.sqrt(w_0), t * np.sqrt(w_1)
        mass = r_0**2 + r_1**2 + 2 * r_0 * r_1 * np.cos(angle)
        turned = np.arctan2(r_1 * np.sin(angle), r_0 + r_1 * np.cos(angle))
        return x_0 + (turned / angle)[:, None] * (x_1 - x_0), mass

    def sample(
        self, t: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pairs in proportion to the mean of their end masses, with what that leaves out."""
        w_0, w_1 = self.pairs[2:4]
        likely = 0.5 * (w_0 + w_1)
        pair = generator.choice(len(likely), len(t), p=likely / likely.sum())
        x, mass = self.at(t, pair)
        return x + self.jitter(generator, len(t)), mass / likely[pair] * likely.sum()

    def jitter(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Within a cell of the grid, (n, 2)."""
        cell = 8 * SPREAD / (np.array([self.n_1, self.n_2]) - 1)
        return cell * (generator.random((n, 2)) - 0.5)

    def mass_and_mean(self, t: float) -> tuple[float, np.ndarray]:
        """Total mass and mean position at time t."""
        everyone = np.arange(len(self.pairs[2]))
        x, mass = self.at(np.full(len(everyone), t), everyone)
        return float(mass.sum()), mass @ x / mass.sum()


def dirac_mass(t: np.ndarray, distance: float = 2 * FAR) -> np.ndarray:
    """Mass on the geodesic between unit masses at two points."""
    return (1 - t) ** 2 + t**2 + 2 * t * (1 - t) * np.cos(distance / 2)


def _logsumexp(a: np.ndarray) -> np.ndarray:
    top = a.max(1, keepdims=True)
    return (top + np.log(np.exp(a - top).sum(1, keepdims=True)))[:, 0]


# ------------------------------------------------------------------ the experiment


def mixture() -> list[Row]:
    """Two Gaussians that grow and shrink in place."""
    q = GrowingMixture()
    masses = np.array([q.truth.mass(t) for t in TIMES])
    shares = np.array([q.truth.weight(t) for t in TIMES])
    return _run(
        q, masses, shares, lambda x, w: float(w[x[:, 0] > 0].sum() / w.sum()), "share of the right"
    )


def geodesic() -> list[Row]:
    """Wasserstein–Fisher–Rao."""
    q = Geodesic()
    truth = [q.mass_and_mean(t) for t in TIMES]
    rows = _run(
        q,
        np.array([m for m, _ in truth]),
        np.array([x[0] for _, x in truth]),
        lambda x, w: float(w @ x[:, 0] / w.sum()),
        "mean of x₁",
    )
    point = dirac_mass(np.array([0.5]))[0]
    note = f"least mass {truth[5][0]:.4f} on the grid, {point:.4f} between two points (closed form)"
    return [row._replace(note=note) if "mass over" in row.measure else row for row in rows]


def _run(q: Any, masses: np.ndarray, truth: np.ndarray, statistic: Any, name: str) -> list[Row]:
    rng = np.random.default_rng(1)
    x, weight = q.sample(np.zeros(5_000), rng)
    rows, found = [], {}
    for action, options in (
        ("kernel", {"n_features": 500, "particles": 100_000}),
        ("mlp", {"steps": 2_000, "width": 64}),
    ):
        with timed() as clock:
            fitted = cellam.fit_action(q, cellam.Objective(growth_scale=1.0), action, **options)
        moved = fitted.simulate(x, TIMES)
        w = weight / len(x) * np.exp(moved.log_weights)
        mass, value = (
            w.sum(1),
            np.array([statistic(p, u) for p, u in zip(moved.points, w, strict=True)]),
        )
        found[action] = mass, value
        rows += [
            Row(
                "unbalanced",
                f"{q.name}, {action}",
                "mass over time, greatest relative error",
                f"{np.abs(mass / masses - 1).max():.3f}",
                f"mass {masses.min():.3f} to {masses.max():.3f}",
                clock.wall,
                clock.cpu,
            ),
            Row(
                "unbalanced",
                f"{q.name}, {action}",
                f"{name} over time, greatest error",
                f"{np.abs(value - truth).max():.3f}",
                f"{truth[0]:.2f} to {truth[-1]:.2f}",
            ),
        ]
    clouds(KEPT / f"{q.name.replace(' ', '-')}.png", TIMES, masses, truth, found, name)
    return rows
