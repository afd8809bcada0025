"""A matrix that is read in chunks is the same matrix, wherever it lies and however it is cut."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.checks.check import check
from cellam.coordinates.embedding import fit_space
from cellam.coordinates.gram import gram
from cellam.errors import DataError
from cellam.matrix import matrices, rows
from cellam.matrix.digests import digest_of
from cellam.matrix.moments import moments
from cellam.matrix.rows import Rows, Stored
from cellam.reading import cells as reading_cells
from cellam.reading.cells import Cells
from cellam.reading.growth import expected_growth

DAYS = ("day0", "day2", "day4")
N, G = 600, 300


@pytest.fixture(scope="module")
def counts() -> anndata.AnnData:
    """Counts of three programmes on three days; genes are not in the order of their names."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((N, 3))
    day = np.arange(N) % 3
    scores[:, 0] += day
    mean = np.exp(rng.normal(-1, 1, G) + 0.5 * scores @ rng.standard_normal((3, G)))
    x = rng.poisson(mean * rng.lognormal(0, 0.3, (N, 1))).astype(np.float32)
    names = rng.permutation([f"g{k:03d}" for k in range(G)])
    obs = pd.DataFrame({"day": np.array(DAYS)[day]}, index=[f"c{k}" for k in range(N)])
    return anndata.AnnData(sparse.csr_matrix(x), obs=obs, var=pd.DataFrame(index=names))


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is held in memory, and chunks are of some thirty cells."""
    monkeypatch.setattr(matrices, "HELD", 0)
    monkeypatch.setattr("cellam.matrix.expression.HELD", 0)
    monkeypatch.setattr(rows, "VALUES", 3_000)


def written(adata: anndata.AnnData, form: Callable[[Any], Any], path: Path) -> Path:
    other = adata.copy()
    other.X = form(adata.X)
    other.write_zarr(path) if path.suffix == ".zarr" else other.write_h5ad(path)
    return path


def embedded(cells: Cells) -> tuple[Any, np.ndarray]:
    space = fit_space(cells, cells.codes != 1, n_top_genes=100, n_pcs=4)
    return space, space.embed(cells)


FORMS = {
    "csr.h5ad": sparse.csr_matrix,
    "csr.zarr": sparse.csr_matrix,
    "dense.h5ad": lambda x: x.toarray(),
    "dense.zarr": lambda x: x.toarray(),
    "csc.h5ad": sparse.csc_matrix,
    "double.h5ad": lambda x: sparse.csr_matrix(x.astype(np.float64)),
}


@pytest.mark.parametrize("name", FORMS)
def test_whatever_is_streamed_is_what_was_held(
    name: str, counts: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = cellam.read(counts)
    space, x = embedded(held)
    path = written(counts, FORMS[name], tmp_path / name)
    monkeypatch.setattr("cellam.matrix.expression.HELD", 0)
    monkeypatch.setattr(rows, "VALUES", 3_000)
    cells = cellam.read(path)
    assert isinstance(cells.matrix.place, Stored) == (not name.startswith("csc"))
    assert (cells.digest, cells.genes, cells.form) == (held.digest, held.genes, held.form)
    np.testing.assert_array_equal(cells.matrix.toarray(), held.matrix.toarray())
    again, y = embedded(cells)
    assert (again.genes, again.library) == (space.genes, space.library)
    np.testing.assert_allclose(y, x, atol=1e-5)


def test_the_size_of_chunks_is_in_no_result(
    counts: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(counts, sparse.csr_matrix, tmp_path / "x.h5ad")
    monkeypatch.setattr("cellam.matrix.expression.HELD", 0)
    found = []
    for values in (700, 3_000, 10**9):
        monkeypatch.setattr(rows, "VALUES", values)
        cells = cellam.read(path)
        space, x = embedded(cells)
        found.append((cells.digest, space.mean.tobytes(), space.components.tobytes(), x.tobytes()))
    assert len(set(found)) == 1


def test_genes_and_coordinates_are_those_of_scanpy_in_memory(
    counts: anndata.AnnData, tmp_path: Path, streamed: None
) -> None:
    import scanpy as sc

    space, x = embedded(cellam.read(written(counts, sparse.csr_matrix, tmp_path / "x.h5ad")))
    adata = counts[:, np.argsort(counts.var_names)].copy()
    training = adata[(adata.obs["day"] != "day2").to_numpy()].copy()
    sc.pp.normalize_total(training)
    sc.pp.log1p(training)
    sc.pp.highly_variable_genes(training, n_top_genes=100)
    training = training[:, training.var["highly_variable"]].copy()
    assert space.genes == tuple(training.var_names)
    training.X = training.X.toarray()
    sc.pp.pca(training, n_comps=4, svd_solver="full")
    theirs = training.obsm["X_pca"] / training.obsm["X_pca"].std(0).max()
    ours = x[(counts.obs["day"] != "day2").to_numpy()]
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_genes_are_chosen_within_batches_as_scanpy_does(
    counts: anndata.AnnData, streamed: None
) -> None:
    import scanpy as sc

    from cellam.coordinates.dispersions import most_variable

    adata = counts[:, np.argsort(counts.var_names)].copy()
    batch = np.random.default_rng(1).integers(0, 3, N)
    adata.obs["batch"] = pd.Categorical(batch.astype(str))
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=70, batch_key="batch")
    ours = most_variable(moments(Rows.of(adata.X), batch, undo=np.expm1), 70)
    np.testing.assert_array_equal(ours, adata.var["highly_variable"].to_numpy())


def test_growth_is_expected_by_the_scores_of_scanpy(counts: anndata.AnnData) -> None:
    import scanpy as sc

    from cellam.reading.growth import _scores, expression_of
    from cellam.reading.signatures import BIRTH

    names = list(counts.var_names)
    names[:20] = BIRTH["human"].genes[:20]
    adata = counts.copy()
    adata.var_names = names
    cells = cellam.read(adata, growth_prior=None)
    some = cells.codes != 1
    genes = sorted(BIRTH["human"].genes[:20])
    adata = adata[:, list(cells.genes)][some].copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.tl.score_genes(adata, genes, random_state=0)
    ours = _scores(expression_of(cells), some, [genes])[0]
    np.testing.assert_allclose(ours, adata.obs["score"], atol=1e-5)
    assert expected_growth(cells, some) is None


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.inf, r"X of .* has infinite values in 1 of 600 cells \(the first is adata\[599\]\)"),
        (np.nan, "missing or infinite values in 1 of 600 cells and 1 of 300 genes, e.g. g"),
        (1e20, r"as large as 1e\+20 in 1 of 600 cells"),
        (-1.0, "negative ones in 1 of 600 cells"),
    ],
)
def test_a_bad_value_in_the_last_chunk_is_found(
    bad: float, said: str, counts: anndata.AnnData, tmp_path: Path, streamed: None
) -> None:
    adata = counts.copy()
    adata.X.data[-1] = bad
    with pytest.raises(DataError, match=said):
        cellam.read(written(adata, sparse.csr_matrix, tmp_path / "x.h5ad"))


def test_an_index_out_of_bounds_in_the_last_chunk_is_found(
    counts: anndata.AnnData, tmp_path: Path, streamed: None
) -> None:
    import h5py

    path = written(counts, sparse.csr_matrix, tmp_path / "x.h5ad")
    with h5py.File(path, "r+") as file:
        file["X/indices"][-1] = G
    with pytest.raises(DataError, match=r"X of x\.h5ad is corrupt"):
        cellam.read(path)


def test_a_file_that_changes_between_passes_is_refused(
    counts: anndata.AnnData, tmp_path: Path, streamed: None
) -> None:
    path = written(counts, sparse.csr_matrix, tmp_path / "x.h5ad")
    cells = cellam.read(path)
    written(counts[:, ::-1], sparse.csr_matrix, path)
    with pytest.raises(DataError, match="has changed while it was read"):
        cells.matrix.read()


def test_a_worker_that_does_not_see_the_file_says_where(
    counts: anndata.AnnData, tmp_path: Path
) -> None:
    counts.write_h5ad(tmp_path / "a.h5ad")
    place = Stored.at(tmp_path / "a.h5ad", "X")
    (tmp_path / "a.h5ad").unlink()
    with pytest.raises(DataError, match=r"a\.h5ad was not found on ") as caught, place.opened():
        pass
    assert "all workers see it" in caught.value.hint


def test_parts_are_added_up_to_the_whole(
    counts: anndata.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = counts.X.toarray().astype(np.float64)
    whole = Rows.of(counts.X)
    monkeypatch.setattr(rows, "PART", 70)
    groups = np.arange(N) % 3
    found = moments(whole, groups)
    for k in range(3):
        np.testing.assert_allclose(found.means[k], x[groups == k].mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.variances[k], x[groups == k].var(0), rtol=1e-9)
    loadings = np.random.default_rng(0).standard_normal((G, 2))
    np.testing.assert_allclose(whole @ loadings, x @ loadings, rtol=1e-6)
    products = gram(whole, x[:9].mean(0))
    np.testing.assert_allclose(products.mean, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(products.covariance, np.cov(x.T, bias=True), rtol=1e-5, atol=1e-5)
    assert products.varies


def test_rows_and_columns_are_those_of_the_matrix(
    counts: anndata.AnnData, tmp_path: Path, streamed: None
) -> None:
    cells = cellam.read(written(counts, sparse.csr_matrix, tmp_path / "x.h5ad"))
    whole = cells.matrix.toarray()
    some = np.array([3, 4, 5, 200, 599])
    np.testing.assert_array_equal(cells.matrix[some].toarray(), whole[some])
    np.testing.assert_array_equal(cells.matrix.take(some[::-1]).toarray(), whole[some[::-1]])
    genes = [7, 2, 250]
    chosen = cells.matrix[whole[:, 0] > 0].columns(genes)
    np.testing.assert_array_equal(chosen.toarray(), whole[whole[:, 0] > 0][:, genes])
    loadings = np.random.default_rng(0).standard_normal((G, 2))
    np.testing.assert_allclose(cells.matrix @ loadings, whole @ loadings, rtol=1e-5)
    np.testing.assert_allclose(cells.matrix.sums(), whole.sum(1))
    scaled = np.log1p(whole * (100 / whole.sum(1, keepdims=True)))
    normal = cells.matrix.normalised(100.0, log=True).columns(genes)
    np.testing.assert_allclose(normal.toarray(), scaled[:, genes], rtol=1e-5)
    with pytest.raises(ValueError, match="ascending"):
        cells.matrix[some[::-1]]


def test_digests_of_earlier_runs_still_hold(
    counts: anndata.AnnData, tmp_path: Path, streamed: None
) -> None:
    """The digest of the sorted matrix, array by array, as it was before."""
    cells = cellam.read(written(counts, sparse.csr_matrix, tmp_path / "x.h5ad"))
    order = np.argsort(counts.var_names)
    held = counts.X.tocsc()[:, order].tocsr()
    held.sort_indices()
    times = np.asarray(cells.timeline.times)[cells.codes]
    parts = [held.data, held.indices.astype(np.int64), held.indptr.astype(np.int64)]
    earlier = digest_of(cells.obs.index, cells.genes, times, parts)
    assert cells.is_of(earlier) and cells.is_of(cells.digest)
    assert not cells.is_of(earlier[::-1]) and not cells.is_of(cells.digest[::-1])


def test_check_looks_at_a_sample_of_large_data_and_says_so(
    counts: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_day = counts[np.argsort(counts.obs["day"], kind="stable")].copy()
    path = written(by_day, sparse.csr_matrix, tmp_path / "x.h5ad")
    whole = check(path)
    assert whole.to_dict()["sampled"] is None
    monkeypatch.setattr(reading_cells, "GLANCED", 20_000)
    found = check(path)
    n = found.to_dict()["sampled"]
    assert 100 < n < 300
    same = ("cells", "times", "kind", "genes", "layers", "n_types", "growth_genes")
    assert {k: found.to_dict()[k] for k in same} == {k: whole.to_dict()[k] for k in same}
    codes = found.cells.codes[found.cells.sample]
    assert np.ptp(np.bincount(codes)) <= 1


def test_pairs_of_duplicates_are_found_in_streams(
    counts: anndata.AnnData, tmp_path: Path, streamed: None
) -> None:
    from cellam.checks.duplicates import find_duplicates

    x = counts.X.copy().tolil()
    x[599], x[300] = x[0], x[1]
    adata = counts.copy()
    adata.X = x.tocsr()
    found = find_duplicates(cellam.read(written(adata, sparse.csr_matrix, tmp_path / "x.h5ad")))
    assert found is not None
    assert (found.n, found.first, found.second) == (2, "c1", "c300")


def test_every_choice_of_a_choice_is_kept_in_mind(counts: anndata.AnnData) -> None:
    whole = counts.X.toarray()
    kept = Rows.of(counts.X)
    for half, third in itertools.product((slice(0, 300), slice(100, 600)), (slice(None, None, 3),)):
        np.testing.assert_array_equal(kept[half][third].toarray(), whole[half][third])
    genes = np.arange(0, G, 2)
    twice = kept.columns(genes).columns([5, 1])
    np.testing.assert_array_equal(twice.toarray(), whole[:, [10, 2]])


FITTED = """
import resource, sys
import cellam, cellam.matrix.expression
from cellam.coordinates.embedding import fit_points
cellam.matrix.expression.HELD = 0
cells = cellam.read(sys.argv[1])
fit_points(cells, cells.codes >= 0, n_pcs=5)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40,000 cells hold 170 MB more of values than 10,000, and take 1.5 kB a cell more at most."""
    from bench import counts as bench

    monkeypatch.setattr(bench, "DISTINCT", 1_000)
    taken = {}
    for n in (10_000, 40_000):
        bench.write(tmp_path / f"{n}.h5ad", n, 10_000)
        command = [sys.executable, "-c", FITTED, str(tmp_path / f"{n}.h5ad")]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        taken[n] = int(found.stdout)
    assert taken[40_000] - taken[10_000] < 30_000 * 1_500
