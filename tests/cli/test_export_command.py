from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from equal import assert_equal
from scipy import sparse

import cellam
from cellam.export.stores import _Deferred

Call = Callable[..., Any]


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> anndata.AnnData:
    return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)


@pytest.fixture
def rich(small: anndata.AnnData, here: Path, model: Any) -> Path:
    """Data with something in every place of an AnnData, and a run on them."""
    small.raw = small[:, :20].copy()
    small.uns["note"] = {"by": "the user", "numbers": np.arange(3)}
    small.varm["loadings"] = np.random.default_rng(0).normal(size=(small.n_vars, 2))
    small.obsp["graph"] = sparse.csr_matrix(sparse.eye(small.n_obs))
    small.obsm["X_umap"] = np.asarray(small.obsm["X_latent"])[:, :2]
    small.obs["cell_type"] = small.obs["cell_type"].astype("category")
    small.write_h5ad(here / "rich.h5ad")
    small.write_zarr(here / "rich.zarr")
    cells = cellam.read(here / "rich.h5ad")
    path = here / "cellam_runs" / "rich"
    cellam.save(model, cells, path, data=here / "rich.h5ad")
    return path


@pytest.mark.parametrize(("source", "into"), [("rich.h5ad", "out.zarr"), ("rich.zarr", "out.h5ad")])
def test_a_copy_has_all_of_the_data_and_ours(
    call: Call, rich: Path, here: Path, source: str, into: str
) -> None:
    before = _sha(here / "rich.h5ad")
    result = call("export", "--run", rich, "--data", source, "--into", into)
    assert (result.code, result.err) == (0, "")
    assert f"written   {into}" in result.out
    assert _sha(here / "rich.h5ad") == before
    given, made = _read(here / source), _read(here / into)
    ours = made.uns["cellam"]["keys"].tolist()
    assert "obs/cellam_growth" in ours and "obsm/cellam_velocity_umap" in ours
    for name in ours:
        place, key = name.split("/")
        assert key in result.out
        del getattr(made, place)[key]
    assert_equal(given, made)
    assert made.raw.shape == (160, 20)
    assert sorted(p.name for p in here.iterdir() if p.name.startswith(".")) == []


@pytest.mark.slow
def test_what_is_written_is_what_python_says(
    call: Call, run: Path, here: Path, small: anndata.AnnData
) -> None:
    assert call("export", "--into", "out.h5ad", "--cellrank").code == 0
    made = anndata.read_h5ad("out.h5ad")
    cellam.open_run(run).export(small, cellrank=True)
    for key in small.obsm:
        np.testing.assert_array_equal(made.obsm[key], small.obsm[key])
    assert (made.obsp["cellam_T_fwd"] != small.obsp["cellam_T_fwd"]).nnz == 0
    pd.testing.assert_frame_equal(made.obs, small.obs, check_categorical=False)
    assert made.obs["cellam_time_cat"].cat.categories.tolist() == [0, 2, 4, 7]
    assert made.uns["cellam"]["cellam"] == cellam.__version__


def test_couplings_cover_every_cell(call: Call, run: Path, here: Path) -> None:
    result = call("export", "--into", "new/out.h5ad", "--cellrank")
    assert "written   new/out_couplings/" in result.out
    data = anndata.read_h5ad(here / "small.h5ad")
    files = sorted(p.name for p in Path("new/out_couplings").iterdir())
    assert files == ["cellam_0.0_2.0.h5ad", "cellam_2.0_4.0.h5ad", "cellam_4.0_7.0.h5ad"]
    coupling = anndata.read_h5ad("new/out_couplings/cellam_2.0_4.0.h5ad")
    assert list(coupling.obs_names) == list(data.obs_names[data.obs["day"] == "day2"])
    assert list(coupling.var_names) == list(data.obs_names[data.obs["day"] == "day4"])
    assert (coupling.X.sum(1) > 0).all() and (coupling.X.sum(0) > 0).all()
    assert (coupling.obs["growth"] > 0).all()


def test_tables_are_the_same_twice(call: Call, run: Path, here: Path) -> None:
    result = call("export", "--tables", "tabs")
    assert result.code == 0
    names = ("couplings", "fates", "growth", "velocities")
    assert sorted(p.name for p in Path("tabs").iterdir()) == sorted(
        f"{name}.{suffix}" for name in names for suffix in ("csv", "parquet")
    )
    for name in names:
        text, binary = pd.read_csv(f"tabs/{name}.csv"), pd.read_parquet(f"tabs/{name}.parquet")
        assert f"{name}.parquet: {len(text):,} rows" in result.out
        pd.testing.assert_frame_equal(text, binary, check_dtype=False)
    assert not Path("small.zarr").exists()


def test_what_is_there_is_kept_unless_told(call: Call, run: Path, here: Path) -> None:
    assert call("export", "--into", "out.h5ad", "--cellrank").code == 0
    kept = _sha(Path("out.h5ad"))
    for args in (["--into", "out.h5ad"], ["--into", "x.h5ad", "--cellrank", "--into", "out.h5ad"]):
        result = call("export", *args)
        assert result.code == 4 and "exists already" in result.err
        assert _sha(Path("out.h5ad")) == kept
    Path("out.h5ad").unlink()
    result = call("export", "--into", "out.h5ad", "--cellrank")
    assert result.code == 4 and "out_couplings exists already" in result.err
    assert not Path("out.h5ad").exists()  # all places are looked at before any is written
    assert call("export", "--into", "out.h5ad", "--cellrank", "--overwrite").code == 0


