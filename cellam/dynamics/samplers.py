"""Samplers: anything that can be drawn from at any time, as a source for a fit.

Whoever can draw from q_t has all that Action Matching needs. A `Sampler` draws positions, a
`PathSampler` also knows how they move; neither needs to be more than one method:

    sample(t, generator) -> x,  or  (x, weight) where mass changes
    sample_path(t, generator) -> (x, velocity),  or  (x, velocity, growth, weight)

for times t (n,) of any order, one draw for each. The mean of weight·f(x) over draws at time t
is to be ∫ q_t f dx; without weights q_t is a probability. `Tabulated` is the sampler of data
that are known at some times only, and `Draws` turns a sampler into the source of a fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cellam.dynamics.samples import CHUNK, GOLDEN, Ends, Part, PathSample, Sample
from cellam.errors import ConfigError, DataError

Array: TypeAlias = NDArray[np.float64]

VISITS = 8  # to a particle whose velocity is not known; half as many in a batch
PROBE = 2_048  # draws that centre, scale and lengths are measured on


@runtime_checkable
class Sampler(Protocol):
    """Samples of q_t, which are all that Action Matching needs."""

    def sample(self, t: Array, generator: np.random.Generator) -> Any:
        """Draw one x at each of the times t (n,): x (n, d), or a pair of x and weights (n,)."""
        ...


@runtime_checkable
class PathSampler(Protocol):
    """Samples of particles that are known to move and grow."""

    def sample_path(self, t: Array, generator: np.random.Generator) -> Any:
        """Draw at times t (n,): x and velocity (n, d); growth and weights (n,) may follow."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """A sampler of finite data, which can hold out a part of them."""

    def split(self, n: int, generator: np.random.Generator) -> tuple[Any, Any]:
        """All but one n-th of the data, and one n-th."""
        ...


@dataclass(frozen=True)
class Tabulated:
    """A sampler of data that are known at some times: between them, q_t is their mixture.

    q_t = (1 − α) q_k + α q_{k+1} at fraction α between times k and k + 1. That is good for
    many times; between few of them a coupling is better (`cellam.fit`, `paths`).

    Parameters
    ----------
    points : sequence of (n_k, d) arrays
    times : sequence of float
        Increasing, in the user's unit.
    masses : sequence of float, optional
        Total mass at each time; 1 without them.

    Raises
    ------
    DataError
        If times do not increase, or numbers of them, points and masses differ.

    Examples
    --------
    >>> steps = Tabulated([np.zeros((9, 2)), np.ones((9, 2))], [0.0, 1.0])
    >>> steps.sample(np.array([0.0, 1.0]), np.random.default_rng(0))[0].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """

    points: Sequence[Array]
    times: Sequence[float]
    masses: Sequence[float] | None = None

    def __post_init__(self) -> None:
        n, times = len(self.points), np.asarray(self.times, dtype=float)
        if n < 2 or len(times) != n or (self.masses is not None and len(self.masses) != n):
            raise DataError(
                f"{n} sets of points, {len(times)} times"
                + (f" and {len(self.masses)} masses" if self.masses is not None else "")
                + ": there must be the same number of each, and at least two."
            )
        if not (np.diff(times) > 0).all():
            raise DataError(f"The times {times.tolist()} do not increase.")

    def sample(self, t: Array, generator: np.random.Generator) -> tuple[Array, Array]:
        """Points (n, d) of one of the two nearest times, and their weights (n,)."""
        times = np.asarray(self.times, dtype=float)
        masses = np.ones(len(times)) if self.masses is None else np.asarray(self.masses, float)
        position = np.interp(t, times, np.arange(len(times)))
        before = np.minimum(position.astype(int), len(times) - 2)
        alpha = position - before
        left, right = (1 - alpha) * masses[before], alpha * masses[before + 1]
        which = before + (generator.random(len(t)) * (left + right) >= left)
        rank = generator.random(len(t))
        x = np.empty((len(t), self.points[0].shape[1]))
        for k in np.unique(which):
            here = which == k
            x[here] = self.points[k][(rank[here] * len(self.points[k])).astype(int)]
        return x, left + right

    def split(self, n: int, generator: np.random.Generator) -> tuple[Tabulated, Tabulated]:
        """Hold out one n-th of the rows, the same ones where all times have as many of them."""
        rows = generator.permutation(max(len(p) for p in self.points)) % n == 0
        kept, held = ([p[rows[: len(p)] == out] for p in self.points] for out in (False, True))
        return replace(self, points=kept), replace(self, points=held)


# ------------------------------------------------------------------ units


@dataclass(frozen=True)
class Frame:
    """The user's time and coordinates beside those of the fit: τ = (t − t₀)/T, y = (x − c)/l.

    Where y follows dy = ∇s dτ + σ dW and d log w = λs dτ, x follows the same with l²s/T for the
    action, (l/√T)σ for the noise and λ/l² for the growth scale.
    """

    start: float
    stop: float
    centre: Array
    scale: float

    @property
    def duration(self) -> float:
        """T."""
        return self.stop - self.start

    def outward(self, tau: ArrayLike) -> Array:
        """The user's time, of unit time."""
        return self.start + self.duration * np.asarray(tau, dtype=float)

    def inward(self, t: ArrayLike) -> Array:
        """Unit time, of the user's."""
        return (np.asarray(t, dtype=float) - self.start) / self.duration

    def place(self, x: ArrayLike) -> Array:
        """Coordinates of the fit."""
        return (np.asarray(x, dtype=float) - self.centre) / self.scale

    def displace(self, y: ArrayLike) -> Array:
        """The user's coordinates."""
        return self.centre + self.scale * np.asarray(y, dtype=float)

    @staticmethod
    def measure(q: Sampler | PathSampler, times: tuple[float, float]) -> Frame:
        """Centre and root mean square deviation in a coordinate of draws over all times."""
        start, stop = (float(t) for t in times)
        if not (np.isfinite([start, stop]).all() and stop > start):
            raise ConfigError(f"times = {times}: the second must come after the first.")
        whole = Frame(start, stop, np.zeros(1), 1.0)
        x = _drawn(q, whole.outward((np.arange(PROBE) + 0.5) / PROBE), _probe()).x
        scale = float(np.sqrt(x.var(0).mean()))
        if not scale > 0:
            raise DataError(f"All {PROBE:,} draws of the sampler are the same point.")
        return Frame(start, stop, x.mean(0), scale)


