"""What needs no model, where it is known where it should be."""

from __future__ import annotations

import numpy as np
import pytest

import cellam
from cellam.errors import ConfigError
from cellam.evaluation.baselines import BASELINES, baselines, check_baselines
from cellam.evaluation.contenders import followed
from cellam.reading.cells import Cells
from cellam.reading.snapshots import Snapshots


@pytest.fixture(scope="module")
def moving() -> Snapshots:
    """The same 50 cells at 0, at 1 moved by 4, and at 4 moved by 16; masses 1, 2 and 16."""
    x = np.random.default_rng(0).standard_normal((50, 3))
    m, rows = np.array([4.0, 0.0, 0.0]), (np.arange(50),) * 3
    return Snapshots((x, x + m, x + 4 * m), (0.0, 1.0, 4.0), ("a", "b", "c"), (1, 2, 16), rows)


def test_every_baseline_is_there_between_days_and_only_one_beyond(moving):
    rng = np.random.default_rng(0)
    assert set(baselines(moving, 2.0, rng)) == set(BASELINES)
    assert set(baselines(moving, 5.0, rng)) == {"previous"}
    assert set(baselines(moving, -1.0, rng)) == {"next"}


def test_transport_finds_a_motion_that_is_a_translation(moving):
    found = baselines(moving, 2.0, np.random.default_rng(0))["ot"]
    truth = moving.points[0] + np.array([8.0, 0.0, 0.0])
    order = np.argsort(found.cells[:, 0])
    assert found.x[order] == pytest.approx(truth)
    # A third of the way: two parts are the cell before, one part the cell after.
    assert found.shares == pytest.approx([2 / 3, 1 / 3])
    assert (found.cells[:, 1] == found.cells[:, 0] + 50).all()


def test_the_mixture_counts_days_by_their_nearness(moving):
    found = baselines(moving, 2.0, np.random.default_rng(0))["mixture"]
    assert found.weights[:50].sum() == pytest.approx(2 / 3)
    assert found.weights.sum() == pytest.approx(1)


def test_masses_are_those_of_the_days_or_between_them(moving):
    found = baselines(moving, 2.0, np.random.default_rng(0))
    masses = {name: cloud.mass for name, cloud in found.items()}
    assert masses["previous"] == 2
    assert masses["next"] == 16
    assert masses["mixture"] == pytest.approx(2 + 14 / 3)  # a third of the way
    assert masses["ot"] == pytest.approx(4)  # 2 · 8^(1/3)


def test_influence_of_points_goes_to_their_cells(moving):
    """The mean of the interpolation is (1 − α) x̄₀ + α x̄₁: so are the influences of the cells."""
    found = baselines(moving, 2.0, np.random.default_rng(0))
    x_0 = moving.points[1][:, 1]
    for name in ("mixture", "ot"):
        cloud = found[name]
        share = cloud.weights / cloud.weights.sum()
        of_cells = cloud.of_cells(np.arange(len(cloud.x)), share, cloud.x[:, 1], 100)
        assert of_cells[:50] == pytest.approx(2 / 3 * (x_0 - x_0.mean()) / 50, abs=1e-9)
        assert of_cells[50:] == pytest.approx(1 / 3 * (x_0 - x_0.mean()) / 50, abs=1e-9)


def test_a_fit_follows_both_sides_or_one(cells: Cells):
    fast = {"n_features": 32, "n_pcs": 3}
    fitted = cellam.fit(cells, exclude=("day2",), tau=1.0, **fast)
    assert sorted(set(followed(fitted, 2.0).side)) == [0, 1]
    assert len(followed(fitted, 2.0).x) == 80
    noisy = cellam.fit(cells, exclude=("day2",), method="eam", **fast)
    assert len(followed(noisy, 2.0).x) == 40  # noise cannot be run backward
    assert followed(fitted, 2.0).mass is None
    grown = cellam.fit(cells, exclude=("day2",), tau=1.0, population="cells", **fast)
    assert followed(grown, 2.0).mass == pytest.approx(1, abs=0.5)


def test_baselines_are_known_by_name_in_any_case():
    assert check_baselines(["OT", "next", "ot"]) == ("ot", "next")
    for names, match in ((["best"], "'best'"), ([""], "No baseline")):
        with pytest.raises(ConfigError, match=match) as caught:
            check_baselines(names)
        assert ", ".join(BASELINES) in caught.value.hint