def test_a_folder_with_files_of_others_is_never_replaced(call: Call, run: Path, here: Path) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years")
    result = call("export", "--tables", "mine", "--overwrite")
    assert result.code == 4 and "'thesis.txt', which was not written by cellam" in result.err
    result = call("export", "--into", "mine.zarr", "--tables", ".", "--overwrite")
    assert result.code == 4
    assert Path("mine/thesis.txt").read_text() == "years" and not Path("mine.zarr").exists()
    result = call("export", "--tables", "small.h5ad", "--overwrite")
    assert result.code == 4 and "is the input" in result.err
    Path("file").write_text("")
    assert "is a file" in call("export", "--tables", "file").err


def test_the_input_is_never_written_to(call: Call, run: Path, here: Path) -> None:
    before = _sha(Path("small.h5ad"))
    for into in ("small.h5ad", "./small.h5ad", here / "small.h5ad"):
        result = call("export", "--into", into, "--overwrite")
        assert result.code == 4 and "is the input" in result.err
    Path("link.h5ad").symlink_to("small.h5ad")
    assert call("export", "--into", "link.h5ad", "--overwrite").code == 4
    assert _sha(Path("small.h5ad")) == before


@pytest.mark.slow
def test_a_full_disk_leaves_nothing(
    call: Call, run: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    class Full(_Deferred):
        """The disk is full in the first file, and again in the fourth, a coupling."""

        def __init__(self, path: Path) -> None:
            super().__init__(path)
            made.append(path)

        def write(self, content: bytes) -> int:
            if len(made) in (1, 4):
                self._failed = OSError(28, "No space left on device")
            return super().write(content)

    monkeypatch.setattr("cellam.export.stores._Deferred", Full)
    result = call("export", "--into", "out.h5ad")
    assert result.code == 4 and "No space left" in result.err
    assert call("export", "--into", "a.h5ad", "--cellrank").code == 4
    assert len(made) == 4
    left = sorted(p.name for p in here.iterdir())
    assert left == ["a.h5ad", "cellam_runs", "small.h5ad"]


def test_keys_of_the_user_stop_it(call: Call, rich: Path, here: Path) -> None:
    adata = anndata.read_h5ad("rich.h5ad")
    adata.obsm["cellam_fates"] = np.zeros((160, 1))
    adata.write_h5ad("mine.h5ad")
    result = call("export", "--run", rich, "--data", "mine.h5ad", "--into", "out.h5ad")
    assert result.code == 1 and "already have obsm['cellam_fates']" in result.err
    assert not Path("out.h5ad").exists()


@pytest.mark.slow
def test_an_export_can_be_exported_again(call: Call, run: Path, here: Path) -> None:
    assert call("export", "--into", "out.h5ad", "--cellrank").code == 0
    assert call("export", "--data", "out.h5ad", "--into", "again.h5ad", "--cellrank").code == 0
    first, second = anndata.read_h5ad("out.h5ad"), anndata.read_h5ad("again.h5ad")
    assert_equal(first, second)


@pytest.mark.parametrize(
    ("args", "code", "phrase"),
    [
        ([], 2, "No destination of the export"),
        (["--cellrank", "--tables", "t"], 2, "--cellrank adds keys"),
        (["--into", "out.loom"], 2, "the copy is an .h5ad or .zarr.\n  Use --into out.h5ad."),
        (["--into", "e.h5mu"], 2, "no MuData is written.\n  Use --into e.h5ad."),
        (["--into", "e.h5mu/rna"], 2, "no MuData is written.\n  Use --into rna.h5ad."),
        (["--into", "out"], 2, "Use --into out.h5ad"),
        (["--into", "o.h5ad", "--groupby", "nope"], 2, "no column 'nope'"),
        (["--into", "o.h5ad", "--data", "nope.h5ad"], 1, "nope.h5ad"),
        (["--into", "cellam_runs"], 2, "Use --into cellam_runs.h5ad"),
    ],
)
def test_mistakes_are_told(call: Call, run: Path, args: list[str], code: int, phrase: str) -> None:
    result = call("export", *args)
    assert result.code == code
    assert phrase in result.err
    assert not list(Path().glob("o*"))


def test_a_run_without_growth_or_types_says_so(call: Call, here: Path) -> None:
    adata = anndata.read_h5ad("small.h5ad")
    del adata.obs["cell_type"]
    adata.write_h5ad("plain.h5ad")
    assert call("fit", "plain.h5ad", "--method", "am", "--n-features", 32, "--n-pcs", 3).code == 0
    result = call("export", "--into", "out.h5ad")
    assert result.code == 0
    assert "no fates" in result.out and "method am conserves mass" in result.out
    made = anndata.read_h5ad("out.h5ad")
    assert "cellam_growth" not in made.obs and "cellam_fates" not in made.obsm


def test_a_representation_is_exported_under_its_name(call: Call, rep_run: Path) -> None:
    assert call("export", "--into", "out.h5ad").code == 0
    made = anndata.read_h5ad("out.h5ad")
    assert made.obsm["cellam_velocity_latent"].shape == made.obsm["X_latent"].shape
    assert "X_cellam_pca" not in made.obsm
