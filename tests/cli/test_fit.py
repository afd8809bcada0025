from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

import cellam
from cellam.runs.claims import is_run
from cellam.runs.places import RUNS

Call = Callable[..., Any]


def runs(here: Path) -> list[str]:
    folder = here / RUNS
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_fit_simulate_eval_info_one_after_the_other(
    call: Call, here: Path, growing: tuple[str, ...]
) -> None:
    before = (here / "small.h5ad").read_bytes()
    fitted = call("fit", "small.h5ad", *growing)
    assert (fitted.code, fitted.err) == (0, "")
    assert "160 cells" in fitted.out
    assert "day0 = 0, day2 = 2, day4 = 4, day7 = 7 (days)" in fitted.out
    hints = [line.removeprefix("next").strip() for line in fitted.out.splitlines()[-2:]]
    for hint in hints:
        result = call(*shlex.split(hint)[1:])
        # Of 40 cells a day a fit is so rough that those of day0 do not keep to the data.
        stops = result.err.startswith("At day2 each cell is replaced") and "simulate" in hint
        assert result.code == 0 and len(result.err.splitlines()) == stops
    info = call("info")
    assert (info.code, info.err) == (0, "")
    assert "day4" in info.out.split("held out")[1]
    assert (here / "small.h5ad").read_bytes() == before
    assert sorted(p.name for p in here.iterdir()) == [RUNS, "small.h5ad"]


def test_the_fit_of_the_command_is_that_of_the_library(
    call: Call, here: Path, cells: cellam.Cells
) -> None:
    options = ("--n-features", 32, "--tau", 1, "--n-pcs", 3, "--seed", 3)
    assert call("fit", "small.h5ad", *options).code == 0
    ours = cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3, seed=3)
    cellam.save(ours, cells, here / "ours")
    a, b = here / "ours", here / RUNS / "small"
    assert (a / "action.safetensors").read_bytes() == (b / "action.safetensors").read_bytes()


