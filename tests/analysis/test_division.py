"""Growth beside the genes of division, on data made so that the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from anndata import AnnData

import cellam
from cellam.analysis.division import CONTRARY, Division, compare_division
from cellam.matrix.rows import Rows
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.reading.cells import Cells
from cellam.reading.growth import find_genes
from cellam.reading.signatures import BIRTH


def expressing(adata: AnnData, cells: Cells, rate: np.ndarray, sign: float) -> Cells:
    """The same cells, whose genes of division follow a rate, (n,), within every day."""
    adata = adata.copy()
    rng = np.random.default_rng(0)
    X = rng.poisson(5.0, adata.shape).astype(np.float32)
    order = np.zeros(len(rate))
    for code in np.unique(cells.codes):
        of = cells.codes == code
        order[of] = rate[of].argsort().argsort() / of.sum()
    for gene in find_genes(BIRTH["mouse"], tuple(adata.var_names)):
        k = adata.var_names.get_loc(gene)
        X[:, k] = rng.poisson(np.exp(sign * 3 * (order - 0.5)) * 5)
    adata.X = X
    return replace(cellam.read(adata), codes=cells.codes)


@pytest.fixture
def rate(model: Model) -> np.ndarray:
    out = np.empty(model.snapshots.n_cells)
    out[model.snapshots.data_rows] = growth_rates(model)
    return out


@pytest.mark.parametrize("sign", [1.0, -1.0, 0.0])
def test_the_sign_is_that_of_the_expression(
    model: Model, cells: Cells, small: AnnData, rate: np.ndarray, sign: float
) -> None:
    found = compare_division(model, expressing(small, cells, rate, sign))
    assert found is not None
    assert (found.cells, found.genes >= 5) == (len(cells), True)
    if sign:
        assert sign * found.correlation > 0.6
    else:
        assert abs(found.correlation) < 3 / len(cells) ** 0.5
    assert found.contradicts == (sign < 0)
    assert ("does not follow division" in str(found)) == (sign < 0)


def test_a_change_from_day_to_day_alone_is_no_correlation(
    model: Model, cells: Cells, small: AnnData
) -> None:
    """Both rise with time, and within a day one says nothing of the other."""
    by_day = expressing(small, cells, np.random.default_rng(1).normal(size=len(cells)), 1.0)
    later = by_day.matrix.toarray() if hasattr(by_day.matrix, "toarray") else by_day.matrix
    genes = np.isin(by_day.genes, find_genes(BIRTH["mouse"], by_day.genes))
    raised = later + 20 * np.outer(cells.codes, genes).astype(np.float32)
    found = compare_division(model, replace(by_day, matrix=Rows.of(raised)))
    assert found is not None and abs(found.correlation) < 0.25


def test_few_cells_contradict_nothing() -> None:
    assert Division(CONTRARY - 0.1, 20, 1_000).contradicts
    assert not Division(CONTRARY - 0.1, 20, 50).contradicts
    assert not Division(CONTRARY + 0.1, 20, 100_000).contradicts


def test_without_genes_or_growth_there_is_nothing_to_compare(
    model: Model, rep_model: Model, cells: Cells, rep_cells: Cells, small: AnnData
) -> None:
    assert compare_division(rep_model, rep_cells) is None
    small.var_names = [f"PC{k}" for k in range(small.n_vars)]
    assert compare_division(model, cellam.read(small)) is None
    still = cellam.fit(cells, n_features=32, n_pcs=3, method="am")
    assert compare_division(still, cells) is None
