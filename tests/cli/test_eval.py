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
from cellam.cells import Cells
from cellam.evaluation import Evaluation, evaluate, verdict
from cellam.model import Model

Call = Callable[..., Any]
INNER = ("cellam", "previous", "next", "mixture", "ot", "floor")


@pytest.fixture(scope="session")
def scores(cells: Cells, model: Model) -> Evaluation:
    """Of an inner day and of the last: two refits, shared."""
    return evaluate(cells, ("day2", "day7"), model.options)


@pytest.fixture
def scored(run: Path, scores: Evaluation) -> Path:
    """A run in which day2 and day7 have been scored."""
    cellam.open_run(run).keep(scores)
    return run


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
    moved = call("eval", "--holdout", "day2", "--json", "--data", "order.h5ad")
    shutil.rmtree(run / "evaluations")
    again = call("eval", "--holdout", "day2", "--json")
    rows, expected = (
        [{**row, "fit_seconds": 0} for row in json.loads(result.out)["rows"]]
        for result in (moved, again)
    )
    assert rows == expected


def test_json_is_the_run_the_days_the_rows_and_the_notes(call: Call, run: Path) -> None:
    result = call("eval", "--holdout", "day2", "--json")
    assert result.code == 0
    assert str(run) in result.err
    what = json.loads(result.out)
    assert list(what) == ["run", "holdout", "rows", "notes"]
    assert what["run"] == str(run)
    assert what["holdout"] == ["day2"]
    assert what["notes"] == []
    rows = what["rows"]
    assert {"time", "label", "method", "metric", "value", "n"} <= set(rows[0])
    pairs = [(row["method"], row["metric"]) for row in rows]
    assert sorted(pairs) == sorted((m, k) for m in INNER for k in ("W1", "W2", "energy", "MMD2"))
    assert {(row["time"], row["label"], row["n"]) for row in rows} == {(2, "day2", 20)}
    assert all(np.isfinite(row["value"]) for row in rows)
    assert not any(row["extrapolation"] for row in rows)
    # The second time nothing is fitted, and the numbers are the same.
    again = call("eval", "--holdout", "2", "--json")
    assert again.out == result.out
    table = call("eval", "--holdout", "day2")
    assert "scored before" in table.out
    for row in rows:
        assert f"{row['value']:.4g}" in table.out


def test_a_second_eval_fits_nothing(
    call: Call, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("cellam.evaluation.fit", fails)
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
    assert "20 cells in each cloud" in result.out


def test_metrics_are_chosen_in_any_case(call: Call, scored: Path) -> None:
    result = call("eval", "--holdout", "day2", "--metrics", "w1, Energy", "--json")
    assert {row["metric"] for row in json.loads(result.out)["rows"]} == {"W1", "energy"}


@pytest.mark.parametrize("metrics", ["", ",", "W3", "W1,mse"])
def test_an_unknown_metric_lists_those_there_are(call: Call, scored: Path, metrics: str) -> None:
    result = call("eval", "--holdout", "day2", "--metrics", metrics)
    assert result.code == 2
    assert "W1, W2, energy, MMD2" in result.err


def test_the_last_day_is_an_extrapolation(call: Call, scored: Path) -> None:
    result = call("eval", "--holdout", "day7")
    assert "day7 held out (extrapolation)" in result.out
    assert "note      day7 lies beyond the days fitted on" in result.out
    what = json.loads(call("eval", "--holdout", "day7", "--json").out)
    assert {row["method"] for row in what["rows"]} == {"cellam", "previous", "floor"}
    assert len(what["notes"]) == 1


def test_the_first_day_is_predicted_from_the_day_after_and_says_so(call: Call, run: Path) -> None:
    result = call("eval", "--holdout", "day0")
    assert result.code == 0
    assert "day0 held out (extrapolation)" in result.out
    assert "the day before" not in result.out


def test_all_is_every_inner_day(call: Call, scored: Path) -> None:
    what = json.loads(call("eval", "--holdout", "all", "--json").out)
    assert what["holdout"] == ["day2", "day4"]
    assert {row["label"] for row in what["rows"]} == {"day2", "day4"}


def test_a_given_representation_warns_that_it_may_know_the_day(call: Call, rep_run: Path) -> None:
    result = call("eval", "--holdout", "day2")
    assert result.code == 0
    assert "note      The representation X_latent was given" in result.out


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
    ours = scores.table.query("method == 'cellam' and metric == 'W1'").set_index("label")["value"]
    for label in ("day2", "day7"):
        line = next(line for line in out.splitlines() if line.startswith(label))
        assert line.split()[1] == f"{ours[label]:.4g}"


def test_eval_says_what_the_library_says(call: Call, scored: Path, scores: Evaluation) -> None:
    rows = json.loads(call("eval", "--holdout", "day2", "--holdout", "day7", "--json").out)["rows"]
    assert rows == scores.rows()


@pytest.mark.parametrize(
    ("ours", "theirs"), [(0.5, 1.0), (1.0, 0.5), (-0.02, -0.01), (-0.01, 0.5), (0.3, -0.01), (0, 0)]
)
def test_a_verdict_gives_a_percentage_that_can_be_one(ours: float, theirs: float) -> None:
    import re

    values = {"cellam": ours, "previous": theirs, "floor": -0.1}  # the energy distance is unbiased
    table = pd.DataFrame({"method": list(values), "value": values.values(), "metric": "energy"})
    for number in re.findall(r"(\S+) %", verdict(table, "energy")):
        assert 0 <= float(number) <= 100
