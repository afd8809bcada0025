"""Islands: parts that exchange no cells are found where days can show it, and only there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cellam import truths
from cellam.modelling.islands import find_islands
from cellam.reading.snapshots import Snapshots
from cellam.truths import Population


def _days(population: Population) -> Snapshots:
    times = tuple(np.unique(population.day))
    rows = tuple(np.flatnonzero(population.day == t) for t in times)
    return Snapshots(
        tuple(population.x[r] for r in rows),
        times,
        tuple(f"{t:g}" for t in times),
        (1.0,) * len(times),
        rows,
    )


def _draws_with_islands(make: Callable[..., Population], **options: float) -> int:
    return sum(
        find_islands(
            _days(make(np.random.default_rng(seed), **options)), np.random.default_rng(0)
        ).number
        > 1
        for seed in range(10)
    )


@pytest.mark.parametrize("gap", [6.5, 8.0, 12.0])
def test_still_populations_far_apart_are_islands(gap: float) -> None:
    assert _draws_with_islands(truths.still, gap=gap) >= 9


def test_still_populations_that_touch_are_none() -> None:
    assert _draws_with_islands(truths.still, gap=4.0) == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hazard": 0.1},
        {"takes": 0.05},
        {"takes": 0.6, "hazard": 0.5},
        {"gap": 8.0},
        {"gap": 10.0, "hazard": 0.5},
        {"converted": 0.5},
    ],
)
def test_places_between_which_cells_go_are_no_islands(options: dict[str, float]) -> None:
    assert _draws_with_islands(truths.conversion, **options) <= 1


def test_a_day_that_was_sampled_unevenly_makes_no_islands() -> None:
    assert _draws_with_islands(truths.biased_day) == 0


def test_a_state_that_is_missing_on_a_day_is_no_island() -> None:
    assert _draws_with_islands(truths.missing_state) == 0


def test_two_days_cannot_show_islands() -> None:
    days = _days(truths.still(np.random.default_rng(0), gap=12.0, days=(0.0, 6.0)))
    assert find_islands(days, np.random.default_rng(0)).number == 1


def test_every_position_is_on_the_island_of_its_nearest_cell() -> None:
    population = truths.still(np.random.default_rng(0), gap=12.0)
    islands = find_islands(_days(population), np.random.default_rng(0))
    codes = islands.locate(population.x)
    assert len({*zip(codes, population.state, strict=True)}) == islands.number == 2


def test_cells_that_are_all_alike_are_one_island() -> None:
    x = np.zeros((100, 3))
    rows = np.arange(100)
    days = Snapshots((x,) * 3, (0.0, 1.0, 2.0), ("a", "b", "c"), (1.0,) * 3, (rows,) * 3)
    assert find_islands(days, np.random.default_rng(0)).number == 1
