from __future__ import annotations

import warnings
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.checks.fit_caveats import fit_caveats
from cellam.coordinates.batch_shift import Batches, linked, read_batches, without_shift
from cellam.coordinates.embedding import fit_space
from cellam.errors import ConfigError, DataError
from cellam.matrix.rows import Rows
from cellam.modelling.observed import growth_rates
from cellam.reading.cells import Cells
from cellam.runs.archive import from_files, to_files
from cellam.toys import Branching

DAYS = (0.0, 2.0, 4.0, 7.0)


def lanes(adata: anndata.AnnData, drift: bool = True, seed: int = 0) -> np.ndarray:
    """Lane of every cell: shares of L2 from .2 to .8 over the days."""
    position = np.unique(adata.obs["day"].astype(str), return_inverse=True)[1]
    share = 0.2 + 0.2 * position if drift else np.full(len(position), 0.5)
    return np.where(np.random.default_rng(seed).random(len(share)) < share, "L2", "L1")


@pytest.fixture(scope="module")
def course() -> anndata.AnnData:
    """Cells of the fork where they truly are, and three more coordinates of noise."""
    rng = np.random.default_rng(3)
    z = np.concatenate([x for x, _ in Branching().simulate(DAYS, [250] * 4, rng)])
    x = np.hstack([z, 0.3 * rng.standard_normal((len(z), 3))])
    adata = anndata.AnnData(np.zeros((len(z), 1), dtype=np.float32), obsm={"X_true": x})
    adata.obs["day"] = np.repeat([f"day{t:g}" for t in DAYS], 250)
    adata.obs["lane"] = lanes(adata)
    return adata


def batches_of(codes: np.ndarray, days: np.ndarray) -> Batches:
    levels = tuple(f"b{k}" for k in range(codes.max() + 1))
    counts = np.zeros((days.max() + 1, len(levels)), dtype=int)
    np.add.at(counts, (days, codes), 1)
    return Batches("lane", levels, codes, days, linked(counts))


def test_batches_are_linked_over_days_they_share() -> None:
    counts = np.array([[9, 9, 0, 0, 0], [0, 5, 5, 0, 0], [0, 0, 0, 4, 4]])
    assert linked(counts).tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("sparse_too", [False, True])
def test_shifts_without_noise_are_exact_over_a_chain_of_days(sparse_too: bool) -> None:
    # b0 and b2 are on no day together; b1 links them.
    days = np.repeat([0, 0, 1, 1], 60)
    codes = np.repeat([0, 1, 1, 2], 60)
    truth = np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 1.0]])
    X = np.repeat([[0.0, 5.0], [9.0, -4.0]], 120, axis=0) + truth[codes]
    found = batches_of(codes, days).shift(
        sparse.csr_matrix(X) if sparse_too else X, np.eye(2) if sparse_too else None
    )
    np.testing.assert_allclose(found - found[0], truth - truth[0], atol=1e-8)
    np.testing.assert_allclose(np.bincount(codes) @ found, 0, atol=1e-8)


def test_other_mixtures_of_kinds_do_not_pass_for_a_shift() -> None:
    rng = np.random.default_rng(0)
    kind, days = rng.integers(0, 4, 2000), np.repeat([0, 1], 1000)
    codes = (rng.random(2000) < np.where(kind % 2, 0.9, 0.1)).astype(int)
    centres = rng.normal(0, 3, (4, 8))
    truth = rng.standard_normal(8)
    X = centres[kind] + rng.standard_normal((2000, 8)) + codes[:, None] * truth
    batches = batches_of(codes, days)
    found = batches.shift(X)
    by_days = batches._least_squares(X, days, codes)
    off = [np.linalg.norm(s[1] - s[0] - truth) / np.linalg.norm(truth) for s in (found, by_days)]
    assert off[0] < 0.15 < 1 < off[1]


