from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.evaluation.clones import CONTENDERS, SCORES, validate
from cellam.runs.places import point_to
from cellam.truths import fading_fork

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def barcoded(demo_path: Path) -> anndata.AnnData:
    """Two hundred cells a day in the true coordinates; clones that keep to a side of the fork."""
    adata = anndata.read_h5ad(demo_path)
    rng = np.random.default_rng(0)
    days = adata.obs["day"].to_numpy()
    rows = [rng.choice(np.flatnonzero(days == d), 200, replace=False) for d in np.unique(days)]
    few = adata[np.sort(np.concatenate(rows)), :5].copy()
    upper = few.obsm["X_latent"][:, 1] > 0
    number = rng.integers(6, size=few.n_obs)
    few.obs["clone"] = [f"{'ab'[int(u)]}{k}" for u, k in zip(upper, number, strict=True)]
    return few


@pytest.fixture
def run(here: Path, barcoded: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    barcoded.write_h5ad(here / "clones.h5ad")
    cells = cellam.read(here / "clones.h5ad", use_rep="X_latent")
    model = cellam.fit(cells, use_rep="X_latent", n_features=32, tau=1.0, curvature=1.0)
    path = here / "cellam_runs" / "clones"
    cellam.save(model, cells, path, data=here / "clones.h5ad")
    point_to(path)
    return path


def test_all_contenders_are_printed_with_all_scores(call: Call, run: Path) -> None:
    result = call("validate", "--clones", "clone", "--n-boot", 100)
    assert (result.code, result.err) == (0, "")
    assert "clones of obs['clone']" in result.out
    assert "on day0 or day2 or day4" in result.out
    for name in CONTENDERS:
        assert result.out.count(f"\n{name} ") == (1 if name == "cellam" else 2)
    for name in SCORES:
        assert f"{name} {'↑' if name in ('correlation', 'AUROC') else '↓'}" in result.out
    assert "gain of cellam over" in result.out
    assert "If they were calibrated, " in result.out  # which is no finding
    assert "the fates of `cellam fates` without --clones" in result.out


def test_json_and_csv_hold_the_table(call: Call, run: Path, barcoded: anndata.AnnData) -> None:
    args = ("--clones", "clone", "--from", "4", "--n-boot", 100, "--seed", 3)
    result = call("validate", *args, "--json", "--csv", "x.csv")
    what = json.loads(result.out)
    expected = validate(
        cellam.open_run(run).model, barcoded.obs["cell_type"], barcoded.obs["clone"],
        start=("day4",), terminal="day7", n_boot=100, seed=3,
    )  # fmt: skip
    assert (what["from"], what["terminal"]) == (
        ["day4"],
        {"day": "day7", "column": "cell_type"},
    )
    assert (what["cells"], what["sisters"]) == (expected.cells, expected.sisters)
    assert what["shared_clones"] == expected.clones
    rows = pd.DataFrame(what["rows"]).astype({"value": float, "low": float})
    pd.testing.assert_frame_equal(
        rows[["method", "state", "score", "value", "low"]],
        expected.table[["method", "state", "score", "value", "low"]],
    )
    pd.testing.assert_frame_equal(pd.read_csv("x.csv"), expected.table)
    assert call("validate", *args, "--csv", "x.csv").code == 4
    assert call("validate", *args, "--csv", "x.csv", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("args", "says", "code"),
    [
        (("--clones", "clones"), "Did you mean 'clone'?", 2),
        (("--clones", "clone", "--from", "day7"), "day7 is not a day before day7", 2),
        (("--clones", "clone", "--terminal", "day0"), "no day before day0", 2),
        (("--clones", "cell"), "neither obs nor obsm of ", 2),
        (("--clones", "cell"), "These may hold barcodes: clone.\n", 2),
        (("--clones", "clone", "--terminal", "day7:type"), "no column 'type'", 2),
        (("--clones", "clone", "--csv", "x.txt"), "the file is a .csv", 2),
        ((), "--clones", 2),
    ],
)
def test_mistakes_are_told(
    call: Call, run: Path, args: tuple[str, ...], says: str, code: int
) -> None:
    result = call("validate", *args)
    assert result.code == code
    assert says in result.err


@pytest.mark.slow
def test_a_run_with_barcodes_is_judged_without_them(call: Call, here: Path) -> None:
    truth = fading_fork(np.random.default_rng(0), days=(0.0, 2.0, 4.0), n_cells=200, founders=120)
    truth.to_adata().write_h5ad(here / "fork.h5ad")
    quick = ("--use-rep", "X_true", "--path", "ot", "--curvature", 1, "--n-features", 64)
    fitted = call("fit", "fork.h5ad", "--clones", "clone", *quick, "--no-report")
    assert fitted.code == 0, fitted.err
    said = " ".join(fitted.out.split())
    assert "barcodes: obs['clone']" in said and "share of the barcodes 1 on 0" in said
    result = call("validate", "--clones", "clone", "--from", 0, "--terminal", "4:state", "--json")
    rows = pd.DataFrame(json.loads(result.out)["rows"]).set_index(["state", "score", "method"])
    assert rows.loc[("all", "AUROC", "no-clones"), "gain_low"] > 0
    shown = call("validate", "--clones", "clone", "--from", 0, "--terminal", "4:state")
    assert "without the barcodes of the clone in question" in shown.out
    assert "the same, fitted without barcodes" in shown.out
    told = call("fates", "--clones", "clone", "--from", 0, "--terminal", "4:state")
    assert told.code == 0 and "Brier on clones that took no part" in told.out
