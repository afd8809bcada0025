"""Samples: weighted points of q_t, and what a fit asks of their source.

A `Source` is all that `fitting` and `training` know of the data. There are two: the
`paths.Path` between the snapshots of a time course, and the `samplers.Draws`
of anything that can be sampled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from cellam.dynamics.mean_motion import MeanMotion

GOLDEN = (5**0.5 - 1) / 2  # its multiples are evenly spread over the unit interval
CHUNK = 8_192  # particles at once
PARTS = 64  # of a source, and as many more as it has gaps


@dataclass(frozen=True)
class Sample:
    """Weighted points of q_t, for N particles in d dimensions.

    Parameters
    ----------
    t : (N,) Tensor
        Unit time.
    x : (N, d) Tensor
        Positions.
    weight : (N,) Tensor
        Quadrature weights: Σ weight·f(t, x) estimates ∫₀¹ ∫ q_t(x) f(t, x) dx dt.
    """

    t: Tensor
    x: Tensor
    weight: Tensor

    def columns(self) -> tuple[Tensor | None, ...]:
        """The fields, in order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """The same sample elsewhere, in single precision unless told otherwise."""
        return type(self)(*(None if c is None else c.to(device, dtype) for c in self.columns()))  # type: ignore[arg-type]


@dataclass(frozen=True)
class PathSample(Sample):
    """Samples of a path: how the particles move and grow is known too.

    Parameters
    ----------
    velocity : (N, d) Tensor
        ẋ, in model coordinates per unit time.
    growth : (N,) Tensor
        ġ = d log w/dt, per unit time.
    score : (N, d) Tensor or None
        ∇ log of the conditional density, where the path is noisy.
    """

    velocity: Tensor
    growth: Tensor
    score: Tensor | None = None


@dataclass(frozen=True)
class Ends:
    """Marginals at both ends of every gap: Σ w f(t, x) is what f gains over the gaps, if q moves.

    `w` (N,) is negative where a gap starts and positive where it ends. Between the gaps of a whole
    path these cancel; between those of a part of its cells they need not.
    """

    t: Tensor
    x: Tensor
    w: Tensor

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Ends:
        """The same marginals elsewhere, in single precision unless told otherwise."""
        return Ends(*(v.to(device, dtype) for v in (self.t, self.x, self.w)))


@dataclass(frozen=True)
class Part:
    """Some particles of a source, which can be visited without the others.

    Parameters
    ----------
    n_times : int
        How often each is visited.
    size : int
        Samples that `Source.visit` yields of it.
    """

    n_times: int
    size: int


class Source(Protocol):
    """What the fits read: weighted particles over unit time, in parts that judge each other."""

    @property
    def n_particles(self) -> int:
        """How many particles a visit of all parts yields."""
        ...

    def estimator(self, grows: bool, from_samples: bool | None) -> tuple[Source, bool]:
        """Whether the samples' estimator is the one to use, and the source that it needs.

        `grows` says whether the dynamics that are fitted change mass; `from_samples` is what
        the user asked for, if anything.
        """
        ...

    def less_mean_motion(self) -> tuple[Source, MeanMotion | None]:
        """The source less its mean motion, and that motion, where it is known (`mean_motion`)."""
        ...

    def less_total_growth(self) -> Source:
        """The source with growth relative to that of the population, where its masses are known."""
        ...

    def split(self, n: int, rng: np.random.Generator) -> tuple[Source, Source]:
        """All but one n-th, and one n-th that is independent of it."""
        ...

    def parts(self, n_times: int, rng: np.random.Generator) -> Sequence[Part]:
        """All particles, in parts with random numbers of their own, each to visit `n_times`."""
        ...

    def visit(self, part: Part) -> Iterator[Sample]:
        """The particles of a part, in chunks."""
        ...

    def stream(self, n_times: int, rng: np.random.Generator) -> Iterator[Sample]:
        """Those of all parts."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Draw n particles at random."""
        ...

    def ends(self, n: int | None = None, rng: np.random.Generator | None = None) -> Ends:
        """Marginals at both ends, of all particles or of about n."""
        ...
