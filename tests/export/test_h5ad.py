from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest

import cellam
from cellam.errors import ConfigError, OutputError
from cellam.export.h5ad import genes_of, to_anndata, write_h5ad
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation
from cellam.reading.cells import Cells


@pytest.fixture(scope="module")
def simulation(model: Model) -> Simulation:
    return model.simulate("day2", to="day7", n_cells=7, save_every=1.5, seed=1)


@pytest.fixture(scope="module")
def names(cells: Cells) -> list[str]:
    return list(cells.obs.index)


@pytest.fixture
def adata(model: Model, simulation: Simulation, names: list[str]) -> anndata.AnnData:
    return to_anndata(model, simulation, names, genes_of(model, "all"))


def test_a_row_is_a_cell_at_a_saved_time(
    adata: anndata.AnnData, simulation: Simulation, names: list[str]
) -> None:
    T, N = len(simulation.times), len(simulation.rows)
    assert simulation.times.tolist() == [2, 3.5, 4, 5, 6.5, 7]  # 4 and 7 are observed days
    assert N == 7
    assert adata.n_obs == T * N


def test_obs_are_time_origin_trajectory_and_weight(
    adata: anndata.AnnData, simulation: Simulation, names: list[str]
) -> None:
    assert list(adata.obs) == [
        "cellam_time", "origin", "trajectory", "weight", "remoteness", "off_manifold",
    ]  # fmt: skip
    assert adata.obs_names.is_unique
    for t, time in enumerate(simulation.times):
        at = adata.obs[adata.obs["cellam_time"] == time]
        assert at["trajectory"].tolist() == list(range(7))
        assert at["origin"].tolist() == [names[row] for row in simulation.rows]
        np.testing.assert_allclose(at["weight"], np.exp(simulation.log_weights[t]))
    assert (adata.obs["weight"][:7] == 1).all()


def test_obsm_are_the_coordinates(
    adata: anndata.AnnData, model: Model, simulation: Simulation
) -> None:
    assert list(adata.obsm) == ["X_pca"]
    x = adata.obsm["X_pca"].reshape(simulation.points.shape)
    np.testing.assert_allclose(x, simulation.points, rtol=1e-6)
    day = model.snapshots.index("day2")
    drawn = np.isin(model.snapshots.rows[day], simulation.rows)
    start = model.space.to_coordinates(model.snapshots.points[day][drawn])
    np.testing.assert_allclose(x[0], start, rtol=1e-4, atol=1e-4)


def test_a_given_representation_keeps_its_key(rep_model: Model, rep_cells: Cells) -> None:
    simulation = rep_model.simulate("day0", to="day2")
    adata = to_anndata(rep_model, simulation, list(rep_cells.obs.index), [])
    assert list(adata.obsm) == ["X_latent"]
    assert adata.n_vars == 0
    np.testing.assert_allclose(
        adata.obsm["X_latent"][:40], rep_cells.matrix[simulation.rows], rtol=1e-5, atol=1e-5
    )


def test_two_genes_are_the_same_columns_of_all(
    model: Model, simulation: Simulation, names: list[str], adata: anndata.AnnData
) -> None:
    asked = [model.space.genes[9], model.space.genes[4]]
    two = to_anndata(model, simulation, names, genes_of(model, ",".join(asked)))
    assert list(two.var_names) == asked
    np.testing.assert_allclose(two.X, adata[:, asked].X, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(two.obsm["X_pca"], adata.obsm["X_pca"])


def test_decoded_start_is_the_projection_of_the_measured_cells(
    model: Model, simulation: Simulation, cells: Cells, adata: anndata.AnnData
) -> None:
    counts = cells.matrix[simulation.rows].toarray().astype(float)
    log = np.log1p(model.space.library * counts / counts.sum(1, keepdims=True))
    P = model.space.components
    projected = (log - model.space.mean) @ P.T @ P + model.space.mean
    np.testing.assert_allclose(adata.X[:7], projected, atol=1e-4)


def test_none_all_and_repeated_genes(model: Model) -> None:
    a, b = model.space.genes[:2]
    assert genes_of(model, "none") == []
    assert genes_of(model, "all") == list(model.space.genes)
    assert genes_of(model, f" {b} , {a},{b},") == [b, a]
    assert genes_of(model, f"{b.upper()},{a.lower()},{b}") == [b, a]


@pytest.mark.parametrize("asked", ["Nonsense", "", ",", " "])
def test_unknown_and_empty_genes_are_refused(model: Model, asked: str) -> None:
    with pytest.raises(ConfigError) as caught:
        genes_of(model, asked)
    assert model.space.genes[0] in caught.value.hint


def test_a_representation_has_no_genes(rep_model: Model) -> None:
    assert genes_of(rep_model, "none") == []
    with pytest.raises(ConfigError, match="X_latent"):
        genes_of(rep_model, "all")


def test_names_of_rows_are_unique_at_times_that_differ_little(
    model: Model, simulation: Simulation, names: list[str]
) -> None:
    times = 100_000 + np.arange(len(simulation.times)) / 4
    late = to_anndata(model, replace(simulation, times=times), names, [])
    assert late.obs_names.is_unique


def test_what_is_written_is_read_again(adata: anndata.AnnData, tmp_path: Path) -> None:
    write_h5ad(adata, tmp_path / "new" / "x.h5ad")
    back = anndata.read_h5ad(tmp_path / "new" / "x.h5ad")
    np.testing.assert_array_equal(back.X, adata.X)
    np.testing.assert_array_equal(back.obs["weight"], adata.obs["weight"])
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["x.h5ad"]


@pytest.mark.parametrize("there", [False, True])
def test_a_failed_write_leaves_what_was_there(
    adata: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    path = tmp_path / "x.h5ad"
    if there:
        path.write_bytes(b"old")

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match="No space left"):
        write_h5ad(adata, path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"] * there


def test_times_saved_at_steps_begin_at_the_day_and_never_turn_back(cells: Cells) -> None:
    spelt = {"day0": 0.0, "day2": 2 / 3, "day4": 4 / 3, "day7": 7 / 3}
    timed = cellam.read(_as_adata(cells), time_key="day", time_map=spelt)
    model = cellam.fit(timed, n_features=16, n_pcs=2, tau=1.0)
    times = model.simulate("day2", save_every=1 / 3, n_cells=2).times
    assert times[0] == 2 / 3
    assert times[-1] == 7 / 3
    assert (np.diff(times) > 1e-6).all()


def _as_adata(cells: Cells) -> anndata.AnnData:
    adata = anndata.AnnData(cells.matrix.read(), obs=cells.obs.copy())
    adata.var_names = list(cells.genes)
    return adata
