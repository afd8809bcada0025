"""Cells that stand in the data twice, and cells that are alike by chance."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
from scipy import sparse

import cellam
from cellam.checks.design_caveats import of_design
from cellam.checks.duplicates import find_duplicates
from cellam.reading.cells import Cells

N, P = 400, 80


def counts(mean: float = 2.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.poisson(mean * rng.gamma(1.0, size=P), (N, P)).astype(np.float32)
    x[x.sum(1) == 0, 0] = 1
    return x


def cells_of(x: np.ndarray, form: str = "dense", rep: np.ndarray | None = None) -> Cells:
    matrix = (
        x if form == "dense" else sparse.csc_matrix(x) if form == "csc" else sparse.csr_matrix(x)
    )
    adata = anndata.AnnData(matrix)
    adata.obs["day"] = np.repeat([0, 2], [N // 2, len(x) - N // 2])
    if rep is not None:
        adata.obsm["X_map"] = rep
    return cellam.read(adata, use_rep=None if rep is None else "X_map")


@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
@pytest.mark.parametrize("n", [1, 7])
def test_cells_that_stand_in_the_data_twice_are_counted(form: str, n: int) -> None:
    x = counts()
    x[100 : 100 + n] = x[:n]
    x[N - 1] = x[50]  # on the other day
    found = find_duplicates(cells_of(x, form))
    assert found is not None
    assert (found.n, found.days) == (n + 1, 1)
    assert (found.first, found.second) == ("0", "100")


@pytest.mark.parametrize("columns", [2, 30])
def test_cells_in_one_place_of_a_representation_are_the_same(columns: int) -> None:
    x = np.random.default_rng(0).normal(size=(N, columns)).astype(np.float32)
    assert find_duplicates(cells_of(counts(), rep=x)) is None
    x[200:210] = x[:10]
    found = find_duplicates(cells_of(counts(), rep=x))
    assert found is not None
    assert found.n == 10


@pytest.mark.parametrize(
    "x",
    [counts(), counts(0.01), np.round(np.abs(np.random.default_rng(0).normal(size=(N, 3)))) + 1],
    ids=["counts", "hardly a count", "few values"],
)
def test_cells_that_are_alike_by_chance_are_not_the_same(x: np.ndarray) -> None:
    assert find_duplicates(cells_of(x.astype(np.float32))) is None


def test_every_cell_twice_is_found_and_the_advice_removes_it() -> None:
    x = np.repeat(counts(), 2, axis=0)
    (caveat,) = of_design(cells_of(x))
    assert caveat.name == "duplicates"
    assert caveat.finding.startswith(f"{N} cells occur in the data again")
    adata = anndata.AnnData(sparse.csr_matrix(x))
    code = caveat.advice.removeprefix("Keep one copy of each. In Python: ")
    scope = {"adata": adata}
    exec(code, scope)
    assert scope["adata"].n_obs == N
