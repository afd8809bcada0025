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
from cellam.checks.caveat import Caveat

Call = Callable[..., Any]


def test_the_table_has_a_row_for_each_fate_and_one_for_growth(call: Call, run: Path) -> None:
    result = call("perturb", "-g", "Apaf1=+2", "-g", "Bax=ko", "--from", "day2")
    assert (result.code, result.err) == (0, "")
    assert "Apaf1=+2, Bax=ko in 40 cells of day2" in result.out
    table = result.out.split("\n\n")[1].splitlines()
    assert table[0].split() == ["cell_type", "before", "after", "change"]
    assert any(line.startswith("log mass") for line in table)
    assert "--ensemble 8" in result.out


@pytest.mark.slow
def test_an_ensemble_gives_intervals(call: Call, unsure_run: Path) -> None:
    out = call("perturb", "-g", "Apaf1=2").out
    assert "90 %  same sign" in out and "of 8" in out and "--ensemble" not in out
    found = json.loads(call("perturb", "-g", "Apaf1=2", "--json").out)
    assert found["members"] == 8
    for effect in (*found["fates"], found["log_mass"]):
        low, high = effect["interval"]
        assert low <= effect["change"] <= high
        assert 0 <= effect["agreeing"] <= 8


def test_cells_and_their_fates_are_written(call: Call, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "effect.csv"
    query = 'cell_type == "progenitor"'
    assert call("perturb", "-g", "Apaf1=2", "--from-cells", query, "--csv", path).code == 0
    frame = pd.read_csv(path)
    assert list(frame.columns[:3]) == ["cell", "day", "growth"] and len(frame) > 1
    again = call("perturb", "-g", "Apaf1=2", "--csv", path)
    assert again.code != 0 and "--overwrite" in again.err


def test_cells_that_leave_the_data_are_warned_of(call: Call, run: Path) -> None:
    assert "no data support" in call("perturb", "-g", "Apaf1=80", "-g", "Aurka=80").err


def test_it_says_that_the_fit_saw_no_perturbation_and_what_else_the_fit_doubts(
    call: Call, run: Path
) -> None:
    cellam.open_run(run).keep_caveats([Caveat("made up", "Nothing is as it seems.", "Look again.")])
    out = call("perturb", "-g", "Apaf1=2").out
    assert "caveat    The fit has seen no perturbation" in out
    assert "do not tell whether any of the cells grow" in out
    assert "its row all may differ from the column before" in " ".join(out.split())
    assert "caveat    Nothing is as it seems. Look again." in out
    assert "off data  " in out and "cellam report does" not in out
    told = json.loads(call("perturb", "-g", "Apaf1=2", "--json").out)["caveats"]
    assert [caveat["name"] for caveat in told] == ["unseen", "growth range", "made up"]


def test_genes_are_said_to_be_the_most_variable_only_where_some_were_left_out(
    call: Call, run: Path
) -> None:
    err = call("perturb", "-g", "Apaff=2").err
    assert "Did you mean 'Apaf1'" in err and "most variable" not in err


def test_where_doubts_were_not_looked_for_it_says_so(call: Call, run: Path) -> None:
    assert "cellam report does" in call("perturb", "-g", "Apaf1=2").out


def test_without_cell_types_the_states_are_those_of_fates(call: Call, here: Path) -> None:
    """Two arms whose cells express other genes, on day 2 apart, and no column that names them."""
    rng = np.random.default_rng(0)
    day = np.repeat([0, 1, 2], 60)
    arm = np.arange(180) % 3 == 0
    rate = np.full((180, 20), 10.0)
    rate[:, :10] *= np.where(arm, 2.0, 0.5)[:, None] ** day[:, None]
    counts = rng.poisson(rate).astype(np.float32)
    adata = anndata.AnnData(
        counts, obs=pd.DataFrame({"day": day}, index=[f"c{k}" for k in range(180)])
    )
    adata.var_names = [f"gene{k}" for k in range(20)]
    adata.write_h5ad("arms.h5ad")
    options = ["--n-features", "32", "--tau", "1", "--no-report", "--n-pcs", "3"]
    assert call("fit", "arms.h5ad", *options).code == 0
    fates = json.loads(call("fates", "--json").out)
    result = call("perturb", "-g", "gene0=+2")
    assert result.code == 0 and "Share of each found state in the descendants" in result.out
    told = json.loads(call("perturb", "-g", "gene0=+2", "--json").out)
    assert told["terminal"] == fates["terminal"] == {"day": "2", "column": None}
    states = [state["state"] for state in fates["found"]["states"]]
    assert sorted(effect["state"] for effect in told["fates"]) == sorted(states) != []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("-g", "Apaf1"), "cannot be understood"),
        (("-g", "Apaff=2"), "Did you mean 'Apaf1'"),
        (("-g", "Apaf1=2", "--from", "day7"), "is not a training day after"),
        (("-g", "Apaf1=2", "--terminal", "nope"), "nope"),
        ((), "--gene"),
    ],
)
def test_mistakes_are_named(call: Call, run: Path, args: tuple[str, ...], says: str) -> None:
    result = call("perturb", *args)
    assert result.code in (1, 2) and says in result.err
