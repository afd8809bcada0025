"""Growth as a range: the truth is in it, and it is narrow where the days can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cellam
from cellam import truths
from cellam.analysis.growth_range import GrowthRange, growth_range
from cellam.modelling.model import Model
from cellam.truths import Population


def _fit(found: Population, **options: Any) -> Model:
    return cellam.fit(cellam.read(found.to_adata(), use_rep="X_true"), **options)


def _by_state(model: Model, population: Population) -> dict[str, tuple[float, float, float, float]]:
    """Of each state the least, fitted, largest and true growth beside that of its day."""
    found, rows = growth_range(model), model.snapshots.data_rows
    days = np.unique(population.day, return_inverse=True)[1]
    level = np.bincount(days, population.growth) / np.bincount(days)
    true = (population.growth - level[days])[rows]
    state = population.state[rows]
    of = {}
    for name in np.unique(state):
        mean, low, high = found.mean(state == name)
        of[str(name)] = (low, mean, high, float(true[state == name].mean()))
    return of


QUICK = {"n_features": 128, "tau": 0.3, "curvature": 0.0}


def test_conversion_needs_no_growth_though_the_model_has_some() -> None:
    population = truths.conversion(np.random.default_rng(0))
    for low, mean, high, true in _by_state(_fit(population, **QUICK), population).values():
        assert low <= true <= high
        assert abs(mean) > 0.05


def test_growth_of_still_populations_is_known_to_the_error_of_counting() -> None:
    population = truths.still(np.random.default_rng(1), gap=8.0)
    found = _by_state(_fit(population, **QUICK), population)
    assert all(low <= true <= high for low, _, high, true in found.values())
    least, largest = (found["B"][j] - found["A"][2 - j] for j in (0, 2))
    assert 0.05 < least < 0.2 < largest
    assert largest - least < 0.14  # 0.07 to either side


def test_sizes_of_the_population_say_how_much_growth_there_is_at_least() -> None:
    population = truths.still(np.random.default_rng(1), gap=4.0)  # which may exchange cells
    sizes = {f"{t:g}": 2.0**t for t in np.unique(population.day)}
    model = _fit(population, population=sizes, **QUICK)
    found = _by_state(model, population)
    assert found["A"][2] == pytest.approx(np.log(2), abs=0.05)
    assert found["A"][0] > 0.4


@pytest.mark.slow
def test_a_prior_that_is_borne_out_stays_growth_without_conversion() -> None:
    rng = np.random.default_rng(1)
    population = truths.still(rng, gap=8.0, faster=0.5, share=0.2, days=(0.0, 3.0))
    adata = population.to_adata()
    adata.obs["rate"] = population.growth
    cells = cellam.read(adata, use_rep="X_true", growth_prior="rate")
    model = cellam.fit(cells, growth_prior="rate", **QUICK)
    assert model.choice.recipe.prior > 0
    assert _by_state(model, population)["B"][0] > 0
    unexpected = _fit(population, **QUICK)
    assert _by_state(unexpected, population)["B"][0] < 0


def test_the_model_is_one_of_the_explanations(model: Model) -> None:
    found = growth_range(model)
    low, high = found.ends
    assert (low <= found.point).all()
    assert (found.point <= high).all()
    again = growth_range(model)
    np.testing.assert_array_equal(found.explanations, again.explanations)


def test_mean_of_few_counted_cells_has_a_wider_range_than_that_of_many() -> None:
    def of(n: int) -> float:
        times = np.repeat([0.0, 1.0, 2.0], 2 * n)
        half = np.tile([True, False], 3 * n)
        found = GrowthRange(np.zeros((2, 6 * n)), np.zeros(6 * n, dtype=np.int64), times)
        _, low, high = found.mean(half)
        return high - low

    assert of(25) == pytest.approx(2 * of(100))
    # From half of 50 cells a day to half of 50 cells two days later: √(2 · 0.5/(50 · 0.5))/2.
    assert of(25) == pytest.approx(2 * 1.96 * np.sqrt(2 / 50) / 2)


def test_growth_of_cells_that_one_day_alone_has_is_not_known_better() -> None:
    def of(n: int, there: int) -> float:
        times = np.repeat([0.0, 1.0], 50)
        some = np.concatenate([np.arange(50) < n, np.arange(50) < there])
        found = GrowthRange(np.zeros((2, 100)), np.zeros(100, dtype=np.int64), times)
        _, low, high = found.mean(some)
        return high - low

    assert of(20, 0) > of(20, 1) > of(20, 10)


POPULATIONS: dict[str, tuple[Callable[..., Population], dict[str, float]]] = {
    "conversion": (truths.conversion, {}),
    "slow conversion": (truths.conversion, {"hazard": 0.15, "takes": 0.6}),
    "biased day": (truths.biased_day, {}),
    "still": (truths.still, {}),
    "far and still": (truths.still, {"gap": 8.0, "faster": 0.3}),
    "fork": (truths.fork, {}),
    "fork that grows": (truths.fork, {"growth": 0.2}),
    "many days": (truths.many_days, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(POPULATIONS))
def test_the_truth_is_in_the_range_in_nine_of_ten_draws(name: str) -> None:
    make, options = POPULATIONS[name]
    inside = 0
    for seed in range(10):
        population = make(np.random.default_rng(seed), **options)
        found = _by_state(_fit(population), population)
        inside += all(low <= true <= high for low, _, high, true in found.values())
    assert inside >= 9
