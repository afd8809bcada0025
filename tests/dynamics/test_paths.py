"""Particles between the days: where they are, what they weigh, and how both change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from closed_form import joined

from cellam.dynamics.couplings import COUPLINGS, Mixture, Pairs
from cellam.dynamics.paths import Gap, build_path
from cellam.reading.snapshots import Snapshots

TIMES = (0.0, 1.0, 4.0)  # uneven
MASSES = (1.0, 2.0, 0.7)
MOVING = [name for name, coupling in COUPLINGS.items() if coupling.moves]


def three_days(sizes=(30, 50, 40)) -> Snapshots:
    rng = np.random.default_rng(0)
    shifts = ([0.0, 0.0], [2.0, 1.0], [3.0, -2.0])
    points = tuple(rng.standard_normal((n, 2)) + m for n, m in zip(sizes, shifts, strict=True))
    return Snapshots(points, TIMES, ("a", "b", "c"), MASSES, tuple(map(np.arange, sizes)))


def path_of(name, days=None, *, sigma=0.0, seed=0):
    return build_path(
        days or three_days(), COUPLINGS[name](), np.random.default_rng(seed), sigma=sigma
    )


def particles(path, n_times=8, seed=0, **kwargs):
    """All particles of a stream, as arrays by name."""
    parts = list(path.stream(n_times, np.random.default_rng(seed), **kwargs))
    return {
        name: torch.cat([getattr(part, name) for part in parts]).numpy()
        for name in ("t", "x", "velocity", "growth", "weight")
    }


def drawn(path, n, seed=0):
    sample = path.sample(n, np.random.default_rng(seed))
    return {k: v.numpy() for k, v in vars(sample).items() if v is not None}


def mass_of_cells(points, x, mass):
    """Mass found at each cell; every particle has to stand on one."""
    distance = np.linalg.norm(points[:, None] - x[None], axis=-1)
    assert distance.min(0).max() < 1e-9
    return np.bincount(distance.argmin(0), mass, len(points))


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("k", [0, 1])
def test_traced_to_either_end_the_particles_are_the_snapshots(name, k):
    """Along their own velocity and growth rate, so that these are the path's derivatives."""
    days, n_times = three_days(), 3
    p = particles(path_of(name), n_times)
    t_0, t_1 = days.unit_times[k], days.unit_times[k + 1]
    inside = (t_0 < p["t"]) & (p["t"] < t_1)
    p = {key: value[inside] for key, value in p.items()}
    mass = p["weight"] / (t_1 - t_0)  # each of the n_times visits carries an n_times-th
    for end, t in ((k, t_0), (k + 1, t_1)):
        x = p["x"] + (t - p["t"])[:, None] * p["velocity"]
        found = mass_of_cells(days.points[end], x, mass * np.exp((t - p["t"]) * p["growth"]))
        assert found == pytest.approx(days.weights[end], rel=1e-9)


@pytest.mark.parametrize("name", MOVING)
def test_velocity_is_displacement_over_the_real_gap(name):
    """Twice as long a gap, half the speed: uneven days keep their proportions."""
    days = three_days()
    path = path_of(name)
    for k, gap in enumerate(path.gaps):
        p = particles(replace(path, gaps=(gap,)), 1)
        step = days.points[k + 1][gap.pairs.j] - days.points[k][gap.pairs.i]
        real = (TIMES[k + 1] - TIMES[k]) / (TIMES[-1] - TIMES[0])
        assert p["velocity"] == pytest.approx(step / real, rel=1e-9)


def test_mass_between_is_log_linear():
    pairs = Pairs(np.zeros(2, int), np.zeros(2, int), np.array([0.1, 0.8]), np.array([0.4, 0.2]))
    gap = Gap(0.2, 0.7, np.zeros((1, 1)), np.zeros((1, 1)), pairs)
    both = np.arange(2)
    w, rate = gap.masses(both, np.full(2, 0.5))
    assert w == pytest.approx([0.2, 0.4])  # geometric means
    assert rate == pytest.approx([np.log(4) / 0.5, -np.log(4) / 0.5])
    assert gap.masses(both, np.full(2, 0.75))[0] ** 2 == pytest.approx([0.2 * 0.4, 0.4 * 0.2])


