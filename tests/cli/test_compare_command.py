"""`cellam compare`: what it prints and writes, and that it ends in messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cellam.experiments import Experiment
from cellam_cli.app import app

QUICK = ["--use-rep", "X_true", "--path", "uot", "--tau", "1", "--n-features", "64"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Experiment(n_cells=15, n_samples=(3, 3), days=(0.0, 2.0, 4.0))
    path = tmp_path_factory.mktemp("compare") / "mice.h5ad"
    made.to_adata(np.random.default_rng(0), noise=1).write_h5ad(path)
    return path


def _run(*words: Any) -> Any:
    return CliRunner().invoke(app, ["compare", *map(str, words)])


@pytest.fixture(scope="module")
def done(data: Path) -> tuple[Any, Path]:
    folder = data.parent
    result = _run(
        data, "--condition", "treatment", *QUICK, "--csv", folder / "effects.csv",
        "--out", folder / "more.h5ad", "--report", folder / "page.html",
    )  # fmt: skip
    return result, folder


def test_it_prints_the_design_the_effects_and_the_verdict(done: tuple[Any, Path]) -> None:
    result, _ = done
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "compared  obs['treatment']: treated less control" in lines
    assert any(line.startswith("treatment  sample") for line in lines)
    for family in ("motion", "growth", "fates", "arrival", "delay", "composition", "transfer"):
        assert any(line.startswith(family) for line in lines), family
    assert "So few samples cannot give p below 0.1" in result.output
    assert "replicates: of two samples of that day" in result.output
    assert "below 0 they are ahead (units of time)" in result.output
    assert "An interval may leave out 0 where p is not small" in result.output


def test_it_writes_a_table_a_copy_and_a_page(done: tuple[Any, Path], data: Path) -> None:
    _, folder = done
    effects = pd.read_csv(folder / "effects.csv")
    assert {"family", "item", "effect", "low", "high", "p", "control"} <= set(effects)
    more, before = anndata.read_h5ad(folder / "more.h5ad"), anndata.read_h5ad(data)
    assert more.obsm["cellam_velocity_difference"].shape == (270, 3)
    assert np.isfinite(more.obs["cellam_growth_difference"]).all()
    assert (more.X == before.X).all()
    page = (folder / "page.html").read_text()
    assert "treated against control" in page and "data:image/png" in page
    assert "Does one condition predict the other?" in page
    first = page[page.index("In short") : page.index("Where they differ")]
    assert "What differs" in first and "What to doubt" in first
    assert "no p can be smaller than 0.1" in first  # of two samples against three
    assert "An estimate, not a finding" in page  # the map of growth


def test_nothing_that_is_there_is_replaced_unasked(done: tuple[Any, Path], data: Path) -> None:
    _, folder = done
    result = _run(data, "--condition", "treatment", *QUICK, "--csv", folder / "effects.csv")
    assert result.exit_code != 0 and "exists already" in result.output


def test_json_is_one_object(data: Path) -> None:
    result = _run(data, "--condition", "treatment", *QUICK, "--replicate", "none", "--json")
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["data"] == "mice.h5ad" and told["dynamics_p"] is None
    assert told["verdict"].startswith("Too few samples")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--condition", "treat"], "Did you mean 'treatment'?"),
        (["--condition", "cell_type"], "names the cell types"),
        (["--condition", "treatment", "--shared", "9"], "no cells were sampled at that time"),
        (["--condition", "treatment", "--out", "x.csv"], "--out x.csv: the copy is an .h5ad"),
    ],
)
def test_mistakes_end_in_a_message(data: Path, words: list[str], says: str) -> None:
    result = _run(data, *words, *QUICK)
    assert result.exit_code != 0 and "Traceback" not in result.output
    assert says in result.output
