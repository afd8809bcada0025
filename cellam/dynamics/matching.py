"""Matching: an action fitted to anything that can be sampled.

`cellam.fit` makes a path between the days of cells; here the samples come from the user, as one
of the samplers of `samplers`, and the rest is the same: the fit of `fitting` or
`training`, in coordinates of unit spread and in unit time, and its simulation.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from cellam.devices import choose_device
from cellam.dynamics.actions import Features
from cellam.dynamics.fitting import (
    Fit,
    OnProgress,
    Solved,
    add_growth,
    fit_kernel,
    median_distance,
    silent,
)
from cellam.dynamics.objectives import Objective
from cellam.dynamics.samplers import VISITS, Draws, Frame, PathSampler, Sampler
from cellam.dynamics.samples import Source
from cellam.dynamics.simulation import Trajectories, simulate
from cellam.dynamics.training import fit_mlp
from cellam.errors import ConfigError, DataError

Array = NDArray[np.float64]

DURATIONS = (1.0, 0.5, 0.25)  # how long fields last, tried on held-out samples
LENGTHS = (2.0, 1.0, 0.5)  # … and over what distance they vary, in median distances of the samples
TOLERANCE = 0.01  # of the loss: short features are noisy, and a lucky draw is not a gain
JUDGES = 8_192  # held-out draws that say when a network is trained: (9) is noisy


@dataclass(frozen=True)
class Scales:
    """Over what distance and time the features vary, and the loss of every pair that was tried.

    Parameters
    ----------
    length : float
        In median distances of the samples.
    duration : float
        As a share of the whole time.
    losses : dict of (length, duration) to float
        On held-out draws.
    """

    length: float
    duration: float
    losses: dict[tuple[float, float], float]


@dataclass(frozen=True)
class FittedAction:
    """An action in the user's time and coordinates, and what follows from it.

    Parameters
    ----------
    fit : Fit
        In unit time and coordinates.
    frame : Frame
        Where these lie.
    scales : Scales or None
        How the length and duration of the features were chosen; None for a network.
    """

    fit: Fit
    frame: Frame
    scales: Scales | None = None

    def value(self, t: float, x: ArrayLike) -> Array:
        """s, (n, d) -> (n,), such that its gradient is the velocity."""
        s = self.fit.action.value(*self._inward(t, x))
        return self._out(s) * self.frame.scale**2 / self.frame.duration

    def velocity(self, t: float, x: ArrayLike) -> Array:
        """∇s, (n, d) -> (n, d); the drift, where there is noise too."""
        drift = self.fit.dynamics.drift(*self._inward(t, x))
        return self._out(drift) * self.frame.scale / self.frame.duration

    def growth(self, t: float, x: ArrayLike) -> Array:
        """Growth rate d log w/dt, (n, d) -> (n,)."""
        return self._out(self.fit.dynamics.growth(*self._inward(t, x))) / self.frame.duration

    def simulate(
        self, x: ArrayLike, times: ArrayLike, *, steps: int = 100, seed: int = 0
    ) -> Trajectories:
        """Move particles along the dynamics: dx = ∇s dt + σdW, d log w = growth dt.

        Parameters
        ----------
        x : (n, d) array
            Positions at the first of the times.
        times : (T,) array
            Monotone; decreasing times run backward, which noise cannot.
        steps : int
            Runge–Kutta steps over the whole range that was fitted; noise takes four times as many.
        seed : int
            Of the noise.

        Returns
        -------
        Trajectories
            times (T,), points (T, n, d), log_weights (T, n).
        """
        moved = simulate(
            self.fit.dynamics,
            self.frame.place(x),
            self.frame.inward(times),
            rng=np.random.default_rng(seed),
            steps=steps,
        )
        return Trajectories(
            np.asarray(times, dtype=float), self.frame.displace(moved.points), moved.log_weights
        )

    def _inward(self, t: float, x: ArrayLike) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.as_tensor(self.frame.place(x), dtype=torch.float32)
        tau = min(max(float(self.frame.inward(t)), 0.0), 1.0)
        return torch.full((len(y),), tau), y

    @staticmethod
    def _out(values: torch.Tensor) -> Array:
        return values.detach().double().numpy()


def fit_action(
    q: Sampler | PathSampler,
    objective: Objective | None = None,
    action: Literal["kernel", "mlp"] = "kernel",
    *,
    times: tuple[float, float] = (0.0, 1.0),
    from_samples: bool | None = None,
    n_features: int = 1_000,
    particles: int = 50_000,
    steps: int = 3_000,
    batch: int = 512,
    width: int = 128,
    depth: int = 3,
    squared: bool = False,
    seed: int = 0,
    device: str = "cpu",
    on_progress: OnProgress = silent,
) -> FittedAction:
    """Learn the action whose dynamics have the marginals that q samples from.

    Parameters
    ----------
    q : object with ``sample(t, generator)`` or ``sample_path(t, generator)``
        Draws of q_t at times t (n,); see `samplers`. With `sample` the action is found from
        the marginals alone (equation 9 of `objectives`), with `sample_path` from the
        velocities too (equation 10). Where mass changes, the draws have weights.
        `cellam.Tabulated` is such an object for points that are known at some times. Draws from few
        data should come from an object that also has ``split(n, generator)``, so what
        judges the fit has not trained it.
    objective : Objective, optional
        Which method; plain Action Matching without it. Its σ and λ are in the user's units.
    action : str
        kernel: solved in closed form; mlp: a network, trained by gradients.
    times : (float, float)
        First and last time, in the user's unit.
    from_samples : bool, optional
        True uses equation 9 though q has `sample_path`.
    n_features, particles : int
        Of the kernel action: random features, and draws that the equations are summed over.
        Seconds grow as particles · n_features². Length and duration of the features follow from the
        samples: the median distance of draws, times what is best on held-out draws.
    steps, batch, width, depth, squared : int, int, int, int, bool
        Of the network: gradient steps, draws a step, units in a layer, hidden layers, and
        whether s = ½|x − h(t, x)|² as in the paper's experiments.
    seed : int
        Same seed, same result, if q reads nothing but its generator.
    device : str
        auto, cpu, cuda or mps.
    on_progress : callable
        Told how far the fit has come.

    Returns
    -------
    FittedAction
        With `velocity`, `growth`, `value` and `simulate`, in the user's time and coordinates.

    Raises
    ------
    ConfigError
        If the objective, the estimator and what q can draw do not fit together.
    DataError
        If q returns wrong shapes or values.
    TrainingError
        If the fit fails.

    Examples
    --------
    A ring that widens, known by its samples alone; from radius 1 its particles reach 2.

    >>> class Ring:
    ...     def sample(self, t, generator):
    ...         angle = 2 * np.pi * generator.random(len(t))
    ...         x = (1 + t)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    ...         return x + 0.1 * generator.standard_normal(x.shape)
    >>> ring = Ring()
    >>> fitted = fit_action(ring, n_features=200, particles=8_000)
    >>> start = ring.sample(np.zeros(500), np.random.default_rng(0))
    >>> moved = fitted.simulate(start, [0.0, 0.5, 1.0])
    >>> np.linalg.norm(moved.points, axis=2).mean(1).round(1).tolist()
    [1.0, 1.5, 2.0]
    """
    if action not in ("kernel", "mlp"):
        raise ConfigError(f"action {action!r} is not known.", "Choose kernel or mlp.")
    for name, number in (("n_features", n_features), ("particles", particles), ("batch", batch)):
        if number < 10:
            raise ConfigError(f"{name} = {number}: it must be at least 10.")
    if not isinstance(q, Sampler | PathSampler):
        raise ConfigError(
            f"{type(q).__name__} has neither sample(t, generator) nor sample_path(t, generator)."
        )
    objective = objective or Objective()
    if objective.own_growth and not isinstance(q, PathSampler):
        raise DataError(
            "An independent growth field needs growth rates, but q has no sample_path.",
            "Tie it to the action: Objective(growth_scale=1.0).",
        )
    drawing, choosing, fitting, growing = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)
    )
    frame = Frame.measure(q, times)
    inner = replace(
        objective,
        sigma=objective.sigma * frame.duration**0.5 / frame.scale,
        growth_scale=objective.growth_scale * frame.scale**2,
    )
    # Where velocities are not known, they show in where a particle is at other times.
    visits = VISITS if from_samples or not isinstance(q, PathSampler) else 1
    source = Draws(q, frame, particles // visits, int(drawing.integers(2**63)))
    device = choose_device(device)
    scales = None
    if action == "kernel":
        scales = choose_scales(source, inner, n_features, particles, from_samples)
        features = _features(source, n_features, scales.length, scales.duration, choosing)
        fit = fit_kernel(
            source,
            inner,
            features,
            rng=fitting,
            particles=particles,
            from_samples=from_samples,
            device=device,
            on_progress=on_progress,
        )
    else:
        fit = fit_mlp(
            source,
            inner,
            rng=fitting,
            steps=steps,
            batch=batch,
            width=width,
            depth=depth,
            squared=squared,
            judges=JUDGES,
            from_samples=from_samples,
            device=device,
            on_progress=on_progress,
        )
    still = None
    if inner.own_growth:
        still = _features(source, n_features // 2, 1.0, 1.0, growing).time_independent()
    fit = add_growth(fit, source, still, rng=growing, particles=particles, device=device)
    return FittedAction(fit, frame, scales)


def choose_scales(
    source: Draws, objective: Objective, m: int, particles: int, from_samples: bool | None
) -> Scales:
    """The length and duration of m random features with the least held-out loss.

    A quarter of the features are tried for each; the loss on held-out draws
    ranks them by their distance from the action (equation 13 of `objectives`). Where the
    estimator is noisy, the smoothest pair within a hundredth of the least loss is taken.
    """
    losses: dict[tuple[float, float], float] = {}
    few = max(100, m // 4)
    for duration, length in itertools.product(DURATIONS, LENGTHS):
        fit = fit_kernel(
            source,
            objective,
            _features(source, few, length, duration, np.random.default_rng(1)),
            rng=np.random.default_rng(2),
            particles=particles,
            from_samples=from_samples,
        )
        assert isinstance(fit.record, Solved)
        losses[length, duration] = min(fit.record.losses.values())
    least = min(losses.values())
    noisy = source.estimator(objective.grows, from_samples)[1]
    enough = least + TOLERANCE * abs(least) * noisy
    length, duration = next(pair for pair, loss in losses.items() if loss <= enough)
    return Scales(length, duration, losses)


def _features(
    source: Source, m: int, length: float, duration: float, rng: np.random.Generator
) -> Features:
    probe = source.sample(1_000, np.random.default_rng(0)).x.double().numpy()
    return Features.draw(
        m, probe.shape[1], length=length * median_distance(probe), duration=duration, rng=rng
    )
