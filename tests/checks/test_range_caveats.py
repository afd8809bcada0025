"""What the days leave open is said of what is read from the fit, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import cellam
from cellam import truths
from cellam.analysis.drivers import measure
from cellam.checks.range_caveats import open_fate, open_growth
from cellam.truths import Population

QUICK = {"n_features": 128, "tau": 0.3, "curvature": 0.0}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("population", "open_"),
    [(truths.conversion(rng()), True), (truths.still(rng(1), gap=8.0), False)],
)
def test_growth_is_open_where_cells_may_convert_and_not_where_they_cannot(
    population: Population, open_: bool
) -> None:
    model = cellam.fit(cellam.read(population.to_adata(), use_rep="X_true"), **QUICK)
    ends = measure(model, "growth").ends()
    assert ends is not None
    assert [c.name for c in open_growth(*ends)] == ["growth range"] * open_
    assert measure(model, "speed").ends() is None


def test_a_part_of_the_cells_is_said_as_one() -> None:
    low, high = np.array([-1.0, -1, -1, 0.5]), np.ones(4)
    (caveat,) = open_growth(low, high)
    assert "do not tell whether 75 % of these cells grow or shrink" in caveat.finding
    assert not list(open_growth(low[2:], high[2:]))


def test_a_fate_is_open_where_its_range_is_wide_for_how_cells_differ() -> None:
    p = np.array([0.1, 0.9, 0.1, 0.9])
    assert not list(open_fate("B", p, p - 0.1, p + 0.1))
    (caveat,) = open_fate("B", p, p - 0.1, np.full(4, 1.0))
    assert "become B" in caveat.finding and "60 points wide" in caveat.finding
    assert not list(open_fate("B", p, np.full(4, np.nan), np.full(4, np.nan)))  # has no range
