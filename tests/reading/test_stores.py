from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
import zarr
from faults import FAULTS, zarr_store
from scipy import sparse

import cellam
from cellam.errors import DataError
from cellam.reading import stores


def refusal(data: object, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        cellam.read(data, **options)
    return caught.value


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


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS if "huge" in f.name or f.name == "zarr-chunk"], ids=lambda f: f.name
)
def test_a_declared_shape_of_terabytes_is_refused_in_little_memory(
    fault: object, tmp_path: Path
) -> None:
    path = fault.make(tmp_path)
    options = {
        "use_rep": "X_rep" if "--use-rep" in fault.args else None,
        "layer": "spare" if "--layer" in fault.args else None,
    }
    refusal(path, **options)  # once before, for what is imported on the way
    tracemalloc.start()
    try:
        refusal(path, **options)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_what_fits_is_decided_by_the_memory_there_is(
    small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 160 * 2 * (4 + 4)  # the representation, stored and read
    monkeypatch.setattr("cellam.reading.stores.available_memory", lambda: 60_000)
    cellam.read(small_path, use_rep="X_latent")
    monkeypatch.setattr("cellam.reading.stores.available_memory", lambda: needed - 1)
    assert "declared as 160" in refusal(small_path, use_rep="X_latent").message


@pytest.mark.parametrize(("version", "codec"), [(2, "blosc"), (3, "zstd")])
def test_no_codec_but_those_known_to_be_harmless_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, codec: str
) -> None:
    path = zarr_store(version=version)(tmp_path)
    cellam.read(path)
    monkeypatch.setattr("cellam.reading.stores._CODECS", stores._CODECS.replace(codec, ""))
    assert f"encoded with {codec}" in refusal(path).message


def test_codecs_within_shards_are_found(small: anndata.AnnData, tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "x.zarr", shape=(8, 8), chunks=(2, 2), shards=(4, 4), dtype="f4"
    )
    assert {"sharding_indexed", "bytes", "zstd", "crc32c"} <= set(
        stores._codecs(json.loads(json.dumps(array.metadata.to_dict())))
    )


def test_chunks_and_compression_of_hdf5_are_read(small: anndata.AnnData, tmp_path: Path) -> None:
    digests = set()
    for compression in (None, "gzip", "lzf"):
        small.write_h5ad(tmp_path / "x.h5ad", compression=compression)
        digests.add(cellam.read(tmp_path / "x.h5ad").digest)
    assert len(digests) == 1
