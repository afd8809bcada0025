"""That expression is read from X, a layer or raw, wherever the data are."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

import cellam
from cellam.checks.check import check
from cellam.errors import ConfigError, DataError


@pytest.fixture
def scaled(small: anndata.AnnData) -> anndata.AnnData:
    """Scaled values of 30 genes; raw has counts of all 50, and there is a layer of other counts."""
    log = np.log1p(small.X.toarray()[:, :30])
    few = small[:, :30].copy()
    few.raw = small
    few.layers["counts"] = 2 * few.X
    few.X = (log - log.mean(0)) / log.std(0)
    return few


@pytest.mark.parametrize("stored", ["object", "x.h5ad", "x.zarr"])
def test_raw_has_its_own_genes_wherever_it_is_stored(
    scaled: anndata.AnnData, small: anndata.AnnData, tmp_path: Path, stored: str
) -> None:
    data = scaled if stored == "object" else tmp_path / stored
    if stored != "object":
        (scaled.write_h5ad if stored.endswith("h5ad") else scaled.write_zarr)(data)
    cells = cellam.read(data, layer="raw")
    assert cells.digest == cellam.read(small).digest
    assert (cells.kind, len(cells.genes), cells.reading.layer) == ("counts", 50, "raw")


def test_a_layer_called_raw_wins(scaled: anndata.AnnData) -> None:
    scaled.layers["raw"] = 3 * scaled.layers["counts"]
    cells = cellam.read(scaled, layer="raw")
    assert len(cells.genes) == 30
    assert cells.matrix.sums().sum() == 3 * cellam.read(scaled, layer="counts").matrix.sums().sum()


def test_what_is_better_than_scaled_values_is_named(scaled: anndata.AnnData) -> None:
    found = check(scaled)
    assert found.layers == ("counts", "raw")
    (note,) = found.cells.notes
    assert "`layer='raw'`" in note
    assert "counts of 50 genes" in note
    scaled.raw = None
    assert "`layer='counts'`" in cellam.read(scaled).notes[0]
    del scaled.layers["counts"]
    assert cellam.read(scaled).notes == ()


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(scaled: anndata.AnnData) -> None:
    with pytest.raises(DataError, match="counts, raw") as caught:
        cellam.read(scaled, layer="count")
    assert "`layer='counts'`" in caught.value.hint
    scaled.raw = None
    with pytest.raises(DataError, match="no raw"):
        cellam.read(scaled, layer="raw")


def test_a_layer_and_a_representation_are_not_both_read(scaled: anndata.AnnData) -> None:
    with pytest.raises(ConfigError, match="not used with `use_rep"):
        cellam.read(scaled, layer="raw", use_rep="X_latent")
