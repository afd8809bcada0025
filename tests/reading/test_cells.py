from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.errors import DataError
from cellam.matrix.rows import Rows
from cellam.reading.cells import read_obs


def dense(matrix: object) -> np.ndarray:
    return matrix.toarray() if isinstance(matrix, Rows) else np.asarray(matrix)


def in_order(adata: anndata.AnnData, counts: np.ndarray) -> np.ndarray:
    """Columns by name of gene, as they are read."""
    return counts[:, np.argsort(adata.var_names.to_numpy().astype(str))]


def state(path: Path) -> tuple[str, int, int]:
    return (
        hashlib.sha256(path.read_bytes()).hexdigest(),
        path.stat().st_mtime_ns,
        path.stat().st_size,
    )


def refusal(data: object, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        cellam.read(data, **options)
    return caught.value


# The same cells, however they are stored ------------------------------------------------------


def test_h5ad_zarr_and_object_are_the_same_cells(
    small: anndata.AnnData, small_path: Path, tmp_path: Path
) -> None:
    small.write_zarr(tmp_path / "small.zarr")
    first = cellam.read(small_path)
    for data in (small, tmp_path / "small.zarr", str(small_path)):
        other = cellam.read(data)
        np.testing.assert_array_equal(dense(other.matrix), dense(first.matrix))
        np.testing.assert_array_equal(other.codes, first.codes)
        assert (other.digest, other.genes, other.timeline) == (
            first.digest,
            first.genes,
            first.timeline,
        )


def test_a_representation_is_the_same_from_h5ad_zarr_and_object(
    small: anndata.AnnData, small_path: Path, tmp_path: Path
) -> None:
    small.write_zarr(tmp_path / "small.zarr")
    digests = {
        cellam.read(data, use_rep="X_latent").digest
        for data in (small, small_path, tmp_path / "small.zarr")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, np.array])
def test_the_storage_of_counts_does_not_change_them(
    small: anndata.AnnData, tmp_path: Path, form: Callable[..., object], dtype: type
) -> None:
    counts = small.X.toarray().astype(dtype)
    small.X = form(counts)
    small.write_h5ad(tmp_path / "x.h5ad")
    for data in (small, tmp_path / "x.h5ad"):
        read = cellam.read(data)
        assert read.kind == "counts"
        assert dense(read.matrix).dtype == np.float32
        np.testing.assert_array_equal(dense(read.matrix), in_order(small, counts))


def test_columns_first_and_rows_first_have_one_digest(small: anndata.AnnData) -> None:
    first = cellam.read(small).digest
    small.X = sparse.csc_matrix(small.X)
    assert cellam.read(small).digest == first


def test_reading_leaves_an_object_as_it_was(small: anndata.AnnData) -> None:
    before = small.copy()
    cellam.fit(cellam.read(small), n_features=16, tau=1.0, n_pcs=3)
    np.testing.assert_array_equal(small.X.toarray(), before.X.toarray())
    pd.testing.assert_frame_equal(small.obs, before.obs)
    assert list(small.obsm) == list(before.obsm)
    assert list(small.uns) == list(before.uns)


def test_reading_dense_values_leaves_an_object_as_it_was(small: anndata.AnnData) -> None:
    small.X = small.X.toarray().astype(np.float32)
    before = small.X.copy()
    cellam.fit(cellam.read(small), n_features=16, tau=1.0, n_pcs=3)
    np.testing.assert_array_equal(small.X, before)


