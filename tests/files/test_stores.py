from __future__ import annotations

import contextlib
import json
import resource
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import psutil
import pytest
import zarr
from anndata.io import write_elem
from faults import FAULTS, zarr_store
from scipy import sparse

import cellam
from cellam.errors import DataError
from cellam.files import stores


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


def claiming(
    path: Path, n: int, *, form: str = "csr", element: str = "X", dtype: str = "f4"
) -> Path:
    """A file of little size whose X or layer claims n cells, 20,000 genes, 1.45e9 non-zeros."""
    genes, values, h5ad = 20_000, 1_450_000_000, path.suffix == ".h5ad"
    cells = pd.DataFrame({"day": np.arange(n) % 4}, index=np.arange(n).astype(str))
    names = pd.DataFrame(index=[f"g{k}" for k in range(genes)])
    root = h5py.File(path, "w") if h5ad else zarr.open_group(path, mode="w")
    with contextlib.closing(root) if h5ad else contextlib.nullcontext():
        for name, value in {"obs": cells, "var": names, "layers": {}, "obsm": {}}.items():
            write_elem(root, name, value)
        if form == "dense":
            chunks = {"chunks": (100, 1000)}
            made = root.create_dataset(element, shape=(n, genes), dtype=dtype, **chunks)
            made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        else:
            made = root.create_group(element)
            made.attrs.update({"encoding-type": f"{form}_matrix", "encoding-version": "0.1.0"})
            made.attrs["shape"] = [n, genes]
            lines = n if form == "csr" else genes
            for part, (size, of) in {
                "data": (values, dtype), "indices": (values, "i4"), "indptr": (lines + 1, "i8")
            }.items():  # fmt: skip
                create = made.create_dataset if h5ad else made.create_array
                create(part, shape=(size,), dtype=of, chunks=(10_000,))
    return path


@pytest.mark.parametrize(
    ("n", "name", "claim", "least", "words"),
    [
        (100_000, "x.h5ad", {}, 30, "with 1,450,000,000 non-zeros (float32)"),
        (100_000, "x.h5ad", {"dtype": "i8"}, 40, "1,450,000,000 non-zeros (int64)"),
        (100_000, "x.h5ad", {"element": "layers/counts"}, 30, "layers/counts holds 100,000 cells"),
        (100_000, "x.zarr", {}, 30, "with 1,450,000,000 non-zeros (float32)"),
    ],
)
def test_a_matrix_by_genes_that_will_not_fit_is_refused_by_its_header(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    name: str,
    claim: dict[str, str],
    least: float,
    words: str,
) -> None:
    path = claiming(tmp_path / name, n, **{"form": "csc", **claim})
    monkeypatch.setattr("cellam.files.stores.available_memory", lambda: 17_000_000_000)
    # Read after all, it would end this test, and not the machine.
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 10**9, before[1]))
    try:
        layer = claim["element"].removeprefix("layers/") if "element" in claim else None
        error = refusal(path, layer=layer)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert f"{path.name}: " in error.message
    assert f"{n:,} cells × 20,000 genes" in error.message
    assert words in error.message
    assert "17 GB are free" in error.message
    assert least < float(error.message.split("which takes ")[1].split(" GB")[0]) < 2 * least
    assert "`use_rep" in error.hint
    assert ("adata.X.tocsr()" in error.hint) == (layer is None)


FORMS: dict[str, Callable[[sparse.csr_matrix], object]] = {
    "float32": sparse.csc_matrix,
    "float64": lambda x: sparse.csc_matrix(x.astype(np.float64)),
}


@pytest.mark.parametrize(
    ("form", "indices"), [("float64", "int32"), ("float32", "int64"), ("float32", "twice")]
)
def test_turning_a_matrix_by_genes_takes_no_more_memory_than_was_asked_for_and_not_much_less(
    tmp_path: Path, form: str, indices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellam.matrix.rows.VALUES", 20_000)  # what a pass takes is not meant
    counts = sparse.random(1_000, 1_500, 0.3, format="csr", dtype=np.float32, rng=0)
    counts.data = np.ceil(9 * counts.data)
    adata = anndata.AnnData(FORMS[form](counts))
    adata.obs["day"] = np.arange(1_000) % 2
    adata.write_h5ad(tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        if indices == "int64":
            for part in ("indices", "indptr"):
                stored, attrs = file[f"X/{part}"][:], dict(file[f"X/{part}"].attrs)
                del file[f"X/{part}"]
                file.create_dataset(f"X/{part}", data=stored.astype("i8")).attrs.update(attrs)
        elif indices == "twice":
            file["X/indices"][1] = file["X/indices"][0]
    asked = asked_for(tmp_path / "x.h5ad")
    tracemalloc.start()
    try:
        cellam.read(tmp_path / "x.h5ad")
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < 1.1 * asked  # more than asked for only with SciPy before 1.17
    assert asked < 2 * taken


@pytest.mark.slow
def test_by_cells_more_is_read_than_there_is_memory_for_all(tmp_path: Path) -> None:
    """A stored matrix of 120 MB, compressed by far, with an address space of 75 MB to spare."""
    data = np.zeros((1_000, 30_000), np.float32)
    data[:, :3] = 1 + np.arange(3_000).reshape(1_000, 3) % 7
    path = tmp_path / "x.h5ad"
    with h5py.File(path, "w") as file:
        write_elem(file, "obs", pd.DataFrame({"day": np.arange(1_000) % 2}).rename(str))
        write_elem(file, "var", pd.DataFrame(index=[f"g{k}" for k in range(30_000)]))
        how = {"compression": "gzip", "chunks": (10, 30_000)}
        made = file.create_dataset("X", data=data, **how)
        made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    before = resource.getrlimit(resource.RLIMIT_AS)
    spare = psutil.Process().memory_info().vms + 75_000_000
    resource.setrlimit(resource.RLIMIT_AS, (spare, before[1]))
    try:
        cells = cellam.read(path)
        assert cells.matrix.sums().sum() == data.sum()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def asked_for(path: Path) -> int:
    """The least memory with which a file is read."""

    def is_read(available: int) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cellam.files.stores.available_memory", lambda: available)
            try:
                cellam.read(path)
            except DataError:
                return False
            return True

    low, high = 10**5, 10**9
    while high - low > 10**5:
        middle = (low + high) // 2
        low, high = (low, middle) if is_read(middle) else (middle, high)
    return high


def test_a_representation_is_read_where_the_expression_would_not_fit(
    small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellam.files.stores.available_memory", lambda: 60_000)
    cellam.read(small_path, use_rep="X_latent")
    monkeypatch.setattr("cellam.files.stores.available_memory", lambda: 160 * 2 * 4)
    assert "is declared to hold" in refusal(small_path, use_rep="X_latent").message


@pytest.mark.parametrize(("version", "codec"), [(2, "blosc"), (3, "zstd")])
def test_no_codec_but_those_known_to_be_harmless_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, codec: str
) -> None:
    path = zarr_store(version=version)(tmp_path)
    cellam.read(path)
    monkeypatch.setattr("cellam.files.stores._CODECS", stores._CODECS.replace(codec, ""))
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
