"""Flows that turn and flows that fall, told apart from their marginals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cellam
from cellam.dynamics.couplings import Balanced
from cellam.dynamics.paths import build_path
from cellam.modelling.rotation import Rotation, measure_rotation
from cellam.reading.snapshots import Snapshots


def measured(where, days=9, n=150) -> Rotation:
    """A small cloud that is carried along `where`, of unit time."""
    rng = np.random.default_rng(0)
    times = tuple(np.linspace(0, 1, days))
    points = tuple(where(t) + 0.3 * rng.standard_normal((n, 2)) for t in times)
    rows = (np.arange(n),) * days
    snapshots = Snapshots(points, times, tuple(map(str, times)), (1.0,) * days, rows)
    path = build_path(snapshots, Balanced(), rng)
    return measure_rotation(path, snapshots, rng)


def test_a_cloud_that_goes_round_twice_is_found_out():
    """The circulation of a gradient around a loop is zero, that of this flow is not."""
    found = measured(lambda t: 2 * np.array([np.cos(4 * np.pi * t), np.sin(4 * np.pi * t)]))
    assert found.rotates
    assert found.free > 0.7 > 3 * found.gradient


def test_a_cloud_that_runs_down_a_slope_is_a_gradient():
    found = measured(lambda t: np.array([6 * t, 0.0]))
    assert not found.rotates
    assert found.gradient == pytest.approx(1.0, abs=0.1)


def test_a_bend_that_is_gone_through_once_is_a_gradient():
    """Half a circle: a potential that falls along it exists."""
    found = measured(lambda t: 3 * np.array([np.cos(np.pi * t), np.sin(np.pi * t)]))
    assert not found.rotates
    assert found.gradient > 0.7


def test_a_population_that_stands_still_does_not_rotate():
    x = np.random.default_rng(0).standard_normal((50, 2))
    days = Snapshots((x, x), (0.0, 1.0), ("a", "b"), (1.0, 1.0), (np.arange(50),) * 2)
    path = build_path(days, Balanced(), np.random.default_rng(0))
    assert not measure_rotation(path, days, np.random.default_rng(0)).rotates


def test_lotka_volterra_rotates_and_gene_switch_does_not(shared_data: Path):
    for name, rotates in (("sim_lotka_volterra", True), ("sim_gene_growth", False)):
        cells = cellam.read(shared_data / f"{name}.h5ad", time_key="day", use_rep="X_pca")
        model = cellam.fit(cells, path="ot", curvature=0.0, n_features=64)
        assert model.rotation.rotates is rotates, name
