from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.cells import annotation, read_obs
from cellam.errors import DataError


def dense(matrix: object) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


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
        assert read.matrix.dtype == np.float32
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


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_counts_normalised_log_and_scaled_are_told_apart(
    small: anndata.AnnData, form: Callable[..., object]
) -> None:
    counts = small.X.toarray()
    normalised = 1e4 * counts / counts.sum(1, keepdims=True)
    log = np.log1p(normalised)
    values = {"counts": counts, "normalised": normalised, "log": log, "scaled": log - log.mean(0)}
    for kind, X in values.items():
        small.X = form(X)
        assert cellam.read(small).kind == kind


def test_a_layer_takes_the_place_of_x(small: anndata.AnnData, tmp_path: Path) -> None:
    counts = small.X.toarray()
    small.X = np.log1p(counts)
    small.write_h5ad(tmp_path / "x.h5ad")
    read = cellam.read(tmp_path / "x.h5ad", layer="counts")
    assert read.kind == "counts"
    np.testing.assert_array_equal(dense(read.matrix), in_order(small, counts))


def test_array_frame_and_sparse_representations_are_one(
    small: anndata.AnnData, tmp_path: Path
) -> None:
    x = small.obsm["X_latent"]
    small.obsm["frame"] = pd.DataFrame(x, index=small.obs_names, columns=["a", "b"])
    small.obsm["sparse"] = sparse.csr_matrix(x)
    small.write_h5ad(tmp_path / "x.h5ad")
    for data in (small, tmp_path / "x.h5ad"):
        for key in ("X_latent", "frame", "sparse"):
            read = cellam.read(data, use_rep=key)
            assert (read.rep, read.kind, read.genes) == (key, None, ())
            np.testing.assert_array_equal(read.matrix, x.astype(np.float32))


def test_boolean_expression_is_counts(small: anndata.AnnData) -> None:
    small.X = small.X.toarray() > 0
    assert cellam.read(small).kind == "counts"


def test_a_view_is_read_like_its_copy(small: anndata.AnnData) -> None:
    assert cellam.read(small[::2]).digest == cellam.read(small[::2].copy()).digest


def test_a_backed_object_is_read_like_its_file(small_path: Path) -> None:
    backed = anndata.read_h5ad(small_path, backed="r")
    assert cellam.read(backed).digest == cellam.read(small_path).digest


# Bad files --------------------------------------------------------------------------------------


def test_a_missing_file_suggests_the_closest_name(small_path: Path) -> None:
    error = refusal(small_path.with_name("smal.h5ad"))
    assert "smal.h5ad: there is no such file" in error.message
    assert str(small_path) in error.hint


def test_a_missing_file_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "no" / "x.h5ad").message


@pytest.mark.parametrize("content", [b"", b"gene,cell1,cell2\nActb,1,2\n", b"\x89HDF\r\n\x1a\n"])
def test_what_is_not_hdf5_is_refused_with_its_size(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.h5ad"
    path.write_bytes(content)
    assert f"({len(content)} bytes)" in refusal(path).message


def test_a_truncated_file_is_refused(small_path: Path, tmp_path: Path) -> None:
    content = small_path.read_bytes()
    for keep in (0.3, 0.9):
        path = tmp_path / "x.h5ad"
        path.write_bytes(content[: int(keep * len(content))])
        refusal(path)


def test_hdf5_without_obs_is_no_anndata(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["matrix"] = np.zeros(3)
    assert "not an AnnData" in refusal(tmp_path / "x.h5").message


def test_a_folder_without_zarr_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing here")
    assert "not an AnnData in zarr format" in refusal(tmp_path).message


def test_zarr_without_obs_is_refused(tmp_path: Path) -> None:
    import zarr

    zarr.open_group(tmp_path / "x.zarr", mode="w").create_group("X")
    assert "not an AnnData in zarr format" in refusal(tmp_path / "x.zarr").message


def test_an_obs_that_is_no_frame_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["obs"] = np.zeros(3)
    refusal(tmp_path / "x.h5ad")


@pytest.mark.parametrize("value", [10**6, 50, -1])
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix])
def test_sparse_indices_out_of_range_are_a_data_error(
    small: anndata.AnnData, tmp_path: Path, value: int, form: Callable[..., object]
) -> None:
    path = tmp_path / "x.h5ad"
    small.X = form(small.X)
    small.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indices"][3] = value if form is sparse.csr_matrix or value != 50 else 160
    assert "X" in refusal(path).message