def test_drifting_shares_of_a_shifted_batch_are_no_growth(course: anndata.AnnData) -> None:
    b = (course.obs["lane"] == "L2").to_numpy()
    direction = np.array([0, 0, 1, 1, 0]) / 2**0.5 * course.obsm["X_true"].std(0).max()
    moved = course.copy()
    moved.obsm["X_true"] = course.obsm["X_true"] + b[:, None] * direction
    truth = Branching().growth(0.0, course.obsm["X_true"][:, :2])
    false = {}
    for key in (None, "lane"):
        cells = cellam.read(moved, use_rep="X_true", batch_key=key)
        model = cellam.fit(cells, tau=1.0, curvature=1.0, n_features=200)
        off = model.snapshots.to_data_order(growth_rates(model)) - truth
        days = [(moved.obs["day"] == day).to_numpy() for day in moved.obs["day"].unique()]
        false[key] = np.mean([off[d & b].mean() - off[d & ~b].mean() for d in days])
    assert abs(false[None]) > 0.05
    assert abs(false["lane"]) < 0.01
    assert model.space.batches is not None
    found = model.space.batches.shifts
    assert np.linalg.norm(found[1] - found[0] - direction) < 0.15 * np.linalg.norm(direction)


@pytest.fixture
def laned(small: anndata.AnnData) -> Cells:
    """The small data, with lane L2 seeing a third of the genes less well."""
    lane = lanes(small, drift=False)
    counts = small.X.toarray()
    seen = np.where(np.arange(small.n_vars) % 3 == 0, 0.4, 1.0)
    counts[lane == "L2"] = np.random.default_rng(0).binomial(
        counts[lane == "L2"].astype(int), np.broadcast_to(seen, counts[lane == "L2"].shape)
    )
    small.X = sparse.csr_matrix(counts.astype(np.float32))
    small.obs["lane"] = lane
    return cellam.read(small, batch_key="lane")


def everyone(cells: Cells) -> np.ndarray:
    return np.ones(len(cells), dtype=bool)


def test_corrected_cells_of_two_batches_lie_together(laned: Cells) -> None:
    b = (laned.obs["lane"] == "L2").to_numpy()
    reading = laned.reading.model_copy(update={"batch_key": None})
    apart = {}
    for name, cells in {"no": replace(laned, reading=reading), "yes": laned}.items():
        space = fit_space(cells, everyone(cells), n_pcs=5)
        x = space.embed(cells)
        apart[name] = np.linalg.norm(
            [x[b & (cells.codes == k)].mean(0) - x[~b & (cells.codes == k)].mean(0)
             for k in range(4)]
        )  # fmt: skip
    assert apart["yes"] < 0.5 * apart["no"]
    assert 0.1 < space.farthest_shift < 1


def test_the_correction_can_be_undone_and_takes_part_in_decoding(laned: Cells) -> None:
    space = fit_space(laned, everyone(laned), n_pcs=5)
    assert space.batches is not None
    x, genes = space.embed(laned), list(space.genes)
    none, first, second = (space.decode(x, genes, batch=b) for b in (None, "L1", "L2"))
    shifts = space.batches.shifts
    np.testing.assert_allclose(second - first, np.tile(shifts[1] - shifts[0], (len(x), 1)),
                               atol=1e-5)  # fmt: skip
    # What was measured, projected, is what its batch decodes to.
    measured = space.expression(laned, genes)
    codes = space.batches.codes(laned)
    own = np.where(codes[:, None] == 0, first, second)
    np.testing.assert_allclose((measured - own) @ space.components.T, 0, atol=1e-4)
    np.testing.assert_allclose(np.bincount(codes) @ shifts, 0, atol=1e-9)
    assert np.abs(none - first).max() > 0.01


def test_held_out_cells_tell_nothing_of_the_shift(laned: Cells) -> None:
    training = laned.codes != 2
    other = laned.matrix.toarray()
    other[~training] = other[~training][:, ::-1]
    changed = replace(laned, matrix=Rows.of(sparse.csr_matrix(other)))
    a, b = (fit_space(cells, training, n_pcs=5) for cells in (laned, changed))
    assert a.batches is not None and b.batches is not None
    np.testing.assert_array_equal(a.batches.shifts, b.batches.shifts)


