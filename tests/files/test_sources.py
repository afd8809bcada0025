from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.errors import DataError


def refusal(data: object, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        cellam.read(data, **options)
    return caught.value


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


def test_what_is_no_path_and_no_anndata_is_refused_by_its_type() -> None:
    assert "type DataFrame" in refusal(pd.DataFrame({"day": [0, 1]})).message
    assert "type NoneType" in refusal(None).message


def test_a_mudata_is_asked_for_one_modality(small: anndata.AnnData) -> None:
    class MuData:
        obs, obsm, mod = small.obs, small.obsm, {"rna": small}

    assert "mdata['rna']" in refusal(MuData()).hint


def test_a_file_that_another_program_writes_is_refused(small_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5ad"
    path.write_bytes(small_path.read_bytes())
    fcntl = pytest.importorskip("fcntl")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "open for writing in another program" in refusal(path).message
    cellam.read(path)


def test_a_folder_that_may_not_be_looked_into_is_refused(
    small_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    error = refusal(small_path)
    assert "no permission to read it" in error.message
    assert "chmod" in error.hint
