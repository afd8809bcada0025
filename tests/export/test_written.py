from __future__ import annotations

import errno
import os
import shutil
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata.io import write_elem
from equal import assert_equal
from scipy import sparse

from cellam.errors import DataError, OutputError
from cellam.export import stores
from cellam.export.files import check_csv, write_csv
from cellam.export.stores import Blocks, read_light, write_copy, write_h5ad


@pytest.fixture
def large(tmp_path: Path) -> anndata.AnnData:
    """Every kind of matrix, in blocks of a few rows."""
    rng = np.random.default_rng(0)
    x = rng.poisson(0.5, (300, 40)).astype(np.float32)
    adata = anndata.AnnData(
        sparse.csr_matrix(x),
        obs=pd.DataFrame(
            {"day": np.repeat(["a", "b", "c"], 100)}, index=np.arange(300).astype(str)
        ),
        layers={"columns": sparse.csc_matrix(x), "dense": x.astype(np.int16), "double": x / 3},
        obsm={
            "X_pca": rng.normal(size=(300, 3)),
            "frame": pd.DataFrame({"a": np.arange(300)}, np.arange(300).astype(str)),
        },
        obsp={"graph": sparse.identity(300, format="csr")},
        uns={"note": {"by": "the user"}},
    )
    adata.raw = adata[:, :20].copy()
    return adata


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BLOCK", 1_000)


@pytest.mark.parametrize("into", ["out.h5ad", "out.zarr"])
@pytest.mark.parametrize("source", ["in.h5ad", "packed.h5ad", "in.zarr"])
def test_a_copy_is_equal_and_takes_what_is_new(
    large: anndata.AnnData, tmp_path: Path, small_blocks: None, source: str, into: str
) -> None:
    data, path = tmp_path / source, tmp_path / into
    if source == "in.zarr":
        large.write_zarr(data)
    else:
        large.write_h5ad(data, compression="gzip" if source == "packed.h5ad" else None)
    light = read_light(data)
    assert light.X is None and not light.layers and light.raw is None
    light.obsm["new"] = np.ones((300, 2))
    write_copy(data, light, path)
    made = anndata.read_h5ad(path) if into == "out.h5ad" else anndata.read_zarr(path)
    assert isinstance(made.X, sparse.csr_matrix) and isinstance(
        made.layers["columns"], sparse.csc_matrix
    )
    assert made.layers["dense"].dtype == np.int16
    assert (made.obsm.pop("new") == 1).all()
    given = anndata.read_h5ad(data) if source != "in.zarr" else anndata.read_zarr(data)
    assert_equal(made, given)
    if into == "out.h5ad" and source != "in.zarr":
        with h5py.File(data) as one, h5py.File(path) as other:
            packed = [file["X/data"].compression for file in (one, other)]
        assert packed == ["gzip" if source == "packed.h5ad" else None] * 2


@pytest.mark.slow
def test_text_with_a_mask_is_written_as_text(large: anndata.AnnData, tmp_path: Path) -> None:
    """With pandas 3 all names are such text; anndata 0.12 writes it only where it is asked to."""
    given = [*(f"cell{k}" for k in range(299)), None]
    del large.obsm["frame"]
    large.obs = large.obs.assign(full=large.obs["day"], some=given).astype("string")
    large.obs.index = large.obs.index.astype("string")
    large.uns["frame"], data, path = large.obs, tmp_path / "in.zarr", tmp_path / "out.h5ad"
    with anndata.settings.override(allow_write_nullable_strings=True):
        write_elem(zarr.open_group(data, mode="w"), "/", large)
    light = read_light(data)
    write_copy(data, light, path)
    with h5py.File(path) as file:
        for frame in (file["obs"], file["uns/frame"]):
            kinds = [frame[name].attrs["encoding-type"] for name in ("_index", "full", "some")]
            assert kinds == ["string-array", "string-array", "categorical"]
    assert isinstance(light.obs["full"].dtype, pd.StringDtype)  # it was not changed
    made = anndata.read_h5ad(path).obs
    assert made["some"].astype(object).where(made["some"].notna(), None).tolist() == given
    assert made["full"].tolist() == large.obs["day"].tolist()
    assert made.index.tolist() == large.obs_names.tolist()


def test_the_same_bytes_again(large: anndata.AnnData, tmp_path: Path, small_blocks: None) -> None:
    data = tmp_path / "in.h5ad"
    large.write_h5ad(data)
    for name in ("a.h5ad", "b.h5ad"):
        write_copy(data, read_light(data), tmp_path / name)
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()


