"""The mean motion, held apart from the motion of cells within it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cellam.dynamics.couplings import Balanced, Mixture
from cellam.dynamics.curves import curve
from cellam.dynamics.fitting import draw_features, fit_kernel
from cellam.dynamics.mean_motion import pool
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import build_path
from cellam.modelling.stored import fit_from, fit_to_arrays, fit_to_json
from cellam.reading.snapshots import Snapshots


def stop_and_go(n: int = 200, step: float = 5.0) -> Snapshots:
    """Days 0 to 4, on which a cloud in three dimensions runs, stands, runs, stands."""
    x = np.random.default_rng(0).standard_normal((5, n, 3))
    where = np.array([0.0, step, step, 2 * step, 2 * step])
    points = tuple(x[k] + np.array([1.0, 0.0, 0.0]) * where[k] for k in range(5))
    labels, rows = tuple("01234"), (np.arange(n),) * 5
    return Snapshots(points, (0.0, 1.0, 2.0, 3.0, 4.0), labels, (1.0,) * 5, rows)


def path_of(days, coupling=None, curvature=0.0):
    straight = build_path(days, coupling or Balanced(), np.random.default_rng(0))
    return curve(straight, curvature)


def test_the_frame_is_the_velocity_of_the_mean():
    path = path_of(stop_and_go(), curvature=1.0)
    frame = path.mean_motion()
    for gap in path.gaps:
        for alpha in (0.1, 0.5, 0.8):
            where = np.full(len(gap.pairs), alpha)
            _, velocity = gap.motion(slice(None), where)
            time = torch.tensor([gap.t_0 + alpha * gap.length])
            mean = np.average(velocity, axis=0, weights=gap.pairs.mass_0)
            # 200 cells leave the mean of a gap all but sure.
            assert frame.velocity(time)[0].numpy() == pytest.approx(mean, abs=0.2)


def test_its_acceleration_is_the_derivative_of_its_velocity():
    frame = path_of(stop_and_go(), curvature=1.0).mean_motion().to("cpu", torch.float64)
    t, h = torch.tensor([0.1, 0.3, 0.6, 0.9], dtype=torch.float64), 1e-5
    slope = (frame.velocity(t + h) - frame.velocity(t - h)) / (2 * h)
    assert frame.acceleration(t).numpy() == pytest.approx(slope.numpy(), rel=1e-6)


def test_a_gap_that_stands_is_not_dragged_along_by_those_that_run():
    """Without a frame, features that are smooth in time carry the motion into the next gap."""
    days, rng = stop_and_go(), np.random.default_rng(1)
    path = path_of(days)
    features = draw_features(days, 300, rng)
    fit = fit_kernel(path, Objective(), features, rng=rng)
    standing = torch.full((200,), 0.375)  # in the middle of the second gap
    v = fit.dynamics.drift(standing, torch.from_numpy(days.points[1]).float())
    running = torch.full((200,), 0.125)
    u = fit.dynamics.drift(running, torch.from_numpy(days.points[0]).float() + 2.5)
    assert float(v.mean(0).norm()) < 0.1 * float(u.mean(0).norm())


def test_many_noisy_gaps_share_the_velocity_of_the_whole():
    rng = np.random.default_rng(0)
    true, sd = np.array([1.0, 0.0]), 2.0
    noisy = true + sd * rng.standard_normal((30, 2))
    own, shared = pool(noisy, np.full(30, 2 * sd**2), np.ones(30), 2 * sd**2 / 30)
    assert own.max() < 0.3
    found = own[:, None] * (noisy - noisy.mean(0)) + shared
    assert ((found - true) ** 2).sum() < 0.2 * ((noisy - true) ** 2).sum()


def test_where_nobody_moves_there_is_no_frame():
    assert path_of(stop_and_go(), Mixture()).mean_motion() is None


def test_a_tied_growth_has_no_frame_and_a_fit_with_one_is_stored_whole():
    days, rng = stop_and_go(60), np.random.default_rng(2)
    path = path_of(days)
    features = draw_features(days, 40, rng)
    tied = fit_kernel(path, Objective(growth_scale=1.0), features, rng=rng)
    assert tied.action.mean is None
    fit = fit_kernel(path, Objective(), features, rng=rng)
    again = fit_from(fit_to_arrays(fit), fit_to_json(fit), Objective(), 3)
    t, x = torch.tensor([0.2, 0.7]), torch.zeros(2, 3)
    for ask in ("value", "gradient"):
        assert torch.equal(getattr(again.action, ask)(t, x), getattr(fit.action, ask)(t, x))


def test_a_frame_of_another_shape_is_refused():
    days, rng = stop_and_go(60), np.random.default_rng(2)
    fit = fit_kernel(path_of(days), Objective(), draw_features(days, 40, rng), rng=rng)
    arrays = fit_to_arrays(fit)
    arrays["mean_motion"] = arrays["mean_motion"][:-1]
    with pytest.raises(ValueError, match="mean motion"):
        fit_from(arrays, fit_to_json(fit), Objective(), 3)


def test_what_is_left_after_the_frame_is_fitted():
    """The mean of the velocities of a framed path is zero in each gap."""
    path = path_of(stop_and_go())
    left = replace(path, taken_off=path.mean_motion())
    for sample in left.stream(4, np.random.default_rng(0)):
        assert sample.velocity.mean(0).abs().max() < 0.5
