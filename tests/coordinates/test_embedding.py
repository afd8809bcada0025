from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
from scipy import sparse

import cellam
from cellam.coordinates.embedding import fit_space
from cellam.coordinates.space import Space
from cellam.errors import ConfigError, DataError
from cellam.matrix.rows import Rows
from cellam.matrix.values import Form
from cellam.options import N_PCS
from cellam.reading.cells import Cells
from cellam.reading.snapshots import take_snapshots

EXACT = 1e-5  # the expression is in single precision


def everyone(cells: Cells) -> np.ndarray:
    return np.ones(len(cells), dtype=bool)


def log_expression(cells: Cells, library: float) -> np.ndarray:
    counts = cells.matrix.toarray().astype(float)
    return np.log1p(library * counts / counts.sum(1, keepdims=True))


def fields(space: Space) -> dict[str, object]:
    usual = vars(space.usual) if space.usual is not None else {}
    found = {**vars(space), **usual, "usual": None}
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}


@pytest.mark.parametrize("change", ["shuffled", "tripled", "noise"])
def test_held_out_cells_leave_no_trace_in_the_space(
    small: anndata.AnnData, cells: Cells, change: str
) -> None:
    training = cells.codes != 2
    counts = small.X.toarray()
    held = counts[~training]
    rng = np.random.default_rng(0)
    counts[~training] = {
        "shuffled": held[:, rng.permutation(held.shape[1])],
        "tripled": 3 * held,
        "noise": rng.poisson(5, held.shape).astype(held.dtype),
    }[change]
    small.X = sparse.csr_matrix(counts)
    changed = cellam.read(small)
    assert changed.digest != cells.digest
    before, after = (fit_space(c, training, n_pcs=5) for c in (cells, changed))
    assert fields(before) == fields(after)


def test_held_out_cells_leave_no_trace_in_a_given_representation(
    small: anndata.AnnData, rep_cells: Cells
) -> None:
    training = rep_cells.codes != 2
    small.obsm["X_latent"][~training] += 100.0
    changed = cellam.read(small, use_rep="X_latent")
    assert fields(fit_space(rep_cells, training)) == fields(fit_space(changed, training))


@pytest.mark.parametrize("whiten", [False, True])
def test_training_cells_are_centred_and_of_unit_size(cells: Cells, whiten: bool) -> None:
    training = cells.codes != 1
    space = fit_space(cells, training, n_pcs=6, whiten=whiten)
    x = space.embed(cells)[training]
    assert x.shape == (training.sum(), 6)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-4)
    if whiten:
        np.testing.assert_allclose(x.std(0), 1, rtol=1e-4)
    else:
        assert x.std(0).max() == pytest.approx(1, rel=1e-4)
        assert len(set(space.scale)) == 1


def test_a_distance_is_reported_in_the_units_of_the_coordinates(rep_cells: Cells) -> None:
    space = fit_space(rep_cells, everyone(rep_cells))
    x = space.embed(rep_cells)
    ours = np.linalg.norm(x[0] - x[100]) * space.unit
    theirs = np.linalg.norm(rep_cells.matrix[0] - rep_cells.matrix[100])
    assert ours == pytest.approx(theirs, rel=EXACT)
    assert fit_space(rep_cells, everyone(rep_cells), whiten=True).unit == 1.0


@pytest.mark.parametrize("whiten", [False, True])
def test_coordinates_come_back_from_the_model(rep_cells: Cells, whiten: bool) -> None:
    space = fit_space(rep_cells, everyone(rep_cells), whiten=whiten)
    back = space.to_coordinates(space.embed(rep_cells))
    np.testing.assert_allclose(back, rep_cells.matrix, rtol=1e-6)
    assert space.name == "X_latent"


@pytest.mark.parametrize("whiten", [False, True])
def test_expression_of_low_rank_is_decoded_exactly(small: anndata.AnnData, whiten: bool) -> None:
    rng = np.random.default_rng(0)
    log = rng.uniform(0.1, 1, (160, 3)) @ rng.uniform(0.1, 1, (3, 50))
    small.X = log.astype(np.float32)
    cells = cellam.read(small)
    assert cells.kind == "log"
    space = fit_space(cells, everyone(cells), n_pcs=3, whiten=whiten)
    decoded = space.decode(space.embed(cells), list(small.var_names))
    np.testing.assert_allclose(decoded, log, atol=1e-4)


