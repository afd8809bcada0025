"""Samplers: checks at the door, units, data at some times, common random numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellam.dynamics.samplers import Divisible, Draws, Frame, PathSampler, Sampler, Tabulated
from cellam.errors import ConfigError, DataError

UNIT = Frame(0.0, 1.0, np.zeros(2), 1.0)


class Sliding:
    """Straight lines of particles that are the same whenever the generator is."""

    def sample(self, t, generator):
        return generator.standard_normal((len(t), 2)) + t[:, None]


class Returns:
    """Whatever it is told to."""

    def __init__(self, value):
        self.value = value

    def sample(self, t, generator):
        return self.value(len(t))


class Path(Sliding):
    def __init__(self, *more):
        self.more = more

    def sample_path(self, t, generator):
        x = self.sample(t, generator)
        return (x, np.ones_like(x), *(m(len(t)) for m in self.more))


def test_one_method_makes_a_sampler():
    assert isinstance(Sliding(), Sampler) and not isinstance(Sliding(), PathSampler)
    assert isinstance(Path(), PathSampler) and not isinstance(Path(), Divisible)
    assert isinstance(Tabulated([np.zeros((1, 1))] * 2, [0, 1]), Divisible)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda n: np.zeros(n), "x of shape"),
        (lambda n: np.zeros((n + 1, 2)), "x of shape"),
        (lambda n: np.zeros((n, 0)), "x of shape"),
        (lambda n: (np.zeros((n, 2)), np.ones(n + 1)), "weight of shape"),
        (lambda n: (np.zeros((n, 2)), -np.ones(n)), "negative weight, -1"),
        (lambda n: np.full((n, 2), np.nan), "x with 50 of 50 rows not finite"),
    ],
)
def test_wrong_draws_are_refused_by_name(value, message):
    with pytest.raises(DataError, match=message):
        Draws(Returns(value), UNIT, 50).ends(200, np.random.default_rng(0))


def test_a_path_has_two_arrays_or_four():
    with pytest.raises(DataError, match="returned 3 arrays") as caught:
        Draws(Path(np.ones), UNIT, 50).sample(50, np.random.default_rng(0))
    assert "growth and weight" in caught.value.hint
    whole = Draws(Path(np.ones, np.ones), UNIT, 50).sample(50, np.random.default_rng(0))
    assert whole.growth.sum() == 50


def test_the_estimator_follows_from_what_can_be_drawn():
    samples, path = Draws(Sliding(), UNIT, 50), Draws(Path(), UNIT, 50)
    growing = Draws(Path(np.ones, np.ones), UNIT, 50)
    assert samples.estimator(False, None)[1] and samples.estimator(True, True)[1]
    assert not path.estimator(False, None)[1] and path.estimator(False, True)[1]
    assert not growing.estimator(True, None)[1] and growing.estimator(False, True)[1]
    with pytest.raises(ConfigError, match="no sample_path"):
        samples.estimator(False, False)
    with pytest.raises(ConfigError, match="changes mass"):
        growing.estimator(False, None)


def test_the_ends_are_the_particles_between_them():
    """The same random numbers: x_1 − x_0 = 1 and x_t − x_0 = t, row by row."""
    draws = Draws(Sliding(), UNIT, 20_000, 7)
    visited = list(draws.stream(3, np.random.default_rng(0)))
    ends = draws.ends()
    x_0, x_1 = ends.x[ends.t == 0], ends.x[ends.t == 1]
    torch.testing.assert_close(x_1 - x_0, torch.ones_like(x_0))
    for visit in range(3):
        t, x = (torch.cat([getattr(v, c) for v in visited[visit::3]]) for c in ("t", "x"))
        torch.testing.assert_close(x - x_0, t[:, None].expand(-1, 2))
        assert visit / 3 < t.min() and t.max() < (visit + 1) / 3
    a, b = draws.sample(32, np.random.default_rng(1)), draws.ends(32, np.random.default_rng(1))
    torch.testing.assert_close(a.x - b.x[:8].repeat(4, 1), a.t[:, None].expand(-1, 2))


@pytest.mark.parametrize("n", [1, 10, 89, 8_192, 20_000])
def test_a_visit_is_the_midpoint_rule_in_time(n):
    """For a function of t alone nothing is left but the rule's own error, f″/24n²."""
    visited = list(Draws(Sliding(), UNIT, n).stream(4, np.random.default_rng(0)))
    t = np.sort(torch.cat([v.t for v in visited]).numpy())
    assert t == pytest.approx((np.arange(4 * n) + 0.5) / (4 * n))


def test_units_are_undone():
    frame = Frame(10.0, 14.0, np.array([1.0, -1.0]), 2.0)
    assert frame.inward([10, 12, 14]).tolist() == [0, 0.5, 1]
    assert frame.outward(frame.inward([10, 11])).tolist() == [10, 11]
    assert frame.displace(frame.place([[3.0, 4.0]])).tolist() == [[3.0, 4.0]]
    measured = Frame.measure(Sliding(), (0.0, 2.0))
    assert measured.centre == pytest.approx([1, 1], abs=0.1)
    assert measured.scale == pytest.approx(np.sqrt(1 + 4 / 12), rel=0.05)


@pytest.mark.parametrize("times", [(1.0, 0.0), (0.0, 0.0), (0.0, np.nan)])
def test_times_must_go_forward(times):
    with pytest.raises(ConfigError, match="the second must come after"):
        Frame.measure(Sliding(), times)


def test_a_cloud_of_one_point_has_no_scale():
    with pytest.raises(DataError, match="same point"):
        Frame.measure(Returns(lambda n: np.zeros((n, 2))), (0.0, 1.0))


class TestTabulated:
    points = (np.zeros((40, 1)), np.ones((60, 1)), np.full((20, 1), 3.0))

    def test_between_two_times_it_is_their_mixture(self):
        q = Tabulated(self.points, [0.0, 1.0, 3.0], [1.0, 3.0, 1.0])
        x, w = q.sample(np.full(20_000, 0.5), np.random.default_rng(0))
        assert np.unique(x).tolist() == [0, 1]
        assert w == pytest.approx(2.0)
        assert x.mean() == pytest.approx(0.75, abs=0.02)  # three parts of the later to one
        assert np.unique(q.sample(np.full(9, 3.0), np.random.default_rng(0))[0]) == 3

    def test_rows_are_held_out_together(self):
        x = np.arange(50.0)[:, None]
        kept, held = Tabulated([x, x + 100], [0, 1]).split(5, np.random.default_rng(0))
        assert set(kept.points[0][:, 0]) | set(held.points[0][:, 0]) == set(x[:, 0])
        assert len(held.points[0]) == 10
        assert (held.points[1] == held.points[0] + 100).all()

    @pytest.mark.parametrize(
        ("times", "masses", "message"),
        [([0, 1], None, "2 times"), ([0, 2, 1], None, "increase"), ([0, 1, 2], [1], "1 masses")],
    )
    def test_what_does_not_fit_is_refused(self, times, masses, message):
        with pytest.raises(DataError, match=message):
            Tabulated(self.points, times, masses)
