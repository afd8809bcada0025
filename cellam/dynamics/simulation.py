"""Simulation: particles and their log-weights along the fitted dynamics, forward or backward.

Without noise, position and log-weight follow an ordinary differential equation, solved by the
classical Runge–Kutta scheme (order 4); with noise, by Euler–Maruyama (weak order 1). The mean
motion has another velocity after a training day than before it, and across such a jump no scheme
keeps its order. So no step passes one, and none asks for the velocity on the day itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellam.dynamics.objectives import Dynamics, Level
from cellam.dynamics.stops import Stop
from cellam.errors import ConfigError, TrainingError
from cellam.executors.executor import in_order

Array = NDArray[np.float64]

STEPS = 24  # Runge–Kutta steps over the whole range of times; noise takes four times as many
OF_A_GAP = 2  # of these steps, where there are more days than that
EDGE = 1e-6  # unit time by which the ends of a step are read within it


@dataclass(frozen=True)
class Trajectories:
    """Particles over time.

    Parameters
    ----------
    times : (T,) array
        Saved times, in the order of the simulation; unit time.
    points : (T, N, d) array
        Positions, in model coordinates.
    log_weights : (T, N) array
        Log of the mass of each particle relative to its mass at the start.
    """

    times: Array
    points: Array
    log_weights: Array


@dataclass(frozen=True)
class Cloud:
    """Cells of one unit time: positions x (n, d) and masses (n,)."""

    x: Array
    weights: Array
    time: float


def seeded(x: Array, chunk: int, rng: np.random.Generator) -> list[tuple[Array, int]]:
    """Positions (N, d) in chunks, each with the seed of its random numbers, whoever moves it."""
    seeds = rng.integers(2**63, size=max(1, -(-len(x) // chunk)))
    return [(x[k * chunk : (k + 1) * chunk], int(seed)) for k, seed in enumerate(seeds)]


def simulate(
    dynamics: Dynamics,
    x: Array,
    times: Array,
    *,
    rng: np.random.Generator,
    steps: int = STEPS,
    device: str = "cpu",
    chunk: int = 16_384,
    stops: Sequence[Stop] = (),
) -> Trajectories:
    """Move particles along dx = ∇s dt + σdW, d log w = λs dt.

    Parameters
    ----------
    dynamics : Dynamics
        What was fitted.
    x : (N, d) array
        Positions at `times[0]`.
    times : (T,) array
        Monotone unit times at which to save; decreasing times run backward. Before 0 and
        after 1 the action is held as it is at 0 and at 1.
    rng : numpy.random.Generator
        Noise; not used when σ = 0.
    steps : int
        Steps per unit of time; at least one between saved times, and between jumps of the velocity.
    chunk : int
        Particles moved at once, which bounds the memory.
    stops : sequence of Stop
        At saved times; where they are, particles are saved as they arrive.

    Raises
    ------
    ConfigError
        If noisy dynamics are asked to run backward, which needs the score of q_t.
    TrainingError
        If particles leave the finite numbers.
    """
    backward = len(times) > 1 and times[-1] < times[0]
    if backward and dynamics.sigma > 0:
        raise ConfigError(
            f"This fit has noise (sigma = {dynamics.sigma:g}), and noise cannot "
            "be run backward without the score of the density.",
            "Fit with `method='uam'` or `method='am'` to simulate backward.",
        )
    some = seeded(x, chunk, rng)
    parts = list(in_order(_move, Way(dynamics, times, steps, device, tuple(stops)), some))
    points = np.concatenate([p for p, _ in parts], axis=1)
    log_weights = np.concatenate([w for _, w in parts], axis=1)
    check_finite(np.isfinite(points).all((0, 2)) & np.isfinite(log_weights).all(0))
    return Trajectories(np.asarray(times, dtype=float), points, log_weights)


def from_both_sides(
    dynamics: Dynamics,
    before: Cloud,
    after: Cloud,
    time: float,
    *,
    rng: np.random.Generator,
    steps: int = STEPS,
    device: str = "cpu",
) -> tuple[Array, Array]:
    """Predict the cells of a time between two snapshots from both of them.

    The snapshot before is pushed forward and the one after is pulled back; each side counts by
    its nearness in time, and their errors cancel in part. Noise cannot be run backward, so
    that noisy dynamics only push.

    Parameters
    ----------
    dynamics : Dynamics
    before, after : Cloud
        Positions (n, d), weights (n,) and unit time of the snapshots.
    time : float
        Unit time between them.

    Returns
    -------
    points : (N, d) array
        Of both sides.
    weights : (N,) array
        Their masses; the sum is the mass predicted for the time.
    """
    sides = [before] if dynamics.sigma > 0 else [before, after]
    nearness = (time - before.time) / (after.time - before.time)
    share = [1 - nearness, nearness] if len(sides) == 2 else [1.0]
    points, weights = [], []
    for side in sides:
        times = np.array([side.time, time])
        moved = simulate(dynamics, side.x, times, rng=rng, steps=steps, device=device)
        points.append(moved.points[-1])
        weights.append(side.weights * np.exp(moved.log_weights[-1]))
    masses = [w.sum() for w in weights]
    mass = np.dot(share, masses)
    return np.concatenate(points), np.concatenate(
        [mass * s * w / m for s, w, m in zip(share, weights, masses, strict=True)]
    )


def check_finite(finite: NDArray[np.bool_]) -> None:
    """Refuse a simulation some of whose cells, (N,), left the finite numbers.

    Raises
    ------
    TrainingError
    """
    lost = int((~finite).sum())
    if lost:
        raise TrainingError(
            f"{lost} of {len(finite)} simulated cells diverged to infinity.",
            "Stay within the range of the data, or fit again with a larger `tau`.",
        )


@dataclass(frozen=True)
class Way:
    """What all particles have in common: the dynamics, the saved times, steps, device and stops."""

    dynamics: Dynamics
    times: Array
    steps: int
    device: str
    stops: tuple[Stop, ...] = ()

    def __post_init__(self) -> None:
        missed = {stop.time for stop in self.stops}.difference(map(float, self.times[:-1]))
        if missed:
            raise ValueError(f"Stops at {sorted(missed)} are at no saved time before the last.")

    def depart(
        self, t: float, x: Tensor, level: Level | None, rng: np.random.Generator
    ) -> tuple[Tensor, Level | None]:
        """Positions from which particles go on at a saved time, and the level of their growth."""
        for stop in self.stops:
            if stop.time == t:
                drawn = stop.draw(x.double().cpu().numpy(), rng)
                return torch.as_tensor(drawn, dtype=x.dtype, device=x.device), stop.level
        return x, level

    def legs(self, start: float, stop: float) -> Iterator[tuple[float, float]]:
        """Beginning and length of each step from one saved time to the next."""
        steps = 4 * self.steps if self.dynamics.sigma > 0 else self.steps
        first, last = min(start, stop) + EDGE, max(start, stop) - EDGE
        jumps = [t for t in self.dynamics.jumps if first < t < last]
        for a, b in itertools.pairwise([start, *(jumps if start < stop else jumps[::-1]), stop]):
            n = max(1, round(abs(b - a) * steps))
            yield from ((a + k * (b - a) / n, (b - a) / n) for k in range(n))

    def step(
        self, t: float, h: float, x: Tensor, log_w: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Positions and log-weights a step later, but for the level of growth."""
        scheme = _euler_maruyama if self.dynamics.sigma > 0 else _runge_kutta
        return scheme(self.dynamics, t, h, x, log_w, rng)


