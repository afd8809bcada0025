"""One export of the demo data, through the command line, for all other programs."""

from __future__ import annotations

import contextlib
from pathlib import Path

import anndata
import numpy as np
import pytest
from typer.testing import CliRunner

from cellam_cli.app import app

COLOURS = np.array(["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"], dtype=object)


def cellam(*args: object) -> None:
    result = CliRunner().invoke(app, [str(arg) for arg in args], prog_name="cellam")
    assert result.exit_code == 0, result.stderr


@pytest.fixture(scope="session")
def exported(demo_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with out.h5ad, out_couplings/ and out.zarr of 800 cells with a map of their own."""
    folder = tmp_path_factory.mktemp("interop")
    adata = anndata.read_h5ad(demo_path)
    adata = adata[np.sort(np.random.default_rng(0).choice(len(adata), 800, replace=False))].copy()
    latent = adata.obsm["X_latent"]
    turned = np.array([[0.6, -0.8], [0.8, 0.6]])
    adata.obsm["X_umap"] = latent[:, :2] @ turned  # any map will do
    adata.layers["counts"] = adata.X.copy()
    adata.raw = adata[:, :50].copy()
    adata.obs["cell_type"] = adata.obs["cell_type"].astype("category")
    adata.uns["cell_type_colors"] = COLOURS[: len(adata.obs["cell_type"].cat.categories)]
    adata.write_h5ad(folder / "data.h5ad")
    with contextlib.chdir(folder):
        cellam("fit", "data.h5ad", "--n-features", 300, "--tau", 1)
        cellam("export", "--into", "out.h5ad", "--cellrank")
        cellam("export", "--into", "out.zarr", "--cellrank", "--overwrite")
    return folder


@pytest.fixture(params=["h5ad", "zarr"])
def adata(request: pytest.FixtureRequest, exported: Path) -> anndata.AnnData:
    """The export, read as its user would."""
    path = exported / f"out.{request.param}"
    return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)