def test_counts_are_decoded_to_logs_of_normalised_counts(cells: Cells) -> None:
    space = fit_space(cells, everyone(cells), n_pcs=49)  # all but one direction of 50 genes
    assert space.library == pytest.approx(np.median(cells.matrix.sums()))
    decoded = space.decode(space.embed(cells), list(cells.genes))
    log = log_expression(cells, space.library)
    residual = ((decoded - log) ** 2).sum() / ((log - log.mean(0)) ** 2).sum()
    assert residual < 0.01  # the direction of least variance


def test_decoded_columns_are_in_the_order_asked_for(cells: Cells) -> None:
    space = fit_space(cells, everyone(cells), n_pcs=5)
    x = space.embed(cells)
    a, b = space.genes[7], space.genes[2]
    both = space.decode(x, list(space.genes))
    np.testing.assert_allclose(space.decode(x, [a, b]), both[:, [7, 2]], rtol=1e-6)


def test_genes_are_found_by_name_wherever_their_column_is(
    small: anndata.AnnData, cells: Cells
) -> None:
    space = fit_space(cells, everyone(cells), n_pcs=5)
    order = np.random.default_rng(0).permutation(small.n_vars)
    permuted = cellam.read(small[:, order].copy())
    assert permuted.digest == cells.digest
    np.testing.assert_array_equal(space.embed(permuted), space.embed(cells))
    assert fields(fit_space(permuted, everyone(cells), n_pcs=5)) == fields(space)


@pytest.mark.parametrize("kind", ["counts", "log"])
def test_genes_that_the_fit_did_not_have_change_nothing(small: anndata.AnnData, kind: str) -> None:
    if kind == "log":
        small.X = np.log1p(small.X.toarray())
    fewer = cellam.read(small[:, 10:].copy())
    space = fit_space(fewer, everyone(fewer), n_pcs=5)
    np.testing.assert_array_equal(space.embed(cellam.read(small)), space.embed(fewer))


def test_other_coordinates_than_those_of_the_fit_are_refused(
    cells: Cells, rep_cells: Cells
) -> None:
    pca = fit_space(cells, everyone(cells), n_pcs=5)
    given = fit_space(rep_cells, everyone(cells))
    narrow = replace(rep_cells, matrix=rep_cells.matrix[:, :1])
    for space, other in ((pca, rep_cells), (given, cells), (given, narrow)):
        with pytest.raises(DataError, match="was read as") as caught:
            space.embed(other)
        assert "`use_rep`" in caught.value.hint


def test_a_missing_gene_is_named(small: anndata.AnnData, cells: Cells) -> None:
    space = fit_space(cells, everyone(cells), n_pcs=5)
    with pytest.raises(DataError, match=repr(small.var_names[0])):
        space.embed(cellam.read(small[:, 1:].copy()))


def test_snapshots_hold_every_cell_once(cells: Cells) -> None:
    space = fit_space(cells, everyone(cells), n_pcs=5)
    days = take_snapshots(cells, space.embed(cells))
    assert sorted(days.data_rows.tolist()) == list(range(len(cells)))
    x = space.embed(cells)
    for points, rows in zip(days.points, days.rows, strict=True):
        np.testing.assert_array_equal(points, x[rows])


def test_the_default_is_what_other_cells_confirm_or_what_there_is(
    small: anndata.AnnData, cells: Cells
) -> None:
    assert 2 <= fit_space(cells, everyone(cells)).n_dims < N_PCS  # 160 cells do not confirm more
    assert fit_space(cells, everyone(cells), n_pcs=N_PCS).n_dims == N_PCS
    few = cellam.read(small[:, small.X.toarray().sum(0).argsort()[::-1][:6]].copy())
    assert fit_space(few, everyone(few)).n_dims <= 5


def test_as_many_variable_genes_are_kept_as_asked_for(cells: Cells) -> None:
    kept = fit_space(cells, everyone(cells), n_top_genes=12, n_pcs=3).genes
    assert len(kept) == 12
    assert [gene for gene in cells.genes if gene in kept] == list(kept)
    assert fit_space(cells, everyone(cells), n_top_genes=99).genes == cells.genes