def integral_of_mass(path):
    """∫ m₀^(1−α) m₁^α dα = (m₁ − m₀)/log(m₁/m₀), or the mean where it is linear."""
    total = 0.0
    for gap in path.gaps:
        m_0, m_1 = gap.pairs.mass_0, gap.pairs.mass_1
        if gap.fading:
            total += gap.length * (m_0 + m_1).sum() / 2
        else:
            safe = np.where(np.isclose(m_0, m_1), 1.5 * m_0, m_1)
            mean = np.where(np.isclose(m_0, m_1), m_0, (safe - m_0) / np.log(safe / m_0))
            total += gap.length * mean.sum()
    return total


@pytest.mark.parametrize("sigma", [0.0, 0.5])
@pytest.mark.parametrize("name", COUPLINGS)
def test_weights_sum_to_the_mass_over_time(name, sigma):
    path = path_of(name, sigma=sigma)
    truth = integral_of_mass(path)
    # Shifted midpoints of 16 slices; the stream visits every pair.
    assert particles(path, 16)["weight"].sum() == pytest.approx(truth, rel=0.005)
    # 20,000 draws whose weights vary by half their mean or less.
    assert drawn(path, 20_000)["weight"].sum() == pytest.approx(truth, rel=0.02)


def test_the_mean_position_is_that_of_straight_lines():
    """With equal masses ∫E[x]dt is the trapezoidal rule on the means of the days."""
    days = replace(three_days(), masses=(1.0, 1.0, 1.0))
    means = [x.mean(0) for x in days.points]
    truth = sum(
        (t_1 - t_0) * (a + b) / 2
        for t_0, t_1, a, b in zip(
            days.unit_times[:-1], days.unit_times[1:], means[:-1], means[1:], strict=True
        )
    )
    for name in ("ot", "independent", "mixture"):
        path = path_of(name, days)
        p = particles(path, 16)
        assert p["weight"] @ p["x"] == pytest.approx(truth, abs=0.02)
        p = drawn(path, 40_000)
        assert p["weight"] @ p["x"] == pytest.approx(truth, abs=0.05)  # 4 · 1.6/√40,000 and more


def test_chunks_change_nothing_but_the_size_of_the_parts():
    path = path_of("uot")
    whole, parts = particles(path, 4, chunk=10**6), particles(path, 4, chunk=32)
    for key, value in whole.items():
        assert np.array_equal(value, parts[key]), key


def test_times_of_a_sample_are_evenly_spread():
    t = np.sort(drawn(path_of("ot"), 1_000)["t"])
    # A lattice of n points leaves gaps of order 1/n where random times leave log(n)/n.
    assert np.diff(t).max() < 4 / 1_000
    assert 0 < t.min() < t.max() < 1


