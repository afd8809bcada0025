"""Generation: 8 Gaussians to two moons, and digits from noise, beside conditional flow matching.

Both follow x_t = (1 − t) x_0 + t x_1 with independent ends. Action Matching sees q_t alone
(`Interpolant`), or the velocity x_1 − x_0 as well (`MovingInterpolant`); conditional flow
matching regresses a vector field on that velocity, with as many layers, units, steps and draws
a step, and with the optimiser, schedule and average of `cellam.dynamics.training`.
"""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

import cellam
from cellam.dynamics.training import RATE, WARM_UP
from cellam.report.wording import explain_record
from experiments.figures import digits_page, panels
from experiments.rows import KEPT, Clock, Row, distance, timed

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


# ------------------------------------------------------------------ the experiment


def moons() -> list[Row]:
    """8 Gaussians to two moons."""
    rng = np.random.default_rng(0)
    x_0 = eight_gaussians(2_000, rng)
    test, again = (two_moons(2_000, rng) for _ in range(2))
    ends = (eight_gaussians, two_moons)
    made, rows = _generate(ends, x_0, steps=2_000, batch=512, width=128, depth=3, kernel=True)
    out = []
    for name, (x, clock) in made.items():
        out.append(
            Row(
                "generation",
                f"8 Gaussians to two moons, {name}",
                "energy distance to fresh moons",
                f"{distance(x, test):.4f}",
                f"other moons {distance(again, test):.4f}; 8 Gaussians {distance(x_0, test):.2f}",
                clock.wall,
                clock.cpu,
                rows.get(name, ""),
            )
        )
    panels(
        KEPT / "generation-moons.png",
        [[test, *(x for x, _ in made.values())]],
        ["fresh moons", *made],
        [""],
        range_=(-6, 8),
    )
    return out


def digits_with_labels() -> list[Row]:
    """8 × 8 digits with their labels."""
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    train, test = digits(rng)
    classifier = SVC(gamma=0.02, C=10).fit(train[:, :64], train[:, 64:].argmax(1))

    def accuracy(x: np.ndarray) -> float:
        return float((classifier.predict(x[:, :64]) == x[:, 64:].argmax(1)).mean())

    x_0 = rng.standard_normal((1_000, 74))
    ends = (noise(74), Rows(train))
    made, notes = _generate(ends, x_0, steps=2_000, batch=256, width=256, depth=3, kernel=False)
    rows = []
    for name, (x, clock) in made.items():
        rows += [
            Row(
                "generation",
                f"digits, {name}",
                "energy distance to held-out digits",
                f"{distance(x, test):.3f}",
                f"digits fitted to {distance(train, test):.3f}; noise {distance(x_0, test):.2f}",
                clock.wall,
                clock.cpu,
                notes.get(name, ""),
            ),
            Row(
                "generation",
                f"digits, {name}",
                "label generated with an image is that of a classifier of real digits",
                f"{100 * accuracy(x):.1f} %",
                f"held-out digits {100 * accuracy(test):.1f} %",
            ),
        ]
    digits_page(
        KEPT / "generation-digits.png",
        {"held out": test, **{name: x for name, (x, _) in made.items()}},
    )
    return rows


def _generate(
    ends: tuple[Any, Any],
    x_0: np.ndarray,
    *,
    steps: int,
    batch: int,
    width: int,
    depth: int,
    kernel: bool,
) -> tuple[dict[str, tuple[np.ndarray, Clock]], dict[str, str]]:
    network = {"action": "mlp", "steps": steps, "batch": batch, "width": width, "depth": depth}
    weighted = cellam.Objective(time_weight=lambda t: 1 - t)
    runs: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "samples, w = 1": (Interpolant(*ends), None, network),
        "samples, w = 1 − t": (Interpolant(*ends), weighted, network),
        "path, w = 1": (MovingInterpolant(*ends), None, network),
        "path, w = 1 − t": (MovingInterpolant(*ends), weighted, network),
    }
    if kernel:
        closed = {"action": "kernel", "n_features": 1_000, "particles": 100_000}
        runs["kernel, samples"] = (Interpolant(*ends), None, closed)
        runs["kernel, path"] = (MovingInterpolant(*ends), None, closed)
    made, notes = {}, {}
    for name, (q, objective, options) in runs.items():
        with timed() as clock:
            fitted = cellam.fit_action(q, objective, **options)
        made[name] = fitted.simulate(x_0, [0.0, 1.0]).points[-1], clock
        notes[name] = explain_record(fitted.fit.record)
        print(f"  {name}: {clock.wall:.0f} s", file=sys.stderr, flush=True)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    with timed() as clock:
        flow = FlowMatching(Interpolant(*ends), d=x_0.shape[1], width=width, depth=depth)
        flow.fit(steps, batch, rng)
    made["conditional flow matching"] = flow.simulate(x_0), clock
    notes["conditional flow matching"] = f"all {steps} steps"
    return made, notes
