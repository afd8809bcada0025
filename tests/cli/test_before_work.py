"""Every option is checked before the work: nothing is fitted, followed or written for a typo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import pytest

from cellam_cli.outputs import shown

Call = Callable[..., Any]

WORK = (  # what takes time, wherever it is called from
    "cellam.modelling.pipeline.fit",
    "cellam.dynamics.simulation.simulate",
)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    def works(*args: object, **kwargs: object) -> None:
        raise AssertionError("worked before all options were checked")

    for name in WORK:
        monkeypatch.setattr(name, works)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


MISTAKES = [
    ("plot velocty", "Did you mean 'velocity'?"),
    ("plot heldout --holdout day2 --metric W3", "Available: energy, W1, W2, MMD2"),
    ("plot heldout --holdout day2 --metric composition", "Available: energy, W1, W2, MMD2"),
    ("plot heldout --holdout day3", "The times are"),
    ("plot heldout --holdout day2 --basis X_latnt", "Did you mean 'X_latent'?"),
    ("plot heldout --holdout day2 -o x.jpg", "Use --out x.png"),
    ("plot heldout --holdout day2 -o .", "is a folder"),
    ("plot eval --metric enrgy", "Did you mean 'energy'?"),
    ("plot trajectories --basis pac", "Did you mean 'pca'?"),
    ("plot velocity --color growht", "Did you mean 'growth'?"),
    ("plot velocity --color Mki68", "Did you mean 'Mki67'?"),
    ("plot composition --groupby cell_typ", "Did you mean 'cell_type'?"),
    ("plot trends --genes Mki68", "Did you mean 'Mki67'?"),
    ("plot trends --genes Mki67 --by strt", "Did you mean 'start'?"),
    ("plot fates --color myelod", "Did you mean 'myeloid'?"),
    ("plot fates --terminal day7:cell_typ", "Did you mean 'cell_type'?"),
    ("plot mass --from day9", "The times are"),
    ("simulate --from dya0", "Did you mean 'day0'?"),
    ("simulate --from day0 --genes Mki68", "Did you mean 'Mki67'?"),
    ("simulate --from day0 -o x.csv", "Use --out x.h5ad"),
    ("simulate --from day0 -o small.h5ad/x.h5ad", "cannot be written"),
    ("eval --holdout day2 --metrics W3", "Available: energy, W1, W2, MMD2"),
    ("eval --holdout day2 --baselines prevous", "Did you mean 'previous'?"),
    ("eval --holdout day2 --metrics mass", "is not available"),
    ("eval --holdout day2 --refits 2", "Use at least 4, or 0"),
    ("eval --holdout day2 --refits -1", "Use at least 4, or 0"),
    ("eval --holdout day2 --csv small.h5ad/x.csv", "cannot be written"),
    ("fates --terminal day7:cell_typ", "Did you mean 'cell_type'?"),
    ("fates --csv x.tsv", "Use --csv x.csv"),
    ("drivers --of growth --tf mice", "Give human, mouse, or a text file"),
    ("drivers --of growht", "Did you mean 'growth'?"),
    ("drivers --of fate:myelod", "Did you mean 'fate:myeloid'?"),
    ("drivers --of fate:myeloid --csv x.tsv", "Use --csv x.csv"),
    ("drivers --of fate:myeloid --day day9", "The times are"),
    ("drivers --of fate:myeloid --from-cells x==1", "cannot be understood"),
    ("perturb -g Mki68=2", "Did you mean 'Mki67'?"),
    ("perturb -g Mki67=2 --csv x.tsv", "Use --csv x.csv"),
    ("validate --clones cel_type", "Did you mean 'cell_type'?"),
    ("report --groupby cell_typ", "Did you mean 'cell_type'?"),
    ("report --basis X_latnt", "Did you mean 'X_latent'?"),
    ("report -o x.pdf", "Use --out x.html"),
    ("export --tables small.h5ad/tables", "cannot be written"),
    ("export --into x.h5ad --groupby cell_typ", "Did you mean 'cell_type'?"),
]


@pytest.mark.parametrize(("line", "says"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_typo_is_told_at_once_with_what_was_meant(
    call: Call, run: Path, here: Path, idle: None, line: str, says: str
) -> None:
    before = files(here)
    result = call(*line.split())
    assert says in result.err, result.err
    files_or_disk = says in ("cannot be written", "is a folder")
    assert result.code == (4 if files_or_disk else 2)
    assert files(here) == before


def link_in_obsm(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["obsm/X_umap"] = h5py.SoftLink("/obsm/X_latent")


def text_in_obsm(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["obsm/X_umap"] = h5py.ExternalLink("elsewhere.h5", "/x")


@pytest.mark.parametrize("damage", [link_in_obsm, text_in_obsm])
def test_what_only_the_report_reads_is_checked_before_the_fit(
    call: Call, here: Path, fast: tuple[str, ...], damage: Callable[[Path], None]
) -> None:
    damage(here / "small.h5ad")
    before = files(here)
    refused = call("fit", "small.h5ad", *fast, "--report")
    assert refused.code == 1
    assert "X_umap" in refused.err and "--no-report" in refused.err
    assert files(here) == before
    assert call("fit", "small.h5ad", *fast).code == 0  # without a report


def test_a_report_that_fails_is_a_warning_beside_a_good_fit(
    call: Call, here: Path, fast: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cellam.errors import DataError

    def fails(*args: object, **kwargs: object) -> None:
        raise DataError("The picture cannot be drawn.", "Do this.")

    with monkeypatch.context() as patch:
        patch.setattr("cellam.report.page.write_report", fails)
        fitted = call("fit", "small.h5ad", *fast, "--report")
    assert fitted.code == 0
    assert "next" in fitted.out and "report    " not in fitted.out
    assert "The picture cannot be drawn." in fitted.err
    assert "cellam report --run cellam_runs/small" in fitted.err
    assert call("info").code == 0


def test_paths_below_the_working_directory_are_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "a" / "b", tmp_path / "c"
    inside.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setenv("PWD", str(tmp_path / "a"))
    assert shown(inside / "x.csv") == "b/x.csv"
    assert shown("b/x.csv") == "b/x.csv"
    assert shown(outside) == str(outside)
    assert shown(Path("../c")) == "../c"
    assert shown(tmp_path / "a") == str(tmp_path / "a")


@pytest.mark.parametrize(
    "line",
    ["fates --from day4", "simulate --from day4", "drivers --of growth", "info", "plot history"],
)
def test_all_commands_print_paths_by_one_rule(call: Call, run: Path, here: Path, line: str) -> None:
    out = call(*line.split()).out
    assert "run       cellam_runs/small\n" in out
    assert str(here) not in out.replace(f"data      {here}", "")


def test_drivers_print_as_many_genes_as_were_asked_for(call: Call, run: Path) -> None:
    import json

    for n in (1, 3, 1_000):
        found = json.loads(call("drivers", "--of", "growth", "--json", "-n", n).out)
        signs = [row["correlation"] > 0 for row in found["drivers"]]
        assert max(sum(signs), len(signs) - sum(signs)) <= n
        assert len(signs) >= min(2 * n, 20)
        assert all(0 <= row["share_of_cells"] <= 1 for row in found["drivers"])
        assert not any("cells" in row for row in found["drivers"])


def test_a_gene_that_no_cell_expresses_is_not_knocked_out_without_a_word(
    call: Call, run: Path, here: Path
) -> None:
    adata = anndata.read_h5ad("small.h5ad")
    k = adata.var_names.get_loc("Mki67")
    dense = adata.X.toarray()
    with_it = (dense[:, k] > 0) & (adata.obs["day"] == "day2").to_numpy()
    query = " or ".join(f"index == '{name}'" for name in adata.obs_names[with_it][:2])
    out = call("perturb", "-g", "Mki67=ko", "--from", "day2", "--from-cells", query)
    assert out.code == 0
    assert "of these, 2 express Mki67" in out.out
    without = ~(dense[:, k] > 0) & (adata.obs["day"] == "day2").to_numpy()
    query = " or ".join(f"index == '{name}'" for name in adata.obs_names[without][:5])
    out = call("perturb", "-g", "Mki67=ko", "--from", "day2", "--from-cells", query)
    assert "0 express Mki67" in out.out + out.err or "changes nothing: none of the 5" in out.err
    assert out.err  # a refusal or a warning, never zeros alone


def test_the_time_that_was_asked_for_has_a_row(call: Call, run: Path) -> None:
    beyond = call("simulate", "--from", "day4", "--to", "9", "--extrapolate").out
    assert "\n9 (extrapolated)" in beyond
    (line,) = [row for row in beyond.splitlines() if row.startswith("beyond")]
    assert "2 outside the training days" in line and "of 40 cells (" in line
    between = call("simulate", "--from", "day2", "--to", "5").out
    assert "\n5  " in between and "extrapolated" not in between and "beyond" not in between
