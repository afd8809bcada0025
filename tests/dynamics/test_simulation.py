"""Schemes against flows whose solution is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cellam.dynamics.simulation import simulate
from cellam.errors import ConfigError, TrainingError

SINGLE = 1e-5  # positions are in single precision: a hundred roundings or so


def dynamics(drift=None, growth=None, sigma=0.0, jumps=()):
    """Stand in for what was fitted."""
    return SimpleNamespace(
        drift=drift or (lambda t, x: 0 * x),
        growth_field=growth or (lambda t, x: 0 * t),
        growth_level=None,
        sigma=sigma,
        jumps=jumps,
    )


def swing(t, x):
    """x′ = 6x cos 6t, whose solution is x = x₀ exp(sin 6t)."""
    return 6 * x * torch.cos(6 * t)[:, None]


def run(which, x, times, *, steps=64, seed=0, **kwargs):
    times = np.array(times, dtype=float)
    return simulate(which, x, times, rng=np.random.default_rng(seed), steps=steps, **kwargs)


def slope(steps, errors):
    """Order of convergence, by regression."""
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


def test_positions_converge_with_order_four():
    """x′ = 8(0.2 + t)x(1 − x), along which logit x = logit x₀ + 8(0.2t + ½t²)."""
    steps, x = np.array([8, 10, 14, 20]), np.linspace(0.05, 0.5, 20)[:, None]
    truth = 1 / (1 + (1 / x - 1) * np.exp(-8 * (0.2 * 0.5 + 0.5**3)))
    which = dynamics(lambda t, x: 8 * (0.2 + t[:, None]) * x * (1 - x))
    ends = [run(which, x, [0, 0.5], steps=n).points[-1] for n in steps]
    errors = [np.sqrt(((end - truth) ** 2).mean()) for end in ends]
    assert errors[-1] > 1e-6  # still above the roundings of single precision
    assert slope(steps, errors) == pytest.approx(4, abs=0.4)


def test_log_weights_converge_with_order_four():
    """d log w = x dt along x = exp(−8t): (1 − e⁻⁸)/8, through the positions' own error."""
    steps, x = np.array([10, 14, 20, 28]), np.ones((1, 1))
    which = dynamics(lambda t, x: -8 * x, lambda t, x: x[:, 0])
    ends = [run(which, x, [0, 1], steps=n).log_weights[-1, 0] for n in steps]
    errors = np.abs(np.array(ends) - (1 - np.exp(-8.0)) / 8)
    assert slope(steps, errors) == pytest.approx(4, abs=0.4)


def test_forward_and_backward_lead_back_to_the_start():
    x = np.random.default_rng(0).standard_normal((50, 2))
    which = dynamics(swing, lambda t, x: torch.tanh(x[:, 0]))
    there = run(which, x, [0, 1])
    back = run(which, there.points[-1], [1, 0])
    assert back.points[-1] == pytest.approx(x, abs=1e-4)
    assert back.log_weights[-1] == pytest.approx(-there.log_weights[-1], abs=1e-4)


@pytest.mark.parametrize("times", [[0, 1], [1, 0], [0, 0.3, 0.7, 1], [0.7, 0.1], [0.3, 0.9]])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_velocity_that_jumps_is_integrated_as_exactly(times, steps):
    """3, then −5 from 0.3 on, then 1 from 0.7 on: parabolas, exact by Simpson."""
    knots, rates = torch.tensor([0.3, 0.7]), torch.tensor([3.0, -5.0, 1.0])

    def drift(t, x):
        after = torch.searchsorted(knots, t.contiguous(), right=True)
        return (rates[after] + t**2)[:, None].expand_as(x)

    def way(t):
        return 3 * min(t, 0.3) - 5 * np.clip(t - 0.3, 0, 0.4) + max(t - 0.7, 0) + t**3 / 3

    moved = run(dynamics(drift, jumps=(0.3, 0.7)), np.zeros((2, 3)), times, steps=steps)
    for time, points in zip(times, moved.points, strict=True):
        assert points == pytest.approx(np.full((2, 3), way(time) - way(times[0])), abs=SINGLE)


