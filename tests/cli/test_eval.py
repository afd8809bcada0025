from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.evaluation.controls import Controlled
from cellam.evaluation.evaluate import NO_REPLICATES, SHRUNK, Evaluation, evaluate
from cellam.evaluation.sensitivity import AS_FITTED, Answers, Sensitivity
from cellam.evaluation.skill import Skill
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

Call = Callable[..., Any]
INNER = ("cellam", "forward", "balanced", "previous", "next", "mixture", "ot", "floor")
METRICS = ("energy", "W1", "W2", "MMD2", "composition", "gene_mean")


@pytest.fixture(scope="session")
def scores(cells: Cells, model: Model) -> Evaluation:
    """Of an inner day and of the last: two refits, shared."""
    return evaluate(cells, ("day2", "day7"), model.options, refits=0)


@pytest.fixture
def scored(run: Path, scores: Evaluation) -> Path:
    """A run in which day2 and day7 have been scored."""
    cellam.open_run(run).keep(scores)
    return run


@pytest.mark.slow
def test_genes_in_another_order_give_the_same_scores_and_other_genes_none(
    call: Call, run: Path, small: anndata.AnnData
) -> None:
    order = np.random.default_rng(0).permutation(small.n_vars)
    small[:, order].write_h5ad("order.h5ad")
    small[:, 1:].write_h5ad("fewer.h5ad")
    extra = anndata.concat([small, small[:, :1].copy()[:, [0]]], axis=1, index_unique="-")
    extra.obs = small.obs
    extra.write_h5ad("extra.h5ad")
    for data in ("fewer.h5ad", "extra.h5ad"):
        refused = call("eval", "--holdout", "day2", "--data", data)
        assert refused.code == 1
        assert f"{data} is not the data of the run small" in refused.err
    quick = ("--metrics", "energy,gene_mean", "--baselines", "previous,ot")
    asked = ("eval", "--holdout", "day2", *quick, "--no-counterpart", "--json")
    moved = call(*asked, "--data", "order.h5ad")
    shutil.rmtree(run / "evaluations")
    again = call(*asked)
    rows, expected = (
        [{**row, "fit_seconds": 0} for row in json.loads(result.out)["rows"]]
        for result in (moved, again)
    )
    assert rows == expected


def test_json_is_the_run_the_days_the_rows_and_the_notes(call: Call, run: Path) -> None:
    result = call("eval", "--holdout", "day2", "--json")
    assert result.code == 0
    assert "cellam_runs/small" in result.err
    what = json.loads(result.out)
    assert list(what) == [
        "run",
        "holdout",
        "rows",
        "replicates",
        "skill",
        "verdicts",
        "controls",
        "notes",
        "caveats",
        "sweep",
    ]
    assert what["run"] == str(run)
    assert what["holdout"] == ["day2"]
    assert what["notes"][:2] == [NO_REPLICATES, SHRUNK]
    (below,) = what["notes"][2:]  # of so few cells some scores are
    assert below.startswith("Below the floor: energy, ") and "not as better" in below
    rows = what["rows"]
    assert {"time", "label", "method", "metric", "value", "n"} <= set(rows[0])
    pairs = [(row["method"], row["metric"]) for row in rows]
    assert sorted(pairs) == sorted((m, k) for m in INNER for k in METRICS)
    assert {(row["time"], row["label"], row["n"]) for row in rows} == {(2, "day2", 20)}
    assert all(np.isfinite(row["value"]) for row in rows)
    assert not any(row["extrapolation"] or row["seen"] for row in rows)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    skills = [(skill["method"], skill["metric"]) for skill in what["skill"]]
    assert sorted(skills) == sorted((m, k) for m in INNER[:3] for k in METRICS)
    # The second time nothing is fitted, and the numbers are the same.
    again = call("eval", "--holdout", "2", "--json")
    assert again.out == result.out
    table = call("eval", "--holdout", "day2")
    assert "saved scores of an earlier evaluation" in table.out
    for row in rows:
        assert f"{row['value']:.4g}" in table.out


