r"""Deviations: by how much the dynamics of one condition differ from those of all cells.

A fit to all cells has the velocity ∇s and the growth g. Those of a condition are ∇(s + δ) and
g + γ, with δ and γ the part of the motion and growth of its pairs that the fit does not explain:
the least-squares fit of gradients of random features to what is left, ẋ − ∇s. A ridge draws both
to 0 where a condition has few cells, and both conditions are held against one fit: what that one
gets wrong is not taken for a difference. The size of the ridge matters little: on simulated
experiments mean differences of growth by type changed by less than a tenth of their error from
1e-4 to 1. The greatest is taken, as a difference of velocities has least noise with it.

The equations are sums over pairs of cells, the same for every labelling of samples (`relabelling`).
They are summed once for each sample, or for each two samples of neighbouring days where those of
one day are not those of the next, and a labelling costs an addition and a factorisation.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellam.comparison.samples import Codes, Samples
from cellam.dynamics.actions import Features, Kernel
from cellam.dynamics.fitting import draw_features
from cellam.dynamics.objectives import growth_quadratic
from cellam.dynamics.paths import Path, build_gap
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.options import Options
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

FEATURES = 256  # a deviation is smooth, or it would not be seen
PARTICLES = 24_000  # at least so many points of all paths
CELLS = 1_000  # of a sample on a day: enough for what a sample can tell
RIDGE = 1.0  # in units of the mean diagonal of the equations

Quadratic = tuple[Tensor, Tensor]  # A (m, m) and b (m,) of ½θᵀAθ − bᵀθ


@dataclass(frozen=True)
class Deviation:
    """What one condition has beyond the common fit.

    Parameters
    ----------
    motion : (m,) Tensor
        Weights of the features of δ.
    growth : (m',) Tensor
        Weights of the features of γ.
    """

    motion: Tensor
    growth: Tensor


@dataclass(frozen=True)
class Equations:
    """The equations of every pair of samples, and the features that they are in.

    Parameters
    ----------
    model : Model
        The common fit.
    features, still : Features
        Of δ and of γ.
    pairs : dict of (gap, sample, sample) to (Quadratic, Quadratic)
        Of motion and of growth, between a sample of one day and one of the next.
    """

    model: Model
    features: Features
    still: Features
    pairs: dict[tuple[int, int, int], tuple[Quadratic, Quadratic]]

    def solve(self, group: Codes) -> Deviation:
        """The deviation of a group of samples.

        Of a day on which it has several, each counts alike.
        """
        inside = set(map(int, group))
        found = [key for key in self.pairs if inside.issuperset(key[1:])]
        in_gap = Counter(k for k, _, _ in found)
        return Deviation(
            *(
                _solve([(1 / in_gap[key[0]], self.pairs[key][part]) for key in found])
                for part in (0, 1)
            )
        )

    def model_of(self, deviation: Deviation) -> Model:
        """The dynamics of the condition: the common fit and the deviation."""
        fit = self.model.fit
        assert isinstance(fit.action, Kernel)
        action = _joined(fit.action, self.features, deviation.motion)
        growth = fit.growth
        if growth is not None:
            growth = _joined(growth, self.still, deviation.growth)
        return replace(self.model, fit=replace(fit, action=action, growth=growth))


def check_closed_form(options: Options) -> None:
    """Refuse fits whose deviations have no equations, before they are made.

    Raises
    ------
    ConfigError
        For a network, or growth that is tied to the action.
    """
    tied = options.has_growth and options.growth == "tied"
    if options.action != Kernel.name or tied:
        raise ConfigError(
            "Conditions are compared in closed form, which a network and tied growth do not have.",
            "Use `action='kernel'` and `growth='own'`.",
        )


def equations(model: Model, samples: Samples, rng: np.random.Generator) -> Equations:
    """Sum the equations of every pair of samples that could be of one condition.

    The options of the model pass `check_closed_form`.
    """
    training = model.training
    features = draw_features(training, FEATURES, rng)
    still = draw_features(training, FEATURES // 2, rng).time_independent()
    clouds = _clouds(training, samples, rng)
    keys = list(_neighbours(samples))
    n_times = int(np.clip(PARTICLES // max(sum(map(len, clouds.values())), 1), 1, 8))
    pairs = {
        key: _pair(model, training, clouds, key, features, still, n_times, rng) for key in keys
    }
    base = Equations(model, features, still, pairs)
    return replace(base, pairs=_less_common(base, samples))


def _less_common(
    base: Equations, samples: Samples
) -> dict[tuple[int, int, int], tuple[Quadratic, Quadratic]]:
    """The equations of what the pairs of all samples together do not have in common either.

    The fit bends the lines of the path, and pairs of samples run straight: that is no deviation.
    """
    common = base.solve(np.arange(len(samples.names)))
    theta = (common.motion.double(), common.growth.double())
    return {
        key: tuple((A, b - A @ t) for (A, b), t in zip(parts, theta, strict=True))  # type: ignore[misc]
        for key, parts in base.pairs.items()
    }


def _solve(equations: list[tuple[float, Quadratic]]) -> Tensor:
    """θ of a weighted sum of equations."""
    A = sum(weight * more for weight, (more, _) in equations)
    b = sum(weight * beside for weight, (_, beside) in equations)
    assert isinstance(A, Tensor) and isinstance(b, Tensor)
    A = A + RIDGE * A.diagonal().mean() * torch.eye(len(A), dtype=A.dtype)
    theta: Tensor = torch.linalg.solve(A, b)
    return theta


def _clouds(
    training: Snapshots, samples: Samples, rng: np.random.Generator
) -> dict[tuple[int, int], Array]:
    """Model coordinates of the cells of each sample on each day, at most `CELLS` of them."""
    found = {}
    for k, (points, rows) in enumerate(zip(training.points, training.rows, strict=True)):
        for s in np.flatnonzero(samples.on[:, k]):
            mine = np.flatnonzero(samples.of_cells[rows] == s)
            if len(mine) > CELLS:
                mine = np.sort(rng.choice(mine, CELLS, replace=False))
            found[k, int(s)] = points[mine]
    return found


def _neighbours(samples: Samples) -> Iterable[tuple[int, int, int]]:
    """Pairs of samples on neighbouring days: each with itself where all are on both days."""
    for k, (now, then) in enumerate(itertools.pairwise(samples.on.T)):
        if (now == then).all():
            yield from ((k, int(s), int(s)) for s in np.flatnonzero(now))
        else:
            for s, other in itertools.product(np.flatnonzero(now), np.flatnonzero(then)):
                yield k, int(s), int(other)


def _pair(
    model: Model,
    training: Snapshots,
    clouds: dict[tuple[int, int], Array],
    key: tuple[int, int, int],
    features: Features,
    still: Features,
    n_times: int,
    rng: np.random.Generator,
) -> tuple[Quadratic, Quadratic]:
    """The equations of the cells of one sample on a day and of one on the next."""
    k, s, other = key
    x_0, x_1 = clouds[k, s], clouds[k + 1, other]
    two = Snapshots(
        (x_0, x_1),
        training.times[k : k + 2],
        training.labels[k : k + 2],
        (1.0, 1.0),
        (np.arange(len(x_0)), np.arange(len(x_1))),
    )
    gap = build_gap(two, 0, 1, model.choice.recipe.coupling, rng)
    gap = replace(gap, t_0=training.unit_times[k], t_1=training.unit_times[k + 1])
    path = Path((gap,), model.fit.objective.sigma).less_total_growth()
    dynamics, sums = model.fit.dynamics, None
    for sample in path.stream(n_times, rng):
        there = sample.to("cpu")
        left = replace(
            there,
            velocity=there.velocity - dynamics.drift(there.t, there.x),
            growth=there.growth - dynamics.growth_field(there.t, there.x),
        )
        chunk = (
            *model.fit.objective.quadratic(features, left),
            *growth_quadratic(still, left),
        )
        parts = [part.double() for part in chunk]
        sums = parts if sums is None else [a + b for a, b in zip(sums, parts, strict=True)]
    assert sums is not None
    return (sums[0], sums[1]), (sums[2], sums[3])


def _joined(action: Kernel, more: Features, theta: Tensor) -> Kernel:
    """The sum of an action and of another one over further features."""
    columns = zip(vars(action.features).values(), vars(more).values(), strict=True)
    features = Features(*(torch.cat(both) for both in columns))
    return Kernel(features, torch.cat([action.theta, theta.float()]), action.mean)
