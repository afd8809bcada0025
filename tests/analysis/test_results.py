from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest

import cellam
from cellam.analysis.results import fates, results
from cellam.errors import ConfigError, DataError
from cellam.export.tables import tables
from cellam.modelling.model import Model
from cellam.reading.cells import Cells


@pytest.fixture
def opened(run: Path) -> cellam.Run:
    return cellam.open_run(run)


def test_time_is_that_of_the_day(opened: cellam.Run, small: anndata.AnnData) -> None:
    opened.export(small)
    days = small.obs["day"].astype(str).str.removeprefix("day").astype(float)
    assert small.obs["cellam_time"].tolist() == days.tolist()
    category = small.obs["cellam_time_cat"]
    assert category.cat.ordered and category.cat.categories.tolist() == [0, 2, 4, 7]
    assert isinstance(category.iloc[0], float)  # `from_wot` makes times of file names by this type


def test_velocity_is_what_moves_the_coordinates(opened: cellam.Run, small: anndata.AnnData) -> None:
    """A difference of positions a moment apart, in the coordinates that are written."""
    opened.export(small)
    model, h = opened.model, 1e-3
    for k, rows in enumerate(model.snapshots.rows[:-1]):
        t, x = model.snapshots.times[k], model.snapshots.points[k]
        moved, _ = model.follow(x, t, t + h)
        step = (model.space.to_coordinates(moved) - small.obsm["X_cellam_pca"][rows]) / h
        velocity = small.obsm["cellam_velocity_cellam_pca"][rows]
        np.testing.assert_allclose(velocity, step, atol=0.03 * np.abs(velocity).max())


def test_growth_is_per_unit_of_time(opened: cellam.Run, small: anndata.AnnData) -> None:
    opened.export(small)
    model, h = opened.model, 1e-3
    for k, rows in enumerate(model.snapshots.rows[:-1]):
        t, x = model.snapshots.times[k], model.snapshots.points[k]
        _, mass = model.follow(x, t, t + h)
        rate = small.obs["cellam_growth"].to_numpy()[rows]
        np.testing.assert_allclose(rate, np.log(mass) / h, atol=0.03 * np.abs(rate).max())


def test_a_representation_keeps_its_name_and_maps_have_directions(
    rep_run: Path, small: anndata.AnnData
) -> None:
    small.obsm["X_umap"] = np.asarray(small.obsm["X_latent"])[:, :2] * 3 + 1
    found = cellam.open_run(rep_run).export(small).results
    assert found is not None
    assert [k for k in found.obsm if "velocity" in k] == [
        "cellam_velocity_latent",
        "cellam_velocity_umap",
    ]
    exact = small.obsm["cellam_velocity_latent"][:, :2]
    shown = small.obsm["cellam_velocity_umap"]
    cosine = (exact * shown).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(shown, axis=1)
    assert np.median(cosine) > 0.8


def test_fates_are_probabilities_and_the_last_day_is_what_it_is(
    opened: cellam.Run, small: anndata.AnnData
) -> None:
    opened.export(small)
    names = small.uns["cellam"]["fates"].tolist()
    p = small.obsm["cellam_fates"]
    np.testing.assert_allclose(p.sum(1), 1)
    last = (small.obs["day"] == "day7").to_numpy()
    assert [names[k] for k in p[last].argmax(1)] == small.obs["cell_type"][last].tolist()
    assert (p[last].max(1) == 1).all()


def test_fates_have_the_range_of_the_command(opened: cellam.Run, small: anndata.AnnData) -> None:
    opened.export(small)
    names = small.uns["cellam"]["fates"].tolist()
    least, most = (small.obsm[f"cellam_fates_{side}"] for side in ("least", "most"))
    (found,) = opened.fates("day2").days
    assert list(found.states) == names
    np.testing.assert_array_equal(least[found.rows], found.low)
    np.testing.assert_array_equal(most[found.rows], found.high)
    last = (small.obs["day"] == "day7").to_numpy()
    assert (least[last] == most[last]).all()


def test_fates_stand_where_their_cell_stands_in_the_data(
    cells: Cells, small: anndata.AnnData
) -> None:
    """The same fit to shuffled rows gives the same fates, by name of cell."""
    order = np.random.default_rng(3).permutation(small.n_obs)
    found = []
    for adata in (small, small[order].copy()):
        model = cellam.fit(cellam.read(adata), n_features=64, method="am", path="mixture", n_pcs=5)
        of_cells = fates(model, adata.obs["cell_type"])
        p, names = of_cells.probability, of_cells.names
        for x, rows in zip(model.snapshots.points, model.snapshots.rows, strict=True):
            assert len(x) == len(rows)
        frame = dict(zip(adata.obs_names, p.argmax(1), strict=True))
        found.append([names[frame[name]] for name in small.obs_names])
    same = np.mean([a == b for a, b in zip(*found, strict=True)])
    assert same > 0.9  # features are drawn from cells in their order


def test_cells_of_days_after_the_last_training_day_have_fates(
    cells: Cells, small: anndata.AnnData
) -> None:
    model = cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3, exclude=("day7",))
    of_cells = fates(model, small.obs["cell_type"])
    p, names = of_cells.probability, of_cells.names
    assert set(names) == set(small.obs["cell_type"][small.obs["day"] == "day4"])
    beyond = (small.obs["day"] == "day7").to_numpy()
    np.testing.assert_array_equal(np.isnan(of_cells.least).all(1), beyond)
    np.testing.assert_allclose(p.sum(1), 1)


