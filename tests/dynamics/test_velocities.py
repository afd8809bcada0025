"""Given velocities on clouds that move as a whole, whose motion is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellam.dynamics.couplings import Balanced, Mixture
from cellam.dynamics.curves import curve, turned
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import build_path
from cellam.dynamics.velocities import LONGEST, bend_by_velocities, calibrate, velocities_of
from cellam.reading.snapshots import Snapshots

TIMES = (0.0, 1.0, 3.0)
MOTION = np.array([1.0, -0.5])  # per day


def cloud(v, n=80, noise=0.0) -> Snapshots:
    """Cells that move alike, with a velocity `v` (2,) each, but for noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2))
    velocities = tuple(v + noise * rng.standard_normal((n, 2)) for _ in TIMES)
    points = tuple(x + t * MOTION for t in TIMES)
    labels = tuple(f"{t:g}" for t in TIMES)
    rows = (np.arange(n),) * len(TIMES)
    return Snapshots(points, TIMES, labels, (1.0,) * 3, rows, velocities=velocities)


def straight(days, coupling=None):
    return build_path(days, coupling or Balanced(), np.random.default_rng(0))


@pytest.mark.parametrize("factor", [0.01, -7.0])
def test_the_days_tell_sign_and_scale_of_velocities(factor):
    days = cloud(factor * MOTION, noise=abs(factor))
    found = calibrate(days, straight(days), Objective(), np.random.default_rng(0))
    assert found.scale == pytest.approx(3 / factor, rel=0.1)  # in the three days of unit time
    assert 0 <= found.trust <= 1
    smooth = found.scale * found.velocities.along(found.smooth).numpy()
    assert smooth.mean(0) == pytest.approx(3 * MOTION, rel=0.1)
    noisy = found.scale * found.velocities.v.numpy()
    off, was = (((v - 3 * MOTION) ** 2).sum(1).mean() for v in (smooth, noisy))
    assert off < 0.1 * was


def test_the_less_velocities_are_noise_the_further_they_are_followed():
    """They differ from the fit by turns that it does not know, and by noise."""
    trust = []
    for noise in (0.0, 1.0, 5.0):
        days = cloud(MOTION, noise=noise)
        turning = np.array([[1.0, 2.0], [0.5, -3.0], [2.0, 2.0]])
        velocities = zip(days.velocities, turning, strict=True)
        days = replace(days, velocities=tuple(v + turn for v, turn in velocities))
        trust.append(calibrate(days, straight(days), Objective(), np.random.default_rng(0)).trust)
    assert 1 > trust[0] > 0.99 > trust[1] > trust[2] + 0.1


def test_each_day_counts_for_the_time_nearest_to_it_and_no_cell_for_more_than_others():
    days = cloud(MOTION)
    days.velocities[1][:20] = 0.0
    days.velocities[2][0] = 1e6
    found = velocities_of(days)
    weight = found.weight.numpy()
    assert [weight[found.t.numpy() == t].sum() for t in days.unit_times] == pytest.approx(
        [1 / 6, 1 / 2 * 60 / 80, 1 / 3]
    )
    length = np.linalg.norm(found.v.numpy(), axis=1)
    assert length.max() == pytest.approx(LONGEST * np.linalg.norm(MOTION))


def test_curves_have_the_velocities_at_their_ends_and_the_same_ends():
    days = cloud(MOTION)
    path = curve(straight(days), 1.0)
    given = [np.random.default_rng(k).standard_normal((80, 2)) for k in range(3)]
    whole, none = np.ones(80), np.zeros(80)
    bent = turned(path, given, [whole, whole, none])
    for k, (gap, was) in enumerate(zip(bent.gaps, path.gaps, strict=True)):
        every = slice(None)
        for at, cells in ((0.0, gap.pairs.i), (1.0, gap.pairs.j)):
            (x, v), (x_was, v_was) = (g.motion(every, np.full(80, at)) for g in (gap, was))
            assert x == pytest.approx(x_was)
            last = k == 1 and at == 1.0
            assert v == pytest.approx(v_was if last else given[k + int(at)][cells])
    half = turned(path, given, [0.5 * whole] * 3).gaps[0]
    assert half.bend[0] == pytest.approx((path.gaps[0].bend[0] + bent.gaps[0].bend[0]) / 2)


def test_where_cells_do_not_move_or_have_no_velocity_the_path_stays():
    days = cloud(MOTION)
    fading = straight(days, Mixture())
    assert turned(fading, days.velocities, [np.ones(80)] * 3) is fading
    path, rng = straight(days), np.random.default_rng(0)
    for velocities in (None, tuple(np.zeros((80, 2)) for _ in range(3))):
        without = replace(days, velocities=velocities)
        assert bend_by_velocities(path, without, 1.0, Objective(), rng) is path
    assert bend_by_velocities(path, days, 0.0, Objective(), rng) is path
    few = replace(
        days, velocities=tuple(v * (np.arange(80) < 40)[:, None] for v in days.velocities)
    )
    bent = bend_by_velocities(path, few, 1.0, Objective(), rng)
    # Those without one keep the tangent that they have.
    assert (bent.gaps[0].bend[0][40:] == 0).all()
    # Later stages have the random numbers that they have without velocities.
    assert rng.random() == np.random.default_rng(0).random()
