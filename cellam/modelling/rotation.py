"""Rotation: whether the motion is that of a gradient at all.

An action can follow any marginals: a gradient field exists at every moment. A flow that turns
in circles therefore leaves no trace in the loss; it only makes the action change in time,
where a landscape would stay. So two steady fields, s(x) and a free v(x), are fitted to the
velocities of the same path and judged on held-out cells. Where ∇s explains about as much as v,
cells move as on a landscape. Where v explains most of the motion and ∇s little of it, the flow
rotates: between days, and for cells that are followed for long, an action is then a poor
guide, and there is no potential to speak of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from cellam.dynamics.actions import Features
from cellam.dynamics.fitting import draw_features, solve_halves, sum_halves
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import Path
from cellam.dynamics.samples import PathSample
from cellam.reading.snapshots import Snapshots

FEATURES = 300
PARTICLES = 12_000
# On real time courses the gradient explained 0.4 to 1.0 of what the free field did, on the
# Lotka-Volterra simulation, which rotates, 0.11. A free field has d times as many
# parameters, so that somewhat less than 1 says nothing.
ROTATES = 0.3


@dataclass(frozen=True)
class Rotation:
    """Shares of the squared velocity that steady fields explain on held-out cells.

    Parameters
    ----------
    gradient : float
        By the gradient of a steady action.
    free : float
        By a steady field that may rotate.
    """

    gradient: float
    free: float

    @property
    def rotates(self) -> bool:
        """Whether the flow is far from a gradient."""
        return self.free > 0.5 and self.gradient < ROTATES * self.free


def measure_rotation(path: Path, snapshots: Snapshots, rng: np.random.Generator) -> Rotation:
    """Fit both steady fields to the velocities of a path of straight lines.

    Parameters
    ----------
    path : Path
    snapshots : Snapshots
        Of the path; for the length scale of the features.
    rng : numpy.random.Generator
        Draws features and halves.
    """
    features = draw_features(snapshots, FEATURES, rng)
    steady = replace(features, nu=0.0 * features.nu)
    seed = int(rng.integers(2**63))
    explained = []
    for equations in (Objective().quadratic, _free):
        halves = sum_halves(path, steady, equations, np.random.default_rng(seed), PARTICLES)
        _, losses, _ = solve_halves([(A, b) for A, b, _ in halves])
        explained.append(-2 * min(losses.values()))
    total = sum(
        float(sample.weight @ sample.velocity.square().sum(-1)) for sample in path.stream(4, rng)
    )
    # A population that stands still is explained by either. Digits that hang on the order of
    # sums, which can differ from one call to the next, are left out.
    gradient, free = (round(max(0.0, e / total), 9) if total > 0 else 1.0 for e in explained)
    return Rotation(gradient, free)


def _free(features: Features, path: PathSample) -> tuple[Tensor, Tensor]:
    """A = ∫E[φφᵀ] (m, m) and b = ∫E[φ ẋᵀ] (m, d): least squares for every coordinate."""
    C, _ = features.cos_sin(path.t, path.x)
    Cw = C * path.weight[:, None]
    return C.T @ Cw, Cw.T @ path.velocity
