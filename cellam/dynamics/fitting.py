"""Fitting: the action that minimises an objective over a source of samples.

For the kernel action the loss is ½θᵀAθ − bᵀθ: A and b are summed over the source in chunks, and
one Cholesky factorisation gives the minimum. Half of the cells judge what was solved on the
other half. `training` fits the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellam.dynamics.actions import MLP, Features, Kernel
from cellam.dynamics.objectives import Dynamics, Level, Objective, growth_quadratic
from cellam.dynamics.samples import Part, Source
from cellam.dynamics.transport import squared_distances
from cellam.errors import TrainingError
from cellam.executors.executor import in_order

if TYPE_CHECKING:
    from cellam.reading.snapshots import Snapshots

PARTICLES = 24_000  # the closed form visits at least about so many points of the path
RIDGES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
RAISED = (1e1, 1e2, 1e3, 1e4)  # where the equations are not positive definite with any of them
OF_A_DAY, AT_ALL = 300, 1_500  # cells at most whose distances tell the length of the features


@dataclass(frozen=True)
class Progress:
    """How far a long step has come: `done` of `total`, in steps of its own."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Solved:
    """How a kernel action was solved for.

    Parameters
    ----------
    ridge : float
        The one that was taken.
    losses : dict of float to float
        Held-out loss of every ridge with which the equations could be solved.
    """

    ridge: float
    losses: dict[float, float]

    @property
    def unsolved(self) -> int:
        """Number of ridges with which the equations could not be solved."""
        return len(RIDGES) - sum(ridge in RIDGES for ridge in self.losses)

    @property
    def raised(self) -> bool:
        """Whether it took a larger ridge than is usual: the equations are nearly singular."""
        return self.ridge in RAISED


@dataclass(frozen=True)
class Trained:
    """How a network was trained.

    Parameters
    ----------
    history : tuple of dict
        step, loss (of one batch) and held_out_loss, every hundred steps.
    best_loss : float
        The held-out loss of the weights that were kept.
    limit : int
        Steps that were allowed.
    scale : float
        Size of the steps, as a share of the usual one: below 1 where training diverged and went
        back.
    """

    history: tuple[dict[str, float], ...]
    best_loss: float
    limit: int
    scale: float = 1.0

    @property
    def steps(self) -> int:
        """Steps that were made."""
        return int(self.history[-1]["step"])


@dataclass(frozen=True)
class Fit:
    """A fitted action.

    Parameters
    ----------
    action : Kernel or MLP
    objective : Objective
        What the action means: its loss and its dynamics.
    record : Solved or Trained
        How the action was found.
    growth : Kernel or None
        The growth field, where it is one of its own.
    growth_range : (float, float) or None
        Between which rates growth is held, per unit time; see `add_growth`. None without growth.
    growth_levels : tuple of Level
        What is taken off the growth rates of cells that start on each day; see `masses`.
    """

    action: Kernel | MLP
    objective: Objective
    record: Solved | Trained
    growth: Kernel | None = None
    growth_range: tuple[float, float] | None = None
    growth_levels: tuple[Level, ...] = ()

    @property
    def dynamics(self) -> Dynamics:
        """What the action means for the cells of each day in the gap after it."""
        level = Level.after_each(self.growth_levels) if self.growth_levels else None
        return self.objective.dynamics(self.action, self.growth, self.growth_range, level)

    def dynamics_from(self, t: float) -> Dynamics:
        """The same for cells that start at a unit time: as those of the last day until then."""
        if not self.growth_levels:
            return self.dynamics
        times = np.array(self.growth_levels[0].times)
        k = max(int(np.searchsorted(times, t + 1e-9)) - 1, 0)
        return replace(self.dynamics, growth_level=self.growth_levels[k])


def silent(progress: Progress) -> None:
    """Report nothing."""


def draw_features(
    snapshots: Snapshots, m: int, rng: np.random.Generator, length: float | None = None
) -> Features:
    """Random features for these snapshots: length from their cells, duration from their gaps.

    The length may be given where it is known already, as `typical_distance` has it.
    """
    return Features.draw(
        m,
        snapshots.n_dims,
        length=typical_distance(snapshots, rng) if length is None else length,
        duration=1.0 / (len(snapshots) - 1),
        rng=rng,
    )


