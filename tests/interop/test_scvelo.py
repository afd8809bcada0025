from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

scv = pytest.importorskip("scvelo", reason="scVelo is not installed: make test-interop")
mpl.use("Agg")


@pytest.mark.parametrize("basis", ["umap", "cellam_pca"])
def test_scvelo_draws_streams_on_every_basis(adata: Any, basis: str) -> None:
    ax = scv.pl.velocity_embedding_stream(
        adata, basis=basis, vkey="cellam_velocity", color="cell_type", show=False
    )
    lines = [c for c in ax.collections if type(c).__name__ == "LineCollection"]
    assert lines and len(lines[0].get_segments()) > 100
    assert not [key for key in adata.uns if key.endswith("velocity_params")]


def test_scvelo_draws_arrows_that_are_ours(adata: Any, tmp_path: Path) -> None:
    kept = adata.obsm["cellam_velocity_umap"].copy()
    ax = scv.pl.velocity_embedding(adata, basis="umap", vkey="cellam_velocity", show=False)
    assert ax is not None
    assert (adata.obsm["cellam_velocity_umap"] == kept).all()


def test_what_scvelo_has_seen_can_be_saved_again(adata: Any, tmp_path: Path) -> None:
    import anndata

    scv.pl.velocity_embedding_stream(adata, basis="umap", vkey="cellam_velocity", show=False)
    adata.write_h5ad(tmp_path / "again.h5ad")
    again = anndata.read_h5ad(tmp_path / "again.h5ad")
    assert (again.obsm["cellam_velocity_umap"] == adata.obsm["cellam_velocity_umap"]).all()
