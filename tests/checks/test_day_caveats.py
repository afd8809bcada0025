"""What days cannot show is said where they do not show it, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

import cellam
from cellam import truths
from cellam.checks.day_caveats import chance_of_days, day_caveats, lacks_states
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.reading.snapshots import Snapshots
from cellam.truths import Population

FAST = {"use_rep": "X_true", "n_features": 32, "tau": 1.0, "curvature": 1.0}


def fitted(population: Population, **options: object) -> tuple[Model, Cells]:
    cells = cellam.read(population.to_adata(), use_rep="X_true")
    return cellam.fit(cells, **{**FAST, **options}), cells


def found(population: Population, **options: object) -> dict[str, str]:
    caveats = list(day_caveats(*fitted(population, **options)))
    assert all(c.finding.endswith(".") and c.advice.endswith(".") for c in caveats)
    return {caveat.name: caveat.finding for caveat in caveats}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    "population",
    [
        truths.conversion(rng(), n_cells=80),
        truths.fork(rng(), n_cells=80),
        truths.still(rng(), n_cells=80, faster=0.4),
        truths.many_days(rng(), n_days=8, n_cells=40),
        # Cells that all leave a state have not been missed there.
        truths.conversion(rng(), hazard=1.0, n_cells=80),
    ],
    ids=["conversion", "fork", "still", "many days", "fast conversion"],
)
def test_days_that_show_what_they_are_asked_have_no_caveat(population: Population) -> None:
    assert found(population) == {}


def test_days_that_do_not_differ_are_said() -> None:
    assert set(found(truths.unmoved(rng(), n_cells=60))) == {"motion"}


def test_days_that_are_the_same_are_told_apart_as_often_as_chance_does() -> None:
    p = []
    for seed in range(20):
        x = truths.unmoved(rng(seed), n_cells=30, days=(0.0, 1.0)).x.reshape(2, 30, -1)
        rows = (np.arange(30), np.arange(30, 60))
        p.append(chance_of_days(Snapshots(tuple(x), (0.0, 1.0), ("0", "1"), (1.0, 1.0), rows)))
    assert sum(x <= 0.05 for x in p) <= 3
    assert 0.3 < np.mean(p) < 0.7


def test_two_days_judge_nothing() -> None:
    said = found(truths.conversion(rng(), n_cells=80, days=(0.0, 3.0)))
    assert "growth" in said["two days"]
    said = found(truths.fork(rng(), n_cells=80, days=(0.0, 3.0)), method="am", tau=None)
    assert "growth" not in said["two days"]


@pytest.mark.parametrize("left", [0, 3])
def test_a_state_that_is_missing_from_the_last_day_is_said(left: int) -> None:
    said = found(truths.missing_state(rng(), left=left, n_cells=80))
    assert f"C ({left} cells" in said["terminal"]


def test_a_state_is_missing_only_from_the_day_that_fates_are_read_on() -> None:
    population = truths.missing_state(rng(), n_cells=80)
    model, _ = fitted(population)
    types = population.to_adata().obs["state"]
    assert [c.name for c in lacks_states(model, types, "6")] == ["terminal"]
    assert list(lacks_states(model, types, "4")) == []
    assert list(lacks_states(model, types, "0")) == []


def test_with_two_days_the_advice_names_no_earlier_day() -> None:
    population = truths.missing_state(rng(), n_cells=80, days=(0.0, 6.0))
    model, _ = fitted(population)
    (caveat,) = lacks_states(model, population.to_adata().obs["state"], "6")
    assert "terminal=" not in caveat.advice
    assert "day in between" in caveat.advice


def test_a_part_of_the_demo_has_none(model: Model, cells: Cells) -> None:
    assert list(day_caveats(model, cells)) == []
