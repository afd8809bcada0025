from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
from scipy import sparse

import cellam
from cellam.coordinates.embedding import fit_space
from cellam.coordinates.placing import MOST, place
from cellam.coordinates.space import Space
from cellam.errors import DataError
from cellam.matrix.rows import Rows
from cellam.modelling.model import Model
from cellam.reading.cells import Cells


@pytest.fixture(scope="module")
def demo(demo_path: object) -> Cells:
    return cellam.read(demo_path)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def space(demo: Cells) -> Space:
    return fit_space(demo, np.ones(len(demo), dtype=bool))


def with_genes(cells: Cells, keep: np.ndarray) -> Cells:
    genes = tuple(np.array(cells.genes)[keep])
    return replace(cells, matrix=cells.matrix.columns(np.flatnonzero(keep)), genes=genes)


def test_cells_of_the_fit_lie_where_they_were_to_the_last_bit(demo: Cells, space: Space) -> None:
    some = replace(demo, matrix=demo.matrix[100:137])
    placed = place(space, some)
    assert placed.notes == ()
    np.testing.assert_array_equal(placed.points, space.embed(demo)[100:137])


def test_genes_that_only_count_for_the_library_leave_no_error(demo: Cells) -> None:
    space = fit_space(demo, np.ones(len(demo), dtype=bool), n_top_genes=150)
    keep = np.isin(demo.genes, space.genes)
    placed = place(space, with_genes(demo, keep))
    assert "none of the PCA" in placed.notes[0]
    # The share of the library that these genes hold differs from cell to cell, and not on average.
    off = placed.points - space.embed(demo)
    assert np.abs(off.mean(0)).max() < 0.02
    assert (off**2).sum() < 0.02 * (placed.points**2).sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_missing_genes_is_known_before(demo: Cells, space: Space, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fewer = with_genes(demo, rng.random(len(demo.genes)) < 0.75)
    placed = place(space, fewer)
    x = space.embed(demo)
    made = ((placed.points - x) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    expected = float(placed.notes[0].split("expected error is ")[1].split(" %")[0]) / 100
    assert 0.7 < expected / made < 1.1
    assert np.abs((placed.points - x).mean(0)).max() < 0.02  # no shift
    assert (placed.points * x).sum() / (x**2).sum() > 0.9  # and no shrinking to the centre
    lost = 1 - np.isin(space.genes, fewer.genes).mean()
    mean_for_missing = (
        space.from_coordinates(
            (space.prepared(fewer, [g for g in space.genes if g in fewer.genes]).toarray()
             - space.mean[np.isin(space.genes, fewer.genes)])
            @ space.components[:, np.isin(space.genes, fewer.genes)].T
        )
    )  # fmt: skip
    shrunk = (np.asarray(mean_for_missing) * x).sum() / (x**2).sum()
    assert shrunk < 1 - 0.7 * lost


def test_other_depth_of_half_a_file_is_no_other_expression(demo: Cells, space: Space) -> None:
    fewer = with_genes(demo, np.random.default_rng(0).random(len(demo.genes)) < 0.8)
    once = place(space, fewer).points
    deeper = place(space, replace(fewer, matrix=Rows.of(fewer.matrix.read() * 7))).points
    np.testing.assert_allclose(once, deeper, atol=1e-4)


def test_too_few_genes_are_refused_with_their_error(demo: Cells, space: Space) -> None:
    few = with_genes(demo, np.arange(len(demo.genes)) % 5 == 0)
    with pytest.raises(DataError, match="240 of the 300 genes of the fit") as caught:
        place(space, few)
    error = float(caught.value.message.split("expected error is ")[1].split(" %")[0]) / 100
    assert error > MOST
    with pytest.raises(DataError, match="300 of the 300 genes") as caught:
        place(space, replace(few, genes=tuple(f"ENS{k}" for k in range(len(few.genes)))))
    assert "ENS0" in caught.value.hint  # names of another kind are seen at a glance


def test_runs_without_what_is_usual_take_whole_cells_only(demo: Cells, space: Space) -> None:
    old = replace(space, usual=None)
    np.testing.assert_array_equal(place(old, demo).points, place(space, demo).points)
    with pytest.raises(DataError, match="lacks 1 of the 300 genes") as caught:
        place(old, with_genes(demo, np.arange(len(demo.genes)) > 0))
    assert "fit again" in caught.value.hint


def test_values_on_another_scale_are_refused(small: anndata.AnnData, cells: Cells) -> None:
    def logged(total: float) -> Cells:
        counts = small.X.toarray().astype(float)
        other = small.copy()
        other.X = sparse.csr_matrix(np.log1p(total * counts / counts.sum(1, keepdims=True)))
        return cellam.read(other)

    space = fit_space(logged(1e3), np.ones(len(cells), dtype=bool), n_pcs=5)
    place(space, logged(1.5e3))
    with pytest.raises(DataError, match=r"not on the scale of the fit.* times that"):
        place(space, logged(1e6))
    with pytest.raises(DataError, match="has counts") as caught:
        place(space, cells)
    assert "log values" in caught.value.hint


def test_values_that_were_scaled_by_themselves_are_refused(small: anndata.AnnData) -> None:
    logs = np.log1p(small.X.toarray().astype(float))
    small.X = (logs - logs.mean(0)) / logs.std(0)
    cells = cellam.read(small)
    space = fit_space(cells, np.ones(len(cells), dtype=bool), n_pcs=5)
    day = small[small.obs["day"] != "day0"].copy()
    place(space, cellam.read(day))  # scaled with all cells
    day.X = (day.X - day.X.mean(0)) / day.X.std(0)
    with pytest.raises(DataError, match="scaled by itself"):
        place(space, cellam.read(day))


def test_cells_without_a_count_in_the_genes_of_the_fit_are_refused(
    demo: Cells, space: Space
) -> None:
    matrix = demo.matrix.read().tolil()
    matrix[3] = 0
    with pytest.raises(DataError, match=r"^1 cell of .* has no counts in the genes of the fit"):
        place(space, replace(demo, matrix=Rows.of(matrix.tocsr())))


def test_given_coordinates_are_taken_as_those_of_the_fit_and_it_is_said(rep_cells: Cells) -> None:
    space = fit_space(rep_cells, np.ones(len(rep_cells), dtype=bool))
    placed = place(space, rep_cells)
    np.testing.assert_array_equal(placed.points, space.embed(rep_cells))
    assert "taken to be in the coordinates of the fit" in placed.notes[0]


def test_another_representation_is_refused(model: Model, rep_cells: Cells) -> None:
    with pytest.raises(DataError, match="was read as"):
        place(model.space, rep_cells)
