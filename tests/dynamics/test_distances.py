"""Distances between clouds whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from cellam.dynamics.distances import (
    compare_energy,
    compare_mmd2,
    compare_w1,
    compare_w2,
    energy,
    mmd2,
    resample,
    w1,
    w2,
)  # fmt: skip


def even(x):
    return np.full(len(x), 1 / len(x))


def quantiles(mean, sd, n=400):
    """n points that stand for a normal density on a line."""
    return norm.ppf((np.arange(n) + 0.5) / n, mean, sd)[:, None]


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (3.0, 1.0), (0.0, 2.5), (1.0, 0.5)])
def test_w2_between_gaussians_is_that_of_their_means_and_deviations(mean, sd):
    x, y = quantiles(0, 1), quantiles(mean, sd)
    truth = np.hypot(mean, sd - 1)
    # The tails beyond the last quantile are missing: 1 % of the variance.
    assert w2(x, even(x), y, even(y)) == pytest.approx(truth, rel=0.02, abs=1e-6)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (3.0, 1.0), (0.0, 2.5), (1.0, 0.5)])
def test_w1_between_gaussians_is_the_mean_gap_of_their_quantiles(mean, sd):
    """The gap m + (s − 1)z of standard normal z is normal, and its modulus folded normal."""
    x, y = quantiles(0, 1), quantiles(mean, sd)
    s = max(abs(sd - 1), 1e-12)
    z = mean / s
    truth = s * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + mean * (1 - 2 * norm.cdf(-z))
    assert w1(x, even(x), y, even(y)) == pytest.approx(truth, rel=0.02, abs=1e-6)


def test_samples_in_one_dimension_are_matched_in_their_order():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 1)), 2 * rng.standard_normal((200, 1)) + 1
    gap = np.abs(np.sort(x, axis=0) - np.sort(y, axis=0))
    assert w1(x, even(x), y, even(y)) == pytest.approx(gap.mean())
    assert w2(x, even(x), y, even(y)) == pytest.approx(np.sqrt((gap**2).mean()))


@pytest.mark.parametrize("distance", [w1, w2])
def test_a_translation_is_as_far_as_it_goes(distance):
    x = np.random.default_rng(0).standard_normal((120, 5))
    m = np.array([3.0, 4.0, 0.0, 0.0, 0.0])
    assert distance(x, even(x), x + m, even(x)) == pytest.approx(5)


@pytest.mark.parametrize("distance", [w1, w2])
def test_a_weight_is_as_good_as_repetition(distance):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((50, 2))
    counts = rng.integers(1, 5, 30)
    repeated = np.repeat(x, counts, axis=0)
    weighted = distance(x, counts / counts.sum(), y, even(y))
    assert weighted == pytest.approx(distance(repeated, even(repeated), y, even(y)))


@pytest.mark.parametrize("distance", [w1, w2])
def test_a_cloud_is_at_no_distance_from_itself(distance):
    x = np.random.default_rng(0).standard_normal((50, 2))
    assert distance(x, even(x), x, even(x)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
def test_energy_is_unbiased_where_w1_is_not(weighted):
    """Draws of 15 from one density: energy is 0 on average, to four standard errors."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(400):
        x, y = rng.standard_normal((2, 15, 2))
        u = rng.random(15) + 0.2 if weighted else np.ones(15)
        values.append((energy(x, u / u.sum(), y, even(y)), w1(x, u / u.sum(), y, even(y))))
    mean, error = np.mean(values, 0), np.std(values, 0) / np.sqrt(len(values))
    assert abs(mean[0]) < 4 * error[0]
    assert mean[1] > 100 * error[1]


def test_energy_of_two_gaussians_is_the_closed_form():
    """On a line E|X − Y| for X − Y ~ N(m, 2) is folded normal."""

    def folded(m, s=2**0.5):
        return s * np.sqrt(2 / np.pi) * np.exp(-((m / s) ** 2) / 2) + m * (1 - 2 * norm.cdf(-m / s))

    rng = np.random.default_rng(0)
    values = []
    for _ in range(300):
        x, y = rng.standard_normal((25, 1)), 1.5 + rng.standard_normal((25, 1))
        values.append(energy(x, even(x), y, even(y)))
    truth = 2 * folded(1.5) - 2 * folded(0.0)
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / np.sqrt(300))


