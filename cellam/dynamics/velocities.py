r"""Velocities: those of observed cells, known but for their sign and scale, as evidence of ∇s.

RNA velocity v points where a cell goes, but its unit of time is not that of the days, in some data
its sign is wrong, and most of that of a single cell is noise. So it is taken for a measurement of
the velocity but for a factor that all cells share, v = ∇s/c + noise, in two steps.

Its noise goes by the closed form of an action: the v̂ = ∇Σθⱼφⱼ nearest to the v of all cells and
days, with the ridge that half of the cells favours for the other half. The fit is that of equation
(11) of `objectives`, for particles that stay on their day.

The days calibrate c. Of ∇s₀, the fit without velocities,

    c = ⟨∇s₀, ∇s₀⟩ / ⟨v̂, ∇s₀⟩                                                                (1)

over the cells of all days, each day for the time that is nearest to it. As the noise is that of v,
this is one over the slope of v̂ on ∇s₀, and not the slope of ∇s₀ on v̂, which shrinks with what v̂
does not know. Where both have nothing to do with each other c is huge, of either sign, and held-out
days show how bad that is (`modelling.selection`).

What is left of the noise tells how far to follow them, by empirical Bayes [1]_: of the squared
difference of c v̂ and ∇s₀, the part that is no noise of v̂,

    κ = (1 − c²⟨N⟩ / ⟨|c v̂ − ∇s₀|²⟩)₊,                                                        (2)

with N the variance of v̂, a quarter of the squared difference of those of the two halves.

Curves then leave and reach a cell by (1 − ρκ) of the tangent that they had and ρκ of c v̂
(`curves.turned`). Their ends stay where they are: however wrong the velocities are, the path goes
through all days, and they have a say only where days have none, in between. The loss is that of the
path, as ever, and so is its closed form.

References
----------
.. [1] Efron and Morris, Stein's estimation rule and its competitors: an empirical Bayes approach,
   Journal of the American Statistical Association 68 (1973).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellam.dynamics.actions import Action, Kernel
from cellam.dynamics.curves import turned
from cellam.dynamics.fitting import Fit, draw_features, fit_kernel, solve, solve_halves
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import Path
from cellam.dynamics.samples import CHUNK, PathSample
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

MOST = 24_000  # cells whose velocities are smoothed, drawn where there are more
LONGEST = 3.0  # median lengths: longer ones are cut to it, as single cells would decide otherwise
FEATURES = 256
PARTICLES = 6_000  # of the fit that calibrates them


@dataclass(frozen=True)
class Velocities:
    """Observed cells with their velocities.

    Parameters
    ----------
    t : (N,) Tensor
        Unit time.
    x, v : (N, d) Tensors
        Where each cell is, and its velocity, in model coordinates per unknown unit of time.
    weight : (N,) Tensor
        Mass of the cell, times the unit time that its day stands for.
    """

    t: Tensor
    x: Tensor
    v: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.t)

    def of(self, rows: NDArray[np.int64]) -> Velocities:
        """Those of some of the cells."""
        there = torch.from_numpy(rows)
        return Velocities(self.t[there], self.x[there], self.v[there], self.weight[there])

    def drawn(self, n: int, rng: np.random.Generator) -> Velocities:
        """Those of n cells, drawn without replacement; all where there are fewer."""
        if len(self) <= n:
            return self
        return self.of(np.sort(rng.choice(len(self), n, replace=False)))

    def halves(self, rng: np.random.Generator) -> list[Velocities]:
        """Those of two halves of the cells."""
        return [self.of(rows) for rows in np.array_split(rng.permutation(len(self)), 2)]

    def along(self, action: Action) -> Tensor:
        """∇s of each cell, (N, d)."""
        with torch.no_grad():
            return action.gradient(self.t.float(), self.x.float()).double()

    def smoothed(self, days: Snapshots, rng: np.random.Generator) -> tuple[Kernel, float]:
        """The action whose gradient is nearest to them, v̂, and the variance of that over cells.

        From two halves: the variance of a mean over all is a quarter of that of their difference.
        """
        features = draw_features(days, FEATURES, rng)
        parts = self.drawn(MOST, rng).halves(rng)
        halves = []
        for part in parts:
            sums = [Objective().quadratic(features, sample) for sample in part._samples()]
            A, b = (torch.stack(each).double().sum(0) for each in zip(*sums, strict=True))
            halves.append((A, b))
        theta, _, ridge = solve_halves(halves)
        each = ridge * torch.ones(len(features), dtype=torch.float64)
        one, other = (solve(A, b, each) for A, b in halves)
        apart = self.along(Kernel(features, (one - other).float()))
        return Kernel(features, theta), 0.25 * self.mean(apart, apart)

    def mean(self, one: Tensor, other: Tensor) -> float:
        """⟨·,·⟩ of vectors (N, d) of each cell."""
        return float(self.weight @ (one * other).sum(-1) / self.weight.sum())

    def _samples(self) -> list[PathSample]:
        """The cells as particles that move so, in chunks."""
        chunks = (slice(start, start + CHUNK) for start in range(0, len(self), CHUNK))
        still = torch.zeros_like(self.t)
        columns = self.t, self.x, self.weight, self.v, still
        return [PathSample(*(column[at] for column in columns)).to("cpu") for at in chunks]


@dataclass(frozen=True)
class Calibrated:
    """Velocities without their noise, and what the days say of their unit.

    Parameters
    ----------
    velocities : Velocities
    plain : Fit
        A fit that has not seen them.
    smooth : Kernel
        v̂ is its gradient.
    scale : float
        c.
    trust : float
        κ, from 0 to 1.
    """

    velocities: Velocities
    plain: Fit
    smooth: Kernel
    scale: float
    trust: float

    def bend(self, path: Path, days: Snapshots, share: float) -> Path:
        """A path through these days that leaves and reaches their cells by ρκ of c v̂; ρ is `share`.

        Cells whose velocity is not known keep the tangent that they have; for ρ = 0 all do.
        """
        if share == 0:
            return path
        assert days.velocities is not None
        velocities, shares = [], []
        for time, x, v in zip(days.unit_times, days.points, days.velocities, strict=True):
            t = torch.full((len(x),), time, dtype=torch.float32)
            smooth = self.smooth.gradient(t, torch.as_tensor(x, dtype=torch.float32))
            velocities.append(self.scale * smooth.double().numpy())
            shares.append(np.where(v.any(1), share * self.trust, 0.0))
        return turned(path, velocities, shares)


def velocities_of(days: Snapshots) -> Velocities | None:
    """The velocities that are known of the cells of days; None where fewer than two are."""
    if days.velocities is None:
        return None
    times = np.array(days.unit_times)
    between = (times[1:] + times[:-1]) / 2
    stands_for = np.diff(np.concatenate([times[:1], between, times[-1:]]))
    v = np.concatenate(days.velocities)
    length = np.linalg.norm(v, axis=1)
    known = length > 0
    if known.sum() < 2:
        return None
    longest = LONGEST * np.median(length[known])
    v = v[known] / np.maximum(1.0, length[known] / longest)[:, None]
    weights = [w * part for w, part in zip(days.weights, stands_for, strict=True)]
    sizes = [len(x) for x in days.points]
    columns = np.repeat(times, sizes), np.concatenate(days.points), np.concatenate(weights)
    t, x, weight = (torch.from_numpy(column[known]) for column in columns)
    return Velocities(t, x, torch.from_numpy(v), weight)


def calibrate(
    days: Snapshots, path: Path, objective: Objective, rng: np.random.Generator
) -> Calibrated | None:
    """Take the noise off the velocities of days, and find their unit by a fit without them.

    Parameters
    ----------
    days : Snapshots
    path : Path
        Between them, made without the velocities.
    objective : Objective
        Of the fit.
    rng : numpy.random.Generator

    Returns
    -------
    Calibrated or None
        None where no velocities are known.

    Raises
    ------
    TrainingError
        If the equations cannot be solved.
    """
    velocities = velocities_of(days)
    if velocities is None:
        return None
    features = draw_features(days, FEATURES, rng)
    plain = fit_kernel(path, objective, features, rng=rng, particles=PARTICLES)
    smooth, variance = velocities.smoothed(days, rng)
    motion, v = velocities.along(plain.action), velocities.along(smooth)
    along = velocities.mean(v, motion)
    scale = velocities.mean(motion, motion) / along if along else 0.0
    apart = velocities.mean(scale * v - motion, scale * v - motion)
    trust = max(0.0, 1 - scale**2 * variance / apart) if apart else 1.0
    return Calibrated(velocities, plain, smooth, scale, trust)


def bend_by_velocities(
    path: Path, days: Snapshots, share: float, objective: Objective, rng: np.random.Generator
) -> Path:
    """A path bent by what velocities of its days say, to a share; as it is for a share of 0.

    Later stages get the random numbers that they have without velocities.
    """
    found = calibrate(days, path, objective, rng.spawn(1)[0]) if share > 0 else None
    return path if found is None else found.bend(path, days, share)