def test_unannotated_cells_of_the_last_day_are_what_their_neighbours_are(
    model: Model, small: anndata.AnnData
) -> None:
    last = np.flatnonzero(small.obs["day"] == "day7")
    types = small.obs["cell_type"].astype(object)
    types.iloc[last] = np.nan
    with pytest.raises(DataError, match="None of the 40 cells of day7 has a value in obs"):
        fates(model, types)
    types = small.obs["cell_type"].astype(object)
    types.iloc[last[::5]] = "nan"
    types[small.obs["day"] == "day0"] = np.nan  # not asked for
    of_cells = fates(model, types)
    probability, names = of_cells.probability, of_cells.names
    assert "nan" not in names
    np.testing.assert_allclose(probability.sum(1), 1)
    guessed = np.array(names)[probability[last[::5]].argmax(1)]
    assert (guessed == small.obs["cell_type"].iloc[last[::5]]).mean() > 0.8


def test_cellrank_finds_its_keys(opened: cellam.Run, small: anndata.AnnData) -> None:
    small.obs["cell_type"] = small.obs["cell_type"].astype("category")
    colours = ["#111111", "#222222", "#333333", "#444444", "#555555"]
    categories = list(small.obs["cell_type"].cat.categories)
    small.uns["cell_type_colors"] = colours[: len(categories)]
    opened.export(small, cellrank=True)
    states = small.obs["term_states_fwd"]
    last = (small.obs["day"] == "day7").to_numpy()
    assert states[last].tolist() == small.obs["cell_type"][last].tolist()
    assert states[~last].isna().all()
    assert (small.obsm["lineages_fwd"] == small.obsm["cellam_fates"]).all()
    assert small.uns["term_states_fwd_colors"].tolist() == [
        colours[categories.index(name)] for name in states.cat.categories
    ]
    assert type(small.obsp["cellam_T_fwd"]).__name__ == "csr_matrix"


def test_without_types_there_are_no_fates(opened: cellam.Run, small: anndata.AnnData) -> None:
    found = results(opened.model, small, cellrank=True)
    assert "cellam_fates" not in found.obsm and "lineages_fwd" not in found.obsm
    assert "cellam_T_fwd" in found.obsp
    with pytest.raises(ConfigError, match="no column 'nope'"):
        opened.export(small, groupby="nope")


def test_mass_that_is_conserved_gives_no_growth(cells: Cells, small: anndata.AnnData) -> None:
    model = cellam.fit(cells, n_features=32, method="am", n_pcs=3)
    assert "cellam_growth" not in results(model, small).obs


def test_growth_that_the_days_did_not_call_for_has_a_range(
    cells: Cells, small: anndata.AnnData
) -> None:
    """As `fit` and `info` say it, and zero rather than what rounding leaves of it."""
    asked = cellam.fit(cells, n_features=32, path="ot", n_pcs=3)
    other = cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3)
    model = replace(
        asked,
        options=asked.options.model_copy(update={"path": None}),
        choice=replace(asked.choice, couplings=other.choice.couplings),
    )
    assert model.conserves_mass
    found = results(model, small).obs
    assert (found["cellam_growth"] == 0).all()
    assert (found["cellam_growth_low"] <= 0).all() and (found["cellam_growth_low"] < 0).any()
    assert (found["cellam_growth_high"] >= 0).all() and (found["cellam_growth_high"] > 0).any()
    assert "growth" in {name for name, _ in tables(model, small.obs_names)}


def test_a_key_of_the_user_is_never_overwritten(opened: cellam.Run, small: anndata.AnnData) -> None:
    small.obs["cellam_growth"] = 42.0
    before = set(small.obs)
    with pytest.raises(DataError, match="already have obs\\['cellam_growth'\\]") as caught:
        opened.export(small)
    assert caught.value.hint.endswith("del adata.obs['cellam_growth'].")
    assert (
        set(small.obs) == before and set(small.obsm) == {"X_latent"} and "cellam" not in small.uns
    )
    assert (small.obs["cellam_growth"] == 42).all()
    del small.obs["cellam_growth"]
    small.uns["cellam"] = "mine"
    with pytest.raises(DataError, match="uns\\['cellam'\\]"):
        opened.export(small)


def test_a_second_export_replaces_the_first(opened: cellam.Run, small: anndata.AnnData) -> None:
    opened.export(small, cellrank=True)
    first = small.obsm["cellam_velocity_cellam_pca"].copy()
    small.obsm["cellam_velocity_cellam_pca"][:] = 0
    opened.export(small)
    assert (small.obsm["cellam_velocity_cellam_pca"] == first).all()
    # Nothing of the first is left that the second does not have, and no map of ours is a map.
    assert not small.obsp and "lineages_fwd" not in small.obsm
    assert set(small.obsm) == {
        "X_latent", "X_cellam_pca", "cellam_velocity_cellam_pca", "cellam_velocity_latent",
        "cellam_fates", "cellam_fates_least", "cellam_fates_most",
    }  # fmt: skip


def test_other_cells_are_refused(opened: cellam.Run, small: anndata.AnnData) -> None:
    with pytest.raises(DataError, match="have changed since"):
        opened.export(small[::-1].copy())


def test_an_ensemble_gives_spread(model: Model, small: anndata.AnnData) -> None:
    assert "cellam_velocity_sd" not in results(model, small).obs
    same = replace(model, ensemble=(model.fit, model.fit))
    found = results(same, small)
    assert (found.obs["cellam_velocity_sd"] == 0).all()
    assert (found.obs["cellam_growth_sd"] == 0).all()
