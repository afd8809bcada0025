"""Cells that are followed keep the masses of the days, which are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cellam
from cellam import truths
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.storage import sha256, to_json

FAST = {"n_features": 64, "curvature": 1.0, "use_rep": "X_true", "tau": 0.1}
DAYS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module")
def noisy_cells() -> Cells:
    """Six days of forty cells among which nothing grows: growth is fitted to noise."""
    truth = truths.many_days(np.random.default_rng(1), n_days=6, n_cells=40, d=4)
    return cellam.read(truth.to_adata(), use_rep="X_true")


def _masses(model: Model, start: float, to: float) -> np.ndarray:
    moved = model.simulate(start, to=to)
    return np.exp(moved.log_weights).mean(1)


@pytest.mark.parametrize("options", [{}, {"growth": "tied"}], ids=["own", "tied"])
def test_cells_of_any_day_weigh_as_much_on_all_others(noisy_cells: Cells, options: dict) -> None:
    model = cellam.fit(noisy_cells, **FAST, **options)
    assert not model.conserves_mass
    w = np.exp(model.simulate(0.0, to=5.0).log_weights[-1])
    assert w.std() > 0.2  # single cells do grow
    for start, to in ((0.0, 5.0), (3.0, 5.0), (5.0, 0.0), (2.0, 0.0)):
        np.testing.assert_allclose(_masses(model, start, to), 1.0, atol=0.02)


def test_masses_that_are_given_are_kept(noisy_cells: Cells) -> None:
    given = dict(zip(noisy_cells.timeline.labels, (1.0, 2.0, 4.0, 4.0, 2.0, 6.0), strict=True))
    model = cellam.fit(noisy_cells, population=given, **FAST)
    np.testing.assert_allclose(_masses(model, 0.0, 5.0), list(given.values()), rtol=0.02)
    np.testing.assert_allclose(_masses(model, 4.0, 5.0), [1.0, 3.0], rtol=0.02)


@pytest.mark.parametrize("path", ["uot", "ot"])
def test_growth_on_a_day_is_that_of_the_population_in_the_gap_after_it(
    noisy_cells: Cells, path: str
) -> None:
    """It grows, stays, shrinks: a field that is smooth in time would be wrong on the days."""
    masses = (1.0, 30.0, 30.0, 1.0, 1.0, 30.0)
    given = dict(zip(noisy_cells.timeline.labels, masses, strict=True))
    fast = {**FAST, "tau": 1.0 if path == "uot" else None}
    model = cellam.fit(noisy_cells, population=given, path=path, **fast)
    assert not model.conserves_mass
    for k, rate in enumerate(np.diff(np.log(masses))):
        found = model.growth(DAYS[k], model.snapshots.points[k]).mean()
        assert found == pytest.approx(rate, abs=0.3)


def test_noise_keeps_the_masses_on_average(noisy_cells: Cells) -> None:
    model = cellam.fit(noisy_cells, method="ueam", sigma=0.3, **FAST)
    moved = model.simulate(0.0, to=5.0, n_cells=2_000)
    np.testing.assert_allclose(np.exp(moved.log_weights).mean(1), 1.0, atol=0.15)


def test_a_time_between_days_starts_as_the_day_before_it(noisy_cells: Cells) -> None:
    model = cellam.fit(noisy_cells, exclude=("2",), **FAST)
    assert _masses(model, 2.0, 5.0)[-1] == pytest.approx(1.0, abs=0.4)
    assert _masses(model, 1.0, 5.0)[-1] == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
def test_a_run_keeps_them_and_a_run_without_them_opens(noisy_cells: Cells, tmp_path: Path) -> None:
    model = cellam.fit(noisy_cells, ensemble=8, **FAST)
    path = tmp_path / "run"
    cellam.save(model, noisy_cells, path)
    again = cellam.open_run(path).model
    assert again.fit.growth_levels == model.fit.growth_levels
    assert again.ensemble[3].growth_levels == model.ensemble[3].growth_levels != ()
    files = json.loads((path / "manifest.json").read_text())
    old = json.loads((path / "fit.json").read_text())
    del old["growth_levels"]
    (path / "fit.json").write_bytes(to_json(old))
    files["files"]["fit.json"] = sha256((path / "fit.json").read_bytes())
    (path / "manifest.json").write_bytes(to_json(files))
    assert cellam.open_run(path).model.fit.growth_levels == ()