@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_the_input_file_is_unchanged_by_reading(
    small_path: Path, tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "x.h5ad"
    path.write_bytes(small_path.read_bytes())
    path.chmod(mode)
    before = state(path)
    cellam.read(path)
    cellam.read(path, use_rep="X_latent")
    read_obs(path)
    assert state(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5ad"]


def test_the_digest_changes_with_a_value_a_name_and_a_time(small: anndata.AnnData) -> None:
    digests = {cellam.read(small).digest}
    changed = small.copy()
    changed.X.data[0] += 1
    digests.add(cellam.read(changed).digest)
    changed = small.copy()
    changed.obs_names = ["new", *changed.obs_names[1:]]
    digests.add(cellam.read(changed).digest)
    changed = small.copy()
    changed.obs["day"] = changed.obs["day"].astype(str).replace("day7", "day8").to_numpy()
    digests.add(cellam.read(changed).digest)
    assert len(digests) == 4


def test_the_digest_changes_with_the_names_of_genes(small: anndata.AnnData) -> None:
    before = cellam.read(small).digest
    small.var_names = list(small.var_names[::-1])
    assert cellam.read(small).digest != before


def test_counts_are_those_of_each_day(cells: cellam.Cells) -> None:
    assert cells.counts == {"day0": 40, "day2": 40, "day4": 40, "day7": 40}
    assert len(cells) == 160


# What the values are ----------------------------------------------------------------------------


def test_a_layer_takes_the_place_of_x(small: anndata.AnnData, tmp_path: Path) -> None:
    counts = small.X.toarray()
    small.X = np.log1p(counts)
    small.write_h5ad(tmp_path / "x.h5ad")
    read = cellam.read(tmp_path / "x.h5ad", layer="counts")
    assert read.kind == "counts"
    np.testing.assert_array_equal(dense(read.matrix), in_order(small, counts))


def test_a_view_is_read_like_its_copy(small: anndata.AnnData) -> None:
    assert cellam.read(small[::2]).digest == cellam.read(small[::2].copy()).digest


def test_a_backed_object_is_read_like_its_file(small_path: Path) -> None:
    backed = anndata.read_h5ad(small_path, backed="r")
    assert cellam.read(backed).digest == cellam.read(small_path).digest


# Bad contents -----------------------------------------------------------------------------------


def test_a_missing_representation_lists_those_there_are(small_path: Path) -> None:
    error = refusal(small_path, use_rep="X_latnt")
    assert "obsm['X_latnt']" in error.message
    assert "X_latent" in error.message
    assert error.hint == "Use `use_rep='X_latent'`."


def test_a_missing_representation_of_none_says_to_leave_it_out(small: anndata.AnnData) -> None:
    del small.obsm["X_latent"]
    assert "Leave out `use_rep`" in refusal(small, use_rep="X_pca").hint


def test_a_missing_layer_lists_those_there_are(small_path: Path) -> None:
    error = refusal(small_path, layer="spliced")
    assert "'spliced'" in error.message
    assert "counts" in error.message


def test_a_file_without_expression_names_its_representations(
    small: anndata.AnnData, tmp_path: Path
) -> None:
    no_x = anndata.AnnData(obs=small.obs, obsm={"X_latent": small.obsm["X_latent"]})
    no_x.write_h5ad(tmp_path / "x.h5ad")
    for data in (no_x, tmp_path / "x.h5ad", small[:, :0].copy()):
        error = refusal(data)
        assert "no expression matrix in X" in error.message
        assert "X_latent" in error.hint
    assert len(cellam.read(tmp_path / "x.h5ad", use_rep="X_latent")) == 160


def test_a_file_without_cells_is_refused(small: anndata.AnnData) -> None:
    assert "no cells" in refusal(small[:0].copy()).message


@pytest.mark.parametrize("noun", ["gene", "cell"])
def test_repeated_names_are_refused_with_an_example(small: anndata.AnnData, noun: str) -> None:
    names = small.var_names if noun == "gene" else small.obs_names
    changed = [names[1], *names[1:]]
    if noun == "gene":
        small.var_names = changed
    else:
        small.obs_names = changed
    error = refusal(small)
    assert f"1 repeated {noun} name, e.g. {names[1]!r}" in error.message
    assert "_names_make_unique()" in error.hint


def test_no_time_column_is_refused(small: anndata.AnnData) -> None:
    small.obs = small.obs.rename(columns={"day": "x"}).replace({"x": "day0"})
    refusal(small)
    assert "'nope'" in refusal(small, time_key="nope").message


# Real data --------------------------------------------------------------------------------------


def test_klein_has_counts_and_labels_d0_to_d7(shared_data: Path) -> None:
    cells = cellam.read(shared_data / "klein_mesc_counts.h5ad", time_key="timepoint")
    assert cells.kind == "counts"
    assert cells.counts == {"d0": 359, "d2": 101, "d4": 248, "d7": 292}
    assert cells.timeline.times == (0.0, 2.0, 4.0, 7.0)


def test_eb_has_ranges_of_days_read_as_their_midpoints(shared_data: Path) -> None:
    cells = cellam.read(shared_data / "eb.h5ad", time_key="timepoint", use_rep="X_pca")
    assert cells.timeline.labels[0] == "Day 00-03"
    assert cells.timeline.times[0] == 1.5
    assert any("midpoint" in note for note in cells.timeline.notes)
    assert set(cells.counts.values()) == {550}