@torch.no_grad()
def _move(way: Way, some: tuple[Array, int]) -> tuple[Array, Array]:
    """Positions and log-weights of some particles, whose noise has a seed of its own."""
    x = torch.as_tensor(some[0], dtype=torch.float32, device=way.device)
    rng = np.random.default_rng(some[1])
    level = way.dynamics.growth_level
    log_w = x.new_zeros(len(x))
    points, log_weights = [x], [log_w]
    for start, stop in itertools.pairwise(way.times):
        x, level = way.depart(start, x, level, rng)
        for t, h in way.legs(start, stop):
            x, log_w = way.step(t, h, x, log_w, rng)
        if level is not None:  # it jumps on the days, where no scheme is accurate
            log_w = log_w - level.integral(start, stop)
        points.append(x)
        log_weights.append(log_w)
    stacked = torch.stack(points).double().cpu().numpy()
    return stacked, torch.stack(log_weights).double().cpu().numpy()


def _runge_kutta(
    dynamics: Dynamics,
    t: float,
    h: float,
    x: Tensor,
    log_w: Tensor,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    def rate(t: float, x: Tensor) -> tuple[Tensor, Tensor]:
        tt = _time(t, x)
        return dynamics.drift(tt, x), dynamics.growth_field(tt, x)

    edge = float(np.copysign(EDGE, h))
    v1, g1 = rate(t + edge, x)
    v2, g2 = rate(t + h / 2, x + h / 2 * v1)
    v3, g3 = rate(t + h / 2, x + h / 2 * v2)
    v4, g4 = rate(t + h - edge, x + h * v3)
    return x + h / 6 * (v1 + 2 * v2 + 2 * v3 + v4), log_w + h / 6 * (g1 + 2 * g2 + 2 * g3 + g4)


def _euler_maruyama(
    dynamics: Dynamics,
    t: float,
    h: float,
    x: Tensor,
    log_w: Tensor,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    tt = _time(t + EDGE, x)
    noise = torch.as_tensor(rng.standard_normal(x.shape), dtype=x.dtype, device=x.device)
    moved = x + h * dynamics.drift(tt, x) + dynamics.sigma * h**0.5 * noise
    return moved, log_w + h * dynamics.growth_field(tt, x)


def _time(t: float, x: Tensor) -> Tensor:
    """Time of all particles, held within the range that the action was fitted on."""
    return x.new_full((len(x),), min(max(t, 0.0), 1.0))