@pytest.mark.parametrize("steps", [1, 7])
def test_growth_is_integrated_exactly_up_to_cubics(steps):
    """The scheme is Simpson's rule where growth depends on time alone."""
    moved = run(
        dynamics(growth=lambda t, x: 4 * t**3 - 1), np.zeros((3, 2)), [0, 0.5, 1], steps=steps
    )
    assert moved.log_weights == pytest.approx(
        np.repeat([[0.0], [0.5**4 - 0.5], [0.0]], 3, axis=1), abs=SINGLE
    )


def test_constant_growth_is_its_rate_times_time_with_noise_as_without():
    for sigma in (0.0, 0.5):
        which = dynamics(growth=lambda t, x: 0 * t + 0.7, sigma=sigma)
        moved = run(which, np.zeros((4, 2)), [0.2, 0.9])
        assert moved.log_weights[-1] == pytest.approx(0.7 * 0.7, abs=SINGLE)


def test_the_variance_of_brownian_motion_is_sigma_squared_t():
    moved = run(dynamics(sigma=0.8), np.zeros((20_000, 2)), [0, 0.25, 1], steps=8)
    for t, x in zip(moved.times, moved.points, strict=True):
        assert x.var() == pytest.approx(0.8**2 * t, rel=0.03)  # 4√(2/40,000)
        assert abs(x.mean()) < 4 * 0.8 / np.sqrt(40_000) + 1e-12


def test_noise_has_independent_coordinates_and_increments():
    x = run(dynamics(sigma=1.0), np.zeros((20_000, 2)), [0, 0.5, 1], steps=4).points
    for a, b in ((x[2, :, 0], x[2, :, 1]), (x[1, :, 0], x[2, :, 0] - x[1, :, 0])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(20_000)


def test_noise_cannot_be_run_backward():
    with pytest.raises(ConfigError, match=r"sigma = 0\.3") as caught:
        run(dynamics(sigma=0.3), np.zeros((2, 2)), [1, 0])
    assert "`method=" in caught.value.hint


def test_cells_that_run_off_to_infinity_are_counted():
    which = dynamics(lambda t, x: 50 * x**3)
    with pytest.raises(TrainingError, match="2 of 3"), np.errstate(all="ignore"):
        run(which, np.array([[0.0], [9.0], [9.0]]), [0, 1])


def test_weights_that_run_off_are_found_as_well():
    which = dynamics(growth=lambda t, x: 1 / (x[:, 0] - 1))
    with pytest.raises(TrainingError, match="1 of 2"):
        run(which, np.array([[0.0], [1.0]]), [0, 1])


def test_time_is_held_at_the_first_and_the_last_day():
    """x′ = t: nothing moves before 0, ½ between 0 and 1, and 1 per unit of time after."""
    moved = run(dynamics(lambda t, x: t[:, None] + 0 * x), np.zeros((1, 1)), [-2, 0, 1, 3])
    assert moved.points[:, 0, 0] == pytest.approx([0, 0, 0.5, 2.5], abs=SINGLE)


def test_it_starts_where_it_was_told_to_and_saves_what_was_asked_for():
    x = np.random.default_rng(0).standard_normal((7, 3))
    moved = run(dynamics(swing), x, [0.1, 0.2, 0.7])
    assert moved.points.shape == (3, 7, 3)
    assert moved.log_weights.shape == (3, 7)
    assert moved.times.tolist() == [0.1, 0.2, 0.7]
    assert moved.points[0] == pytest.approx(x, abs=1e-6)
    assert np.all(moved.log_weights[0] == 0)


def test_saving_more_often_does_not_move_the_end():
    x = np.ones((1, 1))
    often, once = (run(dynamics(swing), x, t) for t in (np.linspace(0, 1, 9), [0, 1]))
    assert often.points[-1] == pytest.approx(once.points[-1], abs=SINGLE)


def test_chunks_do_not_change_what_happens_to_a_cell():
    x = np.random.default_rng(0).standard_normal((50, 2))
    whole, parts = (run(dynamics(swing), x, [0, 1], chunk=n).points for n in (50, 7))
    assert whole == pytest.approx(parts, abs=SINGLE)


def test_chunks_have_noise_of_their_own():
    end = run(dynamics(sigma=1.0), np.zeros((20, 1)), [0, 1], chunk=10).points[-1]
    assert len(np.unique(end)) == 20


def test_the_seed_decides_the_noise():
    one, same, other = (
        run(dynamics(sigma=1.0), np.zeros((9, 2)), [0, 1], seed=seed).points for seed in (1, 1, 2)
    )
    assert one.tobytes() == same.tobytes() != other.tobytes()