def _probe() -> np.random.Generator:
    return np.random.default_rng(0)


class _Drawn(NamedTuple):
    """One draw at each time, in the user's units."""

    x: Array
    weight: Array
    velocity: Array | None = None
    growth: Array | None = None


def _drawn(q: Sampler | PathSampler, t: Array, generator: np.random.Generator) -> _Drawn:
    n = len(t)
    if isinstance(q, PathSampler):
        parts = [np.asarray(part, dtype=float) for part in q.sample_path(t, generator)]
        if len(parts) not in (2, 4):
            raise DataError(
                f"sample_path returned {len(parts)} arrays.",
                "Return x and velocity, or x, velocity, growth and weight.",
            )
        x, velocity = parts[:2]
        growth, weight = parts[2:] if len(parts) == 4 else (np.zeros(n), np.ones(n))
        drawn = _Drawn(x, weight, velocity, growth)
    else:
        given = q.sample(t, generator)
        x, weight = given if isinstance(given, tuple) else (given, np.ones(n))
        drawn = _Drawn(np.asarray(x, dtype=float), np.asarray(weight, dtype=float))
    _check(drawn, n)
    return drawn


def _check(drawn: _Drawn, n: int) -> None:
    d = drawn.x.shape[1] if drawn.x.ndim == 2 else 0
    wanted = {"x": (n, d), "weight": (n,), "velocity": (n, d), "growth": (n,)}
    for name, values in drawn._asdict().items():
        if values is None:
            continue
        if values.shape != wanted[name] or d == 0:
            raise DataError(
                f"The sampler was asked for {n} draws and returned {name} of shape {values.shape}.",
                "Return a row of x and velocity, and one weight and growth rate, for each time.",
            )
        if not np.isfinite(values).all():
            lost = int((~np.isfinite(values)).reshape(n, -1).any(1).sum())
            raise DataError(f"The sampler returned {name} with {lost} of {n} rows not finite.")
    if not (drawn.weight >= 0).all():
        raise DataError(f"The sampler returned a negative weight, {drawn.weight.min():g}.")


# ------------------------------------------------------------------ a sampler as a source


