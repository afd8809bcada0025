"""Paths: the density q_t between the snapshots, as weighted particles that can be sampled.

Between two days a pair of a coupling moves on a straight line from x_0 to x_1 while its mass
goes log-linearly from mass_0 to mass_1; with α the fraction of the gap Δ that has passed,

    x_t = (1 − α) x_0 + α x_1 + σ√(Δα(1 − α)) ε,     w_t = mass_0^(1−α) mass_1^α.

Its velocity and its growth rate ġ = d log w/dt are constant when σ = 0; with σ > 0 the line
is a Brownian bridge, whose score −ε/std is known, and the marginals at both ends stay exact.
A line may be bent (see `curves`): with offsets d_0 and d_1 of its tangents from the
chord, α(1 − α)[(1 − α) d_0 − α d_1] is added to x_t, which is a cubic Hermite spline.

Where a coupling moves nobody (`couplings.Mixture`), the cells of the day before fade out while
those of the day after fade in, masses linearly: q_t = (1 − α) q_0 + α q_1. It is the path of plain
Action Matching between snapshots, and a poor one.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from cellam.dynamics.couplings import Coupling, Pairs
from cellam.dynamics.lineage import carried
from cellam.dynamics.mean_motion import MeanMotion, pool
from cellam.dynamics.samples import CHUNK, GOLDEN, PARTS, Ends, Part, PathSample
from cellam.reading.snapshots import Snapshots

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """The path between two neighbouring snapshots, unit times t_0 < t_1.

    With `fading`, masses go linearly from mass_0 to mass_1 instead of log-linearly. `bend`
    holds the offsets of the tangents from the chord, times Δ: d_0 (n, d) for the cells x_0
    and d_1 (m, d) for the cells x_1. `total_growth` is a rate that is taken off those of all pairs.
    """

    t_0: float
    t_1: float
    x_0: Array
    x_1: Array
    pairs: Pairs
    fading: bool = False
    bend: tuple[Array, Array] | None = None
    total_growth: float = 0.0

    @property
    def length(self) -> float:
        """Δ, in unit time."""
        return self.t_1 - self.t_0

    def motion(self, pair: NDArray[np.int64] | slice, alpha: Array) -> tuple[Array, Array]:
        """Positions x (P, d) of pairs at fractions α of the gap, and their velocities."""
        i, j = self.pairs.i[pair], self.pairs.j[pair]
        a = alpha[:, None]
        x, chord = self.x_0[i], self.x_1[j] - self.x_0[i]
        x, velocity = x + a * chord, chord / self.length
        if self.bend is not None:
            d_0, d_1 = self.bend[0][i], self.bend[1][j]
            x = x + a * (1 - a) * ((1 - a) * d_0 - a * d_1)
            turning = (1 - a) * (1 - 3 * a) * d_0 - a * (2 - 3 * a) * d_1
            velocity = velocity + turning / self.length
        return x, velocity

    def masses(self, pair: NDArray[np.int64] | slice, alpha: Array) -> tuple[Array, Array]:
        """Mass w of pairs at fractions α of the gap, and their growth rate d log w/dt."""
        mass_0, mass_1 = self.pairs.mass_0[pair], self.pairs.mass_1[pair]
        if self.fading:
            w = (1 - alpha) * mass_0 + alpha * mass_1
            growth = np.divide(mass_1 - mass_0, w * self.length, where=w > 0, out=0 * w)
            return w, growth - self.total_growth
        rate = np.log(mass_1 / mass_0)
        return mass_0 * np.exp(alpha * rate), rate / self.length - self.total_growth

    def mean_velocity(self) -> Array:
        """Velocity of the mean of the pairs, as coefficients (3, d) of 1, α and α²."""
        i, j = self.pairs.i, self.pairs.j
        w = 0.5 * (self.pairs.mass_0 + self.pairs.mass_1)
        w = w / w.sum()
        chord = w @ (self.x_1[j] - self.x_0[i])
        d_0, d_1 = np.zeros((2, len(chord)))
        if self.bend is not None:
            d_0, d_1 = w @ self.bend[0][i], w @ self.bend[1][j]
        parabola = np.stack([chord + d_0, -4 * d_0 - 2 * d_1, 3 * (d_0 + d_1)])
        return np.asarray(parabola / self.length)

    def total(self, alpha: Array) -> Array:
        """Mass of all cells at fractions α, interpolated from a fine grid."""
        grid = np.linspace(0, 1, 33)
        totals = [self.masses(slice(None), np.full(1, g))[0].sum() for g in grid]
        return np.asarray(np.interp(alpha, grid, totals))


@dataclass(frozen=True)
class Stretch(Part):
    """Pairs from `start` to `stop` of a gap, by its number, in chunks of `step`."""

    gap: int
    start: int
    stop: int
    step: int
    shift: float
    rng: np.random.Generator


@dataclass(frozen=True)
class Path:
    """The path over all gaps.

    Parameters
    ----------
    gaps : tuple of Gap
    sigma : float
        Noise of the bridges; 0 for straight lines.
    conserved : bool
        Divide all weights by the mass at their time, so q_t is a probability. Growth
        rates then no longer belong to the weights: use the samples' estimator.
    taken_off : MeanMotion or None
        A velocity that is taken off those of all particles.
    """

    gaps: tuple[Gap, ...]
    sigma: float = 0.0
    conserved: bool = False
    taken_off: MeanMotion | None = None

    @property
    def n_particles(self) -> int:
        """Number of pairs over all gaps: each is a particle."""
        return sum(len(gap.pairs) for gap in self.gaps)

    @property
    def grows(self) -> bool:
        """Whether the mass of any particle changes."""
        return any(
            not np.allclose(gap.pairs.mass_0, gap.pairs.mass_1, rtol=1e-6) for gap in self.gaps
        )

    def estimator(self, grows: bool, from_samples: bool | None) -> tuple[Path, bool]:
        """Whether the samples' estimator is the one to use, and the path that it needs.

        The path's own velocities explain it, unless its mass changes and that of the dynamics
        does not. Then only the samples' estimator is right: it finds the motion that explains
        all change.
        """
        if self.grows and not grows:
            return replace(self, conserved=True), True
        return self, bool(from_samples)

    def less_mean_motion(self) -> tuple[Path, MeanMotion | None]:
        """The path less its mean motion, and the mean motion."""
        mean = self.mean_motion()
        return replace(self, taken_off=mean), mean

    def less_total_growth(self) -> Path:
        """The path with growth relative to that of the population, whose masses are known."""
        totals = [(gap.pairs.mass_0.sum(), gap.pairs.mass_1.sum()) for gap in self.gaps]
        gaps = (
            replace(gap, total_growth=float(np.log(m_1 / m_0)) / gap.length)
            for gap, (m_0, m_1) in zip(self.gaps, totals, strict=True)
        )
        return replace(self, gaps=tuple(gaps))

    def mean_motion(self) -> MeanMotion | None:
        """Mean velocity of every gap, as far as its cells bear it out; None where nobody moves."""
        if any(gap.fading for gap in self.gaps):
            return None
        first, last = self.gaps[0], self.gaps[-1]
        lengths = np.array([gap.length for gap in self.gaps])
        parabolas = np.stack([gap.mean_velocity() for gap in self.gaps])  # (G, 3, d)
        errors = [_mean_variance(gap.x_0) + _mean_variance(gap.x_1) for gap in self.gaps]
        whole = _mean_variance(first.x_0) + _mean_variance(last.x_1)
        chords = parabolas[:, 0] + parabolas[:, 1] / 2 + parabolas[:, 2] / 3
        own, shared = pool(
            chords, np.array(errors) / lengths**2, lengths, whole / lengths.sum() ** 2
        )
        total = lengths @ chords / lengths.sum()
        parabolas = own[:, None, None] * parabolas
        parabolas[:, 0] += shared - own[:, None] * total
        knots = np.array([first.t_0, *(gap.t_1 for gap in self.gaps)])
        return MeanMotion(torch.from_numpy(knots), torch.from_numpy(parabolas)).to("cpu")

    def split(self, n: int, rng: np.random.Generator) -> tuple[Path, Path]:
        """Keep all but one n-th of the cells of every gap, and hold out the others."""
        kept, held = [], []
        for gap in self.gaps:
            out = (rng.permutation(len(gap.x_0)) % n == 0)[gap.pairs.i]
            kept.append(replace(gap, pairs=gap.pairs.where(~out)))
            held.append(replace(gap, pairs=gap.pairs.where(out)))
        return replace(self, gaps=tuple(kept)), replace(self, gaps=tuple(held))

    def stream(
        self, n_times: int, rng: np.random.Generator, *, chunk: int = CHUNK
    ) -> Iterator[PathSample]:
        """Visit every pair at `n_times` low-discrepancy times, `chunk` particles at once."""
        for part in self.parts(n_times, rng, chunk=chunk):
            yield from self.visit(part)

    def parts(self, n_times: int, rng: np.random.Generator, *, chunk: int = CHUNK) -> list[Stretch]:
        """All pairs in stretches of whole chunks, and what places each at its times."""
        step = max(1, chunk // n_times)
        chunks = sum(-(-len(gap.pairs) // step) for gap in self.gaps)
        long = step * max(1, -(-chunks // PARTS))
        found = []
        for k, gap in enumerate(self.gaps):
            n, shift = len(gap.pairs), rng.random()
            starts = range(0, n, long)
            for start, own in zip(starts, rng.spawn(len(starts)), strict=True):
                stop = min(start + long, n)
                size = (stop - start) * n_times
                found.append(Stretch(n_times, size, k, start, stop, step, shift, own))
        return found

    def visit(self, part: Part) -> Iterator[PathSample]:
        """The pairs of a stretch at their times, in chunks; each time with the same noise."""
        assert isinstance(part, Stretch)
        gap, n_times, rng = self.gaps[part.gap], part.n_times, copy.deepcopy(part.rng)
        for start in range(part.start, part.stop, part.step):
            pair = np.repeat(np.arange(start, min(start + part.step, part.stop)), n_times)
            visit = np.tile(np.arange(n_times), len(pair) // n_times)
            # The golden-ratio sequence is evenly spread over any run of pairs, and the
            # visits to one pair divide its gap evenly.
            alpha = ((part.shift + GOLDEN * pair) % 1 + visit) / n_times
            yield self._at(gap, pair, alpha, gap.length / n_times, rng)

    def sample(self, n: int, rng: np.random.Generator) -> PathSample:
        """Draw n particles at random, for stochastic gradients.

        Times are a shifted lattice (low discrepancy); pairs are drawn in proportion to the
        mean of their two masses and weighted by what that leaves out.
        """
        times = (rng.random() + GOLDEN * np.arange(n)) % 1
        starts = [gap.t_0 for gap in self.gaps[1:]]
        which = np.searchsorted(starts, times, side="right")
        parts = []
        for k in np.unique(which):
            gap, t = self.gaps[k], times[which == k]
            proposal = 0.5 * (gap.pairs.mass_0 + gap.pairs.mass_1)
            total = proposal.sum()
            pair = rng.choice(len(proposal), len(t), p=proposal / total)
            alpha = (t - gap.t_0) / gap.length
            parts.append(self._at(gap, pair, alpha, total / proposal[pair] / n, rng))
        columns = zip(*(part.columns() for part in parts), strict=True)
        return PathSample(*(None if c[0] is None else torch.cat(c) for c in columns))  # type: ignore[arg-type]

    def ends(self, n: int | None = None, rng: np.random.Generator | None = None) -> Ends:
        """Marginals at the ends of the gaps, for the boundary terms of the samples' estimator.

        All of their cells, or about n drawn in proportion to mass.
        """
        parts = []
        for gap in self.gaps:
            for t, x, cell, mass, sign in (
                (gap.t_0, gap.x_0, gap.pairs.i, gap.pairs.mass_0, -1.0),
                (gap.t_1, gap.x_1, gap.pairs.j, gap.pairs.mass_1, 1.0),
            ):
                w = np.bincount(cell, mass, len(x))
                total = 1.0 if self.conserved else w.sum()
                w = w * (total / w.sum())
                if n is not None and rng is not None:
                    few = max(64, n // (2 * len(self.gaps)))
                    drawn = rng.choice(len(w), few, p=w / w.sum())
                    x, w = x[drawn], np.full(few, total / few)
                parts.append((np.full(len(x), t), x, sign * w))
        columns = (np.concatenate(c) for c in zip(*parts, strict=True))
        return Ends(*(torch.from_numpy(c) for c in columns))

    def _at(
        self,
        gap: Gap,
        pair: NDArray[np.int64],
        alpha: Array,
        dt: float | Array,
        rng: np.random.Generator,
    ) -> PathSample:
        # Fading masses and the bridge's score are singular at the very ends.
        alpha = np.clip(alpha, 1e-4, 1 - 1e-4)
        x, velocity = gap.motion(pair, alpha)
        mass, growth = gap.masses(pair, alpha)
        if self.conserved:
            mass = mass / gap.total(alpha)
        t = torch.from_numpy(gap.t_0 + alpha * gap.length)
        if self.taken_off is not None:
            velocity = velocity - self.taken_off.to("cpu", torch.float64).velocity(t).numpy()
        score = None
        if self.sigma > 0:
            std = self.sigma * np.sqrt(gap.length * alpha * (1 - alpha))[:, None]
            eps = rng.standard_normal(x.shape)
            x = x + std * eps
            velocity = velocity + self.sigma**2 * (0.5 - alpha)[:, None] / std * eps
            score = -eps / std
        columns = x, mass * dt, velocity, growth, score
        return PathSample(t, *(None if c is None else torch.from_numpy(c) for c in columns))  # type: ignore[arg-type]


def _mean_variance(x: Array) -> float:
    """Variance of the mean of cells (n, d), over all coordinates."""
    return float(x.var(0, ddof=1).sum() / len(x)) if len(x) > 1 else np.inf


def build_path(
    snapshots: Snapshots,
    coupling: Coupling,
    rng: np.random.Generator,
    *,
    sigma: float = 0.0,
) -> Path:
    """Join every two neighbouring snapshots."""
    n = len(snapshots)
    gaps = (build_gap(snapshots, j, k, coupling, rng) for j, k in itertools.pairwise(range(n)))
    return Path(tuple(gaps), sigma)


def build_gap(
    snapshots: Snapshots, j: int, k: int, coupling: Coupling, rng: np.random.Generator
) -> Gap:
    """Pair days j and k, by their clones too where these are used, and join them."""
    a, b = snapshots.weights[j], snapshots.weights[k]
    expected = snapshots.prior is not None and coupling.moves
    grown, shrunk = expected_masses(snapshots, j, k) if expected else (a, b)
    x_0 = carried(snapshots, j, k) if coupling.moves else snapshots.points[j]
    pairs = coupling.pair(x_0, snapshots.points[k], grown, shrunk, rng)
    if expected:
        mass_0, mass_1 = (a / grown)[pairs.i], (b / shrunk)[pairs.j]
        pairs = replace(pairs, mass_0=pairs.mass_0 * mass_0, mass_1=pairs.mass_1 * mass_1)
    return join(snapshots, j, k, coupling, pairs)


def expected_masses(snapshots: Snapshots, j: int, k: int) -> tuple[Array, Array]:
    """What the cells of days j and k would weigh half-way, had they grown as expected.

    Of cells that grow at rates g over the gap Δ, a exp(gΔ/2) and b exp(−gΔ/2), up to one factor
    each. Where a plan has these marginals, a pair grows at the mean of the rates of its cells;
    an unbalanced plan may leave them, as it may leave a and b.
    """
    a, b = snapshots.weights[j], snapshots.weights[k]
    if snapshots.prior is None:
        return a, b
    half = 0.5 * (snapshots.times[k] - snapshots.times[j])
    return _scaled(a, half * snapshots.prior[j]), _scaled(b, -half * snapshots.prior[k])


def _scaled(mass: Array, log_factor: Array) -> Array:
    """Masses times factors, with the same sum."""
    # By e^10 in a gap no cell grows more than others; a plan would forget masses so small.
    scaled = mass * np.exp(np.clip(log_factor - np.median(log_factor), -5.0, 5.0))
    return np.asarray(scaled * (mass.sum() / scaled.sum()))


def join(snapshots: Snapshots, j: int, k: int, coupling: Coupling, pairs: Pairs) -> Gap:
    """The gap between days j and k whose cells are paired already."""
    t_0, t_1 = snapshots.unit_times[j], snapshots.unit_times[k]
    x_0, x_1 = snapshots.points[j], snapshots.points[k]
    if coupling.moves:
        return Gap(t_0, t_1, x_0, x_1, pairs)
    both = np.concatenate([x_0, x_1])
    return Gap(t_0, t_1, both, both, pairs, fading=True)