def test_one_flipped_bit_in_any_file_of_a_run_is_refused_by_name(
    call: Call, here: Path, growing: tuple[str, ...]
) -> None:
    assert call("fit", "small.h5ad", *growing).code == 0
    files = [p for p in (here / RUNS / "small").iterdir() if p.name != "manifest.json"]
    assert {"log.txt", "action.safetensors", "provenance.json"} <= {p.name for p in files}
    commands = (["info"], ["simulate", "--from", "0"], ["eval", "--holdout", "2"])
    for path, command in zip(files, itertools.cycle(commands), strict=False):
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[len(content) // 3] ^= 4
        path.write_bytes(damaged)
        result = call(*command)
        assert result.code == 4
        assert path.name in result.err
        path.write_bytes(content)
    assert call("info").code == 0


def test_default_names_are_numbered(call: Call, here: Path, fast: tuple[str, ...]) -> None:
    for _ in range(2):
        assert call("fit", "small.h5ad", *fast).code == 0
    assert runs(here) == ["current", "small", "small-2"]
    assert (here / RUNS / "current").read_text() == "small-2\n"


def test_a_given_name_is_taken_once_unless_overwritten(
    call: Call, here: Path, fast: tuple[str, ...]
) -> None:
    assert call("fit", "small.h5ad", *fast, "--name", "a b").code == 0
    again = call("fit", "small.h5ad", *fast, "--name", "a b")
    assert again.code == 4
    assert "--overwrite" in again.err
    assert call("fit", "small.h5ad", *fast, "--seed", 1, "--name", "a b", "--overwrite").code == 0
    assert runs(here) == ["a b", "current"]
    assert json.loads(call("info", "--json").out)["options"]["seed"] == 1


@pytest.mark.parametrize(
    "name",
    [
        "a/b",
        "../a",
        "/tmp/a",
        ".",
        "..",
        ".hidden",
        "current",
        "",
        " ",
        "a ",
        "x" * 300,
        "''",
        '"a"',
        "a*",
        "-a",
        "a\\b",
        "a\tb",
    ],
)
def test_a_name_that_is_no_plain_name_is_refused(
    call: Call, here: Path, fast: tuple[str, ...], name: str
) -> None:
    result = call("fit", "small.h5ad", *fast, "--name", name)
    assert result.code in (2, 4)
    assert "--name" in result.err
    assert sorted(p.name for p in here.iterdir()) == ["small.h5ad"]


@pytest.mark.parametrize("stem", ["my data", "current", "trailing ", ".hidden", "-µ-é"])
def test_any_name_of_the_data_makes_a_run_that_is_found(
    call: Call, here: Path, fast: tuple[str, ...], stem: str
) -> None:
    (here / "small.h5ad").rename(here / f"{stem}.h5ad")
    result = call("fit", *fast, "--", f"{stem}.h5ad")
    assert (result.code, result.err) == (0, "")
    assert call("info").code == 0


def test_out_says_where_runs_are_kept_and_what_to_type_next(
    call: Call, here: Path, fast: tuple[str, ...]
) -> None:
    fitted = call("fit", "small.h5ad", *fast, "--out", here / "kept")
    assert fitted.code == 0
    assert is_run(here / "kept" / "small")
    assert not (here / RUNS).exists()
    hint = next(line for line in fitted.out.splitlines() if line.startswith("next"))
    assert call(*shlex.split(hint)[2:]).code == 0


def test_a_foreign_folder_is_never_replaced(call: Call, here: Path, fast: tuple[str, ...]) -> None:
    (here / RUNS / "thesis").mkdir(parents=True)
    (here / RUNS / "thesis" / "text").write_text("years of work")
    result = call("fit", "small.h5ad", *fast, "--name", "thesis", "--overwrite")
    assert result.code == 4
    assert "not a cellam run" in result.err
    assert (here / RUNS / "thesis" / "text").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_exit_4(
    call: Call, here: Path, fast: tuple[str, ...]
) -> None:
    (here / "file").write_text("")
    result = call("fit", "small.h5ad", *fast, "--out", here / "file")
    assert result.code == 4
    assert "file" in result.err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["missing.h5ad"], 1, "missing.h5ad"),
        (["smal.h5ad"], 1, "Did you mean small.h5ad"),
        (["small.h5ad", "--time-key", "dya"], 1, "'day'"),
        (["small.h5ad", "--use-rep", "X_pca"], 1, "X_latent"),
        (["small.h5ad", "--layer", "spliced"], 1, "counts"),
        (["small.h5ad", "--method", "AM"], 2, "--method"),
        (["small.h5ad", "--n-pcs", "500"], 2, "--n-pcs"),
        (["small.h5ad", "--n-pcs", "0"], 2, "--n-pcs"),
        (["small.h5ad", "--n-pcs", "many"], 2, "--n-pcs"),
        (["small.h5ad", "--sigma", "0.1"], 2, "--method eam"),
        (["small.h5ad", "--sigma", "nan", "--method", "eam"], 2, "--sigma"),
        (["small.h5ad", "--tau", "1", "--path", "ot"], 2, "--path uot"),
        (["small.h5ad", "--tau", "-1"], 2, "--tau"),
        (["small.h5ad", "--steps", "5"], 2, "--action mlp"),
        (["small.h5ad", "--growth-scale", "2"], 2, "--growth tied"),
        (["small.h5ad", "--layer", "counts", "--use-rep", "X_latent"], 2, "only one of them"),
        (["small.h5ad", "--exclude", "day3"], 2, "day3"),
        (["small.h5ad", "--time-map", "day0"], 2, "LABEL=NUMBER"),
        (["small.h5ad", "--time-map", "day0=0,day2=2"], 2, "day4"),
        (["small.h5ad", "--seed", "-1"], 2, "--seed"),
        (["small.h5ad", "--seed", "99999999999999999999"], 2, "--seed"),
        (["small.h5ad", "--n-features", "1"], 2, "--n-features"),
        (["small.h5ad", "--nonsense"], 2, "--nonsense"),
        ([], 2, "'DATA'"),
        (["x" * 5000], 1, "xxx"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(
    call: Call, here: Path, args: list[str], code: int, said: str
) -> None:
    result = call("fit", *args)
    assert result.code == code
    assert said in result.err
    assert "bug" not in result.err
    assert sorted(p.name for p in here.iterdir()) == ["small.h5ad"]


def test_excluding_all_days_but_one_is_refused(call: Call, here: Path) -> None:
    result = call("fit", "small.h5ad", "--exclude", "day0", "--exclude", "2", "--exclude", "Day4")
    assert result.code == 1
    assert "two are needed" in result.err
    assert runs(here) == []


def test_a_representation_needs_no_genes(call: Call, here: Path) -> None:
    result = call("fit", "small.h5ad", "--use-rep", "X_latent", "--n-features", 32, "--tau", 1)
    assert result.code == 0
    assert "obsm['X_latent'], 2 components" in result.out


def test_zarr_is_fitted_like_h5ad(
    call: Call, here: Path, small: anndata.AnnData, fast: tuple[str, ...]
) -> None:
    small.write_zarr(here / "store.zarr")
    assert call("fit", "store.zarr/", *fast).code == 0
    assert call("fit", "small.h5ad", *fast).code == 0
    one, two = (here / RUNS / name / "action.safetensors" for name in ("store", "small"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("damage", ["nan", "empty cell", "constant", "one cell", "one day"])
def test_data_that_cannot_be_fitted_are_exit_1_and_leave_no_run(
    call: Call, here: Path, small: anndata.AnnData, fast: tuple[str, ...], damage: str
) -> None:
    if damage == "nan":
        small.X.data[5] = float("nan")
    elif damage == "empty cell":
        small.X = small.X.toarray()
        small.X[4] = 0
    elif damage == "constant":
        small.X = small.X.toarray() * 0 + 1
    elif damage == "one cell":
        small = small[(small.obs["day"] != "day2") | (small.obs_names == _first(small))].copy()
    else:
        small = small[small.obs["day"] == "day2"].copy()
    small.write_h5ad(here / "small.h5ad")
    result = call("fit", "small.h5ad", *fast)
    assert result.code == 1
    assert result.err.startswith("cellam: ")
    assert runs(here) == []


def _first(adata: anndata.AnnData) -> str:
    return str(adata.obs_names[adata.obs["day"] == "day2"][0])


@pytest.mark.slow
def test_a_prior_of_growth_is_said_kept_and_evaluated_beside_the_fit_without_it(
    call: Call, here: Path, demo_path: Path
) -> None:
    adata = anndata.read_h5ad(demo_path)[::4].copy()
    adata.write_h5ad(here / "quarter.h5ad")
    words = ("--n-features", 32, "--tau", 1, "--n-pcs", 3, "--curvature", 1)
    fitted = call("fit", "quarter.h5ad", "--growth-prior", "mouse", *words)
    assert fitted.code == 0
    assert "22 of 97 division genes (Tirosh et al. 2016)" in fitted.out
    assert "share of the growth prior" in fitted.out
    assert "growth is relative: the total mass is 1 on every day" in fitted.out
    assert "growth    per day, relative, mean of each cell_type and its range: " in fitted.out
    assert json.loads(call("info", "--json").out)["options"]["growth_prior"] == "mouse"
    scored = call("eval", "--holdout", "day2", "--metrics", "energy", "--json")
    methods = [row["method"] for row in json.loads(scored.out)["rows"]]
    assert {"cellam", "balanced", "no-prior"} <= set(methods)
    again = call("eval", "--holdout", "day2", "--metrics", "energy")
    assert "saved scores of an earlier evaluation" in again.out
    assert "fitted without the growth prior" in again.out


@pytest.mark.slow
def test_rates_of_a_column_that_changed_since_the_fit_are_noticed(call: Call, here: Path) -> None:
    adata = anndata.read_h5ad(here / "small.h5ad")
    adata.obs["rate"] = np.linspace(-1.0, 1.0, adata.n_obs)
    adata.write_h5ad(here / "rates.h5ad")
    words = ("--n-features", 16, "--tau", 1, "--curvature", 1, "--n-pcs", 2)
    assert call("fit", "rates.h5ad", "--growth-prior", "rate", *words).code == 0
    assert call("eval", "--holdout", "day2", "--metrics", "energy").code == 0
    adata.obs["rate"] *= -1
    adata.write_h5ad(here / "rates.h5ad")
    changed = call("eval", "--holdout", "day4")
    assert changed.code == 1
    assert "is not the data of the run" in changed.err


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--growth-prior", "mouse", "--method", "am"), 2, "conserves mass"),
        (("--growth-prior", "mouse", "--path", "mixture"), 2, "--path mixture"),
        (("--growth-prior", "muose"), 1, "neither a species nor a column"),
        (("--growth-prior", "cell_type"), 1, "does not hold numbers"),
        (("--population", "counts.csv"), 2, "there is no such file"),
        (("--population", "."), 1, "is not a file"),
    ],
)
def test_a_prior_or_population_that_means_nothing_is_refused(
    call: Call, here: Path, options: tuple[str, ...], code: int, says: str
) -> None:
    result = call("fit", "small.h5ad", *options)
    assert result.code == code
    assert says in result.err
    assert runs(here) == []


@pytest.mark.slow
def test_a_table_of_counts_is_the_population(
    call: Call, here: Path, growing: tuple[str, ...]
) -> None:
    (here / "counts.csv").write_text("time,count\n0,1e5\n2,2e5\n4,3e5\n7,8e5\n")
    fitted = call("fit", "small.h5ad", *growing, "--population", "counts.csv")
    assert fitted.code == 0
    assert "population, relative to day0: day0 1, day2 2, day4 3, day7 8" in fitted.out
    what = json.loads(call("info", "--json").out)
    assert what["options"]["population"] == {"0": 1e5, "2": 2e5, "4": 3e5, "7": 8e5}
    assert not what["growth"]["relative"]


def test_json_is_what_info_says_and_what_the_fit_has_found(
    call: Call, here: Path, growing: tuple[str, ...]
) -> None:
    result = call("fit", "small.h5ad", *growing, "--population", "cells", "--json")
    assert result.code == 0 and result.out.count("\n") == 1
    assert "data      small.h5ad: 160 cells" in result.err
    assert result.err.endswith("run       cellam_runs/small\n")
    found, info = json.loads(result.out), json.loads(call("info", "--json").out)
    assert {key: found[key] for key in info} == info
    assert found["population"] == {"day0": 1, "day2": 1, "day4": 1, "day7": 1}
    assert found["space"]["components"] == 3 and found["report"] is None
    assert [caveat["name"] for caveat in found["caveats"]] == [
        caveat.name for caveat in cellam.open_run().caveats()
    ]