def test_most_variable_genes_are_refused_where_they_mean_nothing(
    small: anndata.AnnData, rep_cells: Cells
) -> None:
    with pytest.raises(ConfigError, match="`n_top_genes=9` does not apply to `use_rep='X_latent'`"):
        cellam.fit(rep_cells, n_top_genes=9)
    values = np.log1p(small.X.toarray())
    small.X = (values - values.mean(0)) / (values.std(0) + 1e-3)
    scaled = cellam.read(small, values="scaled")
    with pytest.raises(ConfigError, match=r"`n_top_genes=9`: .* scaled"):
        cellam.fit(scaled, n_top_genes=9)


def test_too_many_components_say_how_many_there_can_be(cells: Cells, rep_cells: Cells) -> None:
    with pytest.raises(ConfigError, match="at most 49") as caught:
        fit_space(cells, everyone(cells), n_pcs=50)
    assert "`n_pcs=49`" in caught.value.hint
    with pytest.raises(ConfigError, match="has 2 columns"):
        fit_space(rep_cells, everyone(rep_cells), n_pcs=3)


def test_fewer_components_of_a_representation_are_its_first(rep_cells: Cells) -> None:
    space = fit_space(rep_cells, everyone(rep_cells), n_pcs=1)
    back = space.to_coordinates(space.embed(rep_cells))
    np.testing.assert_allclose(back, rep_cells.matrix[:, :1], rtol=1e-6)


def test_whitening_a_constant_column_is_refused(rep_cells: Cells) -> None:
    flat = np.column_stack([rep_cells.matrix, np.full(len(rep_cells), 3, dtype=np.float32)])
    cells = replace(rep_cells, matrix=flat)
    with pytest.raises(DataError, match="1 of 3 coordinates"):
        fit_space(cells, everyone(cells), whiten=True)
    assert np.isfinite(fit_space(cells, everyone(cells)).embed(cells)).all()


def test_cells_at_one_place_are_refused(rep_cells: Cells) -> None:
    cells = replace(rep_cells, matrix=np.ones_like(rep_cells.matrix))
    with pytest.raises(DataError, match="same coordinates"):
        fit_space(cells, everyone(cells))


def test_constant_expression_is_refused(cells: Cells) -> None:
    constant = replace(
        cells, matrix=Rows.of(np.full((160, 50), 0.5, dtype=np.float32)), form=Form("log", "")
    )
    with pytest.raises(DataError):
        fit_space(constant, everyone(constant), n_pcs=3)


@pytest.mark.parametrize("form", ["log", "normalised"])
def test_cells_in_another_form_than_those_of_the_fit_are_not_embedded(
    small: anndata.AnnData, cells: Cells, form: str
) -> None:
    counts = small.X.toarray()
    normalised = 1e4 * counts / counts.sum(1, keepdims=True)
    small.X = np.log1p(normalised) if form == "log" else normalised
    other = cellam.read(small)
    fitted, given = (cells, other) if form == "log" else (other, cells)
    with pytest.raises(DataError, match="but the values of the fit were") as caught:
        fit_space(fitted, everyone(cells), n_pcs=5).embed(given)
    assert "`values`" in caught.value.hint


def test_shares_of_a_whole_are_embedded_as_the_counts_that_they_were(
    small: anndata.AnnData, cells: Cells
) -> None:
    counts = small.X.toarray()
    small.X = counts / counts.sum(1, keepdims=True)
    shares = cellam.read(small)
    of_counts, of_shares = (fit_space(c, everyone(c), n_pcs=3).embed(c) for c in (cells, shares))
    for a, b in zip(of_counts.T, of_shares.T, strict=True):
        assert abs(np.corrcoef(a, b)[0, 1]) > 0.99


@pytest.mark.slow
def test_more_genes_than_two_thousand_are_selected_on_training_cells() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 1, 2_100) * rng.uniform(0.2, 2, (60, 2_100)))
    counts[:, 0] += 1
    adata = anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    adata.obs["day"] = np.repeat([0.0, 1.0, 2.0], 20)
    cells = cellam.read(adata)
    training = cells.codes != 2
    space = fit_space(cells, training, n_pcs=5)
    assert len(space.genes) == 2_000
    adata.X[40:] = 7
    assert fit_space(cellam.read(adata), training, n_pcs=5).genes == space.genes


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_any_seed_that_is_allowed_fits_a_space(cells: Cells, seed: int) -> None:
    cellam.Options(seed=seed)
    assert fit_space(cells, everyone(cells), n_pcs=5, seed=seed).n_dims == 5