def test_the_shift_is_kept_in_the_run_and_moves_new_cells(
    laned: Cells, small: anndata.AnnData
) -> None:
    model = cellam.fit(laned, n_features=32, tau=1.0, n_pcs=3)
    again = from_files(to_files(model), seconds=1.0)
    assert again.space.batches is not None
    day = small[small.obs["day"] == "day2"].copy()
    moved = model.simulate("day2")
    np.testing.assert_array_equal(again.simulate(again.read(day)).points, moved.points)
    fewer = again.cohort(again.read(day[:, 2:].copy()))
    off = np.linalg.norm(fewer.points - again.snapshots.points[1], axis=1)
    assert np.median(off) < 0.5
    day.obs["lane"] = "L9"
    with pytest.raises(DataError, match=r"does not know: 'L9' \(40 cells\)") as caught:
        again.cohort(again.read(day))
    assert "L1, L2" in caught.value.hint
    day.obs["lane"] = pd.Categorical([None, *["L1"] * 39])
    with pytest.raises(DataError, match=r"does not know: 'nan' \(1 cell\)"):
        again.cohort(again.read(day))
    del day.obs["lane"]
    with pytest.raises(DataError, match="has no such column"):
        again.cohort(again.read(day))


def test_what_days_do_not_link_is_refused_with_the_design(small: anndata.AnnData) -> None:
    small.obs["plate"] = np.where(small.obs["day"].isin(["day0", "day2"]), "p1", "p2")
    with pytest.raises(ConfigError, match=r"p1 \| p2") as caught:
        cellam.fit(cellam.read(small, batch_key="plate"), n_features=16, tau=1.0, n_pcs=3)
    assert "p1" in caught.value.message and "40    40     –" in caught.value.message
    assert "allow_confounded=True" in caught.value.hint
    cells = cellam.read(small, batch_key="plate")
    model = cellam.fit(cells, n_features=16, tau=1.0, n_pcs=3, allow_confounded=True)
    assert model.space.batches is not None
    np.testing.assert_allclose(model.space.batches.shifts, 0, atol=1e-9)


def test_a_day_of_batches_that_no_other_day_has_is_said(small: anndata.AnnData) -> None:
    """Neither a fit without the day nor its scores know a shift of them."""
    small.obs["lane"] = lanes(small)
    alone = (small.obs["day"] == "day4") & (small.obs["lane"] == "L2")
    small.obs["lane"] = small.obs["lane"].where(~alone, "L3")
    cells = cellam.read(small, batch_key="lane")
    assert without_shift(cells, "day2") == ""
    says = f"without a shift: 'L3' ({alone.sum()} cells)."
    assert says in without_shift(cells, "day4")
    model = cellam.fit(cells, n_features=16, tau=1.0, n_pcs=3, exclude=("day4",))
    assert any(says in caveat.finding for caveat in fit_caveats(model, cells))
    assert without_shift(cellam.read(small), "day4") == ""


def test_what_is_no_batch_is_refused(small: anndata.AnnData, cells: Cells) -> None:
    small.obs["one"], small.obs["lane"] = "x", lanes(small)
    small.obs.loc[small.obs_names[3], "lane"] = np.nan
    for key, said in (("one", "single level"), ("lane", "has no value"), ("day", "holds the time")):
        with pytest.raises(DataError, match=said):
            read_batches(cellam.read(small, batch_key=key), np.ones(160, dtype=bool))
    with pytest.raises(DataError, match="no column 'lan'"):
        cellam.read(small, batch_key="lan")
    with pytest.raises(ConfigError, match="were read without `batch_key='lane'`"):
        cellam.fit(cells, batch_key="lane")
    with pytest.raises(ConfigError, match="`allow_confounded` is for batches"):
        cellam.fit(cells, allow_confounded=True)


def test_another_batch_of_a_cell_is_another_file(small: anndata.AnnData) -> None:
    small.obs["lane"] = lanes(small)
    before = cellam.read(small, batch_key="lane").digest
    small.obs["lane"] = small.obs["lane"].to_numpy()[::-1]
    assert cellam.read(small, batch_key="lane").digest != before


def test_most_variable_genes_are_chosen_within_batches(laned: Cells) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        space = fit_space(laned, everyone(laned), n_top_genes=15, n_pcs=3)
    assert len(space.genes) == 15
    reading = laned.reading.model_copy(update={"batch_key": None})
    plain = fit_space(replace(laned, reading=reading), everyone(laned), n_top_genes=15, n_pcs=3)
    lost = {g for k, g in enumerate(laned.genes) if k % 3 == 0}
    assert len(lost & set(space.genes)) <= len(lost & set(plain.genes))
