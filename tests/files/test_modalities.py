"""Modalities of a MuData file: read as the AnnData that they are, with what all cells share."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem

import cellam
from cellam.errors import DataError, OutputError
from cellam.export.files import check_csv, check_file
from cellam.files.inner_paths import part_of
from cellam.reading.cells import read_obs
from cellam.runs.places import new_place

N = 12
JOINT = np.arange(2.0 * N).reshape(N, 2)
ORDER = np.array([7, 2, 9, 0, 11, 4])  # of all cells, those of the second modality


def write(path: Path, place: np.ndarray) -> Path:
    """As mudata 0.3 writes: the day is known of all cells, and so is a joint representation."""
    names = np.array([f"c{k}" for k in range(N)])
    rng = np.random.default_rng(0)
    rna = anndata.AnnData(
        rng.poisson(3, size=(N, 4)).astype(np.float32),
        obs=pd.DataFrame({"cell_type": ["a", "b"] * (N // 2)}, index=names),
    )
    atac = anndata.AnnData(
        rng.poisson(3, size=(6, 5)).astype(np.float32), obs=pd.DataFrame(index=names[ORDER])
    )
    day = np.repeat([0, 1, 2], N // 3)
    with h5py.File(path, "w") as file:
        for name in ("mod", "obsm", "obsmap"):
            file.create_group(name)
        write_elem(file["mod"], "rna", rna)
        write_elem(file["mod"], "atac", atac)
        columns = {"day": day, "rna:cell_type": rna.obs["cell_type"].to_numpy()}
        write_elem(file, "obs", pd.DataFrame(columns, index=names))
        write_elem(file["obsm"], "X_joint", JOINT)
        write_elem(file["obsm"], "atac", place > 0)
        write_elem(file["obsmap"], "rna", np.arange(1, N + 1, dtype=np.uint32))
        write_elem(file["obsmap"], "atac", place)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = np.zeros(N, dtype=np.uint32)
    place[ORDER] = np.arange(1, 7)
    return write(tmp_path / "both.h5mu", place)


def test_a_modality_has_its_cells_and_the_columns_of_all(path: Path) -> None:
    cells = cellam.read(path / "rna")
    assert cells.source == "both.h5mu/rna" and len(cells) == N and len(cells.genes) == 4
    assert list(read_obs(path / "rna").columns) == ["cell_type", "day"]
    assert cellam.read(path / "mod" / "rna").digest == cells.digest


def test_cells_of_a_modality_have_their_own_rows_of_what_all_share(path: Path) -> None:
    cells = cellam.read(path / "atac", use_rep="X_joint")
    np.testing.assert_array_equal(cells.matrix, JOINT[ORDER])
    assert list(cells.obs["day"]) == list(np.repeat([0, 1, 2], 4)[ORDER])


def test_the_mask_of_a_modality_is_no_representation(path: Path) -> None:
    with pytest.raises(DataError, match="its obsm is: X_joint"):
        cellam.read(path / "rna", use_rep="atac")


def test_a_file_without_its_modality_is_refused_with_their_names(path: Path) -> None:
    with pytest.raises(DataError, match="several modalities: atac, rna") as refused:
        cellam.read(path)
    assert refused.value.hint == f"Name one of them: {path}/rna"
    with pytest.raises(DataError, match="no modality 'ran'") as refused:
        cellam.read(path / "ran")
    assert "Did you mean 'rna'?" in refused.value.hint


def test_cells_that_the_file_mixes_up_are_refused(tmp_path: Path) -> None:
    wrong = np.zeros(N, dtype=np.uint32)
    wrong[np.sort(ORDER)] = np.arange(1, 7)
    with pytest.raises(DataError, match="are not those that its obsmap names"):
        cellam.read(write(tmp_path / "wrong.h5mu", wrong) / "atac")


def test_the_file_of_a_modality_is_never_written_to(path: Path) -> None:
    with pytest.raises(OutputError, match="is the input"):
        check_file(path, "out", [".h5mu"], overwrite=True, data=path / "rna", noun="a file")
    check_csv(path.with_suffix(".csv"), False, path / "rna")


def test_its_run_is_named_after_both(path: Path, tmp_path: Path) -> None:
    assert new_place(path / "rna", tmp_path).name == "both-rna"
    assert part_of(tmp_path / "data.h5ad").modality is None
