"""Barcodes that a file has are told, and a wrong name is answered with barcodes alone."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.errors import ConfigError, DataError
from cellam.reading.barcode_columns import find_barcodes
from cellam.reading.cells import read_obs
from cellam.truths import fading_fork


@pytest.fixture
def adata() -> anndata.AnnData:
    return fading_fork(np.random.default_rng(0), n_cells=40, founders=60, barcoded=0.5).to_adata()


def test_barcodes_are_told_with_their_cells_and_clones(adata: anndata.AnnData) -> None:
    known = adata.obs["clone"].dropna()
    adata.obsm["X_clone"] = sparse.csr_matrix(np.eye(adata.n_obs, 12))
    (note,) = cellam.read(adata, use_rep="X_true").notes
    assert f"obs['clone'], {len(known)} cells in {known.nunique()} clones; obsm['X_clone']" in note
    assert cellam.read(adata, use_rep="X_true", clones="clone").notes == ()  # they are used
    del adata.obs["clone"], adata.obsm["X_clone"]
    assert cellam.read(adata, use_rep="X_true").notes == ()


def test_names_of_cells_types_and_numbers_are_no_barcodes() -> None:
    obs = pd.DataFrame(
        {
            "barcode": [f"cell {k}" for k in range(40)],
            "lineage": ["a", "b"] * 20,
            "clone_size": np.linspace(0, 1, 40),
            "sample": [f"s{k % 12}" for k in range(40)],
            "CloneID": [f"c{k % 12}" for k in range(40)],
        }
    )
    assert find_barcodes(obs) == {"CloneID": (40, 12)}


def test_a_name_that_is_not_there_is_an_error_of_the_file_or_of_the_command(
    adata: anndata.AnnData,
) -> None:
    with pytest.raises(DataError, match="neither obs nor obsm") as error:
        cellam.read(adata, use_rep="X_true", clones="day_of_birth")
    assert error.value.hint == "These may hold barcodes: clone."
    with pytest.raises(ConfigError, match="neither obs nor obsm"):
        read_obs(adata, "day_of_birth")  # of a run, whose data are known