@dataclass(frozen=True)
class Draws:
    """A `Source` of a fixed number of draws from a sampler.

    What belongs together is drawn with the same random numbers: the visits to a particle at
    several times, and those at both ends. Where a sampler reads its generator in the same order at
    any time, these are one particle, and in the samples' estimator most of the noise of the
    ends cancels with that of ∂ₜs between them. Nothing else depends on it.

    Parameters
    ----------
    sampler : Sampler or PathSampler
    frame : Frame
    n_particles : int
    seed : int
        Of the particles that `visit` and `ends` visit.
    """

    sampler: Sampler | PathSampler
    frame: Frame
    n_particles: int
    seed: int = 0

    def less_total_growth(self) -> Draws:
        """The same: its masses are not known apart from the growth of its particles."""
        return self

    def less_mean_motion(self) -> tuple[Draws, None]:
        """The same: no days divide it into gaps whose mean motion could be told."""
        return self, None

    def estimator(self, grows: bool, from_samples: bool | None) -> tuple[Draws, bool]:
        """The path's, where the sampler knows velocities and nothing else was asked for."""
        moves = isinstance(self.sampler, PathSampler)
        if not moves and from_samples is False:
            raise ConfigError(
                "from_samples = False needs velocities, but the sampler has no sample_path."
            )
        if moves and not from_samples and not grows:
            t = self.frame.outward(np.arange(0, 1, 0.01))
            growth = _drawn(self.sampler, t, _probe()).growth
            if growth is not None and growth.any():
                raise ConfigError(
                    "The path changes mass, but the objective has no growth.",
                    "Give Objective(growth_scale=…) or Objective(own_growth=True).",
                )
        return self, bool(from_samples) or not moves

    def split(self, n: int, rng: np.random.Generator) -> tuple[Draws, Draws]:
        """All but one n-th of the draws, and one n-th; of its data, if the sampler has few."""
        kept = held = self.sampler
        if isinstance(self.sampler, Divisible):
            kept, held = self.sampler.split(n, rng)
        few = max(1, self.n_particles // n)
        seeds = rng.integers(2**63, size=2)
        return (
            Draws(kept, self.frame, self.n_particles - few, int(seeds[0])),
            Draws(held, self.frame, few, int(seeds[1])),
        )

    def parts(self, n_times: int, rng: np.random.Generator) -> list[Part]:
        """One, with all: a sampler may be anything, also what no other process can be sent."""
        return [Part(n_times, n_times * self.n_particles)]

    def stream(self, n_times: int, rng: np.random.Generator) -> Iterator[Sample]:
        """Every particle, `n_times`."""
        for part in self.parts(n_times, rng):
            yield from self.visit(part)

    def visit(self, part: Part) -> Iterator[Sample]:
        """Every particle once in each of `n_times` equal parts of time, at midpoints in all.

        Any other times would leave an error in what E[∂ₜs] and the ends have in common: where
        s is nearly the same everywhere nothing else is in b, and its A is next to nothing.
        """
        total, n_times = self.n_particles, part.n_times
        stride = _coprime(total)
        for k, n in self._chunks(total):
            step = stride * np.arange(k * CHUNK, k * CHUNK + n) % total
            for visit in range(n_times):
                tau = _in_part((step + 0.5) / total, visit, n_times)
                yield self._at(tau, 1 / (total * n_times), self._generator(k))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """About n fresh draws; those of `ends`, with an rng in the same state, belong to them."""
        visits = self._visits
        few, seed = max(1, n // visits), rng.integers(2**63)
        within = (np.arange(few) + rng.random()) / few
        parts = [
            self._at(_in_part(within, k, visits), 1 / (few * visits), np.random.default_rng(seed))
            for k in range(visits)
        ]
        columns = zip(*(part.columns() for part in parts), strict=True)
        return type(parts[0])(*(None if c[0] is None else torch.cat(c) for c in columns))  # type: ignore[arg-type]

    def ends(self, n: int | None = None, rng: np.random.Generator | None = None) -> Ends:
        """The particles of `visit` at both ends, or those of `sample`."""
        if n is not None and rng is not None:
            few, seed = max(1, n // self._visits), rng.integers(2**63)
            parts = [self._end(few, end, few, np.random.default_rng(seed)) for end in (0.0, 1.0)]
        else:
            total = self.n_particles
            parts = [
                self._end(few, end, total, self._generator(k))
                for k, few in self._chunks(total)
                for end in (0.0, 1.0)
            ]
        return Ends(*(torch.cat(column) for column in zip(*parts, strict=True)))

    @property
    def _visits(self) -> int:
        """Visits to a particle of a batch, which wants many particles too."""
        return 1 if isinstance(self.sampler, PathSampler) else VISITS // 2

    def _chunks(self, total: int) -> Iterator[tuple[int, int]]:
        for k, start in enumerate(range(0, total, CHUNK)):
            yield k, min(CHUNK, total - start)

    def _generator(self, chunk: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, chunk + 1])

    def _end(
        self, n: int, end: float, total: int, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        at = self._at(np.full(n, end), 1 / total, generator)
        return at.t, at.x, at.weight if end else -at.weight

    def _at(self, tau: Array, dt: float, generator: np.random.Generator) -> Sample:
        frame = self.frame
        drawn = _drawn(self.sampler, frame.outward(tau), generator)
        columns = [tau, frame.place(drawn.x), drawn.weight * dt]
        if drawn.velocity is None or drawn.growth is None:
            return Sample(*(torch.as_tensor(c) for c in columns))
        moving = [drawn.velocity * frame.duration / frame.scale, drawn.growth * frame.duration]
        return PathSample(*(torch.as_tensor(c) for c in columns + moving))


def _in_part(within: Array, visit: int, n_times: int) -> Array:
    """Times within a part of [0, 1], mirrored in every other part: early and late cancel."""
    return ((within if visit % 2 == 0 else 1 - within) + visit) / n_times


def _coprime(n: int) -> int:
    """A number near the golden section of n whose multiples visit all n residues."""
    stride = max(1, round(GOLDEN * n))
    while math.gcd(stride, n) > 1:
        stride += 1
    return stride
