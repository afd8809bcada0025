"""Scores of held-out days, beside baselines that have the same chance."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.errors import ConfigError
from cellam.evaluation.contest import METHODS, contenders
from cellam.evaluation.counterparts import COUNTERPARTS, counterparts_of
from cellam.evaluation.evaluate import (
    NO_REPLICATES,
    SHRUNK,
    available_metrics,
    evaluate,
    is_complete,
    resolve_holdout,
)
from cellam.evaluation.metrics import GENE_METRICS, METRICS, check_metrics
from cellam.evaluation.scores import COLUMNS, Scores
from cellam.evaluation.scoring import score
from cellam.limits import DRAWS
from cellam.modelling.refits import check_refits
from cellam.options import Options

FAST = {"n_features": 32, "n_pcs": 3, "tau": 1.0}
HELD = {**FAST, "refits": 0}
INNER = ("day2", "day4")


@pytest.fixture(scope="module")
def every(cells):
    return evaluate(cells, "all", **HELD)


@pytest.fixture(scope="module")
def latent(demo_path):
    """Day 2 of the whole demo, whose motion is plain, in coordinates without noise."""
    cells = cellam.read(demo_path, use_rep="X_latent")
    return evaluate(cells, "day2", n_features=200, tau=1.0, curvature=1.0, refits=0)


# Counterparts of fits that are told something besides the cells.
UNTOLD = ("no-prior", "no-clones", "no-velocity")


def test_all_means_the_inner_days(every):
    assert every.holdout == INNER
    assert not every.table["extrapolation"].any()


def test_there_is_one_row_for_each_day_method_and_metric(every):
    keys = every.table[["label", "method", "metric"]]
    assert not keys.duplicated().any()
    # A fit with growth has a balanced counterpart; no population is given, so no mass error.
    assert set(every.table["method"]) == set(METHODS) - {"unbalanced", *UNTOLD}
    assert set(every.table["metric"]) == set(METRICS) - {"mass"}
    assert len(keys) == len(INNER) * (len(METHODS) - 4) * (len(METRICS) - 1)
    assert tuple(every.table) == COLUMNS
    assert np.isfinite(every.table["value"]).all()
    assert (every.table["low"] <= every.table["value"]).all()
    assert (every.table["value"] <= every.table["high"]).all()


NOT_OF_POINTS = ("mass", *GENE_METRICS)  # which a given representation does not have


def test_all_rows_of_a_day_compare_the_same_number_of_cells(every):
    for _, rows in every.table.groupby("label"):
        assert rows["n"].nunique() == 1
        assert rows["n"].iloc[0] == 20  # half of a day, as the floor needs two halves
    assert set(every.table["draws"]) == {DRAWS}


@pytest.mark.parametrize("metric", [name for name in METRICS if name not in NOT_OF_POINTS])
def test_the_floor_lies_below_all_others_where_days_differ(latent, metric):
    table = latent.table
    values = table[table["metric"] == metric].set_index("method")["value"]
    assert set(values.index) == set(METHODS) - {"unbalanced", *UNTOLD}
    assert values["floor"] < values.drop("floor").min()


def test_standing_still_is_worse_than_moving(latent):
    values = latent.table.set_index(["metric", "method"])["value"]["W2"]
    assert values["ot"] < values["previous"]
    assert values["cellam"] < values["previous"]


@pytest.mark.parametrize(("label", "missing"), [("day0", "previous"), ("day7", "next")])
def test_the_first_and_the_last_day_are_flagged_as_extrapolation(cells, label, missing):
    found = evaluate(cells, label, metrics=["energy"], **HELD)
    assert found.table["extrapolation"].all()
    assert any(label in note and "extrapolation" in note for note in found.notes)
    # What needs days on both sides is not there.
    assert set(METHODS) - set(found.table["method"]) == {
        missing, "mixture", "ot", "unbalanced", *UNTOLD,
        *(["forward"] if missing == "previous" else []),
    }  # fmt: skip
    if missing == "next":  # nothing but the day before is there to predict from
        values = found.table.set_index("method")["value"]
        assert values["forward"] == values["cellam"]


def test_forward_scores_the_cells_that_simulate_gives(cells):
    model = cellam.fit(cells, n_features=64, tau=1.0, n_pcs=5, exclude=("day4",))
    cloud = contenders(model, "day4").clouds["forward"]
    moved = model.simulate("day2", to="day4")
    found = model.space.to_coordinates(cloud.x)
    np.testing.assert_allclose(found, moved.points[-1], atol=1e-5)
    w = np.exp(moved.log_weights[-1])
    np.testing.assert_allclose(cloud.weights / cloud.weights.sum(), w / w.sum(), rtol=1e-5)
    table = score(model, "day4", metrics=["energy"]).table.set_index("method")["value"]
    assert table["forward"] != table["cellam"]


def test_a_given_representation_is_noted_and_our_own_is_not(latent, every):
    assert any("X_latent" in note and "too good" in note for note in latent.notes)
    assert every.notes[:2] == (NO_REPLICATES, SHRUNK)
    assert not any("too good" in note for note in every.notes)


def test_days_may_be_given_as_numbers_and_are_held_out_once(cells):
    found = evaluate(cells, ["2", "day2"], metrics=["energy"], **HELD)
    assert found.holdout == ("day2",)


def test_a_day_that_is_excluded_anyway_is_neither_fitted_on_nor_a_baseline(cells):
    found = evaluate(cells, "all", metrics=["energy"], exclude=("day4",), **HELD)
    assert found.holdout == ("day2",)


def test_a_model_fitted_without_the_day_is_used_as_it_is(cells, every):
    model = cellam.fit(cells, exclude=("day2",), **FAST)
    options = model.options.model_copy(update={"exclude": ()})
    found = evaluate(cells, "day2", options, fitted=model, refits=0)
    balanced = found.table["method"] == "balanced"
    assert set(found.table["fit_seconds"][~balanced]) == {model.seconds}
    truth = every.table[every.table["label"] == "day2"]["value"]
    assert found.table["value"].tolist() == truth.tolist()


def test_a_model_that_saw_the_day_is_never_scored_on_it(cells):
    model = cellam.fit(cells, **FAST)
    with pytest.raises(ConfigError, match="day2 is a training day"):
        score(model, "day2", metrics=["W1"])
    found = evaluate(cells, "day2", fitted=model, metrics=["energy"], **HELD)
    assert set(found.table["fit_seconds"]) != {model.seconds}


@pytest.mark.slow
def test_scores_are_in_the_units_of_the_representation(rep_cells, small):
    small.obsm["X_latent"] = 10 * small.obsm["X_latent"]
    tenfold = cellam.read(small, use_rep="X_latent")
    one, ten = (
        evaluate(c, "day2", n_features=32, tau=1.0, refits=4).table for c in (rep_cells, tenfold)
    )
    unit = np.where(one["metric"].isin(["MMD2", "composition"]), 1.0, 10.0)  # these have none
    # In single precision, and plans may break ties in other ways.
    for column in ("value", "low", "high"):
        assert ten[column].to_numpy() == pytest.approx(unit * one[column], rel=0.02, abs=0.02)


def test_metrics_are_known_by_name_in_any_case():
    assert check_metrics(["w2", "ENERGY", "W2"]) == ("W2", "energy")
    with pytest.raises(ConfigError, match="W3") as caught:
        check_metrics(["W3"])
    assert "energy, W1, W2" in caught.value.hint
    with pytest.raises(ConfigError, match="No metric"):
        check_metrics([""])


def test_two_days_have_no_inner_one_and_the_hint_works(cells):
    without = Options(exclude=("day2", "day4"))
    with pytest.raises(ConfigError, match="there is none") as caught:
        resolve_holdout(cells, ("all",), without)
    hinted = re.search(r"`holdout='(\S+)'`", caught.value.hint)[1]
    assert resolve_holdout(cells, (hinted,), without) == (hinted,)


@pytest.mark.parametrize("asked", ["all", "day0", "7"])
def test_of_two_days_none_can_be_spared(small, asked):
    two = cellam.read(small[small.obs["day"].isin(["day0", "day7"])].copy())
    with pytest.raises(ConfigError) as caught:
        resolve_holdout(two, (asked,), Options())
    assert "`holdout" not in caught.value.hint and "three are needed" in caught.value.hint


def test_a_day_of_too_few_cells_is_refused_before_the_fit(small):
    few = np.flatnonzero(small.obs["day"] == "day2")[3:]
    cells = cellam.read(small[np.setdiff1d(np.arange(small.n_obs), few)].copy())
    with pytest.raises(ConfigError, match="day2 has 3 cells, too few"):
        resolve_holdout(cells, ("day2",), Options())


@pytest.mark.parametrize("refits", [-1, 1, 2, 3])
def test_so_few_refits_make_no_interval(refits):
    with pytest.raises(ConfigError, match=f"`refits={refits}`"):
        check_refits(refits)
    check_refits(0)
    check_refits(4)


def test_only_some_metrics_can_be_kept(every):
    assert set(every.only(["W2"]).table["metric"]) == {"W2"}
    assert len(every.only(["W2"]).table) == len(every.table) // (len(METRICS) - 1)


def test_only_some_baselines_can_be_kept(every):
    kept = every.only(METRICS, baselines=["ot"], counterpart=False)
    assert set(kept.table["method"]) == {"cellam", "forward", "ot", "floor"}


def test_rows_hold_plain_values_for_json(every):
    rows = every.rows()
    assert len(rows) == len(every.table)
    assert {type(v) for row in rows for v in row.values()} <= {str, float, int, bool}


# Counterparts, masses and processes --------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "uam", "tau": 0.3, "population": "cells"},
        {"method": "uam", "growth": "tied", "growth_scale": 2.0, "path": "uot"},
        {"method": "ueam", "sigma": 0.5},
        {"method": "am", "path": "ot"},
        {"method": "eam", "path": "independent"},
        {"method": "am", "action": "mlp", "steps": 3},
    ],
)
def test_the_counterpart_turns_growth_on_or_off_and_keeps_the_rest(asked):
    options = Options(**asked, n_pcs=3, exclude=("day2",), seed=4)
    (other,) = counterparts_of(options).values()
    assert other.has_growth != options.has_growth
    assert other.has_noise == options.has_noise
    for same in ("n_pcs", "exclude", "seed", "sigma", "action", "steps"):
        assert getattr(other, same) == getattr(options, same)


def test_a_balanced_fit_has_an_unbalanced_counterpart(cells):
    asked = {"metrics": ["energy"], "method": "am", "n_features": 32, "n_pcs": 3, "refits": 0}
    found = evaluate(cells, "day2", **asked)
    assert set(found.table["method"]) == set(METHODS) - {"balanced", *UNTOLD}
    alone = evaluate(cells, "day2", counterpart=False, **asked)
    assert set(alone.table["method"]) == set(METHODS) - set(COUNTERPARTS)
    # The counterpart takes nothing from the streams of random numbers of the others' fits.
    ours = [t.query("method == 'previous'")["n"].item() for t in (found.table, alone.table)]
    assert ours == [20, 20]


def test_masses_are_judged_where_populations_are_given(cells):
    sizes = {"day0": 1.0, "day2": 3.0, "day4": 4.0, "day7": 8.0}
    found = evaluate(cells, "day2", metrics=["mass"], population=sizes, **HELD).table
    values = found.set_index("method")["value"]
    assert values["previous"] == pytest.approx(2 / 3)  # 1 for 3
    assert values["next"] == pytest.approx(1 / 3)  # 4 for 3
    assert values["mixture"] == pytest.approx(0.5 / 3)  # 2.5 for 3
    assert values["ot"] == pytest.approx(1 / 3)  # √(1 · 4) for 3
    assert values["floor"] == 0
    assert 0 <= values["cellam"] < 2 / 3
    assert "balanced" not in values  # it predicts no mass
    assert (found["low"] == found["value"]).all()  # given, not sampled


def test_metrics_that_the_data_do_not_allow_say_why(cells, small):
    with pytest.raises(ConfigError, match="`population`"):
        available_metrics(cells, Options(), ["mass"])
    small.obs = small.obs.drop(columns="cell_type")
    with pytest.raises(ConfigError, match="names cell types"):
        available_metrics(cellam.read(small), Options(), ["composition"])
    assert "composition" not in available_metrics(cellam.read(small), Options())


def test_a_kept_table_is_complete_if_it_has_all_that_is_asked_for(every):
    day, known = every.scores.of("day2"), [name for name in METRICS if name != "mass"]
    assert is_complete(day, known, counterparts=["balanced"], refits=0)
    assert not is_complete(day, METRICS, counterparts=["balanced"], refits=0)
    alone = day.only(known, set(METHODS) - {"balanced"})
    assert not is_complete(alone, known, counterparts=["balanced"], refits=0)
    assert is_complete(alone, known, counterparts=[], refits=0)
    assert not is_complete(alone, known, counterparts=[], refits=8)
    lacking = Scores(day.table.drop(columns="n_boot"), day.covariance)
    assert not is_complete(lacking, known, counterparts=["balanced"], refits=0)


@pytest.mark.slow
def test_another_time_changes_no_byte(cells, every):
    """Nor does who does the work: tests/test_executors.py."""
    again = evaluate(cells, "all", **HELD)
    drop = ["fit_seconds"]
    pd.testing.assert_frame_equal(
        again.table.drop(columns=drop), every.table.drop(columns=drop), check_exact=True
    )
