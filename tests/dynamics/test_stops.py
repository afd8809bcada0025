from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cellam.dynamics.branching import branch
from cellam.dynamics.couplings import Balanced, Coupling, Unbalanced
from cellam.dynamics.objectives import Level
from cellam.dynamics.simulation import simulate
from cellam.dynamics.stops import Stop

N, M, D = 60, 90, 3
STILL = SimpleNamespace(
    drift=lambda t, x: 0 * x,
    growth_field=lambda t, x: 0 * t,
    growth_level=None,
    sigma=0.0,
    jumps=(),
)


@pytest.fixture
def clouds() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells that arrive twice as far apart as those observed, their masses, and these."""
    rng = np.random.default_rng(0)
    mass = rng.uniform(0.5, 2.0, N)
    return 2.0 * rng.standard_normal((N, D)), mass, rng.standard_normal((M, D))


def _stop(clouds: tuple[np.ndarray, ...], coupling: Coupling | None = None) -> Stop:
    return Stop.of(0.5, *clouds, coupling or Balanced())


def test_cells_that_arrive_go_on_as_the_observed_ones_that_they_are_coupled_to(
    clouds: tuple[np.ndarray, ...],
) -> None:
    """By exact transport, all observed cells together by their masses, each as often as any."""
    arrived, mass, _ = clouds
    stop = _stop(clouds)
    shares = stop.shares(arrived)
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_allclose(mass @ shares / mass.sum(), np.full(M, 1 / M), atol=1e-6)


def test_they_go_on_near_to_where_they_arrive_and_no_way_is_shorter(
    clouds: tuple[np.ndarray, ...],
) -> None:
    """Transport of equal masses is an assignment, for which scipy has an answer of its own."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    arrived, _, observed = clouds
    cost = cdist(arrived, observed[:N], "sqeuclidean")
    stop = _stop((arrived, np.ones(N), observed[:N]))
    found = stop.shares(arrived).multiply(cost).sum()
    assert found == pytest.approx(cost[linear_sum_assignment(cost)].sum(), rel=1e-5)


@pytest.mark.parametrize("coupling", [Balanced(), Unbalanced(tau=1.0)])
def test_draws_are_as_frequent_as_the_shares(
    clouds: tuple[np.ndarray, ...], coupling: Coupling
) -> None:
    stop = _stop(clouds, coupling)
    x = np.repeat(stop.arrived[:4], 20_000, axis=0)
    drawn = stop.draw(x, np.random.default_rng(1)).reshape(4, 20_000, D)
    expected = stop.shares(stop.arrived[:4]).toarray()
    for cell in range(4):
        same = (drawn[cell][:, None] == stop.observed[None]).all(2)
        assert (same.sum(1) == 1).all()
        np.testing.assert_allclose(same.mean(0), expected[cell], atol=0.02)


def test_other_cells_go_on_as_the_nearest_that_stands_for_the_population(
    clouds: tuple[np.ndarray, ...],
) -> None:
    stop = _stop(clouds)
    beside = stop.arrived + 1e-3 * np.random.default_rng(2).standard_normal((N, D))
    assert (stop.shares(beside) != stop.shares(stop.arrived)).nnz == 0


def test_a_cell_of_nearly_no_mass_goes_on_as_well(clouds: tuple[np.ndarray, ...]) -> None:
    arrived, mass, observed = clouds
    mass = mass.copy()
    mass[0] = 1e-30
    shares = _stop((arrived, mass, observed)).shares(arrived)
    np.testing.assert_allclose(shares.sum(1), 1)
    assert np.isfinite(shares.data).all()


def test_simulated_cells_are_saved_as_they_arrive_and_go_on_as_observed_ones(
    clouds: tuple[np.ndarray, ...],
) -> None:
    """Where nothing moves, they are what they were, and from the stop on what they go on as."""
    arrived, _, observed = clouds
    times = np.array([0.0, 0.5, 0.75, 1.0])
    moved = simulate(
        STILL, arrived, times, rng=np.random.default_rng(0), stops=(_stop(clouds),)
    ).points
    np.testing.assert_allclose(moved[1], arrived, atol=1e-5)
    gone_on = (np.abs(moved[2][:, None] - observed[None]) < 1e-5).all(2)
    assert (gone_on.sum(1) == 1).all()
    np.testing.assert_allclose(moved[3], moved[2], atol=1e-6)


def test_a_stop_at_no_saved_time_is_not_passed_over(clouds: tuple[np.ndarray, ...]) -> None:
    times, rng = np.array([0.0, 0.4, 1.0]), np.random.default_rng(0)
    with pytest.raises(ValueError, match="at no saved time"):
        simulate(STILL, clouds[0], times, rng=rng, stops=(_stop(clouds),))


def test_growth_goes_on_at_the_level_of_the_day(
    clouds: tuple[np.ndarray, ...],
) -> None:
    arrived, mass, observed = clouds
    level = Level((0.0, 0.6, 1.0), (3.0, 2.0))
    stop = replace(_stop((arrived, mass, observed)), level=level)
    times = np.array([0.0, 0.5, 1.0])
    moved = simulate(STILL, arrived, times, rng=np.random.default_rng(0), stops=(stop,))
    np.testing.assert_allclose(moved.log_weights[1], 0, atol=1e-6)
    np.testing.assert_allclose(moved.log_weights[2], -level.integral(0.5, 1.0), atol=1e-6)


def test_families_go_on_as_observed_cells_too(
    clouds: tuple[np.ndarray, ...],
) -> None:
    arrived, _, observed = clouds
    grown = branch(
        STILL,
        arrived,
        np.array([0.0, 0.5, 1.0]),
        turnover=1.0,
        rng=np.random.default_rng(0),
        stops=(_stop(clouds),),
    )
    assert grown.tree.divided.any()
    end = grown.points[-1]
    assert (np.abs(end[:, None] - observed[None]) < 1e-5).all(2).any(1).all()
