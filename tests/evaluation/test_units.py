"""Replicates as units of scores: the row, the intervals, and what is said of two, three or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

import cellam
from cellam.dynamics.distances import energy
from cellam.evaluation.contest import contenders
from cellam.evaluation.evaluate import NO_REPLICATES, Evaluation, evaluate, is_complete
from cellam.evaluation.scores import Scores
from cellam.evaluation.scoring import score_contest
from cellam.evaluation.skill import skill, skills
from cellam.evaluation.units import Units, clustered
from cellam.reading.samples import replicates_of
from cellam.storage import restore, to_json

FAST: dict[str, Any] = {"n_features": 32, "tau": 1.0, "curvature": 1.0}
METRICS = ["energy", "W1", "composition"]


def course(n: int, shift: float) -> anndata.AnnData:
    """Three days of 90 cells in two types, n mice on each, whose cells are shifted together."""
    rng = np.random.default_rng(0)
    day, mouse = np.repeat([0.0, 1.0, 2.0], 90), np.tile(np.repeat(range(n), 90 // n), 3)
    kind = rng.integers(2, size=270)
    x = rng.normal(size=(270, 2)) + np.stack([2.0 * day, 3.0 * kind], axis=1)
    x += shift * rng.normal(size=(3 * n, 2))[n * day.astype(int) + mouse]
    obs = {"day": day, "mouse": [f"m{k}" for k in mouse], "cell_type": np.array(["A", "B"])[kind]}
    adata = anndata.AnnData(np.ones((270, 1), np.float32), obs, obsm={"X_map": x})
    adata.obs_names = [f"cell{k}" for k in range(270)]
    return adata


def evaluated(n: int, shift: float = 0.5, **options: Any) -> Evaluation:
    cells = cellam.read(course(n, shift), use_rep="X_map", time_key="day", **options)
    return evaluate(cells, "1", metrics=METRICS, counterpart=False, refits=4, **FAST)


@pytest.fixture(scope="module")
def three() -> Evaluation:
    return evaluated(3)


@pytest.fixture(scope="module")
def two() -> Evaluation:
    return evaluated(2)


def test_the_variance_over_clusters_is_that_of_their_means() -> None:
    """The mean of all cells, whose influence is (x − mean)/n: s²/m of the means of m mice."""
    x = np.random.default_rng(0).normal(size=(4, 30)) + np.array([[0], [1], [5], [2]])
    moved = clustered(((x - x.mean()) / x.size).ravel(), np.repeat(range(4), 30))
    assert (moved**2).sum() == pytest.approx(x.mean(1).var(ddof=1) / 4)


def test_the_row_is_the_mean_distance_between_replicates(three: Evaluation) -> None:
    """Of 30 cells each, all of which are drawn: the exact energy distances."""
    adata = course(3, 0.5)
    of_day = adata[adata.obs["day"] == 1.0]
    unit = np.full(30, 1 / 30)
    x = {m: of_day[of_day.obs["mouse"] == m].obsm["X_map"] for m in ("m0", "m1", "m2")}
    exact = [energy(x[a], unit, x[b], unit) for a, b in (("m0", "m1"), ("m0", "m2"), ("m1", "m2"))]
    assert three.scores.between("1", "energy").to_numpy() == pytest.approx(exact, rel=1e-5)
    pairs, each = three.scores.ranges("1", "cellam")
    assert (pairs.name, each.name) == ("replicates", "to each")
    assert pairs.values["energy"] == pytest.approx((np.mean(exact), min(exact), max(exact)), 1e-5)
    assert "3 pairs, 30 cells each" in pairs.description
    assert three.scores.sizes("1") == {"m0": 30, "m1": 30, "m2": 30}


def test_three_replicates_are_the_unit_of_the_interval(three: Evaluation) -> None:
    table = three.table
    assert set(table["unit"]) == {"replicates"}
    assert set(table["replicates"]) == {3}
    assert (table["refits"] == 6).all()  # without each of three mice of two days
    assert (table.loc[table["metric"] == "energy", "df"] >= 1).all()
    assert (table["low"] < table["value"]).all()
    cells = evaluated(3, replicate="none").table
    width = [(t["high"] - t["low"])[t["metric"] == "energy"].sum() for t in (table, cells)]
    assert width[0] > 2 * width[1]
    assert (cells["value"].to_numpy() == table["value"].to_numpy()).all()  # the same scores
    found = skill(three.scores, "energy")
    assert found.unit == "replicates"
    assert "over 3 replicates" in found.says
    assert found.least <= found.value <= found.most


@pytest.mark.slow
def test_all_of_it_holds_where_only_some_cells_of_a_day_are_followed() -> None:
    cells = cellam.read(course(3, 0.5), use_rep="X_map", time_key="day")
    model = cellam.fit(cells, exclude=("1",), **FAST)
    units = Units.of(model, "1", replicates_of(cells), refit=True)
    wide = score_contest(contenders(model, "1"), metrics=["energy"], units=units)
    few = score_contest(contenders(model, "1", most=40), metrics=["energy"], units=units)
    errors = [np.sqrt(np.diag(s.covariance["1", "energy"])) for s in (wide, few)]
    assert np.isfinite(errors).all()
    assert (errors[1] > 0.3 * errors[0]).all()
    assert (errors[1] < 3 * errors[0]).all()


def test_a_prediction_within_the_distance_between_replicates_is_called_that() -> None:
    """Mice that differ by more than the days: no prediction can be told from a mouse."""
    found = skill(evaluated(3, shift=3.0).scores, "energy")
    assert "It is within the distance between replicates" in found.says
    assert "and so is the best baseline" in found.says
    assert np.isnan(found.to_replicates)


def test_skill_to_replicates_is_told_of_scores_against_each_of_them(three: Evaluation) -> None:
    found = skill(three.scores, "energy", baselines=["previous"])
    mean = three.scores.against_each("1", "energy").mean(axis=1)
    possible = mean["previous"] - three.scores.between("1", "energy").mean()
    expected = (mean["previous"] - mean["cellam"]) / possible
    assert found.to_replicates == pytest.approx(expected)
    assert 0.5 < expected < 1.5


def test_two_replicates_give_a_range_and_no_interval(two: Evaluation) -> None:
    assert two.table[["low", "high"]].isna().all().all()
    found = skill(two.scores, "energy")
    assert np.isnan([found.low, found.high]).all()
    assert "two replicates give no interval" in found.says
    assert found.least < found.most
    assert any("two replicates, of which no interval" in note for note in two.notes)


def test_without_replicates_one_line_says_so() -> None:
    found = evaluated(1)
    assert NO_REPLICATES in found.notes
    assert found.scores.ranges("1", "cellam") == []
    assert not len(found.scores.replicates)
    assert skill(found.scores, "energy").unit == "cells"


def test_scores_come_back_from_json_and_are_complete_for_the_same_replicates(
    three: Evaluation,
) -> None:
    back = Scores.from_json(restore(json.loads(to_json(three.scores.to_json()))))
    assert back.of_replicates() == three.scores.of_replicates()
    assert [s.says for s in skills(back)] == [s.says for s in skills(three.scores)]
    asked = {"metrics": METRICS, "counterparts": (), "refits": 4}
    assert is_complete(back, **asked, sizes={"m0": 30, "m1": 30, "m2": 30})
    assert not is_complete(back, **asked, sizes={"m0": 45, "m1": 45})  # the column has changed
    assert not is_complete(back, **asked)  # switched off
    assert not is_complete(back, **(asked | {"refits": 0}), sizes=back.sizes("1"))


def test_scores_of_an_earlier_version_are_shown_and_scored_again(three: Evaluation) -> None:
    """They know no replicates: neither the columns nor the second table."""
    old = three.scores.to_json()
    old.pop("replicates")
    kept = Scores.from_json(restore(json.loads(to_json(old))))
    kept = replace(kept, table=kept.table.drop(columns=["unit", "replicates", "df"]))
    assert skill(kept, "energy").unit == "cells"
    assert not is_complete(kept, METRICS, counterparts=(), refits=4, sizes={})


@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_command_prints_them_and_keeps_them(
    call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CELLAM_RUN", raising=False)
    course(n, 0.5).write_h5ad("mice.h5ad")
    size = ("--n-features", "32", "--tau", "1", "--curvature", "1")
    fitted = call("fit", "mice.h5ad", "--time-key", "day", "--use-rep", "X_map", *size)
    assert f"design    obs['mouse']: {n} replicates on every day" in fitted.out
    asked = ("eval", "--holdout", "1", "--metrics", "energy,W1", "--refits", "4")
    said = call(*asked, "--csv", "scores.csv")
    assert said.code == 0
    lines = {line.split("  ")[0]: line for line in said.out.splitlines()}
    order = [line.split("  ")[0] for line in said.out.splitlines()]
    assert order.index("floor") < order.index("replicates") < order.index("to each")
    assert order.index("to each") < order.index("skill")
    assert "nan" not in said.out
    assert ("on each" in said.out) == (n == 2)
    assert "replicates, scored against each other" in lines["replicates"]
    again = call(*asked)
    assert "saved scores of an earlier evaluation" in again.out
    table = (tmp_path / "scores.csv").read_text()
    assert ",replicates,energy," in table
    what = json.loads(call(*asked, "--json").out)
    assert {row["replicate"] for row in what["replicates"]} == {f"m{k}" for k in range(n)}
    (ours,) = (s for s in what["skill"] if (s["method"], s["metric"]) == ("cellam", "energy"))
    assert (ours["low"] is None) == (n == 2)
    assert call("plot", "eval", "-o", "eval.png").code == 0
    if n == 2:
        return
    assert call("report").code == 0
    page = next((tmp_path / "cellam_runs").glob("*/report.html")).read_text()
    assert "Design: cells by replicate" in page
    assert "nan" not in page.replace("nanmean", "").lower().split("<main")[-1].split("base64")[0]
    assert "95 % interval over 3 replicates" in page
