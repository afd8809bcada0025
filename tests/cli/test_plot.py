from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import pytest

import cellam
from cellam.evaluation.evaluate import evaluate
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.workflows.plot_kinds import PICTURES

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def table(cells: Cells, model: Model) -> Any:
    return evaluate(cells, "day2", model.options, metrics=["W1", "energy"], refits=0)


@pytest.fixture
def scored(run: Path, table: Any) -> Path:
    cellam.open_run(run).keep(table)
    return run


NEEDY = ("heldout", "trends", "pseudobulk")  # of further options


@pytest.mark.parametrize("kind", [kind for kind in PICTURES if kind not in NEEDY])
def test_every_kind_is_drawn_beside_the_user(call: Call, scored: Path, kind: str) -> None:
    before = {path: path.read_bytes() for path in scored.rglob("*") if path.is_file()}
    result = call("plot", kind)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("run ")
    path = Path(f"small_{kind}.png")
    assert f"written   {path}" in result.out
    assert path.read_bytes().startswith(b"\x89PNG")
    # Nothing is added to the run, nor changed in it.
    assert {p: p.read_bytes() for p in scored.rglob("*") if p.is_file()} == before


def test_the_same_picture_has_the_same_bytes(call: Call, run: Path) -> None:
    drawn = []
    for _ in range(2):
        assert call("plot", "trajectories").code == 0
        drawn.append(Path("small_trajectories.png").read_bytes())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_the_suffix_is_the_format(call: Call, run: Path, suffix: str) -> None:
    path = Path(f"x.{suffix}")
    assert call("plot", "history", "-o", path).code == 0
    assert path.read_bytes()[:5] in (b"<?xml", b"%PDF-")


def _with_halves(small: anndata.AnnData) -> None:
    """Another column that may name cell types, in the data of the run."""
    small.obs["half"] = ["left", "right"] * (small.n_obs // 2)
    small.write_h5ad("small.h5ad")


@pytest.mark.slow
def test_options_reach_the_picture(call: Call, scored: Path, small: anndata.AnnData) -> None:
    _with_halves(small)

    @functools.cache
    def drawn(*args: str) -> bytes:
        result = call("plot", *args, "-o", "x.svg", "--overwrite")
        assert result.code == 0
        return Path("x.svg").read_bytes()

    for kind, *option in (
        ("velocity", "--basis", "latent"),
        ("velocity", "--color", "time"),
        ("growth", "--basis", "X_latent"),
        ("trajectories", "--from", "day2"),
        ("trajectories", "--n-cells", "3"),
        ("trajectories", "--seed", "1"),
        ("trajectories", "--from-cells", "cell_type == 'progenitor'"),
        ("composition", "--groupby", "half"),
        ("composition", "--from", "day2"),
        ("mass", "--from", "2"),
        ("eval", "--metric", "W1"),
    ):
        assert drawn(kind) != drawn(kind, *option), (kind, option)


def test_a_held_out_day_is_fitted_again(call: Call, run: Path) -> None:
    result = call("plot", "heldout", "--holdout", "2", "--metric", "energy")
    assert result.code == 0
    assert Path("small_heldout.png").exists()
    # The run itself has seen the day, and stays as it is.
    assert cellam.open_run(run).model.options.exclude == ()


def test_a_run_without_the_day_needs_no_second_fit(
    call: Call, here: Path, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3, exclude=("day2",))
    cellam.save(model, cells, here / "cellam_runs" / "less", data=here / "small.h5ad")

    def fails(*args: object, **kwargs: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("cellam.modelling.pipeline.fit", fails)
    assert call("plot", "heldout", "--holdout", "day2", "--run", "less").code == 0


def test_an_unknown_kind_lists_those_there_are(call: Call, run: Path) -> None:
    result = call("plot", "umap")
    assert result.code == 2
    assert f"Available: {', '.join(PICTURES)}." in result.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("velocity", "--metric", "W1"), "--metric does not apply to `plot velocity`"),
        (("history", "--basis", "pca"), "--basis does not apply to `plot history`"),
        (("heldout",), "needs --holdout"),
        (("heldout", "--holdout", "day2", "--metric", "mass"), "energy, W1, W2, MMD2."),
        (("velocity", "--basis", "umap"), "Available: pca, X_latent."),
        (("velocity", "--color", "x"), "day, cell_type, time, growth, speed, or a gene"),
        (("composition", "--groupby", "x"), "cell types: cell_type."),
        (("eval",), "Score one first"),
        (("heldout", "--holdout", "day3"), "day4"),
        (("trajectories", "--from", "day9"), "day7"),
        (("trajectories", "--from-cells", "day =="), "cannot be understood"),
        (("trajectories", "--from-cells", "day == 'day7'"), "None of the"),
        (("history", "-o", "x.jpg"), ".png, .svg or .pdf"),
    ],
)
def test_what_cannot_be_drawn_says_why(
    call: Call, run: Path, here: Path, args: tuple[str, ...], words: str
) -> None:
    result = call("plot", *args)
    assert result.code in (1, 2)
    assert words in result.err
    assert not list(here.glob("*.png"))


