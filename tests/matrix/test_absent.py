"""That genes which were not measured on a day are left out, and that genes which were off stay."""

from __future__ import annotations

from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.errors import DataError

N_DAY, N_GENES = 50, 60
DAYS = np.repeat([0.0, 2.0, 4.0, 7.0], N_DAY)
LEVEL = np.random.default_rng(0).lognormal(0.5, 1.3, N_GENES)
COUNTS = np.random.default_rng(1).poisson(LEVEL, (len(DAYS), N_GENES)).astype(np.float32)
COUNTS[:, 59] += 1  # every cell has one
THIRD = np.arange(0, N_GENES, 3)


def read(X: object) -> cellam.Cells:
    names = [f"g{k:02d}" for k in range(N_GENES)]
    adata = anndata.AnnData(
        X,
        obs=pd.DataFrame({"day": DAYS}, index=[f"c{k}" for k in range(len(DAYS))]),
        var=pd.DataFrame(index=names),
    )
    return cellam.read(adata)


def without(genes: np.ndarray, *days: float, value: float) -> np.ndarray:
    X = COUNTS.copy()
    X[np.ix_(np.isin(DAYS, days), genes)] = value
    return X


def numbers(cells: cellam.Cells) -> set[int]:
    return {int(gene[1:]) for gene in cells.genes}


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("days", [(4,), (0,), (2, 7)])
def test_genes_missing_on_whole_days_are_left_out_with_their_number(
    form: Callable[..., object], days: tuple[float, ...]
) -> None:
    cells = read(form(without(THIRD, *days, value=np.nan)))
    assert numbers(cells) == set(range(N_GENES)) - set(THIRD)
    (note,) = cells.notes
    assert "20 of 60 genes" in note
    assert "g00" in note
    assert f"not measured on {', '.join(f'{day:g}' for day in days)}," in note
    kept = np.setdiff1d(np.arange(N_GENES), THIRD)
    matrix = cells.matrix.toarray()
    np.testing.assert_array_equal(matrix, COUNTS[:, kept])


@pytest.mark.parametrize("days", [(4,), (0,), (7,), (0, 2)])
def test_a_block_of_zeros_is_left_out_but_for_genes_too_rare_to_tell(
    days: tuple[float, ...],
) -> None:
    cells = read(sparse.csr_matrix(without(THIRD, *days, value=0)))
    left_out = set(range(N_GENES)) - numbers(cells)
    common = {int(k) for k in THIRD if LEVEL[k] > 0.5}
    assert common <= left_out <= set(THIRD.tolist())
    assert "zero in all cells" in cells.notes[0]


@pytest.mark.parametrize("n", [1, 6])
@pytest.mark.parametrize("days", [(0,), (0, 2), (7,), (0, 2, 4)])
def test_genes_that_are_switched_on_or_off_stay(n: int, days: tuple[float, ...]) -> None:
    strong = np.argsort(-LEVEL)[1 : 1 + n]
    assert len(read(without(strong, *days, value=0)).genes) == N_GENES


def test_a_graded_programme_stays_however_many_genes_end_at_zero() -> None:
    """A third of the genes rise from next to nothing, some of them from none at all."""
    rise = np.where(DAYS == 0, 0.0, 1.0)[:, None] + 0.02 * (np.arange(len(THIRD)) % 3)
    X = COUNTS.copy()
    X[:, THIRD] = np.random.default_rng(2).poisson(5 * np.minimum(rise, 1))
    cells = read(X)
    assert len(cells.genes) == N_GENES


def test_expression_without_such_genes_is_as_it_was() -> None:
    cells = read(COUNTS)
    assert (len(cells.genes), cells.notes) == (N_GENES, ())


@pytest.mark.parametrize(
    ("cells", "genes", "advice"),
    [([3], [1, 5, 7], "those cells"), (range(50, 99), [1], "those genes"), ([3], [1], "those")],
)
def test_scattered_missing_values_are_refused_and_no_day_is_given_up(
    cells: list[int], genes: list[int], advice: str
) -> None:
    X = COUNTS.copy()
    X[np.ix_(cells, genes)] = np.nan
    with pytest.raises(
        DataError, match=f"missing or infinite values in {len(cells)} of 200 cells"
    ) as caught:
        read(X)
    assert f"Remove {advice}" in caught.value.hint


def test_days_without_a_gene_in_common_are_refused() -> None:
    with pytest.raises(DataError, match="No gene of X"):
        read(without(np.arange(N_GENES), 4, value=np.nan))


def test_a_fit_does_without_genes_that_were_not_measured() -> None:
    """Were they taken, the day would stand apart; so it is the fit of the other genes."""
    joined = cellam.fit(
        read(without(THIRD, 4, value=np.nan)), n_features=16, n_pcs=3, tau=1.0, curvature=0.0
    )
    kept = np.setdiff1d(np.arange(N_GENES), THIRD)
    assert joined.space.genes == tuple(f"g{k:02d}" for k in kept)
