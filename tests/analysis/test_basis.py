from __future__ import annotations

import anndata
import numpy as np
import pytest

import cellam
from cellam.analysis.basis import find_basis, project
from cellam.errors import ConfigError, DataError
from cellam.modelling.model import Model
from cellam.modelling.observed import velocities
from cellam.reading.cells import read_annotation

TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])  # a row vector to the right becomes one upwards


@pytest.fixture(scope="module")
def drifting() -> anndata.AnnData:
    """A cloud that moves along its first coordinate; a basis that is the same, turned and bent."""
    rng = np.random.default_rng(0)
    days = np.repeat([0.0, 1.0, 2.0], 150)
    x = 0.7 * rng.standard_normal((450, 3))
    x[:, 0] += days
    adata = anndata.AnnData(np.zeros((450, 1), dtype=np.float32))
    adata.obs["day"] = days
    adata.obsm["X_latent"] = x
    adata.obsm["X_turned"] = np.sinh(x[:, :2] / 2) @ TURN
    return adata


@pytest.fixture(scope="module")
def drift(drifting: anndata.AnnData) -> Model:
    cells = cellam.read(drifting, use_rep="X_latent")
    return cellam.fit(cells, method="am", n_features=128, curvature=0.0)


@pytest.mark.parametrize("name", ["X_latent", "latent", "X_turned", "turned"])
def test_a_rigid_translation_points_the_right_way_in_any_basis(
    drifting: anndata.AnnData, drift: Model, name: str
) -> None:
    basis = find_basis(drift, drifting, name)
    v = basis.velocity(drift)
    direction = v.mean(0) / np.linalg.norm(v.mean(0))
    expected = [0.0, 1.0] if "turned" in name else [1.0, 0.0]
    np.testing.assert_allclose(direction, expected, atol=0.1)
    # Not only on average.
    angle = v @ expected / np.linalg.norm(v, axis=1)
    assert np.median(angle) > 0.9


def test_in_its_own_coordinates_a_velocity_has_the_units_of_the_data(drift: Model) -> None:
    """The cloud moves by one unit a day."""
    basis = find_basis(drift)
    assert basis.own
    assert basis.velocity(drift).mean(0) == pytest.approx([1.0, 0.0], abs=0.15)
    np.testing.assert_allclose(
        basis.velocity(drift), (velocities(drift) * drift.space.scale)[:, :2]
    )


def test_projected_velocities_follow_any_field_and_are_shorter_than_two() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((800, 2))
    v = np.column_stack([-x[:, 1], x[:, 0]])  # round and round
    shown = project(x, v, 3 * x @ TURN)
    cosine = (shown * (v @ TURN)).sum(1)
    cosine /= np.linalg.norm(shown, axis=1) * np.linalg.norm(v, axis=1)
    assert np.median(cosine) > 0.98
    assert np.linalg.norm(shown, axis=1).max() < 2


def test_cells_that_stand_still_have_no_direction() -> None:
    x = np.random.default_rng(2).standard_normal((100, 3))
    np.testing.assert_allclose(project(x, np.zeros_like(x), x[:, :2]), 0, atol=1e-12)


def test_few_cells_can_be_projected() -> None:
    x = np.random.default_rng(3).standard_normal((4, 3))
    assert np.isfinite(project(x, np.ones_like(x), x[:, :2])).all()


def test_observed_cells_are_placed_where_they_are(drifting: anndata.AnnData, drift: Model) -> None:
    x = np.concatenate(drift.snapshots.points)
    for name in ("X_latent", "X_turned"):
        basis = find_basis(drift, drifting, name)
        np.testing.assert_allclose(basis.place(drift, x), basis.xy, atol=1e-4)
    np.testing.assert_allclose(
        find_basis(drift, drifting, "X_turned").xy, drifting.obsm["X_turned"], atol=1e-6
    )


def test_cells_between_observed_ones_are_placed_between_them(
    drifting: anndata.AnnData, drift: Model
) -> None:
    basis = find_basis(drift, drifting, "X_turned")
    x = np.concatenate(drift.snapshots.points)
    inside = basis.place(drift, x[:10] + 0.01)
    assert np.linalg.norm(inside - basis.xy[:10], axis=1).max() < 0.3


def test_the_order_is_that_of_the_model(drifting: anndata.AnnData) -> None:
    mixed = drifting[np.random.default_rng(4).permutation(450)].copy()
    model = cellam.fit(
        cellam.read(mixed, use_rep="X_latent"), method="am", n_features=16, curvature=0.0
    )
    days = find_basis(model, mixed, "X_turned")
    rows = model.snapshots.data_rows
    np.testing.assert_allclose(days.xy, mixed.obsm["X_turned"][rows], atol=1e-6)


def test_an_unknown_basis_lists_those_there_are(
    drifting: anndata.AnnData, drift: Model, model: Model
) -> None:
    with pytest.raises(ConfigError, match="no basis 'umap'") as error:
        find_basis(drift, drifting, "umap")
    assert error.value.hint == "Available: latent, X_latent, X_turned."
    with pytest.raises(ConfigError, match="X_tsne") as error:
        find_basis(model, None, "X_tsne")
    assert error.value.hint == "Available: pca."


def test_umap_is_the_default_where_there_is_one(drifting: anndata.AnnData, drift: Model) -> None:
    assert find_basis(drift, drifting).name == "X_latent"
    with_umap = drifting.copy()
    with_umap.obsm["X_umap"] = drifting.obsm["X_turned"]
    basis = find_basis(drift, with_umap)
    assert (basis.name, basis.axes) == ("X_umap", ("UMAP1", "UMAP2"))


def test_data_that_do_not_fit_are_refused(drifting: anndata.AnnData, drift: Model) -> None:
    with pytest.raises(DataError, match="449 cells"):
        find_basis(drift, drifting[1:].copy(), "X_turned")
    holed = drifting.copy()
    holed.obsm["X_turned"][3, 1] = np.nan
    with pytest.raises(DataError, match="missing or infinite values in 1 cells"):
        find_basis(drift, holed, "X_turned")


def test_one_coordinate_is_no_picture(drifting: anndata.AnnData) -> None:
    cells = cellam.read(drifting, use_rep="X_latent")
    model = cellam.fit(cells, method="am", n_features=16, n_pcs=1, curvature=0.0)
    with pytest.raises(ConfigError, match="a figure needs two"):
        find_basis(model)
    with pytest.raises(ConfigError, match="a figure needs two") as caught:
        find_basis(model, drifting, "X_latent")
    assert "X_turned" in caught.value.hint and "X_latent" not in caught.value.hint
    assert find_basis(model, drifting).name == "X_turned"  # a map of the data, where there is one


def test_annotation_is_read_without_expression(demo_path, drifting: anndata.AnnData) -> None:  # type: ignore[no-untyped-def]
    adata = read_annotation(demo_path)
    assert (adata.n_obs, adata.n_vars) == (3000, 0)
    assert list(adata.obsm) == ["X_latent"]
    assert list(read_annotation(drifting).obs) == ["day"]