def test_a_second_eval_fits_nothing(
    call: Call, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("cellam.evaluation.evaluate.fit", fails)
    assert call("eval", "--holdout", "day2", "--holdout", "day7").code == 0


def test_the_table_has_every_method_best_first_and_the_floor_last(
    call: Call, scored: Path, scores: Evaluation
) -> None:
    result = call("eval", "--holdout", "day2")
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines()]
    table = [words for words in lines if words and words[0] in INNER and words[1:2] != ["is"]]
    assert {words[0] for words in table} == set(INNER)
    assert table[-1][0] == "floor"
    values = [float(words[1]) for words in table[:-1]]
    assert values == sorted(values)
    assert "20 cells in each cloud (the least of: half of the held-out day," in result.out
    assert "Variants of cellam, with one thing changed: forward" in result.out


def test_metrics_are_chosen_in_any_case(call: Call, scored: Path) -> None:
    result = call("eval", "--holdout", "day2", "--metrics", "w1, Energy", "--json")
    assert {row["metric"] for row in json.loads(result.out)["rows"]} == {"W1", "energy"}


@pytest.mark.parametrize("metrics", ["", ",", "W3", "W1,mse"])
def test_an_unknown_metric_lists_those_there_are(call: Call, scored: Path, metrics: str) -> None:
    result = call("eval", "--holdout", "day2", "--metrics", metrics)
    assert result.code == 2
    assert "energy, W1, W2, MMD2" in result.err


def test_the_last_day_is_an_extrapolation(call: Call, scored: Path) -> None:
    result = call("eval", "--holdout", "day7")
    assert "day7 held out (extrapolation)" in result.out
    assert "note      day7 lies outside the training days" in result.out
    what = json.loads(call("eval", "--holdout", "day7", "--json").out)
    methods = {"cellam", "forward", "balanced", "previous", "floor"}
    assert {row["method"] for row in what["rows"]} == methods
    assert len(what["notes"]) == 3
    assert [caveat["name"] for caveat in what["caveats"]] == ["gap"]
    assert "caveat    day7 is 3 away" in result.out


