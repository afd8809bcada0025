from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import cellam
from cellam.analysis.drivers import drivers, quantity
from cellam.errors import ConfigError, DataError
from cellam.matrix.values import Form
from cellam.modelling.model import Model
from cellam.reading.cells import Cells


def _cells(X: object, days: np.ndarray, kind: str = "log") -> Cells:
    genes = tuple(f"g{k}" for k in range(X.shape[1]))
    adata = anndata.AnnData(
        X, obs=pd.DataFrame({"day": days}, index=[f"c{k}" for k in range(len(days))]),
        var=pd.DataFrame(index=list(genes)),
    )  # fmt: skip
    cells = cellam.read(adata, time_key="day")
    return replace(cells, form=Form(kind, kind))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_one_day_gives_pearson(form: Callable[..., object]) -> None:
    rng = np.random.default_rng(0)
    X = rng.gamma(2, size=(60, 5)).astype(np.float32)
    days = np.repeat([0, 1], 30)
    y = rng.normal(size=60) + X[:, 2]
    keep = days == 1
    frame = drivers(_cells(form(X), days), y, keep).set_index("gene")
    for k in range(5):
        r = stats.pearsonr(X[keep, k], y[keep])
        assert frame.loc[f"g{k}", "correlation"] == pytest.approx(r.statistic, rel=1e-5)
        assert frame.loc[f"g{k}", "p_value"] == pytest.approx(r.pvalue, rel=1e-3)
    assert frame.index[0] == "g2"
    q = stats.false_discovery_control(frame["p_value"])
    np.testing.assert_allclose(frame["q_value"], q)


def test_what_only_goes_with_time_does_not_count() -> None:
    """Within days neither gene nor number knows of the other; over days both rise."""
    rng = np.random.default_rng(1)
    days = np.repeat([0, 1, 2], 400)
    X = (rng.gamma(2, size=(1200, 2)) + 5 * days[:, None]).astype(np.float32)
    y = rng.normal(size=1200) + 5 * days
    y += X[:, 1] - 5 * days  # the second gene does
    frame = drivers(_cells(X, days), y).set_index("gene")
    assert abs(frame.loc["g0", "correlation"]) < 0.1
    assert stats.pearsonr(X[:, 0], y).statistic > 0.8
    assert frame.loc["g1", "correlation"] == pytest.approx(2**0.5 / 3**0.5, abs=0.03)


def test_p_values_of_noise_are_uniform() -> None:
    rng = np.random.default_rng(2)
    days = np.repeat([0, 1, 2, 3], 20)
    X = rng.gamma(2, size=(80, 2000)).astype(np.float32)
    frame = drivers(_cells(X, days), rng.normal(size=80))
    assert stats.kstest(frame["p_value"], "uniform").pvalue > 0.01
    assert frame["q_value"].min() > 0.05


def test_constant_genes_are_left_out() -> None:
    X = np.random.default_rng(0).gamma(2, size=(40, 3)).astype(np.float32)
    X[:, 1] = 3.7
    days = np.repeat([0, 1], 20)
    assert set(drivers(_cells(X, days), X[:, 0].astype(float))["gene"]) == {"g0", "g2"}
    with pytest.raises(DataError, match="the same in all"):
        drivers(_cells(X, days), np.full(40, 0.3))
    with pytest.raises(DataError, match="9 cells are too few"):
        drivers(_cells(X, days), X[:, 0].astype(float), np.arange(40) < 9)


def test_counts_are_normalised_and_logged() -> None:
    """Depth alone makes raw counts of all genes correlate; once normalised, it does not."""
    rng = np.random.default_rng(3)
    days = np.repeat([0, 1], 300)
    depth = rng.uniform(0.3, 3, 600)
    X = rng.poisson(20 * depth[:, None], (600, 30)).astype(np.float32)
    frame = drivers(_cells(X, days, "counts"), depth)
    assert frame["correlation"].abs().max() < 0.25
    raw = [stats.pearsonr(X[:, k], depth).statistic for k in range(30)]
    assert min(raw) > 0.8


def test_markers_of_the_simulated_types_drive_their_fates(demo_path: Path) -> None:
    """Branch genes of the demo data, by name; a fit of a quarter of its cells."""
    adata = anndata.read_h5ad(demo_path)[::4].copy()
    cells = cellam.read(adata)
    model = cellam.fit(cells, n_features=128, tau=1.0)
    y, meant = quantity(model, "fate:erythroid", cells.obs["cell_type"])
    assert not meant[cells.obs["day"] == "day7"].any() and meant.sum() == (cells.codes < 3).sum()
    frame = drivers(cells, y, meant)
    assert {"Klf1", "Gypa", "Car2"} & set(frame["gene"][:5])
    assert {"Elane", "Csf3r", "Ly6c2"} & set(frame["gene"][-5:])


def test_growth_and_speed_are_those_of_the_model(model: Model) -> None:
    days = model.snapshots
    growth, meant = quantity(model, "growth")
    speed, _ = quantity(model, "speed")
    assert meant.all()
    x = days.points[1]
    np.testing.assert_allclose(growth[days.rows[1]], model.growth(days.times[1], x))
    v = model.velocity(days.times[1], x)
    np.testing.assert_allclose(speed[days.rows[1]], np.linalg.norm(v, axis=1))


def test_what_cannot_be_asked_for_is_refused(model: Model, cells: Cells) -> None:
    with pytest.raises(ConfigError, match="`of='size'`: there is no such quantity"):
        quantity(model, "size")
    with pytest.raises(ConfigError, match="no cell of day7") as caught:
        quantity(model, "fate:neuron", cells.obs["cell_type"])
    assert "fate:myeloid" in caught.value.hint
    with pytest.raises(ConfigError, match="is recognised as cell types"):
        quantity(model, "fate:myeloid")
    still = cellam.fit(cells, n_features=32, method="am", n_pcs=3)
    with pytest.raises(ConfigError, match="conserves mass"):
        quantity(still, "growth")