def test_a_copy_is_never_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BLOCK", 1_000_000)
    x = np.random.default_rng(0).random((5_000, 1_000), dtype=np.float32)
    data = tmp_path / "in.h5ad"
    anndata.AnnData(x, layers={"again": sparse.csr_matrix(x)}).write_h5ad(data)
    size = x.nbytes
    del x
    for into in ("out.h5ad", "out.zarr"):
        tracemalloc.start()
        write_copy(data, read_light(data), tmp_path / into)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < size / 2


def test_blocks_are_worked_out_as_they_are_written(tmp_path: Path, small_blocks: None) -> None:
    asked: list[int] = []

    def rows(part: slice) -> np.ndarray:
        asked.append(part.stop - part.start)
        return np.arange(40 * part.start, 40 * part.stop, dtype=np.float32).reshape(-1, 40)

    path = tmp_path / "x.h5ad"
    obs, var = (pd.DataFrame(index=np.arange(n).astype(str)) for n in (100, 40))
    write_h5ad(anndata.AnnData(obs=obs, var=var), path, Blocks((100, 40), rows))
    assert max(asked) == 6 and sum(asked) == 100
    assert np.array_equal(anndata.read_h5ad(path).X.ravel(), np.arange(4_000))
    assert np.array_equal(Blocks((100, 40), rows).toarray().ravel(), np.arange(4_000))


@pytest.mark.parametrize("after", [0, 1_000, 9_000, 30_000, 60_000])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_what_fails_in_the_middle_leaves_what_was_there(
    large: anndata.AnnData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_blocks: None,
    after: int,
    failure: BaseException,
) -> None:
    """A full disk, and a signal in the middle of a write; HDF5 goes on working afterwards."""
    data, path = tmp_path / "in.h5ad", tmp_path / "out.h5ad"
    large.write_h5ad(data)
    path.write_bytes(b"old")
    light, written, write = read_light(data), [0], os.pwrite

    def fails(handle: int, content: memoryview, place: int) -> int:
        if written[0] >= after:
            raise failure
        part = min(len(content), 700)  # the system may take less than it is given
        written[0] += part
        return write(handle, content[:part], place)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fails)
        expected = OutputError if isinstance(failure, OSError) else KeyboardInterrupt
        with pytest.raises(expected):
            write_copy(data, light, path)
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.h5ad", "out.h5ad"]
    write_copy(data, light, path)
    assert_equal(anndata.read_h5ad(path), anndata.read_h5ad(data))


def test_data_that_are_damaged_are_not_the_fault_of_the_output(
    large: anndata.AnnData, tmp_path: Path
) -> None:
    data = tmp_path / "in.zarr"
    large.write_zarr(data)
    light = read_light(data)
    for chunk in (data / "layers" / "dense").rglob("*"):
        if chunk.is_file() and chunk.name[0].isdecimal():
            chunk.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="'layers/dense' cannot be read"):
        write_copy(data, light, tmp_path / "out.h5ad")
    assert [p.name for p in tmp_path.iterdir()] == ["in.zarr"]


def test_no_space_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    obs, var = (pd.DataFrame(index=np.arange(n).astype(str)) for n in (4, 2))
    huge = Blocks((10**12, 10**6), lambda part: pytest.fail("worked out"))
    with pytest.raises(OutputError, match="MB are needed"):
        write_h5ad(anndata.AnnData(obs=obs, var=var), tmp_path / "x.h5ad", huge)
    assert not list(tmp_path.iterdir())


def test_all_that_is_written_counts_for_the_space(
    large: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not expression alone: families have more in obs and their tree than in their genes."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(OutputError, match="MB are needed"):
        write_h5ad(anndata.AnnData(obs=large.obs, uns={"tree": large.obs}), tmp_path / "x.h5ad")
    assert not list(tmp_path.iterdir())


def test_folders_are_made_for_every_output(tmp_path: Path) -> None:
    table = tmp_path / "new" / "deep" / "x.csv"
    check_csv(table, overwrite=False)
    assert not list(tmp_path.iterdir())
    write_csv(pd.DataFrame({"a": [1]}), table)
    assert table.read_text() == "a\n1\n"
    with pytest.raises(OutputError, match="cannot be written"):
        check_csv(table / "y.csv", overwrite=False)
