"""Generation: 8 Gaussians to two moons, and digits from noise, beside conditional flow matching.

Both follow x_t = (1 − t) x_0 + t x_1 with independent ends. Action Matching sees q_t alone
(`Interpolant`), or the velocity x_1 − x_0 as well (`MovingInterpolant`); conditional flow
matching regresses a vector field on that velocity, with as many layers, units, steps and draws
a step, and with the optimiser, schedule and average of `cellam.training`.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from cellam.training import RATE, WARM_UP

Draw = Callable[[int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Interpolant:
    """Samples of x_t = (1 − t) x_0 + t x_1."""

    start: Draw
    stop: Draw

    def ends(self, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Independent draws of both, (n, d)."""
        return self.start(n, generator), self.stop(n, generator)

    def sample(self, t: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Positions."""
        x_0, x_1 = self.ends(len(t), generator)
        return (1 - t)[:, None] * x_0 + t[:, None] * x_1

    def split(self, n: int, generator: np.random.Generator) -> tuple[Interpolant, Interpolant]:
        """Hold out one row in n of finite data."""
        if not isinstance(self.stop, Rows):
            return self, self
        out = generator.permutation(len(self.stop.data)) % n == 0
        kept, held = (replace(self, stop=Rows(self.stop.data[part])) for part in (~out, out))
        return kept, held


@dataclass(frozen=True)
class MovingInterpolant(Interpolant):
    """The same, with the velocity of each pair."""

    def sample_path(
        self, t: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities."""
        x_0, x_1 = self.ends(len(t), generator)
        return (1 - t)[:, None] * x_0 + t[:, None] * x_1, x_1 - x_0


@dataclass(frozen=True)
class Rows:
    """Draws of the rows of finite data."""

    data: np.ndarray

    def __call__(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """n rows."""
        return self.data[generator.integers(len(self.data), size=n)]


def eight_gaussians(n: int, generator: np.random.Generator) -> np.ndarray:
    """Eight Gaussians of variance 0.1 on a circle of radius 5."""
    angle = np.pi / 4 * generator.integers(8, size=n)
    x = 5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return x + 0.1**0.5 * generator.standard_normal((n, 2))


def two_moons(n: int, generator: np.random.Generator) -> np.ndarray:
    """Two half circles, thrice their usual size, with noise of 0.15."""
    angle, upper = np.pi * generator.random(n), generator.random(n) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return 3 * np.stack([x, y], 1) - 1 + 0.15 * generator.standard_normal((n, 2))


def noise(d: int) -> Draw:
    """The standard normal distribution in d dimensions."""
    return lambda n, generator: generator.standard_normal((n, d))


def digits(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images in [−1, 1] and ten coordinates for the label, (n, 74): to fit, and held out."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = np.concatenate([images / 8 - 1, 2.0 * np.eye(10)[labels] - 1], axis=1)
    x = x[rng.permutation(len(x))]
    return x[:1_400], x[1_400:]


class FlowMatching:
    """Conditional flow matching with a SiLU network v(t, x)."""

    def __init__(self, q: Interpolant, *, d: int, width: int, depth: int) -> None:
        sizes = [d + 1, *[width] * depth]
        layers = [
            layer
            for m, n in itertools.pairwise(sizes)
            for layer in (torch.nn.Linear(m, n), torch.nn.SiLU())
        ]
        self.q = q
        self.net = torch.nn.Sequential(*layers, torch.nn.Linear(width, d))

    def fit(self, steps: int, batch: int, rng: np.random.Generator) -> None:
        """Train, and keep the exponential moving average."""
        optimiser = torch.optim.AdamW(self.net.parameters(), lr=RATE, weight_decay=1e-4)
        average = copy.deepcopy(self.net)
        for step in range(steps):
            rate = min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + np.cos(np.pi * step / steps))
            optimiser.param_groups[0]["lr"] = RATE * rate
            t = (np.arange(batch) + rng.random()) / batch
            x_0, x_1 = self.q.ends(batch, rng)
            x = torch.as_tensor((1 - t)[:, None] * x_0 + t[:, None] * x_1, dtype=torch.float32)
            v = torch.as_tensor(x_1 - x_0, dtype=torch.float32)
            loss = (self._at(torch.as_tensor(t), x) - v).square().sum(-1).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            optimiser.step()
            decay = min(0.995, (step + 1) / (step + 11))
            with torch.no_grad():
                for slow, fast in zip(average.parameters(), self.net.parameters(), strict=True):
                    slow.lerp_(fast, 1 - decay)
        self.net = average

    @torch.no_grad()
    def simulate(self, x: np.ndarray, steps: int = 100) -> np.ndarray:
        """From t = 0 to 1 by Runge–Kutta, (n, d) -> (n, d)."""
        y, h = torch.as_tensor(x, dtype=torch.float32), 1 / steps
        for k in range(steps):
            v1 = self._at(k * h, y)
            v2 = self._at((k + 0.5) * h, y + h / 2 * v1)
            v3 = self._at((k + 0.5) * h, y + h / 2 * v2)
            v4 = self._at((k + 1) * h, y + h * v3)
            y = y + h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        return y.double().numpy()

    def _at(self, t: torch.Tensor | float, x: torch.Tensor) -> torch.Tensor:
        column = torch.as_tensor(t, dtype=x.dtype).expand(len(x))[:, None]
        return self.net(torch.cat([x, 2 * column - 1], 1))