def test_a_file_that_is_named_is_not_replaced_unless_asked(call: Call, run: Path) -> None:
    Path("x.png").write_text("mine")
    result = call("plot", "history", "-o", "x.png")
    assert result.code == 4
    assert "add --overwrite" in result.err
    assert Path("x.png").read_text() == "mine"
    assert call("plot", "history", "-o", "x.png", "--overwrite").code == 0
    assert call("plot", "history", "-o", ".").code == 4


@pytest.mark.slow
def test_without_the_data_the_own_coordinates_can_be_drawn(call: Call, run: Path) -> None:
    shutil.move("small.h5ad", "moved.h5ad")
    result = call("plot", "velocity")
    assert result.code == 0
    assert "Cell names and cell types are not available" in result.err
    refused = call("plot", "velocity", "--basis", "latent")
    assert refused.code == 1
    assert "--data" in refused.err
    assert call("plot", "velocity", "--basis", "latent", "--data", "moved.h5ad").code == 0


@pytest.mark.slow
def test_trends_are_drawn_by_fate_start_or_column(
    call: Call, run: Path, small: anndata.AnnData
) -> None:
    _with_halves(small)
    genes = cellam.open_run(run).model.space.genes
    drawn = set()
    for args in ([], ["--by", "start"], ["--groupby", "half", "--by", "start"], ["--n-cells", 9]):
        result = call("plot", "trends", "--genes", f"{genes[0]},{genes[4]}", *args)
        assert (result.code, result.err) == (0, "")
        drawn.add(Path("small_trends.png").read_bytes())
    assert len(drawn) == 4


@pytest.mark.parametrize(
    ("args", "phrase"),
    [
        ([], "`plot trends` needs --genes"),
        (["--genes", "nope"], "nope is not among"),
        (["--genes", "none"], "0 genes cannot be drawn"),
        (["--genes", "all"], "50 genes cannot be drawn"),
        (["--genes", "Klf1", "--basis", "pca"], "--basis does not apply"),
    ],
)
def test_trends_need_some_genes(call: Call, run: Path, args: list[str], phrase: str) -> None:
    result = call("plot", "trends", *args)
    assert result.code == 2 and phrase in result.err


def test_trends_need_a_grouping_that_there_is(call: Call, run: Path, here: Path) -> None:
    gene = cellam.open_run(run).model.space.genes[0]
    result = call("plot", "trends", "--genes", gene, "--by", "size")
    assert result.code == 2 and "Use fate or start" in result.err


def test_trends_of_a_representation_cannot_be_decoded(call: Call, rep_run: Path) -> None:
    result = call("plot", "trends", "--genes", "Klf1")
    assert result.code == 2 and "cannot be turned back into genes" in result.err


def test_pseudobulk_is_of_any_gene_of_the_data(
    call: Call, rep_run: Path, small: anndata.AnnData
) -> None:
    """Also of a run on a representation: nothing is decoded."""
    genes = list(small.var_names)
    assert call("plot", "pseudobulk", "--genes", f"{genes[0]},{genes[4]}").code == 0
    result = call("plot", "pseudobulk", "--genes", f"{genes[0]},{genes[4][:-1]}Q")
    assert result.code == 2
    assert f"The data have no gene '{genes[4][:-1]}Q'." in result.err
    assert "needs --genes" in call("plot", "pseudobulk").err


def test_no_map_is_drawn_of_growth_that_there_is_not(
    call: Call, here: Path, fast: tuple[str, ...]
) -> None:
    assert call("fit", "small.h5ad", *fast, "--no-report").code == 0
    result = call("plot", "growth", "-o", "x.png")
    assert result.code == 2 and not Path("x.png").exists()
    assert "There is no growth to draw: method am conserves mass" in result.err