class TestBridges:
    sigma, length = 0.7, 0.25

    @pytest.fixture
    def bridge(self):
        """20,000 visits to bridges from 0 to 0 in the first quarter of time."""
        zero, rows = np.zeros((400, 2)), np.arange(400)
        mass = np.full(400, 1 / 400)
        gap = Gap(0.0, self.length, zero, zero, Pairs(rows, rows, mass, mass))
        path = replace(joined([zero, zero], [0.0, 1.0], sigma=self.sigma), gaps=(gap,))
        sample = next(path.stream(50, np.random.default_rng(0), chunk=20_000))
        alpha = sample.t.numpy() / self.length
        return sample, alpha, self.sigma**2 * self.length * alpha * (1 - alpha)

    def test_the_variance_is_that_of_a_brownian_bridge(self, bridge):
        sample, alpha, variance = bridge
        for low in (0.0, 0.25, 0.5, 0.75):
            part = (low < alpha) & (alpha < low + 0.25)
            ratio = (sample.x.numpy()[part] ** 2 / variance[part, None]).mean()
            assert ratio == pytest.approx(1, abs=0.06)  # 4 standard errors of 10,000 squares

    def test_the_score_is_that_of_its_normal_density(self, bridge):
        sample, _, variance = bridge
        assert sample.score.numpy() == pytest.approx(-sample.x.numpy() / variance[:, None])

    def test_the_velocity_carries_the_density_along(self, bridge):
        """x stays at the same quantile: ẋ/x = d log std/dt, by finite differences."""
        sample, alpha, _ = bridge
        inner = (alpha > 0.01) & (alpha < 0.99)
        h = 1e-6
        log_std = [0.5 * np.log((alpha + s) * (1 - alpha - s)) for s in (-h, h)]
        rate = (log_std[1] - log_std[0])[inner] / (2 * h * self.length)
        x, velocity = sample.x.numpy()[inner], sample.velocity.numpy()[inner]
        assert velocity == pytest.approx(rate[:, None] * x, rel=1e-4, abs=1e-6)

    def test_without_noise_there_is_no_score(self):
        assert path_of("ot").sample(10, np.random.default_rng(0)).score is None


class TestMixture:
    def test_nobody_moves(self):
        days = three_days()
        p = particles(path_of("mixture"), 4)
        assert np.all(p["velocity"] == 0)
        everyone = np.concatenate(days.points)
        mass_of_cells(everyone, p["x"], p["weight"])  # every particle stands on a cell

    def test_masses_are_linear_in_time(self):
        gap = path_of("mixture").gaps[1]
        for alpha in (0.0, 0.3, 1.0):
            w, _ = gap.masses(slice(None), np.full(1, alpha))
            assert w[:50].sum() == pytest.approx((1 - alpha) * MASSES[1])
            assert w[50:].sum() == pytest.approx(alpha * MASSES[2])

    def test_growth_is_the_logarithmic_derivative_of_mass(self):
        gap, h = path_of("mixture").gaps[1], 1e-6
        w = [np.log(gap.masses(slice(None), np.full(1, 0.3 + s))[0]) for s in (-h, h)]
        _, growth = gap.masses(slice(None), np.full(1, 0.3))
        assert growth == pytest.approx((w[1] - w[0]) / (2 * h * gap.length), rel=1e-6)

    def test_it_grows_although_the_whole_may_not(self):
        days = replace(three_days(), masses=(1.0, 1.0, 1.0))
        assert build_path(days, Mixture(), np.random.default_rng(0)).grows


@pytest.mark.parametrize("name", COUPLINGS)
def test_conserved_weights_sum_to_one_at_all_times(name):
    path = replace(path_of(name), conserved=True)
    for gap in path.gaps:
        p = particles(replace(path, gaps=(gap,)), 32)
        assert p["weight"].sum() == pytest.approx(gap.length, rel=0.005)
        early = p["t"] < gap.t_0 + gap.length / 4
        assert p["weight"][early].sum() == pytest.approx(gap.length / 4, rel=0.01)
    w = path.ends().w
    assert w[w < 0].sum() == pytest.approx(-len(path.gaps))
    assert w[w > 0].sum() == pytest.approx(len(path.gaps))


