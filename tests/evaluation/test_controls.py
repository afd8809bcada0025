"""What holds no answer has no skill."""

from __future__ import annotations

import numpy as np
import pytest

import cellam
from cellam import truths
from cellam.checks.score_caveats import control_caveats
from cellam.evaluation.controls import Controlled, run_controls
from cellam.evaluation.evaluate import evaluate
from cellam.evaluation.skill import Skill, skills
from cellam.options import Options

FAST = {"use_rep": "X_true", "time_key": "day", "n_features": 64, "curvature": 1.0}
MAKERS = (truths.conversion, truths.fork, truths.still, truths.unmoved)


def _permuted(seed: int, **options: object) -> Skill:
    make = MAKERS[seed % len(MAKERS)]
    population = make(np.random.default_rng(seed), n_cells=60, d=3)
    cells = cellam.read(population.to_adata(), use_rep="X_true")
    asked = Options(**{**FAST, **options, "seed": seed})
    (found,) = run_controls(cells, "2", asked, names=["permuted"], refits=4)
    return found.skill


def test_permuted_days_have_no_skill() -> None:
    assert sum(_permuted(seed, tau=1.0).low > 0 for seed in range(3)) == 0


@pytest.mark.slow
def test_of_forty_permuted_data_sets_two_at_most_have_a_skill_above_zero() -> None:
    assert sum(_permuted(seed).low > 0 for seed in range(100, 140)) <= 2


@pytest.mark.slow
def test_a_population_that_moves_is_worse_predicted_with_random_partners() -> None:
    population = truths.fork(np.random.default_rng(0), speed=1.5, n_cells=120, d=3)
    cells = cellam.read(population.to_adata(), use_rep="X_true")
    options = Options(**FAST, tau=1.0)
    ours = skills(evaluate(cells, "2", options, metrics=["energy"], refits=0).scores)
    found = run_controls(cells, "2", options, refits=0)
    values = {control.control: control.skill for control in found}
    assert values["permuted"].low <= 0
    assert values["random"].value < ours[0].value
    assert list(control_caveats(found, ours)) == []


def test_a_control_that_finds_something_is_a_caveat() -> None:
    def skill(value: float, low: float) -> Skill:
        return Skill("day4", "energy", "cellam", value, low, value + 0.1, "previous", "")

    ours = [skill(0.5, 0.4)]
    for name, value, low, said in (
        ("permuted", 0.3, 0.1, True),
        ("permuted", 0.3, -0.1, False),
        ("random", 0.3, 0.1, False),
        ("random", 0.6, 0.1, True),
    ):
        control = Controlled(name, "day4", skill(value, low), 8)
        found = list(control_caveats([control], ours))
        assert [caveat.name for caveat in found] == ["control"] * said
        assert all("The fit itself has 0.50." in caveat.finding for caveat in found)
