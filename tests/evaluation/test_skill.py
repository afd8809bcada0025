"""Skill, its interval and its sentence."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from equal import assert_equal

from cellam.evaluation.scores import Scores
from cellam.evaluation.skill import skill, skills, verdict


def table(values: dict[str, float], error: float = 0.0, metric: str = "W1") -> Scores:
    """Scores with independent errors of one size."""
    rows = [
        {"label": "day2", "method": name, "metric": metric, "value": value}
        for name, value in values.items()
    ]
    names = list(values)
    covariance = pd.DataFrame(error**2 * np.eye(len(names)), names, names)
    return Scores(pd.DataFrame(rows), {("day2", metric): covariance})


SCORES = {"cellam": 0.4, "previous": 3.0, "mixture": 1.2, "ot": 1.0, "floor": 0.2}


def test_skill_is_the_share_of_the_possible_gain_over_the_best_baseline():
    found = skill(table(SCORES), "W1")
    assert found.value == pytest.approx((1.0 - 0.4) / (1.0 - 0.2))
    assert found.low == pytest.approx(found.value)
    assert found.best == "ot"
    assert skill(table({**SCORES, "cellam": 0.2}), "W1").value == pytest.approx(1)
    assert skill(table({**SCORES, "cellam": 1.0}), "W1").value == pytest.approx(0)
    assert skill(table({**SCORES, "cellam": 1.8}), "W1").value == pytest.approx(-1)


def test_only_the_baselines_asked_for_count():
    found = skill(table(SCORES), "W1", baselines=["previous"])
    assert found.best == "previous"
    assert found.value == pytest.approx((3.0 - 0.4) / (3.0 - 0.2))


def test_the_interval_is_that_of_a_ratio_of_normals():
    """Far from zero: the delta method for (b − c)/(b − f), each with the same error."""
    values = {"cellam": 0.4, "ot": 1.0, "floor": 0.2}
    found, e = skill(table(values, 0.01), "W1", n_boot=40_000), 0.01
    possible, s = 0.8, 0.75
    sd = e / possible * np.sqrt((1 - s) ** 2 + 1 + s**2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * sd, rel=0.03)


def test_errors_that_two_scores_share_cancel():
    scores = table({"cellam": 0.4, "ot": 1.0, "floor": 0.2})
    shared = {key: 1.0 + 0.0 * matrix for key, matrix in scores.covariance.items()}
    found = skill(replace(scores, covariance=shared), "W1")
    assert found.high - found.low < 1e-6
    # … also in the least gain that is taken for possible, though each alone is less sure than that.
    assert found.value == pytest.approx((1.0 - 0.4) / (1.0 - 0.2))


def test_which_baseline_is_the_best_is_part_of_what_is_not_known():
    """Of two equal baselines with independent errors, the better one of a draw is used."""
    one = skill(table({"cellam": 0.4, "ot": 1.0, "floor": 0.2}, 0.2), "W1")
    two = skill(table({"cellam": 0.4, "ot": 1.0, "mixture": 1.0, "floor": 0.2}, 0.2), "W1")
    assert two.low < one.low


def test_where_days_do_not_differ_skill_is_finite_and_nothing_is_claimed():
    values = {"cellam": 0.21, "previous": 0.2, "ot": 0.19, "floor": 0.2}
    found = skill(table(values, 0.02), "W1")
    assert np.isfinite([found.value, found.low, found.high]).all()
    assert found.low < 0 < found.high
    assert "no method can be shown to do better here" in found.says
    exact = skill(table({"cellam": 0.0, "ot": 0.0, "floor": 0.0}), "W1")
    assert (exact.value, exact.low, exact.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("ours", "error", "says"),
    [
        (0.4, 0.01, "better than every baseline: it closes 75 % (72 to 78 %) of the gap"),
        (0.98, 0.1, "is ahead of optimal-transport interpolation, but the difference is within"),
        (
            1.02,
            0.1,
            "is behind optimal-transport interpolation (1.02 against 1): the difference is within",
        ),
        (2.0, 0.1, "is worse than optimal-transport interpolation"),
    ],
)
def test_the_sentence_says_what_the_interval_allows(ours, error, says):
    found = skill(table({**SCORES, "cellam": ours}, error), "W1")
    assert says in found.says
    assert ("for this gap" in found.says) == (ours > 1.0)


def test_no_sentence_closes_more_than_the_whole_gap() -> None:
    """Scores are of samples, so a prediction may come out below the floor: that is chance."""
    near = skill(table({**SCORES, "cellam": 0.25}, 0.1), "W1")
    assert near.value < 1 < near.high and "to 100 %) of the gap" in near.says
    past = skill(table({**SCORES, "cellam": 0.1}, 0.02), "W1")
    assert past.value > 1 and "closes the whole gap" in past.says
    assert "as near to the observed cells as a second sample of them" in past.says
    assert not re.search(r"1[0-9][1-9] %", near.says + past.says)


def test_a_share_of_nothing_is_no_number() -> None:
    """Where the best baseline is at the floor, skill is in standard errors and not shown."""
    below = skill(table({"cellam": 0.3, "ot": 0.19, "floor": 0.2}, 0.02), "W1")
    assert below.possible == pytest.approx(-0.01)
    assert (below.shown, skill(table(SCORES), "W1").shown) == ("–", "0.75")


@pytest.mark.parametrize("best", ["previous", "next", "mixture", "ot"])
@pytest.mark.parametrize(
    ("ours", "says", "not_said"),
    [
        (0.60, "is worse than", "no better"),  # the interval leaves zero out, far below it
        (0.20, "no method can be shown to do better here", "worse than the"),
        (0.10, ", the only baseline, and nearer", "no method"),  # nearer than the day is to itself
    ],
)
def test_a_baseline_at_the_floor_does_not_hide_who_is_worse(best, ours, says, not_said):
    found = skill(table({"cellam": ours, best: 0.2, "floor": 0.2}, 0.01), "W1")
    assert says in found.says and not_said not in found.says
    assert "as it is is" not in found.says
    assert (found.high < 0) == ("is worse than" in found.says)
    assert (found.low > 0) == ("is better than" in found.says)


def test_the_interval_is_the_same_wherever_it_is_asked_for():
    """The table says how many draws it was scored with, so a report has those of the console."""
    scores = table(SCORES, 0.1)
    kept = replace(scores, table=scores.table.assign(n_boot=200))
    assert_equal(skill(kept, "W1"), skill(table(SCORES, 0.1), "W1", n_boot=200))
    assert skill(kept, "W1").low != skill(table(SCORES, 0.1), "W1", n_boot=300).low


def test_every_fit_has_a_skill_for_each_day_and_metric():
    values = {**SCORES, "balanced": 0.9}
    both = Scores.join([table(values), table(values, metric="energy")])
    assert [(s.method, s.metric) for s in skills(both)] == [
        ("cellam", "W1"),
        ("balanced", "W1"),
        ("cellam", "energy"),
        ("balanced", "energy"),
    ]
    assert "cellam, balanced," in skills(both)[1].says


def test_without_a_baseline_there_is_no_skill():
    assert skills(table({"cellam": 0.4, "floor": 0.2})) == []


def test_the_same_seed_gives_the_same_interval():
    one, two, other = (skill(table(SCORES, 0.1), "W1", seed=k) for k in (1, 1, 2))
    assert_equal(one, two)
    assert (one.low, one.high) != (other.low, other.high)


def test_no_order_decides_the_interval():
    """Neither of the baselines asked for, nor of the rows."""
    scores = table(SCORES, 0.3)
    one = skill(scores, "W1", baselines=["previous", "mixture", "ot"])
    turned = replace(scores, table=scores.table[::-1].reset_index(drop=True))
    assert_equal(skill(scores, "W1", baselines=["ot", "previous", "mixture"]), one)
    assert_equal(skill(turned, "W1"), one)


@pytest.mark.parametrize("error", [0.05, 0.5, 5.0, 50.0])
@pytest.mark.parametrize("ours", [0.1, 0.21, 0.9, 1.1, 20.0])
@pytest.mark.parametrize("theirs", [0.19, 1.0])
def test_no_sentence_is_kinder_than_the_two_scores(ours, theirs, error):
    """However wide the interval: a score that is higher than a baseline's is behind, or worse.

    Of larry, day 6 held out, 19.3 beside 0.0465 was once "not measurably worse".
    """
    found = skill(table({"cellam": ours, "previous": 3.0, "ot": theirs, "floor": 0.2}, error), "W1")
    kind = ("better than every", "is ahead of")
    assert any(word in found.says for word in kind) == (ours < theirs)
    assert ("is behind" in found.says or "is worse" in found.says) == (ours > theirs)
    assert "not measurably worse" not in found.says
    if ours > theirs:
        assert "for this gap" in found.says


def test_a_day_with_training_days_on_one_side_is_said_to_be_extrapolated():
    scores = table({"cellam": 0.4, "previous": 1.0, "floor": 0.2}, 0.01)
    inner = skill(scores, "W1").says
    assert (
        "extrapolation" not in inner and "better than the unchanged day before, the only" in inner
    )
    beyond = replace(scores, table=scores.table.assign(extrapolation=True))
    says = skill(beyond, "W1").says
    assert says.endswith(
        "This is an extrapolation: all training days lie on one side of day2, so there is no other "
        "baseline."
    )
    assert "every baseline" not in says


def test_metrics_in_which_the_fit_stands_otherwise_are_in_the_verdict():
    behind = {**SCORES, "cellam": 2.0}
    both = Scores.join([table(SCORES, metric="energy"), table(behind), table(behind, metric="W2")])
    assert verdict(skills(both)).endswith(" In W1 and W2 it is behind the best baseline.")
    turned = Scores.join([table(behind), table(SCORES, metric="energy")])
    assert verdict(skills(turned)).endswith(" In energy it is ahead of the best baseline.")
    alike = Scores.join([table(SCORES), table(SCORES, metric="energy")])
    assert verdict(skills(alike)) == skills(alike)[0].says
