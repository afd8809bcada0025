"""Bent paths, on clouds that move as a whole: there the path is the motion of the cloud."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cellam.dynamics.couplings import Balanced, Mixture, Unbalanced
from cellam.dynamics.curves import curve
from cellam.dynamics.paths import build_path
from cellam.reading.snapshots import Snapshots

TIMES = (0.0, 2.0, 4.0, 6.0, 8.0)


def moving(where, times=TIMES, n=60) -> Snapshots:
    """The same cells on every day, at `where` of its time."""
    x = np.random.default_rng(0).standard_normal((n, 2))
    points = tuple(x + where(t) for t in times)
    labels = tuple(f"day{t:g}" for t in times)
    return Snapshots(points, times, labels, (1.0,) * len(times), (np.arange(n),) * len(times))


def bent(days, curvature, coupling=None):
    straight = build_path(days, coupling or Balanced(), np.random.default_rng(0))
    return curve(straight, curvature)


def parabola(t):
    return np.array([1.0, -0.5]) * t**2 + np.array([0.0, 1.0]) * t


def centre(gap, alpha):
    """Where the cloud is, and how fast it moves, at a fraction of a gap."""
    x, velocity = gap.motion(slice(None), np.full(len(gap.pairs), alpha))
    return np.average(x, axis=0, weights=gap.pairs.mass_0), velocity.mean(0)


@pytest.mark.parametrize("k", [1, 2])
def test_between_inner_days_most_of_a_constant_acceleration_is_found(k):
    days = moving(parabola)
    x = days.points[0].mean(0)
    chord, where = (centre(bent(days, c).gaps[k], 0.5)[0] for c in (0.0, 1.0))
    true = x + parabola(0.5 * (TIMES[k] + TIMES[k + 1]))
    assert np.linalg.norm(where - true) < 0.2 * np.linalg.norm(chord - true)


def test_a_day_has_the_harmonic_mean_of_both_velocities():
    """In one direction it is that of numbers: 2 · 1 · 3/(1 + 3) = 1.5; the arithmetic one is 2."""
    speeds = {0.0: 0.0, 2.0: 2.0, 4.0: 8.0, 6.0: 10.0, 8.0: 12.0}  # 1, 3, 1 and 1 a day
    days = moving(lambda t: np.array([1.0, 0.0]) * speeds[t])
    gaps = bent(days, 1.0).gaps
    for gap, alpha in ((gaps[0], 1.0), (gaps[1], 0.0), (gaps[1], 1.0), (gaps[2], 0.0)):
        assert centre(gap, alpha)[1] / TIMES[-1] == pytest.approx([1.5, 0.0], abs=0.01)


def test_a_gap_in_which_nobody_moves_is_not_dragged_along():
    stops = {0.0: 0.0, 2.0: 6.0, 4.0: 12.0, 6.0: 12.0, 8.0: 12.0}
    gap = bent(moving(lambda t: np.array([1.0, 0.0]) * stops[t]), 1.0).gaps[2]
    for alpha in (0.2, 0.5, 0.8):
        assert centre(gap, alpha)[0] == pytest.approx(centre(gap, 0.0)[0], abs=1e-6)


def test_at_the_ends_the_acceleration_vanishes():
    gap = bent(moving(parabola), 1.0).gaps[0]
    h = 1e-3
    before, middle, after = (centre(gap, a)[0] for a in (0.0, h, 2 * h))
    assert (before - 2 * middle + after) / h**2 == pytest.approx([0.0, 0.0], abs=0.05)


def test_the_velocity_is_the_derivative_of_the_position():
    gap = bent(moving(parabola), 0.7).gaps[1]
    h = 1e-5
    for alpha in (0.1, 0.6):
        ahead, behind = centre(gap, alpha + h)[0], centre(gap, alpha - h)[0]
        slope = (ahead - behind) / (2 * h * gap.length)
        assert slope == pytest.approx(centre(gap, alpha)[1], rel=1e-6)


def test_a_smooth_path_has_one_velocity_at_each_day():
    gaps = bent(moving(lambda t: np.array([np.sin(t), np.cos(t)]) * 3), 1.0).gaps
    for before, after in itertools.pairwise(gaps):
        assert centre(before, 1.0)[1] == pytest.approx(centre(after, 0.0)[1], abs=1e-6)


@pytest.mark.parametrize("coupling", [Balanced(), Unbalanced(0.3)])
def test_the_ends_of_all_lines_and_their_masses_stay(coupling):
    rng = np.random.default_rng(1)
    days = moving(parabola)
    noisy = Snapshots(
        tuple(x + rng.standard_normal(x.shape) for x in days.points),
        *(getattr(days, name) for name in ("times", "labels", "masses", "rows")),
    )
    straight = bent(noisy, 0.0, coupling)
    for line, bow in zip(straight.gaps, curve(straight, 1.0).gaps, strict=True):
        assert bow.pairs is line.pairs
        for alpha in (0.0, 1.0):
            ends = [g.motion(slice(None), np.full(len(g.pairs), alpha))[0] for g in (line, bow)]
            assert ends[0] == pytest.approx(ends[1], abs=1e-12)


@pytest.mark.parametrize(
    ("days", "coupling"),
    [
        (moving(lambda t: np.array([2.0, 1.0]) * t), Balanced()),  # at a constant velocity
        (moving(parabola, times=(0.0, 1.0)), Balanced()),  # with one gap
        (moving(parabola), Mixture()),  # where nobody moves
    ],
)
def test_there_is_nothing_to_bend(days, coupling):
    straight = build_path(days, coupling, np.random.default_rng(0))
    for line, bow in zip(straight.gaps, curve(straight, 1.0).gaps, strict=True):
        alpha = np.full(len(line.pairs), 0.5)
        assert bow.motion(slice(None), alpha)[0] == pytest.approx(
            line.motion(slice(None), alpha)[0], abs=1e-9
        )
