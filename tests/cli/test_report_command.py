from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import pytest
from typer.testing import CliRunner

from cellam_cli.app import app

Call = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.slow
def test_a_report_is_written_into_the_run_and_again(call: Call, run: Path, here: Path) -> None:
    result = call("report")
    assert (result.code, result.err) == (0, "")
    assert "written   cellam_runs/small/report.html" in result.out
    first = (run / "report.html").read_text()
    assert "<h1>small</h1>" in first
    assert "cellam fit small.h5ad" in first
    assert call("report").code == 0
    assert (run / "report.html").read_text() == first
    assert not list(here.glob("*.html"))


def test_fit_and_eval_end_with_a_report(call: Call, here: Path, growing: tuple[str, ...]) -> None:
    fitted = call("fit", "small.h5ad", *growing, "--report")
    assert fitted.code == 0
    page = here / "cellam_runs" / "small" / "report.html"
    assert "report    cellam_runs/small/report.html" in fitted.out
    assert "day2" in page.read_text()
    unscored = page.read_text()
    scored = call("eval", "--holdout", "day2", "--refits", "0", "--json", "--report")
    assert json.loads(scored.out)["holdout"] == ["day2"]
    assert page.read_text() != unscored
    assert "better than every" in page.read_text() or "no better" in page.read_text()
    # It belongs to the run: it stays readable, and is replaced with it.
    assert call("info").code == 0
    again = call("fit", "small.h5ad", *growing, "--name", "small", "--overwrite")
    assert again.code == 0
    assert not page.exists()


def test_it_is_the_default_and_can_be_left_out(call: Call, here: Path, fast: tuple[str, ...]):
    # Not by `call`, which adds --no-report.
    assert CliRunner().invoke(app, ["fit", "small.h5ad", *fast]).exit_code == 0
    assert (here / "cellam_runs" / "small" / "report.html").stat().st_size > 10_000
    assert call("fit", "small.h5ad", *fast, "--no-report").code == 0
    assert not (here / "cellam_runs" / "small-2" / "report.html").exists()


def test_a_report_that_fails_leaves_the_run_and_says_what_to_type(
    call: Call, here: Path, fast: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("cellam.report.page.write_atomically", full)
        result = call("fit", "small.h5ad", *fast, "--report")
    assert result.code == 0
    assert "No space left" in result.err
    assert "cellam report --run cellam_runs/small" in result.err
    assert call("info", "--run", "cellam_runs/small").code == 0
    assert not (here / "cellam_runs" / "small" / "report.html").exists()


def test_options_reach_the_page(call: Call, run: Path, small: anndata.AnnData) -> None:
    small.obs["half"] = ["left", "right"] * (small.n_obs // 2)
    small.write_h5ad("small.h5ad")
    assert call("report", "--groupby", "half", "-o", "x.html").code == 0
    assert "Growth rate per day by half" in Path("x.html").read_text()
    assert call("report", "--basis", "latent", "-o", "y.html").code == 0
    assert "were projected onto X_latent" in Path("y.html").read_text()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--groupby", "leiden"), 2, "cell types: cell_type."),
        (("--basis", "umap"), 2, "Available: pca, X_latent."),
        (("-o", "x.pdf"), 2, "Use --out x.html."),
        (("-o", "."), 4, "is a folder"),
        (("--data", "nothing.h5ad"), 1, "nothing.h5ad"),
        (("--run", "nothing"), 4, "is not a cellam run"),
    ],
)
def test_what_cannot_be_written_says_why(
    call: Call, run: Path, here: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    result = call("report", *args)
    assert result.code == code
    assert words in result.err
    assert not [*here.glob("*.html"), *run.glob("*.html")]


def test_a_file_that_is_named_is_not_replaced_unless_asked(call: Call, run: Path) -> None:
    Path("x.html").write_text("mine")
    result = call("report", "-o", "x.html")
    assert result.code == 4
    assert Path("x.html").read_text() == "mine"
    assert call("report", "-o", "x.html", "--overwrite").code == 0
    assert "mine" not in Path("x.html").read_text()[:100]


def test_without_the_data_there_is_still_a_report(call: Call, run: Path) -> None:
    shutil.move("small.h5ad", "moved.h5ad")
    assert call("report").code == 0
    page = (run / "report.html").read_text()
    assert "The data were not available" in page
    assert call("report", "--data", "moved.h5ad").code == 0
    assert "The data were not available" not in (run / "report.html").read_text()


@pytest.mark.parametrize("name", ["counts.csv", "gone.h5ad"])
def test_what_is_no_data_is_not_blamed_on_the_report(call: Call, here: Path, name: str) -> None:
    (here / "counts.csv").write_text("gene,cell\na,1\n")
    result = call("fit", name)
    assert result.code != 0
    assert name in result.err
    assert "--no-report" not in result.err
