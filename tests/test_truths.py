"""Populations of known truth: what is said to be true of them is what their cells do."""

from __future__ import annotations

import numpy as np
import pytest

from cellam import truths
from cellam.truths import Population

MAKERS = {
    "conversion": truths.conversion,
    "biased_day": truths.biased_day,
    "fork": truths.fork,
    "still": truths.still,
    "many_days": truths.many_days,
    "missing_state": truths.missing_state,
    "unmoved": truths.unmoved,
}


def _share(population: Population, state: str, day: float) -> float:
    return float((population.state[population.day == day] == state).mean())


@pytest.mark.parametrize("name", list(MAKERS))
def test_fates_are_probabilities_and_the_same_seed_gives_the_same_cells(name: str) -> None:
    first, again = (MAKERS[name](np.random.default_rng(3), n_cells=50) for _ in range(2))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_allclose(first.fates.sum(1), 1)
    adata = first.to_adata()
    assert adata.shape == first.x.shape
    assert set(adata.obs["day"]) == set(first.mass)


def test_conversion_carries_the_stated_fates_from_day_to_day() -> None:
    found = truths.conversion(np.random.default_rng(0), n_cells=20_000, d=1)
    for day in np.unique(found.day)[:-1]:
        expected = found.fates[found.day == day].mean(0)[0]
        assert expected == pytest.approx(_share(found, "A", 6.0), abs=0.01)


@pytest.mark.parametrize("k", [0.0, 4.0, 20.0])
@pytest.mark.parametrize("growth", [0.0, 0.2])
def test_fork_fates_of_the_first_day_are_the_shares_of_the_last(k: float, growth: float) -> None:
    found = truths.fork(np.random.default_rng(0), k=k, growth=growth, n_cells=20_000, d=3)
    p = found.fates[found.day == 0, 0]
    y = found.x[found.day == 0, 1]
    # Descendants of a cell weigh exp(growth · 6 days) in the upper arm and 1 in the other.
    grown = 1 / (p * np.exp(-6 * growth) + 1 - p)
    assert np.average(p, weights=grown) == pytest.approx(_share(found, "up", 6.0), abs=0.01)
    assert grown.mean() == pytest.approx(found.mass[6.0], rel=0.01)
    assert np.corrcoef(y, p)[0, 1] > 0.5 if k else np.ptp(p) == 0


@pytest.mark.parametrize("kept", [True, False])
def test_fork_shows_the_trait_of_later_days_only_where_it_is_kept(kept: bool) -> None:
    found = truths.fork(np.random.default_rng(0), k=20.0, kept=kept, n_cells=4_000, d=3)
    last = found.day == 6
    assert np.ptp(found.x[last, 2]) > 4 if kept else np.ptp(found.x[last, 2]) < 2


def test_still_populations_differ_by_the_stated_growth() -> None:
    found = truths.still(np.random.default_rng(0), faster=0.3, n_cells=200_000, d=1)
    log_odds = [np.log(_share(found, "B", t) / _share(found, "A", t)) for t in (0.0, 6.0)]
    assert (log_odds[1] - log_odds[0]) / 6 == pytest.approx(0.3, abs=0.01)
    rates = found.growth[found.state == "B"].mean() - found.growth[found.state == "A"].mean()
    assert rates == pytest.approx(0.3)


def test_biased_day_alone_has_other_shares() -> None:
    found = truths.biased_day(np.random.default_rng(0), n_cells=20_000, d=1)
    shares = [_share(found, "A", t) for t in (0.0, 2.0, 4.0, 6.0)]
    assert shares == pytest.approx([0.5, 0.15, 0.5, 0.5], abs=0.02)


@pytest.mark.parametrize("left", [0, 3])
def test_missing_state_is_missing_from_the_last_day_alone(left: int) -> None:
    found = truths.missing_state(np.random.default_rng(0), left=left)
    counts = [(found.state[found.day == t] == "C").sum() for t in (0.0, 2.0, 4.0, 6.0)]
    assert min(counts[:-1]) > 50
    assert counts[-1] == left