@pytest.mark.parametrize("name", COUPLINGS)
@pytest.mark.parametrize("n", [2, 10])
def test_a_split_is_a_partition_of_the_cells(name, n):
    path = path_of(name)
    kept, held = path.split(n, np.random.default_rng(0))
    for whole, a, b in zip(path.gaps, kept.gaps, held.gaps, strict=True):
        assert not set(a.pairs.i) & set(b.pairs.i)
        assert set(a.pairs.i) | set(b.pairs.i) == set(whole.pairs.i)
        assert len(a.pairs) + len(b.pairs) == len(whole.pairs)
        cells = len(set(whole.pairs.i))
        assert len(set(b.pairs.i)) == -(-cells // n)
    assert kept.n_particles + held.n_particles == path.n_particles


@pytest.mark.parametrize("name", COUPLINGS)
def test_the_ends_are_the_snapshots_and_cancel_between_the_gaps(name):
    days = three_days()
    ends = path_of(name).ends()
    last = len(days) - 1
    for k, t in enumerate(days.unit_times):
        at = np.isclose(ends.t.numpy(), t)
        for sign in {-1.0, 1.0} - {1.0 if k == 0 else None, -1.0 if k == last else None}:
            found = at & (sign * ends.w.numpy() > 0)  # a mixture knows cells without mass
            x, w = ends.x.numpy()[found], sign * ends.w.numpy()[found]
            assert mass_of_cells(days.points[k], x, w) == pytest.approx(days.weights[k])
    # What any function gains is its mean at the end less that at the start.
    f = np.cos(ends.x.numpy().sum(1) + ends.t.numpy())
    first, final = (
        days.weights[k] @ np.cos(days.points[k].sum(1) + days.unit_times[k]) for k in (0, last)
    )
    assert ends.w.numpy() @ f == pytest.approx(final - first)


def test_drawn_ends_have_the_mass_and_the_mean_of_all():
    path = path_of("uot")
    whole, some = path.ends(), path.ends(80_000, np.random.default_rng(0))
    for sign in (-1, 1):
        one, two = (e.w * (sign * e.w > 0) for e in (whole, some))
        assert two.sum() == pytest.approx(float(one.sum()))
        truth, mean = one @ whole.x / one.sum(), two @ some.x / two.sum()
        assert mean.numpy() == pytest.approx(truth.numpy(), abs=0.03)  # 4/√20,000


def test_only_paths_that_change_mass_grow():
    days = replace(three_days(), masses=(1.0, 1.0, 1.0))
    assert {name for name in COUPLINGS if path_of(name, days).grows} == {"uot", "mixture"}
    assert path_of("ot").grows  # from mass 1 to mass 2


def test_where_growth_is_as_expected_a_pair_grows_at_the_mean_rate_of_its_cells():
    """A balanced plan keeps to the masses half-way, so that nothing but the prior grows."""
    days = three_days()
    rng = np.random.default_rng(1)
    rates = tuple(rng.normal(0.0, 0.3, len(x)) for x in days.points)
    for k, gap in enumerate(path_of("ot", replace(days, prior=rates)).gaps):
        pairs, length = gap.pairs, days.times[k + 1] - days.times[k]
        grown = np.log(pairs.mass_1 / pairs.mass_0) / length
        mean = 0.5 * (rates[k][pairs.i] + rates[k + 1][pairs.j])
        # Up to one rate for all, which is that of the masses of the days.
        assert np.ptp(grown - mean) < 1e-9
        n, m = len(gap.x_0), len(gap.x_1)
        assert np.bincount(pairs.i, pairs.mass_0, n) == pytest.approx(days.weights[k])
        assert np.bincount(pairs.j, pairs.mass_1, m) == pytest.approx(days.weights[k + 1])


def test_what_is_expected_of_all_alike_changes_nothing():
    days = three_days()
    alike = replace(days, prior=tuple(np.full(len(x), 0.7) for x in days.points))
    for a, b in zip(path_of("uot", days).gaps, path_of("uot", alike).gaps, strict=True):
        assert np.array_equal(a.pairs.i, b.pairs.i)
        assert b.pairs.mass_1 == pytest.approx(a.pairs.mass_1, rel=1e-6)


def test_rates_that_no_cell_has_leave_every_cell_its_mass():
    days = three_days()
    wild = replace(days, prior=tuple(1e4 * x[:, 0] for x in days.points))
    for k, gap in enumerate(path_of("uot", wild).gaps):
        assert np.isfinite(np.log(gap.pairs.mass_1 / gap.pairs.mass_0)).all()
        held = np.bincount(gap.pairs.i, gap.pairs.mass_0, len(gap.x_0))
        assert held == pytest.approx(days.weights[k])
