"""Unbalanced transport with entropy, beside closed forms and another solver."""

from __future__ import annotations

import numpy as np
import pytest

from cellam.dynamics.sinkhorn import TOLERANCE, _Accelerated, solve_relaxed
from cellam.dynamics.transport import _pot, squared_distances


def even(n):
    return np.full(n, 1 / n)


@pytest.mark.parametrize("tau", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("cost", [0.0, 1.0, 1_000.0])
def test_cells_at_one_cost_keep_the_mass_of_the_closed_form(tau, cost):
    """With C = c, γ = g a⊗b, and cg + (2τ + ε)(g log g − g) is least at g = exp(−c/(2τ + ε))."""
    a, b, entropy = even(3), np.array([0.1, 0.9]), 0.01
    found = solve_relaxed(np.full((3, 2), cost), a, b, tau=tau, entropy=entropy)
    expected = np.exp(-cost / (2 * tau + entropy))
    assert found.converged
    assert found.plan == pytest.approx(expected * np.outer(a, b), rel=1e-6)
    assert found.rows.sum() == pytest.approx(expected, rel=1e-2)  # without entropy: c/2τ


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_the_plan_is_that_of_another_solver(tau):
    """POT's, by plain scaling, which also has to find the total mass."""
    rng = np.random.default_rng(0)
    a, b = rng.random(12) + 0.1, rng.random(9) + 0.1
    cost = squared_distances(rng.standard_normal((12, 2)), 1 + rng.standard_normal((9, 2)))
    found = solve_relaxed(cost, a, b, tau=tau, entropy=0.1, tolerance=1e-9)
    rival = _pot().unbalanced.sinkhorn_unbalanced(
        a, b, cost, 0.1, tau, reg_type="kl", numItermax=100_000, stopThr=1e-12
    )
    assert found.plan == pytest.approx(rival, abs=1e-6 * rival.max())


@pytest.mark.parametrize("scale", [1.0, 1e4], ids=["near", "far"])
@pytest.mark.parametrize("tau", [0.1, 1.0, 100.0])
def test_the_marginals_are_those_that_the_potentials_ask_for(scale, tau):
    """At an optimum τ log(γ1/a) = −f. Far apart, exp(−C/ε) would be zero for every pair."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 3)), rng.standard_normal((40, 3)) + 2
    cost, price, entropy = scale * squared_distances(x, y), scale * tau, 0.01 * scale
    found = solve_relaxed(cost, even(30), even(40), tau=price, entropy=entropy, tolerance=1e-9)
    assert found.converged
    f, g = -price * np.log(found.rows * 30), -price * np.log(found.columns * 40)
    exponent = (f[:, None] + g[None, :] - cost) / entropy
    assert found.plan == pytest.approx(np.exp(exponent) / 1_200, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_groups_far_apart_keep_the_same_mass_on_both_sides_though_the_iteration_ends_early(tau):
    """Else an exact plan between the marginals carries cells from one group to the other."""
    rng = np.random.default_rng(0)
    of_x, of_y = np.repeat([0, 1], [150, 50]), np.repeat([0, 1], [60, 140])
    x, y = (rng.standard_normal((200, 2)) + 30 * of[:, None] for of in (of_x, of_y))
    cost = squared_distances(x, y)
    unit = cost.mean()
    found, exact = (
        solve_relaxed(cost / unit, even(200), even(200), tau=tau, entropy=0.01, tolerance=t)
        for t in (TOLERANCE, 1e-9)
    )
    assert found.iterations < exact.iterations
    for group in (0, 1):
        kept = found.rows[of_x == group].sum()
        assert found.columns[of_y == group].sum() == pytest.approx(kept, rel=1e-9)
    assert np.abs(np.log(found.rows / exact.rows)).max() < TOLERANCE / 2
    assert np.abs(np.log(found.columns / exact.columns)).max() < TOLERANCE / 2


def test_only_the_ratio_of_cost_and_prices_counts():
    rng = np.random.default_rng(0)
    cost = squared_distances(rng.standard_normal((20, 2)), rng.standard_normal((25, 2)))
    one, other = (
        solve_relaxed(k * cost, even(20), even(25), tau=k, entropy=0.05 * k) for k in (1.0, 1e6)
    )
    assert other.plan == pytest.approx(one.plan, rel=1e-6)


def test_transport_that_may_not_change_mass_is_balanced():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2)) + [3, 0]
    found = solve_relaxed(squared_distances(x, y), even(30), even(30), tau=1e6, entropy=1.0)
    assert found.rows == pytest.approx(even(30), rel=TOLERANCE)
    assert found.plan.sum() == pytest.approx(1, rel=1e-3)


def test_an_iteration_that_ends_early_says_so_and_by_how_much():
    rng = np.random.default_rng(0)
    cost = squared_distances(*rng.standard_normal((2, 20, 2)))
    early, late = (
        solve_relaxed(cost, even(20), even(20), tau=1.0, entropy=0.01, iterations=n)
        for n in (5, 20_000)
    )
    assert (early.converged, early.iterations) == (False, 5)
    assert early.residual > TOLERANCE >= late.residual
    assert late.converged and late.iterations < 1_000


@pytest.mark.parametrize("tau", [0.3, 3.0])
def test_combined_rounds_are_fewer_than_plain_ones_and_end_nearer(tau, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 4))
    y = rng.standard_normal((200, 4)) + 3 * (rng.random((200, 1)) < 0.3)
    problem = squared_distances(x, y) / 10, even(150), even(200)
    exact = solve_relaxed(*problem, tau=tau, entropy=0.01, tolerance=1e-10)
    found = solve_relaxed(*problem, tau=tau, entropy=0.01)
    monkeypatch.setattr(_Accelerated, "next", lambda self, image, residual, size: image)
    plain = solve_relaxed(*problem, tau=tau, entropy=0.01)
    assert exact.converged
    assert found.converged
    assert plain.converged
    assert found.iterations < plain.iterations / 3

    def off(one):
        return np.abs(np.log(one.rows / exact.rows)).max()

    assert off(found) < max(off(plain), 1e-4)
    assert off(plain) < TOLERANCE


def test_a_combination_that_leads_away_is_given_up(monkeypatch):
    """The rounds then go on as plain ones, from the best that they had."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 3)), rng.standard_normal((40, 3)) + 2
    problem = squared_distances(x, y), even(30), even(40)
    good = solve_relaxed(*problem, tau=1.0, entropy=0.1, tolerance=1e-9)
    for away in (1e3, 1e8, np.inf, np.nan):
        monkeypatch.setattr(
            np.linalg, "lstsq", lambda steps, _, rcond, away=away: (np.full(steps.shape[1], away),)
        )
        found = solve_relaxed(*problem, tau=1.0, entropy=0.1, tolerance=1e-9)
        assert found.converged
        assert found.plan == pytest.approx(good.plan, abs=1e-8)


def test_a_cost_that_is_no_number_ends_at_once_and_is_not_called_an_optimum():
    found = solve_relaxed(np.full((3, 2), np.nan), even(3), even(2), tau=1.0, entropy=0.01)
    assert not found.converged
    assert found.iterations < 3