@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_controls_are_scored_once_and_are_in_the_report(
    call: Call, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def found(cells: Cells, labels: list[str], options: Any, **_: Any) -> tuple[Controlled, ...]:
        asked.append(tuple(labels))
        skill = Skill(labels[0], "energy", "cellam", 0.3, 0.1, 0.4, "previous", "")
        return tuple(Controlled(name, labels[0], skill, 0) for name in ("permuted", "random"))

    monkeypatch.setattr("cellam.workflows.evaluate.run_controls", found)
    args = ("eval", "--holdout", "day2", "--refits", "0", "--controls")
    first, again = call(*args), call(*args)
    assert (first.code, again.code) == (0, 0)
    assert asked == [("day2",)]
    for result in (first, again):
        assert "control   day2: When the days are permuted" in result.out
        assert "caveat    day2: When the days are permuted" in result.out
    assert call("report").code == 0
    page = (scored / "report.html").read_text()
    assert "<p>Control: When the days are permuted over the cells, the skill is 0.30" in page
    # On the first screen and as a caveat too.
    assert page.count("above 0, where nothing can be predicted") >= 3


def test_the_first_day_is_predicted_from_the_day_after_and_says_so(call: Call, run: Path) -> None:
    result = call("eval", "--holdout", "day0", "--metrics", "energy")
    assert result.code == 0
    assert "day0 held out (extrapolation)" in result.out
    assert "the day before" not in result.out


def test_all_is_every_inner_day(call: Call, scored: Path) -> None:
    quick = ("--metrics", "energy", "--baselines", "previous", "--no-counterpart")
    what = json.loads(call("eval", "--holdout", "all", *quick, "--json").out)
    assert what["holdout"] == ["day2", "day4"]
    assert {row["label"] for row in what["rows"]} == {"day2", "day4"}


def test_a_given_representation_warns_that_it_may_know_the_day(call: Call, rep_run: Path) -> None:
    result = call("eval", "--holdout", "day2")
    assert result.code == 0
    assert "note      The representation X_latent may have been computed with" in result.out
    assert "day2 held out (in a representation that may have been computed with it)" in result.out


@pytest.mark.parametrize("holdout", ["day3", "soon", "", "all,day2"])
def test_an_unknown_day_lists_those_there_are(call: Call, run: Path, holdout: str) -> None:
    result = call("eval", "--holdout", holdout)
    assert result.code == 2
    assert "day4" in result.err
    assert not (run / "evaluations").exists()


def test_a_day_must_be_named(call: Call, run: Path) -> None:
    result = call("eval")
    assert result.code == 2
    assert "--holdout" in result.err


def test_changed_data_are_refused(call: Call, scored: Path, small: anndata.AnnData) -> None:
    small.X.data[0] += 1
    small.write_h5ad("small.h5ad")
    result = call("eval", "--holdout", "day2")
    assert result.code == 1
    assert "have changed since the fit" in result.err


def test_moved_data_are_given_with_data(call: Call, scored: Path) -> None:
    shutil.move("small.h5ad", "moved.h5ad")
    refused = call("eval", "--holdout", "day2")
    assert refused.code == 1
    assert "--data" in refused.err
    assert call("eval", "--holdout", "day2", "--data", "moved.h5ad").code == 0


def test_info_shows_what_was_scored(call: Call, scored: Path, scores: Evaluation) -> None:
    out = call("info").out.split("held out")[1]
    ours = scores.table.query("method == 'cellam' and metric == 'energy'").set_index("label")[
        "value"
    ]
    for label in ("day2", "day7"):
        line = next(line for line in out.splitlines() if line.startswith(label))
        assert line.split()[1] == f"{ours[label]:.4g}"


def test_eval_says_what_the_library_says(call: Call, scored: Path, scores: Evaluation) -> None:
    rows = json.loads(call("eval", "--holdout", "day2", "--holdout", "day7", "--json").out)["rows"]
    assert rows == scores.rows()


# Skill, files and what is kept -------------------------------------------------------------------


def test_the_skill_stands_below_the_table_and_in_a_sentence(call: Call, scored: Path) -> None:
    what = json.loads(call("eval", "--holdout", "day2", "--json").out)
    skill = next(s for s in what["skill"] if (s["method"], s["metric"]) == ("cellam", "energy"))
    lines = call("eval", "--holdout", "day2").out.splitlines()
    (row,) = (line.split() for line in lines if line.startswith("skill"))
    assert row[1:5] == [
        f"{skill['value']:.2f}", f"{skill['low']:.2f}", "to", f"{skill['high']:.2f}"
    ]  # fmt: skip
    assert what["verdicts"]["day2"] in lines
    assert what["verdicts"]["day2"].startswith(skill["says"])


def test_skill_is_over_the_baselines_asked_for(call: Call, scored: Path) -> None:
    what = json.loads(call("eval", "--holdout", "day2", "--baselines", "OT", "--json").out)
    assert {skill["best"] for skill in what["skill"]} == {"ot"}
    methods = {"cellam", "forward", "balanced", "ot", "floor"}
    assert {row["method"] for row in what["rows"]} == methods
    refused = call("eval", "--holdout", "day2", "--baselines", "best")
    assert refused.code == 2
    assert "previous, next, mixture, ot" in refused.err


def test_a_baseline_that_the_day_does_not_have_leaves_no_skill(call: Call, scored: Path) -> None:
    result = call("eval", "--holdout", "day7", "--baselines", "next")
    assert result.code == 0
    assert not any(line.startswith("skill") for line in result.out.splitlines())


def test_more_draws_of_the_bootstrap_fit_nothing_and_hardly_change_the_interval(
    call: Call, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellam.evaluation.evaluate.fit", None)
    lows = [
        json.loads(call("eval", "--holdout", "day2", "--n-boot", n, "--json").out)["skill"][0]
        for n in (20_000, 40_000)
    ]
    width = lows[0]["high"] - lows[0]["low"]
    assert lows[0]["low"] != lows[1]["low"]
    assert lows[0]["low"] == pytest.approx(lows[1]["low"], abs=0.1 * width)


@pytest.mark.slow
def test_the_counterpart_may_be_left_out_and_is_fitted_when_asked_for(
    call: Call, run: Path
) -> None:
    asked = ("eval", "--holdout", "day2", "--metrics", "energy,W1", "--json")
    alone = call(*asked, "--no-counterpart")
    assert "balanced" not in {row["method"] for row in json.loads(alone.out)["rows"]}
    both = call(*asked)
    assert "balanced" in {row["method"] for row in json.loads(both.out)["rows"]}
    again = call(*asked, "--no-counterpart")
    first, second = (
        [{**row, "fit_seconds": None} for row in json.loads(result.out)["rows"]]
        for result in (alone, again)
    )
    assert first == second  # no row depends on which others there are


def test_the_table_is_written_as_csv_with_the_skill(
    call: Call, scored: Path, scores: Evaluation
) -> None:
    assert call("eval", "--holdout", "day2", "--csv", "scores.csv").code == 0
    frame = pd.read_csv("scores.csv")
    truth = scores.table[scores.table["label"] == "day2"]
    assert frame["value"].to_numpy() == pytest.approx(truth["value"].to_numpy())
    assert set(frame["method"][frame["skill"].notna()]) == {"cellam", "forward", "balanced"}
    assert "covariance" not in frame


@pytest.mark.parametrize("name", ["there.csv", "small.h5ad/new.csv", "small.h5ad", "new.tsv"])
def test_a_csv_that_cannot_or_must_not_be_written_is_refused_at_once(
    call: Call, run: Path, name: str
) -> None:
    Path("there.csv").write_text("mine")
    before = Path("small.h5ad").read_bytes()
    assert call("eval", "--holdout", "day2", "--csv", name).code in (2, 4)
    assert Path("there.csv").read_text() == "mine"
    assert Path("small.h5ad").read_bytes() == before
    assert not (run / "evaluations").exists()
    # Even when told to: data are never written to.
    assert call("eval", "--holdout", "day2", "--csv", "small.h5ad", "--overwrite").code == 2


def test_a_csv_is_replaced_when_told_to(call: Call, scored: Path) -> None:
    Path("there.csv").write_text("mine")
    assert call("eval", "--holdout", "day2", "--csv", "there.csv", "--overwrite").code == 0
    assert len(pd.read_csv("there.csv")) == len(INNER) * len(METRICS)


def test_a_metric_that_the_data_do_not_allow_is_refused(call: Call, scored: Path) -> None:
    result = call("eval", "--holdout", "day2", "--metrics", "mass")
    assert result.code == 2
    assert "--population" in result.err


@pytest.mark.slow
def test_refits_widen_the_interval_are_kept_and_asked_for_again(call: Call, run: Path) -> None:
    def interval(*args: str) -> tuple[int, float]:
        found = call("eval", "--holdout", "day2", "--metrics", "W1", "--json", *args)
        ours = next(r for r in json.loads(found.out)["rows"] if r["method"] == "cellam")
        return ours["refits"], ours["high"] - ours["low"]

    held, moved = interval("--refits", "0"), interval("--refits", "4")
    assert (held[0], moved[0]) == (0, 4)
    assert moved[1] > held[1]
    assert (
        "saved scores of an earlier evaluation"
        in call("eval", "--holdout", "day2", "--refits", "4").out
    )
    assert "--refits 3" in call("eval", "--holdout", "day2", "--refits", "3").err


@pytest.mark.slow
def test_other_settings_are_announced_printed_and_kept(call: Call, scored: Path) -> None:
    one, other = (Answers({"day2": s}, {"a": 0.1}, {"a": {"x": f, "y": 1 - f}})
                  for s, f in ((0.4, 0.9), (-0.2, 0.6)))  # fmt: skip
    cellam.open_run(scored).keep_sensitivity(Sensitivity({AS_FITTED: one, "tau 0.1": other}))
    args = ("eval", "--holdout", "day2", "--refits", 0, "--sweep", "--no-report")
    result = call(*args)
    assert result.code == 0, result.err
    shown = " ".join(result.out.split())
    assert "other settings, each fitted to all days and without 1 day: about" in shown
    assert "as fitted 0.40 0 0" in shown and "tau 0.1 -0.20 0 0.3" in shown
    assert "2 of 3 answers stay the same" in shown
    assert "Not the same: the skill on day2 (tau 0.1)" in shown
    told = json.loads(call(*args, "--json").out)["sweep"]
    assert [row["setting"] for row in told["settings"]] == [AS_FITTED, "tau 0.1"]
    assert json.loads(call(*args[:5], "--json", "--no-report").out)["sweep"] is None
