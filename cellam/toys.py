"""Populations whose action, velocity and growth are known.

`GaussianTranslation`, `OrnsteinUhlenbeck` and `WeightChange` have closed forms, for tests.
`Branching` is a population that drifts, divides and dies on a fork, simulated cell by cell;
`cellam.demo` gives it genes and counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cellam.errors import ConfigError

Array = NDArray[np.float64]


def sigmoid(u: Array) -> Array:
    """1/(1 + exp(−u)), without overflow."""
    s: Array = 0.5 + 0.5 * np.tanh(0.5 * u)
    return s


@final
@dataclass(frozen=True)
class GaussianTranslation:
    """q_t = N(m t, v I): a cloud that moves at velocity m, (d,), and keeps its shape and mass.

    Examples
    --------
    >>> toy = GaussianTranslation((1.0, 0.0), v=0.25)
    >>> toy.sample(0.5, 3, np.random.default_rng(0)).shape
    (3, 2)
    >>> toy.action(1.0, np.zeros((1, 2)))
    array([-0.5])
    """

    m: tuple[float, ...]
    v: float = 1.0

    def sample(self, t: float, n: int, rng: Generator) -> Array:
        """Draw n points of q_t, (n, d)."""
        x: Array = np.asarray(self.m) * t + self.v**0.5 * rng.standard_normal((n, len(self.m)))
        return x

    def log_density(self, t: float, x: Array) -> Array:
        """Return log q_t(x), (N, d) -> (N,)."""
        square = ((x - np.asarray(self.m) * t) ** 2).sum(-1)
        log_q: Array = -0.5 * square / self.v - 0.5 * len(self.m) * np.log(2 * np.pi * self.v)
        return log_q

    def action(self, t: float, x: Array) -> Array:
        """AM: s*(t, x) = m·x - ½|m|² t, (N, d) -> (N,); free up to c(t)."""
        m = np.asarray(self.m)
        s: Array = x @ m - 0.5 * (m @ m) * t
        return s

    def entropic_action(self, t: float, x: Array, *, sigma: float) -> Array:
        """eAM: s*(t, x) = m·x - ½|m|² t + ½σ² log q_t(x), (N, d) -> (N,); free up to c(t)."""
        return self.action(t, x) + 0.5 * sigma**2 * self.log_density(t, x)

    def unbalanced_action(self, t: float, x: Array, *, lam: float = 1.0) -> Array:
        """uAM: s*(t, x) = m·(x - mt) / (1 + λv), (N, d) -> (N,)."""
        m = np.asarray(self.m)
        s: Array = (x - m * t) @ m / (1 + lam * self.v)
        return s

    def minimum(self, *, lam: float = 0.0) -> float:
        """L(s*) = -½|m|² / (1 + λv), the least loss over t in [0, 1]; λ = 0 is AM."""
        m = np.asarray(self.m)
        return float(-0.5 * (m @ m) / (1 + lam * self.v))


@final
@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """dx = -κ x dt + σ dW from N(μ, v₀ I), μ (d,): a cloud that relaxes to the origin.

    Examples
    --------
    >>> toy = OrnsteinUhlenbeck(mu=(2.0,), v_0=0.1, kappa=1.0, sigma=1.0)
    >>> toy.mean(np.log(2.0)), round(toy.variance(50.0), 6)
    (array([1.]), 0.5)
    """

    mu: tuple[float, ...]
    v_0: float = 1.0
    kappa: float = 1.0
    sigma: float = 1.0

    def mean(self, t: float) -> Array:
        """Return μ exp(-κt), (d,)."""
        mean: Array = np.asarray(self.mu) * np.exp(-self.kappa * t)
        return mean

    def variance(self, t: float) -> float:
        """Return v₀ exp(-2κt) + σ² (1 - exp(-2κt)) / 2κ, in each direction."""
        decay = np.exp(-2 * self.kappa * t)
        return float(self.v_0 * decay + self.sigma**2 * (1 - decay) / (2 * self.kappa))

    def sample(self, t: float, n: int, rng: Generator) -> Array:
        """Draw n points of q_t, (n, d)."""
        x: Array = rng.standard_normal((n, len(self.mu))) * self.variance(t) ** 0.5
        return self.mean(t) + x

    def drift(self, t: float, x: Array) -> Array:
        """eAM: ∇s* = -κx, the velocity beside the noise σ dW, (N, d) -> (N, d)."""
        return -self.kappa * x

    def flow(self, t: float, x: Array) -> Array:
        """AM: ∇s* = -κx + ½σ² (x - mean) / variance, the same q_t without noise, (N, d)."""
        return self.drift(t, x) + 0.5 * self.sigma**2 * (x - self.mean(t)) / self.variance(t)


@final
@dataclass(frozen=True)
class WeightChange:
    """Two Gaussians that stay in place while their masses change log-linearly in t.

    M_j(t) = p_j(0)^(1-t) p_j(1)^t for t in [0, 1], so each grows at the constant rate
    log(p_j(1) / p_j(0)), the velocity is zero, and the total mass is 1 at both ends.
    The left one sits at -½ gap on the first of d axes, the right one at +½ gap, with variance v
    in each direction; p_0 and p_1 are the share of the right one at t = 0 and at t = 1.

    Examples
    --------
    >>> toy = WeightChange(p_0=0.2, p_1=0.8)
    >>> toy.weight(0.0), round(toy.mass(0.5), 9), round(toy.weight(0.5), 9)
    (0.2, 0.8, 0.5)
    """

    p_0: float
    p_1: float
    gap: float = 8.0
    v: float = 1.0
    d: int = 2

    def _masses(self, t: float) -> tuple[float, float]:
        left: float = (1 - self.p_0) ** (1 - t) * (1 - self.p_1) ** t
        right: float = self.p_0 ** (1 - t) * self.p_1**t
        return left, right

    def mass(self, t: float) -> float:
        """Total mass, M_left + M_right."""
        return sum(self._masses(t))

    def weight(self, t: float) -> float:
        """Share of the right Gaussian, M_right / (M_left + M_right)."""
        return self._masses(t)[1] / self.mass(t)

    def sample(self, t: float, n: int, rng: Generator) -> Array:
        """Draw n points of the normalised mixture, (n, d)."""
        x: Array = self.v**0.5 * rng.standard_normal((n, self.d))
        x[:, 0] += np.where(rng.random(n) < self.weight(t), 0.5, -0.5) * self.gap
        return x

    def growth(self, t: float, x: Array) -> Array:
        """Σⱼ rⱼ(t, x) log(pⱼ(1) / pⱼ(0)), r the responsibilities, (N, d) -> (N,) per unit time."""
        left, right = self._masses(t)
        r = sigmoid(self.gap * x[:, 0] / self.v + np.log(right / left))  # (N, d) -> (N,)
        g_left = float(np.log((1 - self.p_1) / (1 - self.p_0)))
        return g_left + (float(np.log(self.p_1 / self.p_0)) - g_left) * r


@final
@dataclass(frozen=True)
class Branching:
    """A population on a fork: progenitors drift right; one arm expands, the other shrinks.

    A cell at z = (x, y) moves by dz = ∇φ dt + σ dW, divides at rate birth(z) and dies at rate
    death(z). With S the sigmoid, the potential (uphill is forward) is

        φ(x, y) = v x + ½ a(x) y² - ¼ b y⁴ + c S((x - x_f) / w) y
        a(x) = -a₀ + (a₀ + a₁) S((x - x_f) / w)

    c is the tilt. Without it, all cells drift right alike; y = 0 is stable left of the fork at x_f
    and unstable right of it, where the arms lie near y = ±√(a₁ / b).

    Parameters
    ----------
    v, x_f, w, a_0, a_1, b : float
        The letters of the potential; z has no unit, and time is in days.
    sigma : float
        Noise, in units of z per square root of a day.
    start, spread : tuple of float
        Mean and standard deviation of the founders, who are normal, on day 0. They already
        lean to one arm or the other, and more of them to the one that shrinks.
    boost : float
        By how much more often than usual the arm that expands divides: it multiplies what its
        cells have beyond the birth rate of all.
    tilt : float
        Drift towards the arm that expands, right of the fork, in units of z per day.
    step : float
        Longest Euler-Maruyama step, in days.

    Examples
    --------
    >>> truth = Branching()
    >>> z = np.array([[-1.0, 0.0], [1.0, 2.0], [1.0, -2.0]])
    >>> truth.cell_type(z).tolist(), truth.growth(0.0, z).round(1).tolist()
    (['progenitor', 'erythroid', 'myeloid'], [0.1, 0.3, -0.1])
    """

    v: float = 0.2
    x_f: float = -1.5
    w: float = 0.4
    a_0: float = 0.3
    a_1: float = 0.9
    b: float = 0.25
    sigma: float = 0.08
    start: tuple[float, float] = (-0.6, -0.45)
    spread: tuple[float, float] = (0.3, 1.0)
    boost: float = 1.0
    tilt: float = 0.0
    step: float = 0.025

    fates: ClassVar[tuple[str, str]] = ("erythroid", "myeloid")

    def potential(self, t: float, z: Array) -> Array:
        """φ(z), the action of the drift, (N, 2) -> (N,)."""
        x, y = z[:, 0], z[:, 1]
        gate = sigmoid((x - self.x_f) / self.w)
        a = (self.a_0 + self.a_1) * gate - self.a_0
        return self.v * x + 0.5 * a * y**2 - 0.25 * self.b * y**4 + self.tilt * gate * y

    def velocity(self, t: float, z: Array) -> Array:
        """∇φ(z) in units of z per day, the same on every day t, (N, 2) -> (N, 2)."""
        x, y = z[:, 0], z[:, 1]
        gate = sigmoid((x - self.x_f) / self.w)
        a = (self.a_0 + self.a_1) * gate - self.a_0
        slope = gate * (1 - gate) / self.w
        right = self.v + slope * (0.5 * (self.a_0 + self.a_1) * y**2 + self.tilt * y)
        return np.stack([right, a * y - self.b * y**3 + self.tilt * gate], axis=1)

    def birth(self, t: float, z: Array) -> Array:
        """0.15 + 0.25 boost S((y − 0.4)/0.4) − 0.05 S((−y − 0.4)/0.4) a day, (N, 2) -> (N,)."""
        more = self.boost * sigmoid((z[:, 1] - 0.4) / 0.4)
        return 0.15 + 0.25 * more - 0.05 * sigmoid((-z[:, 1] - 0.4) / 0.4)

    def death(self, t: float, z: Array) -> Array:
        """0.05 + 0.2 S((-y - 0.4) / 0.4) per day, (N, 2) -> (N,)."""
        return 0.05 + 0.2 * sigmoid((-z[:, 1] - 0.4) / 0.4)

    def growth(self, t: float, z: Array) -> Array:
        """Birth minus death, d log(mass)/dt per day, (N, 2) -> (N,)."""
        return self.birth(t, z) - self.death(t, z)

    def cell_type(self, z: Array) -> NDArray[np.str_]:
        """Name each cell by where it is, (N, 2) -> (N,)."""
        x, y = z[:, 0], z[:, 1]
        early = np.where(x < -0.3, "progenitor", "intermediate")
        return np.where(y > 1.1, "erythroid", np.where(y < -1.1, "myeloid", early))

    def simulate(
        self, days: Sequence[float], n_cells: Sequence[int], rng: Generator, *, founders: int = 8000
    ) -> list[tuple[Array, float]]:
        """Take n_cells living cells on each day, from a culture of its own: no cell is seen twice.

        Returns
        -------
        list of (ndarray, float)
            Positions (n_k, 2) on each day, and the mass: living cells for each founder.

        Raises
        ------
        ConfigError
            If a culture has fewer living cells than are to be taken.

        Examples
        --------
        >>> (z_0, m_0), (z_4, m_4) = Branching().simulate([0, 4], [5, 9], np.random.default_rng(0))
        >>> z_0.shape, m_0, z_4.shape, m_4 > m_0
        ((5, 2), 1.0, (9, 2), True)
        """
        pairs = zip(days, n_cells, strict=True)
        return [self._snapshot(day, n, rng, founders) for day, n in pairs]

    def _snapshot(self, day: float, n: int, rng: Generator, founders: int) -> tuple[Array, float]:
        z: Array = rng.normal(self.start, self.spread, (founders, 2))
        times, dt = self._steps(0.0, day)
        for t in times:
            lives = rng.random(len(z)) < np.exp(-self.death(t, z) * dt)
            divides = lives & (rng.random(len(z)) < np.expm1(self.birth(t, z) * dt))
            z = z + self.velocity(t, z) * dt
            z = np.concatenate([z[lives], z[divides]])
            z += self.sigma * dt**0.5 * rng.standard_normal(z.shape)
        if len(z) < n:
            raise ConfigError(
                f"{len(z)} cells are alive on day {day:g}, but {n} were to be sampled.",
                f"Start with more founders than {founders}.",
            )
        return z[rng.choice(len(z), size=n, replace=False)], len(z) / founders

    def _steps(self, t: float, until: float) -> tuple[Array, float]:
        n = int(np.ceil((until - t) / self.step - 1e-9))
        dt = (until - t) / max(n, 1)
        return np.linspace(t, until, max(n, 0), endpoint=False), dt

    def fate(
        self, t: float, z: Array, rng: Generator, *, until: float = 7.0, n_paths: int = 64
    ) -> Array:
        """Share of the living descendants of cells at z on day t that end in each arm.

        E[w 1(arm)] / E[w] over n_paths paths a cell, with log w the growth along the path; the
        standard error is near 0.5 / sqrt(n_paths) where both fates are open. A descendant that
        is still uncommitted on the last day counts for the side of y = 0 where it is.

        Returns
        -------
        ndarray (N, 2)
            Probabilities in the order of `Branching.fates`; rows sum to 1.

        Examples
        --------
        >>> z = np.array([[3.0, 2.0], [3.0, -2.0]])
        >>> Branching().fate(2.0, z, np.random.default_rng(0)).round(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        z_t = np.repeat(z, n_paths, axis=0)  # (N, 2) -> (N n_paths, 2)
        log_w = np.zeros(len(z_t))
        times, dt = self._steps(t, until)
        for t_k in times:
            log_w += self.growth(t_k, z_t) * dt
            z_t = z_t + self.velocity(t_k, z_t) * dt
            z_t += self.sigma * dt**0.5 * rng.standard_normal(z_t.shape)
        w = np.exp(log_w).reshape(len(z), n_paths)
        up = (w * (z_t[:, 1] > 0).reshape(w.shape)).sum(1) / w.sum(1)  # (N, n_paths) -> (N,)
        return np.stack([up, 1 - up], axis=1)
