"""Fitting: the action that minimises an objective over a path.

For the kernel action the loss is ½θᵀAθ − bᵀθ: A and b are summed over the path in chunks, and
one Cholesky factorisation gives the minimum. The network is trained by stochastic gradients.
Both are judged on cells that were held out of the sums or of the training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cellam.actions import MLP, Action, Features, Kernel
from cellam.couplings import squared_distances
from cellam.errors import TrainingError
from cellam.objectives import Dynamics, Objective, boundary, growth_quadratic
from cellam.paths import Path, PathSample
from cellam.snapshots import Snapshots

PARTICLES = 24_000  # the closed form visits at least about so many points of the path
RIDGES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True)
class Progress:
    """How far a long step has come: `done` of `total`, in steps of its own."""

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Fit:
    """A fitted action.

    Parameters
    ----------
    action : Kernel or MLP
    objective : Objective
        What the action means: its loss and its dynamics.
    history : tuple of dict
        The held-out loss for each ridge (kernel) or each hundred steps (mlp).
    notes : tuple of str
        What was chosen and why, a line each.
    growth : Kernel or None
        The growth field, where it is one of its own.
    growth_range : (float, float)
        Between which rates growth is held, per unit time; see `hold_growth`.
    """

    action: Kernel | MLP
    objective: Objective
    history: tuple[dict[str, float], ...]
    notes: tuple[str, ...]
    growth: Kernel | None = None
    growth_range: tuple[float, float] = (-np.inf, np.inf)

    @property
    def dynamics(self) -> Dynamics:
        """What the action means."""
        return self.objective.dynamics(self.action, self.growth, self.growth_range)


def silent(progress: Progress) -> None:
    """Report nothing."""


def draw_features(snapshots: Snapshots, m: int, rng: np.random.Generator) -> Features:
    """Random features for these snapshots: length from their cells, duration from their gaps."""
    pool = np.concatenate(snapshots.thinned(300, rng).points)
    distances = squared_distances(pool, pool)[np.triu_indices(len(pool), 1)]
    return Features.draw(
        m,
        snapshots.n_dims,
        length=float(np.sqrt(np.median(distances))),
        duration=1.0 / (len(snapshots) - 1),
        rng=rng,
    )


def fit_kernel(
    path: Path,
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
    path : Path
    objective : Objective
    features : Features
        m of them; the cost is O(N m² + m³) for N particles, the memory O(m²).
    rng : numpy.random.Generator
        Places the particles and halves the cells.
    particles : int
        Least number of particles; every pair is visited at least once.
    from_samples : bool, optional
        Use equation (3) instead of (4) of `cellam.objectives`. By default only where the
        path changes mass and the objective does not: then (4) is not the loss.

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
    path, from_samples = _estimator(path, objective, from_samples)
    equations = objective.quadratic_from_samples if from_samples else objective.quadratic
    halves = sum_halves(path, features, equations, rng, particles, device, on_progress)
    if from_samples:
        halves = [
            (A, b + boundary(features, half.ends().to("cpu")).double(), half)
            for A, b, half in halves
        ]
    theta, losses, ridge = solve_halves([(A, b) for A, b, _ in halves])
    return Fit(
        Kernel(features, theta),
        objective,
        tuple({"ridge": r, "held_out_loss": loss} for r, loss in losses.items()),
        (f"ridge {ridge:g}: the best loss on held-out cells, of {len(losses)} ridges",),
    )


def fit_growth(
    path: Path,
    features: Features,
    *,
    rng: np.random.Generator,
    particles: int = PARTICLES,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> Kernel:
    """Fit a growth field of its own to the growth of the path, equation (5), in closed form.

    Parameters and errors as for `fit_kernel`; the features should be still in time.
    """
    halves = sum_halves(path, features, growth_quadratic, rng, particles, device, on_progress)
    # The growth of the whole population is no detail: nothing draws it towards zero.
    level = features.omega.abs().sum(-1) == 0
    theta, _, _ = solve_halves([(A, b) for A, b, _ in halves], spared=level)
    return Kernel(features, theta)


@torch.no_grad()
def hold_growth(fit: Fit, path: Path, rng: np.random.Generator) -> Fit:
    """Hold growth within the rates that the fit takes on its own path.

    A field knows nothing of where no cells are: a single one that strays from the data could
    otherwise outgrow all others.
    """
    if not fit.objective.grows:
        return fit
    sample = path.sample(8_192, rng).to("cpu")
    rates = fit.dynamics.growth(sample.t, sample.x)
    return replace(fit, growth_range=(float(rates.min()), float(rates.max())))


Equations = Callable[[Features, PathSample], tuple[Tensor, Tensor]]


def sum_halves(
    path: Path,
    features: Features,
    equations: Equations,
    rng: np.random.Generator,
    particles: int,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> list[tuple[Tensor, Tensor, Path]]:
    """A and b over each half of the cells: chunks in single precision, their sum in double."""
    there = features.to(device)
    n_times = int(np.clip(particles // path.n_pairs, 1, 32))
    total = path.n_pairs * n_times
    done = 0
    halves = []
    for half in path.split(2, rng):
        sums: list[Tensor] = []
        for sample in half.stream(n_times, rng):
            chunk = [part.cpu() for part in equations(there, sample.to(device))]
            sums = sums or [torch.zeros(part.shape, dtype=torch.float64) for part in chunk]
            for whole, part in zip(sums, chunk, strict=True):
                whole += part
            done += len(sample.t)
            on_progress(Progress("solve", done, total))
        A, b = sums
        halves.append((A, b, half))
    return halves


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
    losses = {}
    for ridge in RIDGES:
        try:
            there = _quadratic(A_1, b_1, _solve(A_0, b_0, ridge * penalty))
            back = _quadratic(A_0, b_0, _solve(A_1, b_1, ridge * penalty))
        except RuntimeError:  # torch's name for a matrix that is not positive definite
            break  # … and smaller ridges fail as well
        if np.isfinite(there + back):
            losses[ridge] = there + back
    if not losses:
        raise TrainingError(
            "The equations of the fit could not be solved with any ridge.",
            "Are some coordinates of the representation enormous, or all constant?",
        )
    ridge = min(losses, key=losses.__getitem__)
    return _solve(A_0 + A_1, b_0 + b_1, ridge * penalty).float(), losses, ridge


def _quadratic(A: Tensor, b: Tensor, theta: Tensor) -> float:
    return float((0.5 * theta * (A @ theta) - b * theta).sum())


def _solve(A: Tensor, b: Tensor, ridge: Tensor) -> Tensor:
    """θ for one right-hand side b (m,), or for several of them (m, k); a ridge (m,) for each θ."""
    factor = torch.linalg.cholesky(A + torch.diag(A.diagonal().mean() * ridge))
    return torch.cholesky_solve(b.reshape(len(b), -1), factor).reshape(b.shape)


def fit_mlp(
    path: Path,
    objective: Objective,
    *,
    rng: np.random.Generator,
    steps: int = 3_000,
    batch: int = 512,
    width: int = 128,
    from_samples: bool | None = None,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> Fit:
    """Train a network by stochastic gradients.

    AdamW with warm-up and cosine decay, gradients clipped at norm 1, an exponential moving
    average of the weights, and an early stop: every hundred steps the average is judged
    on one cell in ten, held out of the training, and the best is returned.

    Parameters
    ----------
    path, objective, rng, from_samples, device
        As for `fit_kernel`.
    steps : int
        At most so many gradient steps.
    batch : int
        Particles a step.
    width : int
        Units in each of the three hidden layers.

    Raises
    ------
    TrainingError
        If the loss is no longer finite.
    """
    path, from_samples = _estimator(path, objective, from_samples)
    train, held = path.split(10, rng)

    def loss_of(action: Action, part: Path, n: int) -> Tensor:
        sample = part.sample(n, rng).to(device)
        if from_samples:
            return objective.loss_from_samples(action, sample, part.ends(n, rng).to(device))
        return objective.loss(action, sample)

    net = MLP.init(train.gaps[0].x_0.shape[1], rng, width=width).to(device)
    for parameter in net.parameters():
        parameter.requires_grad_()
    average = net.copy()
    optimiser = torch.optim.AdamW(list(net.parameters()), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda k: min(1.0, (k + 1) / 100) * 0.5 * (1 + np.cos(np.pi * min(k / steps, 1.0))),
    )
    judge = held.sample(4_096, rng).to(device)
    judge_ends = held.ends().to(device)
    best, best_loss, patience = average.copy(), np.inf, 10
    history: list[dict[str, float]] = []
    for step in range(1, steps + 1):
        optimiser.zero_grad(set_to_none=True)
        loss = loss_of(net, train, batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The network's loss was no longer finite at step {step}.",
                "Use --action kernel, or a representation without extreme values.",
            )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(list(net.parameters()), 1.0)
        optimiser.step()
        schedule.step()
        decay = min(0.995, step / (step + 10))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        on_progress(Progress("fit", step, steps))
        if step % 100 == 0 or step == steps:
            with torch.no_grad():
                held_loss = float(
                    objective.loss_from_samples(average, judge, judge_ends)
                    if from_samples
                    else objective.loss(average, judge)
                )
            history.append({"step": step, "loss": float(loss.detach()), "held_out_loss": held_loss})
            if held_loss < best_loss - 1e-4 * abs(best_loss if np.isfinite(best_loss) else 0.0):
                best, best_loss, patience = average.copy(), held_loss, 10
            else:
                patience -= 1
            if patience == 0:
                break
    stopped = f"stopped at step {step}" if step < steps else f"ran all {steps} steps"
    return Fit(
        best.to("cpu"),
        objective,
        tuple(history),
        (f"{stopped}; held-out loss {best_loss:.4g}",),
    )


def _estimator(path: Path, objective: Objective, from_samples: bool | None) -> tuple[Path, bool]:
    """Which equation is the loss of this objective on this path, and the path it needs.

    The path's own velocities explain it, unless mass changes and the objective has no growth.
    Then only the samples' estimator is right: it finds the motion that explains all change.
    """
    if path.grows and not objective.grows:
        return replace(path, conserved=True), True
    return path, bool(from_samples)
