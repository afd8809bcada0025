"""`cellam.files.formats`: what a file is, and that the call in the hint makes an AnnData of it.

The table of formats is tried through the command line in `test_faults`.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy import sparse

import cellam
from cellam.errors import DataError
from cellam.files.formats import file_error

DAYS = [0, 0, 0, 2, 2, 2]
COUNTS = np.random.default_rng(0).poisson(4, (6, 4)) + 1.0


def table(separator: str) -> bytes:
    head = separator.join(["cell", *(f"g{k}" for k in range(4))])
    rows = [separator.join([f"c{k}", *map(str, row)]) for k, row in enumerate(COUNTS)]
    return "\n".join([head, *rows, ""]).encode()


def write_csv(folder: Path) -> Path:
    (folder / "x.csv").write_bytes(table(","))
    return folder / "x.csv"


def write_tsv_gz(folder: Path) -> Path:
    (folder / "x.tsv.gz").write_bytes(gzip.compress(table("\t")))
    return folder / "x.tsv.gz"


def write_mtx(folder: Path) -> Path:
    scipy.io.mmwrite(folder / "x.mtx", sparse.coo_matrix(COUNTS.T))
    return folder / "x.mtx"


def write_npy(folder: Path) -> Path:
    np.save(folder / "x.npy", COUNTS)
    return folder / "x.npy"


def write_npz(folder: Path) -> Path:
    sparse.save_npz(folder / "x.npz", sparse.csr_matrix(COUNTS))
    return folder / "x.npz"


def write_10x_folder(folder: Path) -> Path:
    with gzip.open(folder / "matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, sparse.coo_matrix(COUNTS.T.astype(int)))
    lines = {
        "barcodes": [f"c{k}" for k in range(6)],
        "features": [f"id{k}\tg{k}\tGene Expression" for k in range(4)],
    }
    for name, content in lines.items():
        (folder / f"{name}.tsv.gz").write_bytes(gzip.compress("\n".join(content).encode()))
    return folder


def write_10x_h5(folder: Path) -> Path:
    X = sparse.csr_matrix(COUNTS.astype(np.int32))
    with h5py.File(folder / "x.h5", "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = [f"c{k}".encode() for k in range(6)]
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(X, name)
        group["shape"] = np.array(X.shape[::-1])
        names = [f"g{k}".encode() for k in range(4)]
        for name in ("id", "name"):
            group[f"features/{name}"] = names
        group["features/feature_type"] = [b"Gene Expression"] * 4
        group["features/genome"] = [b"x"] * 4
    return folder / "x.h5"


@pytest.mark.parametrize(
    "write",
    [write_csv, write_tsv_gz, write_mtx, write_npy, write_npz, write_10x_folder, write_10x_h5],
)
def test_the_call_in_the_hint_makes_an_anndata(
    write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it's").mkdir()
    with pytest.raises(DataError) as caught:
        cellam.read(write(tmp_path / "it's"))
    call = caught.value.hint.removeprefix("In Python: ").replace("...", repr(DAYS))
    exec(call, {"sc": sc, "anndata": anndata, "np": np, "pd": pd, "scipy": scipy})
    cells = cellam.read("data.h5ad")
    assert cells.timeline.times == (0.0, 2.0)
    read = cells.matrix.toarray() if cells.rep is None else cells.matrix
    np.testing.assert_array_equal(read, COUNTS)


MAGIC = [
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\xfd7zXZ\x00",
    b"PK\x03\x04",
    b"\x80\x04",
    b"chr1\t1\t",
    b"\xef\xbb\xbf",
]


@example(b"\x1f\x8b\x08", bytes(12))  # gzip with a block of impossible length
@given(st.sampled_from([b"", *MAGIC]), st.binary(max_size=300))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_the_bytes_there_is_a_name_and_a_hint(
    tmp_path: Path, start: bytes, rest: bytes
) -> None:
    path = tmp_path / "x.h5ad"
    path.write_bytes(start + rest)
    error = file_error(path)
    assert str(path) in error.message
    assert error.hint


def test_a_text_is_told_from_binary_at_the_edge_of_a_character(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for shift in range(3):
        path.write_text("a" * shift + "é,€," * 400, encoding="utf-8")
        assert "a comma between columns" in file_error(path).message


@pytest.mark.parametrize("name", ["fit.py", "fit.R", "fit.ipynb", "README.md"])
def test_a_program_is_no_table_of_its_commas(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("import numpy, scipy\n\nprint(numpy, scipy)\n")
    error = file_error(tmp_path / name)
    assert "not data" in error.message and "text table" not in error.message