def typical_distance(snapshots: Snapshots, rng: np.random.Generator) -> float:
    """Median distance between the cells of snapshots, all days together.

    It takes the square of the number of cells, so there are `AT_ALL` at most: the same of every
    day, however many days there are.
    """
    each = max(2, min(OF_A_DAY, AT_ALL // len(snapshots)))
    return median_distance(np.concatenate(snapshots.thinned(each, rng).points))


def median_distance(points: NDArray[np.float64]) -> float:
    """Median of the distances between points (n, d): the length scale of a cloud.

    Where most pairs are of points in one place, that of the other pairs.
    """
    distances = squared_distances(points, points)[np.triu_indices(len(points), 1)]
    apart = distances[distances > 0]
    return float(np.sqrt(np.median(distances) or (np.median(apart) if len(apart) else 1.0)))


def fit_kernel(
    source: Source,
    objective: Objective,
    features: Features,
    *,
    rng: np.random.Generator,
    particles: int = PARTICLES,
    from_samples: bool | None = None,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> Fit:
    """Solve for the action in closed form.

    Parameters
    ----------
    source : Source
        A `Path` between snapshots, or the `Draws` of a sampler.
    objective : Objective
    features : Features
        m of them; the cost is O(N m² + m³) for N particles, the memory O(m²).
    rng : numpy.random.Generator
        Places the particles and halves the cells.
    particles : int
        Least number of particles; every pair is visited at least once.
    from_samples : bool, optional
        Use equation (9) instead of (10) of `objectives`. By default only where (10) is
        not the loss: velocities are not known, or the path changes mass and the objective does not.

    Returns
    -------
    Fit
        With the ridge chosen on held-out cells: sums over two halves of the cells judge each
        other, and the ridge of the best held-out loss is taken.

    Raises
    ------
    TrainingError
        If the equations cannot be solved with any ridge.
    """
    source, from_samples = source.estimator(objective.grows, from_samples)
    mean = None
    if not (from_samples or objective.growth_scale > 0):
        # Tied growth would read the level of a(t)·x as growth, and samples alone have no velocity.
        source, mean = source.less_mean_motion()
    equations = objective.quadratic_from_samples if from_samples else objective.quadratic
    halves = sum_halves(
        source,
        features,
        equations,
        rng,
        particles,
        # In (9) the ends and E[∂ₜφ] nearly cancel, which leaves single precision's errors. They
        # are the same in both halves, and would pass for signal.
        dtype=torch.float64 if from_samples else torch.float32,
        device="cpu" if from_samples and device == "mps" else device,
        on_progress=on_progress,
    )
    if from_samples:
        double = features.to("cpu", torch.float64)
        halves = [
            (A, b + objective.boundary(double, half.ends().to("cpu", torch.float64)), half)
            for A, b, half in halves
        ]
    theta, losses, ridge = solve_halves([(A, b) for A, b, _ in halves])
    return Fit(Kernel(features, theta, mean), objective, Solved(ridge, losses))


def fit_growth(
    source: Source,
    features: Features,
    *,
    rng: np.random.Generator,
    particles: int = PARTICLES,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> Kernel:
    """Fit a growth field of its own to the growth of the path, equation (12), in closed form.

    Parameters and errors as for `fit_kernel`; the features should be still in time.
    """
    halves = sum_halves(
        source,
        features,
        growth_quadratic,
        rng,
        particles,
        device=device,
        on_progress=on_progress,
    )
    # The growth of the whole population is no detail: nothing draws it towards zero.
    level = features.omega.abs().sum(-1) == 0
    theta, _, _ = solve_halves([(A, b) for A, b, _ in halves], spared=level)
    return Kernel(features, theta)


def add_growth(
    fit: Fit,
    source: Source,
    features: Features | None,
    *,
    rng: np.random.Generator,
    particles: int = PARTICLES,
    device: str = "cpu",
) -> Fit:
    """The same fit with its growth.

    Where the objective has a growth field of its own, it is fitted with `features`. Growth is then
    held within the rates that it takes on the source: a field knows nothing of where no cells
    are, and a single one that strays from the data could otherwise outgrow all others.
    """
    if not fit.objective.grows:
        return fit
    if fit.objective.own_growth:
        assert features is not None
        field = fit_growth(source, features, rng=rng, particles=particles, device=device)
        fit = replace(fit, growth=field)
    sample = source.sample(8_192, rng).to("cpu")
    with torch.no_grad():
        rates = fit.dynamics.growth_field(sample.t, sample.x)
    return replace(fit, growth_range=(float(rates.min()), float(rates.max())))


Equations = Callable[[Features, Any], tuple[Tensor, Tensor]]


def sum_halves(
    source: Source,
    features: Features,
    equations: Equations,
    rng: np.random.Generator,
    particles: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> list[tuple[Tensor, Tensor, Source]]:
    """A and b over each half of the cells: chunks in `dtype`, their sum in double precision."""
    there = features.to(device, dtype)
    n_times = int(np.clip(particles // source.n_particles, 1, 32))
    total = source.n_particles * n_times
    done = 0
    halves = []
    for half in source.split(2, rng):
        parts = half.parts(n_times, rng)
        task = _Sums(half, there, equations, dtype, device)
        sums: list[Tensor] = []
        for part, found in zip(parts, in_order(_sum_part, task, parts), strict=True):
            sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
            done += part.size
            on_progress(Progress("solve", done, total))
        A, b = sums
        halves.append((A, b, half))
    return halves


@dataclass(frozen=True)
class _Sums:
    """What the sums over the parts of a source have in common."""

    source: Source
    features: Features
    equations: Equations
    dtype: torch.dtype
    device: str


def _sum_part(task: _Sums, part: Part) -> list[Tensor]:
    """A and b over a part, in double precision."""
    sums: list[Tensor] = []
    for sample in task.source.visit(part):
        chunk = task.equations(task.features, sample.to(task.device, task.dtype))
        sums = sums or [torch.zeros(each.shape, dtype=torch.float64) for each in chunk]
        for whole, each in zip(sums, chunk, strict=True):
            whole += each.cpu()
    return sums


def solve_halves(
    halves: list[tuple[Tensor, Tensor]], *, spared: Tensor | None = None
) -> tuple[Tensor, dict[float, float], float]:
    """θ of the whole, the held-out loss of every ridge, and the ridge that was chosen by it.

    Each half judges the other. Where b has several columns, so has θ, and losses add up.
    Features that are `spared` (m,) hardly feel the ridge.
    """
    (A_0, b_0), (A_1, b_1) = halves
    penalty = torch.ones(len(A_0), dtype=A_0.dtype)
    if spared is not None:
        penalty[spared] = 1e-4
    losses: dict[float, float] = {}
    for ridge in (*RIDGES, *RAISED):
        if losses and ridge in RAISED:
            break
        there = _quadratic(A_1, b_1, solve(A_0, b_0, ridge * penalty))
        back = _quadratic(A_0, b_0, solve(A_1, b_1, ridge * penalty))
        if np.isfinite(there + back):
            losses[ridge] = there + back
    for ridge in sorted(losses, key=losses.__getitem__):
        theta = solve(A_0 + A_1, b_0 + b_1, ridge * penalty).float()
        if theta.isfinite().all():
            return theta, losses, ridge
    raise TrainingError(
        "The equations of the fit could not be solved with any ridge.",
        "Are some coordinates of the representation extremely large, or all constant?",
    )


def _quadratic(A: Tensor, b: Tensor, theta: Tensor) -> float:
    return float((0.5 * theta * (A @ theta) - b * theta).sum())


def solve(A: Tensor, b: Tensor, ridge: Tensor) -> Tensor:
    """θ for one right-hand side b (m,), or for several of them (m, k); a ridge (m,) for each θ.

    It is nan where the matrix is not positive definite to rounding.
    """
    raised = A.clone()
    raised.diagonal().add_(A.diagonal().mean() * ridge)
    factor, failed = torch.linalg.cholesky_ex(raised)
    if failed:
        return torch.full_like(b, torch.nan)
    return torch.cholesky_solve(b.reshape(len(b), -1), factor).reshape(b.shape)
