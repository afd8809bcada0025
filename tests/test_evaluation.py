"""Scores of held-out days, beside baselines that have the same chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.distances import METRICS
from cellam.errors import ConfigError
from cellam.evaluation import DRAWS, METHODS, check_metrics, evaluate, score, verdict

FAST = {"n_features": 32, "n_pcs": 3, "tau": 1.0}
INNER = ("day2", "day4")


@pytest.fixture(scope="module")
def every(cells):
    return evaluate(cells, "all", **FAST)


@pytest.fixture(scope="module")
def latent(demo_path):
    """Day 2 of the whole demo, whose motion is plain, in coordinates without noise."""
    cells = cellam.read(demo_path, use_rep="X_latent")
    return evaluate(cells, "day2", n_features=200, tau=1.0)


def test_all_means_the_inner_days(every):
    assert every.holdout == INNER
    assert not every.table["extrapolation"].any()


def test_there_is_one_row_for_each_day_method_and_metric(every):
    keys = every.table[["label", "method", "metric"]]
    assert not keys.duplicated().any()
    assert len(keys) == len(INNER) * len(METHODS) * len(METRICS)
    assert np.isfinite(every.table["value"]).all()
    assert (every.table["sd"] >= 0).all()


def test_all_rows_of_a_day_compare_the_same_number_of_cells(every):
    for _, rows in every.table.groupby("label"):
        assert rows["n"].nunique() == 1
        assert rows["n"].iloc[0] == 20  # half of a day, as the floor needs two halves
    assert set(every.table["draws"]) == {DRAWS}


@pytest.mark.parametrize("metric", METRICS)
def test_the_floor_lies_below_all_others_where_days_differ(latent, metric):
    table = latent.table
    values = table[table["metric"] == metric].set_index("method")["value"]
    assert set(values.index) == set(METHODS)
    assert values["floor"] < values.drop("floor").min()


def test_standing_still_is_worse_than_moving(latent):
    values = latent.table.set_index(["metric", "method"])["value"]["W2"]
    assert values["ot"] < values["previous"]
    assert values["cellam"] < values["previous"]


@pytest.mark.parametrize(("label", "missing"), [("day0", "previous"), ("day7", "next")])
def test_the_first_and_the_last_day_are_flagged_as_extrapolation(cells, label, missing):
    found = evaluate(cells, label, metrics=["energy"], **FAST)
    assert found.table["extrapolation"].all()
    assert any(label in note and "extrapolation" in note for note in found.notes)
    # What needs days on both sides is not there.
    assert set(METHODS) - set(found.table["method"]) == {missing, "mixture", "ot"}


def test_a_given_representation_is_noted_and_our_own_is_not(latent, every):
    assert any("X_latent" in note and "too good" in note for note in latent.notes)
    assert every.notes == ()


def test_the_same_seed_gives_the_same_table(cells, every):
    again = evaluate(cells, "all", **FAST)
    drop = ["fit_seconds"]
    pd.testing.assert_frame_equal(again.table.drop(columns=drop), every.table.drop(columns=drop))


def test_days_may_be_given_as_numbers_and_are_held_out_once(cells):
    found = evaluate(cells, ["2", "day2"], metrics=["energy"], **FAST)
    assert found.holdout == ("day2",)


def test_a_day_that_is_excluded_anyway_is_neither_fitted_on_nor_a_baseline(cells):
    found = evaluate(cells, "all", metrics=["energy"], exclude=("day4",), **FAST)
    assert found.holdout == ("day2",)


def test_a_model_fitted_without_the_day_is_used_as_it_is(cells, every):
    model = cellam.fit(cells, exclude=("day2",), **FAST)
    found = evaluate(cells, "day2", model.options.model_copy(update={"exclude": ()}), fitted=model)
    assert set(found.table["fit_seconds"]) == {model.seconds}
    truth = every.table[every.table["label"] == "day2"]["value"]
    assert found.table["value"].tolist() == truth.tolist()


def test_a_model_that_saw_the_day_is_never_scored_on_it(cells):
    model = cellam.fit(cells, **FAST)
    with pytest.raises(ConfigError, match="was fitted on day2"):
        score(model, "day2", metrics=["W1"])
    found = evaluate(cells, "day2", fitted=model, metrics=["energy"], **FAST)
    assert set(found.table["fit_seconds"]) != {model.seconds}


def test_scores_are_in_the_units_of_the_representation(rep_cells, small):
    small.obsm["X_latent"] = 10 * small.obsm["X_latent"]
    tenfold = cellam.read(small, use_rep="X_latent")
    one, ten = (evaluate(c, "day2", n_features=32, tau=1.0).table for c in (rep_cells, tenfold))
    unit = np.where(one["metric"] == "MMD2", 1.0, 10.0)  # MMD has none
    # In single precision, and plans may break ties in other ways.
    assert ten["value"].to_numpy() == pytest.approx(unit * one["value"], rel=0.01, abs=0.01)


def test_metrics_are_known_by_name_in_any_case():
    assert check_metrics(["w2", "ENERGY", "W2"]) == ("W2", "energy")
    with pytest.raises(ConfigError, match="W3") as caught:
        check_metrics(["W3"])
    assert "W1, W2, energy" in caught.value.hint
    with pytest.raises(ConfigError, match="No metric"):
        check_metrics([""])


def test_two_days_have_no_inner_one(cells):
    with pytest.raises(ConfigError, match="there is none") as caught:
        evaluate(cells, "all", exclude=("day2", "day4"), **FAST)
    assert "--holdout day7" in caught.value.hint


def test_only_some_metrics_can_be_kept(every):
    assert set(every.only(["W2"]).table["metric"]) == {"W2"}
    assert len(every.only(["W2"]).table) == len(every.table) // len(METRICS)


def test_rows_hold_plain_values_for_json(every):
    rows = every.rows()
    assert len(rows) == len(every.table)
    assert {type(v) for row in rows for v in row.values()} <= {str, float, int, bool}


@pytest.mark.parametrize(
    ("ours", "says"),
    [
        (0.5, "cellam is better than every baseline"),
        (1.0, "no better than ot"),
        (2.0, "ot is better than cellam"),
    ],
)
def test_the_verdict_names_the_best_rival(ours, says):
    values = {"cellam": ours, "previous": 3.0, "ot": 1.0, "floor": 0.1}
    table = pd.DataFrame([{"metric": "W2", "method": k, "value": v} for k, v in values.items()])
    assert says in verdict(table, "W2")
    assert "floor" not in verdict(table, "W2")