def test_sparse_pointers_out_of_order_are_a_data_error(
    small: anndata.AnnData, tmp_path: Path
) -> None:
    path = tmp_path / "x.h5ad"
    small.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indptr"][5] = file["X/indptr"][9]
    assert "X" in refusal(path).message


def test_a_corrupt_layer_is_a_data_error(small: anndata.AnnData, tmp_path: Path) -> None:
    path = tmp_path / "x.h5ad"
    small.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["layers/counts/indices"][0] = 10**6
    assert "layers/counts" in refusal(path, layer="counts").message
    assert cellam.read(path).kind == "counts"


def test_a_corrupt_sparse_representation_is_a_data_error(
    small: anndata.AnnData, tmp_path: Path
) -> None:
    path = tmp_path / "x.h5ad"
    small.obsm["sparse"] = sparse.csr_matrix(small.obsm["X_latent"])
    small.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["obsm/sparse/indices"][0] = 10**6
    assert "sparse" in refusal(path, use_rep="sparse").message


# Bad contents -----------------------------------------------------------------------------------


def test_a_missing_representation_lists_those_there_are(small_path: Path) -> None:
    error = refusal(small_path, use_rep="X_latnt")
    assert "obsm['X_latnt']" in error.message
    assert "X_latent" in error.message
    assert error.hint == "Use --use-rep X_latent."


def test_a_missing_representation_of_none_says_to_leave_it_out(small: anndata.AnnData) -> None:
    del small.obsm["X_latent"]
    assert "Leave out --use-rep" in refusal(small, use_rep="X_pca").hint


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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_missing_values_are_counted_by_cells(
    small: anndata.AnnData, form: Callable[..., object], bad: float
) -> None:
    X = small.X.toarray()
    X[[3, 3, 7], [0, 1, 5]] = bad
    small.X = form(X)
    assert "2 of 160 cells" in refusal(small).message


def test_missing_values_of_a_representation_are_counted_by_cells(small: anndata.AnnData) -> None:
    small.obsm["X_latent"][[1, 2, 5], 0] = np.nan
    error = refusal(small, use_rep="X_latent")
    assert "obsm['X_latent']" in error.message
    assert "3 of 160 cells" in error.message


@pytest.mark.parametrize("noun", ["gene", "cell"])
def test_repeated_names_are_refused_with_an_example(small: anndata.AnnData, noun: str) -> None:
    names = small.var_names if noun == "gene" else small.obs_names
    changed = [names[1], *names[1:]]
    if noun == "gene":
        small.var_names = changed
    else:
        small.obs_names = changed
    error = refusal(small)
    assert f"1 repeated {noun} names, e.g. {names[1]!r}" in error.message
    assert "_names_make_unique()" in error.hint


def test_text_in_place_of_a_representation_is_refused(small: anndata.AnnData) -> None:
    small.obsm["text"] = small.obs[["cell_type"]].astype(str)
    assert "not a matrix of numbers" in refusal(small, use_rep="text").message


def test_no_time_column_is_refused(small: anndata.AnnData) -> None:
    small.obs = small.obs.rename(columns={"day": "x"}).replace({"x": "day0"})
    refusal(small)
    assert "'nope'" in refusal(small, time_key="nope").message


def test_the_column_of_types_is_found_by_its_name(small: anndata.AnnData) -> None:
    assert annotation(small.obs) == "cell_type"
    assert annotation(small.obs.rename(columns={"cell_type": "Cell Type"})) == "Cell Type"
    assert annotation(small.obs[["day"]]) is None
    assert annotation(small.obs.assign(cell_type="one")[["cell_type"]]) is None


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
