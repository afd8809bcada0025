from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import pytest

import cellam

Call = Callable[..., Any]


def test_check_says_what_is_there_and_what_to_type_next(
    call: Call, here: Path, demo_path: Path, fast: tuple[str, ...]
) -> None:
    before = demo_path.read_bytes()
    result = call("check", demo_path)
    assert (result.code, result.err) == (0, "")
    for text in (
        "3,000 cells; 300 genes, counts", "day7 = 7 (days)", "day4: 800", "gaps      2, 2, 3",
        "X_latent (2 columns)", "obs['cell_type'], 4 types", "22 of 97 division genes",
        "an estimate",
    ):  # fmt: skip
        assert text in result.out
    assert demo_path.read_bytes() == before
    assert sorted(p.name for p in here.iterdir()) == ["small.h5ad"]


@pytest.mark.parametrize(
    "options",
    [
        (),
        pytest.param(("--time-key", "day", "--use-rep", "X_latent"), marks=pytest.mark.slow),
        pytest.param(
            ("--time-map", "day0=0,day2=48,day4=96,day7=168", "--layer", "counts"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("--n-top-genes", "30", "--whiten", "--exclude", "day4"), marks=pytest.mark.slow
        ),
    ],
)
def test_what_it_says_to_type_next_is_a_fit_of_the_same_data(
    call: Call, here: Path, fast: tuple[str, ...], options: tuple[str, ...]
) -> None:
    shown = call("check", "small.h5ad", *options)
    assert shown.code == 0
    line = next(line for line in shown.out.splitlines() if line.startswith("next"))
    words = shlex.split(line)[2:]
    assert words == ["fit", *options, "small.h5ad"]
    assert call(*words, "--n-features", 16, "--tau", 1, "--n-pcs", 2).code == 0
    found = json.loads(call("check", "small.h5ad", *options, "--json").out)
    fitted = json.loads(call("info", "--json").out)
    assert found["times"] == fitted["times"]
    assert found["cells"] == fitted["cells"]


def test_columns_that_read_as_times_are_listed(call: Call, here: Path) -> None:
    adata = anndata.read_h5ad("small.h5ad")
    adata.obs["sampled"] = [f"D{day[3:]}_rep{k % 2 + 1}" for k, day in enumerate(adata.obs["day"])]
    adata.obs["code"] = adata.obs["day"].cat.codes
    adata.write_h5ad("columns.h5ad")
    shown = call("check", "columns.h5ad")
    assert shown.code == 0
    assert "also      obs['sampled']: D0 = 0, D2 = 2, D4 = 4, D7 = 7 (days); the same times" in (
        shown.out
    )
    assert "          obs['code']: 0, 1, 2, 3; the same order, different gaps" in shown.out
    found = json.loads(call("check", "columns.h5ad", "--json").out)["other_times"]
    assert [(o["column"], o["relation"], o["agrees"]) for o in found] == [
        ("sampled", "same", True),
        ("code", "order", True),
    ]
    assert found[0]["times"] == {"D0": 0, "D2": 2, "D4": 4, "D7": 7}


def test_a_run_keeps_what_labels_hold_beside_the_time(call: Call, here: Path) -> None:
    adata = anndata.read_h5ad("small.h5ad")
    adata.obs["day"] = [f"D{day[3:]}_rep{k % 2 + 1}" for k, day in enumerate(adata.obs["day"])]
    adata.write_h5ad("replicates.h5ad")
    options = ("--use-rep", "X_latent", "--path", "ot", "--n-features", 16, "--curvature", 0)
    fitted = call("fit", "replicates.h5ad", *options)
    assert "'D0_rep1' is read as D0 (rep1)" in fitted.out
    assert call("simulate", "--from", "D2", "--to", 4).code == 0
    refused = call("simulate", "--from", "D2_rep1")
    assert refused.code == 2
    assert "Use the time 'D2'" in refused.err
    kept = cellam.open_run(next(Path("cellam_runs").iterdir())).model.timeline.replicates
    assert (kept["D0_rep1"], kept["D7_rep2"], len(kept)) == ("rep1", "rep2", 8)


def test_json_is_one_object(call: Call, here: Path) -> None:
    result = call("check", "small.h5ad", "--json")
    assert result.err == ""
    found = json.loads(result.out)
    assert found["cells"] == {"day0": 40, "day2": 40, "day4": 40, "day7": 40}
    assert (found["kind"], found["genes"], found["unit"]) == ("counts", 50, "day")
    assert found["gaps"] == [2, 2, 3]
    assert found["embeddings"] == {"X_latent": 2}
    assert found["estimate"]["seconds"] > 1
    assert found["next"] == "cellam fit small.h5ad"


@pytest.mark.parametrize(
    ("damage", "options"),
    [
        ("none", ("--time-key", "dya")),
        ("none", ("--use-rep", "X_pac")),
        ("none", ("--time-map", "day0=0")),
        ("none", ("--layer", "counts", "--use-rep", "X_latent")),
        ("none", ("--n-pcs", "200")),
        ("none", ("--use-rep", "X_latent", "--n-pcs", "3")),
        ("none", ("--n-top-genes", "30", "--n-pcs", "30")),
        ("none", ("--exclude", "day3")),
        ("none", ("--exclude", "day0", "--exclude", "day2", "--exclude", "4")),
        ("none", ("--method", "am", "--tau", "1")),
        ("cut", ()),
        ("gone", ()),
        ("one day", ()),
    ],
)
def test_broken_data_are_refused_as_a_fit_refuses_them(
    call: Call, here: Path, damage: str, options: tuple[str, ...]
) -> None:
    path = here / "small.h5ad"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5_000])
    if damage == "gone":
        path.unlink()
    if damage == "one day":
        adata = anndata.read_h5ad(path)
        adata[adata.obs["day"] == "day0"].write_h5ad(path)
    checked, fitted = (call(command, "small.h5ad", *options) for command in ("check", "fit"))
    assert checked.code == fitted.code != 0
    assert checked.out == ""
    assert checked.err == fitted.err


def test_options_of_the_fit_count_and_what_does_not_is_said(call: Call, here: Path) -> None:
    def found(*options: str) -> dict[str, Any]:
        return dict(json.loads(call("check", "small.h5ad", *options, "--json").out))

    usual, without = found(), found("--exclude", "day2", "--n-pcs", "3")
    assert (without["excluded"], without["gaps"]) == (["day2"], [4, 3])
    assert "excluded  day2: read" in call("check", "small.h5ad", "--exclude", "day2").out
    assert without["estimate"]["seconds"] < usual["estimate"]["seconds"]
    assert without["estimate"]["bytes"] < usual["estimate"]["bytes"]
    assert usual["estimate"]["uncounted"] == without["estimate"]["uncounted"] == []
    assert found("--ensemble", "8")["estimate"]["uncounted"] == ["ensemble"]
    assert (
        "(an estimate that does not count --ensemble)"
        in call("check", "small.h5ad", "--ensemble", "8").out
    )