class TestResample:
    weights = np.random.default_rng(1).random(40) ** 3
    x = np.arange(40.0)[:, None]

    @pytest.mark.parametrize("n", [1, 17, 40, 1_000])
    def test_shares_are_those_of_the_weights_to_one_draw(self, n):
        x, u = resample(self.x, self.weights, n, np.random.default_rng(0))
        assert u.sum() == pytest.approx(1)
        assert len(np.unique(x)) == len(x) == len(u) <= n
        counts = np.zeros(40)
        counts[x[:, 0].astype(int)] = u * n
        expected = n * self.weights / self.weights.sum()
        assert np.abs(counts - expected).max() < 1 + 1e-9  # floor or ceiling of its share

    def test_on_average_shares_are_exact(self):
        rng, total = np.random.default_rng(0), np.zeros(40)
        for _ in range(2_000):
            x, u = resample(self.x, self.weights, 10, rng)
            total[x[:, 0].astype(int)] += u
        # Each draw rounds to a tenth: 4 · 0.05/√2,000
        assert total / 2_000 == pytest.approx(self.weights / self.weights.sum(), abs=0.0045)

    def test_all_cells_are_drawn_once_where_weights_are_even_and_there_is_room(self):
        x, u = resample(self.x, np.ones(40), 40, np.random.default_rng(0))
        assert x[:, 0].tolist() == self.x[:, 0].tolist()
        assert u == pytest.approx(1 / 40)

    def test_cells_without_weight_are_never_drawn(self):
        weights = np.where(np.arange(40) < 20, 0.0, 1.0)
        x, _ = resample(self.x, weights, 500, np.random.default_rng(0))
        assert x.min() == 20


def test_mmd_is_unbiased_and_knows_no_unit():
    rng = np.random.default_rng(0)
    values = []
    for _ in range(300):
        x, y = rng.standard_normal((2, 20, 2))
        values.append(mmd2(x, even(x), y, even(y)))
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(300)
    assert mmd2(5 * x, even(x), 5 * y, even(y)) == pytest.approx(values[-1])


def test_mmd_of_far_clouds_is_what_two_points_of_one_cloud_have_in_common():
    """Between clouds the kernels are zero; within two distinct points, exp(−d²/2w²)."""
    x = np.array([[0.0], [1.0]])
    half = np.array([0.5, 0.5])
    kernels = np.mean([np.exp(-0.5 / width**2) for width in (0.5, 1.0, 2.0)])
    assert mmd2(x, half, x + 1e3, half) == pytest.approx(2 * kernels)


def test_a_stratified_draw_is_nearer_to_the_whole_than_a_random_one():
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((600, 2)), rng.random(600)
    far = {
        stratified: np.mean(
            [
                w1(
                    *resample(x, weights, 60, rng, stratified=stratified),
                    x,
                    weights / weights.sum(),
                )
                for _ in range(10)
            ]
        )
        for stratified in (True, False)
    }
    assert far[True] < 0.8 * far[False]


@pytest.mark.parametrize("stratified", [True, False])
def test_a_draw_is_in_proportion_to_weight(stratified):
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((40, 2)), rng.random(40)
    total = np.zeros(40)
    for _ in range(400):
        drawn, u = resample(x, weights, 20, rng, stratified=stratified)
        assert u.sum() == pytest.approx(1)
        total[[int(np.flatnonzero((x == row).all(1))[0]) for row in drawn]] += u
    assert total / 400 == pytest.approx(weights / weights.sum(), abs=0.006)  # four standard errors


# Influence ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance", "compare"),
    [(w1, compare_w1), (w2, compare_w2), (energy, compare_energy), (mmd2, compare_mmd2)],
)
def test_a_comparison_has_the_value_of_its_distance(distance, compare):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)), 1 + rng.standard_normal((60, 3))
    u, v = (w / w.sum() for w in (rng.random(40), rng.random(60)))
    assert compare(x, u, y, v).value == distance(x, u, y, v)


@pytest.mark.parametrize("compare", [compare_w1, compare_w2])
def test_influence_tells_how_a_distance_varies_between_samples(compare):
    """Far apart, W1 and W2 of two clouds are the gap of their means, with variance 2/n."""
    rng, n = np.random.default_rng(0), 200
    x, y = rng.standard_normal((n, 1)), 50 + rng.standard_normal((n, 1))
    found = compare(x, even(x), y, even(y))
    variance = (found.of_x**2).sum() / n**2 + (found.of_y**2).sum() / n**2
    assert variance == pytest.approx(2 / n, rel=0.2)
