"""Contests: which cells predict a held-out day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from remeasured import measured

import cellam
from cellam.evaluation.baselines import BASELINES
from cellam.evaluation.contest import contenders, descriptions
from cellam.evaluation.scoring import score_contest
from cellam.modelling.refits import refit
from cellam.reading.cells import Cells

FAST = {"n_features": 32, "n_pcs": 3, "tau": 1.0}


@pytest.mark.slow
def test_of_large_days_some_cells_are_followed_and_scores_stay_what_they_are():
    """With a fifth of the cells of the days beside it, all rows stay within their intervals."""
    model = cellam.fit(measured(0), exclude=("day4",), n_features=64, tau=1.0)
    whole, few = (contenders(model, "day4", most=most) for most in (900, 160))
    assert [len(x) for x in few.model.training.points] == [160, 160, 160]
    assert len(few.truth) == len(whole.truth) == 800  # the day itself is no prediction
    np.testing.assert_allclose(few.model.training.masses, whole.model.training.masses)
    known = set(model.training.rows[1])
    assert set(few.model.training.rows[1]) < known
    again = refit(model, 4)
    tables = [
        score_contest(one, metrics=["W1", "energy"], refits=again, n_cells=150).table
        for one in (whole, few)
    ]
    a, b = tables
    error = np.hypot(a["high"] - a["low"], b["high"] - b["low"]) / (2 * 1.96)
    assert (np.abs(a["value"] - b["value"]) < 3 * error).all()
    rest = a["method"].isin(["cellam", "forward", *BASELINES])
    assert (a["value"] != b["value"])[rest].all()  # other cells were drawn


def test_days_that_are_not_large_are_followed_whole(cells: Cells):
    model = cellam.fit(cells, exclude=("day2",), **FAST)
    contest = contenders(model, "day2")
    for mine, theirs in zip(contest.model.snapshots.rows, model.snapshots.rows, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("beside", "extrapolation", "says"),
    [
        ("previous", True, "the day before, simulated forward"),
        ("next", True, "the day after, simulated backward"),
        ("ot", True, "the nearest day, simulated"),
        ("previous", False, "the days on both sides"),
    ],
)
def test_a_day_outside_the_others_is_not_predicted_from_both_sides(
    beside: str, extrapolation: bool, says: str
) -> None:
    table = pd.DataFrame({"method": ["cellam", beside], "extrapolation": extrapolation})
    assert descriptions(table)["cellam"].startswith(says)
