from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.coordinates.embedding import fit_points
from cellam.errors import ConfigError, DataError

HOW = {"use_rep": "X_pca", "velocity": "velocity_pca"}


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"day": np.repeat([0.0, 1.0, 2.0], 20)}, index=[f"c{i}" for i in range(60)])
    x, v = rng.standard_normal((2, 60, 4))
    return anndata.AnnData(obs=obs, obsm={"X_pca": x, "velocity_pca": v, "velocity_umap": v[:, :2]})


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_cells_of_which_a_part_is_missing_have_none(adata, form, tmp_path):
    adata.obsm["velocity_pca"][3, 2] = np.nan
    adata.obsm["velocity_pca"][4] = 0.0
    expected = adata.obsm["velocity_pca"].astype(np.float32)
    adata.obsm["velocity_pca"] = form(adata.obsm["velocity_pca"])
    adata.write_h5ad(tmp_path / "x.h5ad")
    for data in (adata, tmp_path / "x.h5ad"):
        found = cellam.read(data, **HOW).velocity
        assert (found[[3, 4]] == 0).all()
        assert np.array_equal(np.delete(found, [3, 4], 0), np.delete(expected, [3, 4], 0))
    checked = cellam.check(adata, **HOW)
    assert checked.velocities == checked.to_dict()["velocities"] == 58
    assert cellam.check(adata, use_rep="X_pca").velocities is None


@pytest.mark.parametrize("whiten", [False, True])
def test_velocities_are_scaled_as_the_coordinates_are(adata, whiten):
    """What moves by v for a while is, in the model, moved by the scaled velocity for a while."""
    adata.obsm["X_pca"] *= [5.0, 1.0, 0.1, 3.0]
    cells = cellam.read(adata, **HOW)
    training = adata.obs["day"].to_numpy() < 2
    space, points = fit_points(cells, training, n_pcs=3, whiten=whiten)
    v = space.velocities(cells, training)
    moved = space.from_coordinates((adata.obsm["X_pca"] + 0.1 * adata.obsm["velocity_pca"])[:, :3])
    assert v.shape == (60, 3)
    assert (moved - points)[training] == pytest.approx(0.1 * v[training], abs=1e-5)
    assert (v[~training] == 0).all()


def test_a_batch_correction_leaves_them(adata):
    adata.obs["batch"] = np.tile(["a", "b"], 30)
    adata.obsm["X_pca"][::2] += 9.0
    every = np.ones(60, dtype=bool)
    with_batches = cellam.read(adata, **HOW, batch_key="batch")
    space, _ = fit_points(with_batches, every)
    v = space.velocities(with_batches, every)
    assert v * space.scale == pytest.approx(adata.obsm["velocity_pca"], rel=1e-5)


def test_they_are_part_of_the_data(adata):
    cells = cellam.read(adata, **HOW)
    assert (
        cellam.read(adata, use_rep="X_pca").digest == cells.without_velocities().digested().digest
    )
    assert cells.only(np.arange(60) < 5).velocity.shape == (5, 4)
    adata.obsm["velocity_pca"][0] += 1
    assert cellam.read(adata, **HOW).digest != cells.digest


@pytest.mark.parametrize(
    ("key", "change", "says", "hint"),
    [
        ("velocity_pcs", None, r"has no obsm\['velocity_pcs'\]", "velocity_pca"),
        ("velocity_umap", None, r"has 2 columns, and obsm\['X_pca'\].* has 4", "use_rep"),
        ("velocity_pca", np.nan, "gives none of the 60 cells a velocity", "Leave out"),
        ("velocity_pca", 0.0, "gives none of the 60 cells a velocity", "Leave out"),
        (
            "velocity_pca",
            np.inf,
            r"has infinite values in 60 of 60 cells \(the first is adata\[0\]\)",
            "as missing (NaN)",
        ),
    ],
)
def test_what_cannot_be_a_velocity_is_refused(adata, key, change, says, hint):
    if change is not None:
        adata.obsm["velocity_pca"][:] = change
    with pytest.raises(DataError, match=says) as error:
        cellam.read(adata, use_rep="X_pca", velocity=key)
    assert hint in error.value.hint


def test_velocities_whose_mean_was_taken_off_are_refused(adata):
    v = adata.obsm["velocity_pca"]
    v[5] = np.nan
    adata.obsm["velocity_pca"] = (v - np.nanmean(v, 0)).astype(np.float32)
    with pytest.raises(DataError, match="has a mean of 0 over all cells"):
        cellam.read(adata, **HOW)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "`use_rep` is not set"),
        ({"use_rep": "velocity_pca"}, "is the representation itself"),
        ({"use_rep": "X_pca", "path": "mixture"}, "does not apply to `path='mixture'`"),
    ],
)
def test_options_that_contradict_velocities_are_refused(more, says):
    with pytest.raises(ConfigError, match=says):
        cellam.Options(velocity="velocity_pca", **more)


def test_a_fit_knows_whether_cells_were_read_with_velocities(adata):
    cells = cellam.read(adata, use_rep="X_pca")
    with pytest.raises(ConfigError, match="read without `velocity='velocity_pca'`"):
        cellam.fit(cells, **HOW)


def test_a_comparison_has_no_use_for_them(adata):
    adata.obs["condition"] = np.tile(["a", "b"], 30)
    with pytest.raises(ConfigError, match="`velocity='velocity_pca'` has no part"):
        cellam.compare(cellam.read(adata, **HOW), "condition", **HOW)
