from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

import cellam
from cellam.coordinates.embedding import fit_space
from cellam.errors import CellamError, DataError


def refusal(data: object, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        cellam.read(data, **options)
    return caught.value


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_counts_normalised_log_and_scaled_are_told_apart(
    small: anndata.AnnData, form: Callable[..., object]
) -> None:
    counts = small.X.toarray()
    normalised = 1e4 * counts / counts.sum(1, keepdims=True)
    log = np.log1p(normalised)
    values = {"counts": counts, "normalised": normalised, "log": log, "scaled": log - log.mean(0)}
    for kind, X in values.items():
        small.X = form(X)
        assert cellam.read(small).kind == kind


def test_array_frame_and_sparse_representations_are_one(
    small: anndata.AnnData, tmp_path: Path
) -> None:
    x = small.obsm["X_latent"]
    small.obsm["frame"] = pd.DataFrame(x, index=small.obs_names, columns=["a", "b"])
    small.obsm["sparse"] = sparse.csr_matrix(x)
    small.write_h5ad(tmp_path / "x.h5ad")
    for data in (small, tmp_path / "x.h5ad"):
        for key in ("X_latent", "frame", "sparse"):
            read = cellam.read(data, use_rep=key)
            assert (read.rep, read.kind, read.genes) == (key, None, ())
            np.testing.assert_array_equal(read.matrix, x.astype(np.float32))


def test_boolean_expression_is_counts(small: anndata.AnnData) -> None:
    small.X = small.X.toarray() > 0
    assert cellam.read(small).kind == "counts"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_missing_values_are_counted_by_cells(
    small: anndata.AnnData, form: Callable[..., object], bad: float
) -> None:
    X = small.X.toarray()
    X[[3, 3, 7], [0, 1, 5]] = bad
    small.X = form(X)
    assert "2 of 160 cells" in refusal(small).message


def test_missing_values_of_a_representation_are_counted_by_cells(small: anndata.AnnData) -> None:
    small.obsm["X_latent"][[1, 2, 5], 0] = np.nan
    error = refusal(small, use_rep="X_latent")
    assert "obsm['X_latent']" in error.message
    assert "3 of 160 cells" in error.message


def test_text_in_place_of_a_representation_is_refused(small: anndata.AnnData) -> None:
    small.obsm["text"] = small.obs[["cell_type"]].astype(str)
    assert "not a matrix of numbers" in refusal(small, use_rep="text").message


def test_every_type_of_real_number_is_read(small: anndata.AnnData) -> None:
    counts = small.X.toarray()
    first = cellam.read(small).digest
    for dtype in ("uint8", "int16", "uint64", "float16", "float64", "longdouble"):
        for form in (np.asarray, sparse.csr_matrix, sparse.csc_matrix):
            if form is not np.asarray and dtype == "float16":
                continue  # scipy has no such matrix
            small.X = form(counts.astype(dtype))
            assert cellam.read(small).digest == first, (dtype, form)
            small.obsm["X"] = counts.astype(dtype)
            np.testing.assert_array_equal(cellam.read(small, use_rep="X").matrix, counts)


def test_masked_values_are_missing(small: anndata.AnnData) -> None:
    class Masked:
        obs, obsm, layers = small.obs, {}, {}

    Masked.obsm = {"X": np.ma.masked_less(small.obsm["X_latent"], -np.inf)}
    assert cellam.read(Masked, use_rep="X").matrix.shape == (160, 2)
    Masked.obsm["X"][5, 0] = np.ma.masked
    assert "in 1 of 160 cells" in refusal(Masked, use_rep="X").message


def test_entries_of_one_cell_and_gene_add_up_and_the_object_stays(small: anndata.AnnData) -> None:
    first = cellam.read(small)
    X = small.X.astype(np.float32)
    halves = np.repeat(X.data / 2, 2)
    split = sparse.csr_matrix((halves, np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape)
    small.X = split
    before = small.X.data.copy(), small.X.indices.copy()
    assert cellam.read(small).digest == first.digest
    np.testing.assert_array_equal(small.X.data, before[0])
    np.testing.assert_array_equal(small.X.indices, before[1])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_columns_follow_the_names_of_genes(
    small: anndata.AnnData, form: Callable[..., object]
) -> None:
    small.X = form(small.X.toarray())
    order = np.random.default_rng(1).permutation(small.n_vars)
    one, other = cellam.read(small), cellam.read(small[:, order].copy())
    assert one.genes == other.genes == tuple(sorted(small.var_names))
    assert one.digest == other.digest
    gene = one.genes[7]
    column = one.matrix.columns([7]).toarray().ravel()
    expected = small[:, gene].X
    expected = expected.toarray() if sparse.issparse(expected) else expected
    np.testing.assert_array_equal(column, np.ravel(expected))


def test_bad_entries_are_counted_by_cells_however_they_are_stored(small: anndata.AnnData) -> None:
    counts = small.X.toarray().astype(np.float64)
    counts[[3, 3, 7, 9], [0, 1, 5, 5]] = [1e20, 1e16, -1e17, np.nan]
    small.X = counts
    for form in (np.asarray, sparse.csr_matrix, sparse.csc_matrix):
        small.X = form(np.where(np.abs(counts) > 1e15, 0, counts))
        assert "missing or infinite values in 1 of 160" in refusal(small).message
        small.X = form(np.nan_to_num(counts))
        assert "as large as 1e+20 in 2 of 160 cells" in refusal(small).message


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_negative_counts_and_empty_cells_are_refused_with_their_number(
    small: anndata.AnnData, form: Callable[..., object]
) -> None:
    counts = small.X.toarray()
    counts[[2, 4], 1] = -1
    small.X = form(counts)
    assert "negative ones in 2 of 160 cells" in refusal(small).message
    counts[[2, 4]] = 0
    for values in (counts, np.log1p(counts)):
        small.X = form(values)
        error = refusal(small)
        assert "2 of 160 cells have no counts" in error.message
        assert "sc.pp.filter_cells" in error.hint


DTYPES = ["bool", "int8", "uint16", "int64", "uint64", "float16", "float32", "float64"]


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = (8, draw(st.integers(1, 5)))
    small = None if dtype.kind == "b" else st.sampled_from([0, 1, 2, 3, 50])
    return draw(arrays(dtype, shape, elements=draw(st.sampled_from([small, None]))))


@given(matrices(), st.sampled_from([np.asarray, sparse.csr_matrix, sparse.csc_matrix]))
@settings(max_examples=60, deadline=None)
def test_whatever_the_numbers_they_are_embedded_or_our_own_error_is_raised(
    values: np.ndarray, form: Callable[..., object]
) -> None:
    adata = anndata.AnnData(obs=pd.DataFrame({"day": [0, 2] * 4}, index=list("abcdefgh")))
    adata.obsm["X"] = values
    if not (values.dtype == np.float16 and form is not np.asarray):
        adata = anndata.AnnData(form(values), obs=adata.obs, obsm=adata.obsm)
    before = values.copy()
    for options in ({}, {"use_rep": "X"}):
        try:
            cells = cellam.read(adata, **options)
            there = cells.matrix if cells.rep else cells.matrix.toarray()
            assert there.dtype == np.float32
            x = fit_space(cells, cells.codes >= 0).embed(cells)
        except CellamError as error:
            assert error.hint or "same" in error.message or "few" in error.message
        else:
            assert np.isfinite(x).all()
            assert np.abs(x).max() < 1e6
    np.testing.assert_array_equal(values, before)
