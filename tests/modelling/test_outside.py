"""Cells outside the observed data are counted beside what observed cells do by the same measure."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.modelling.model import Model
from cellam.modelling.outside import Outside, outside, outside_at, percent, worst
from cellam.modelling.simulated import Simulation

N, P = 300, 5


@pytest.fixture(scope="module")
def still() -> Model:
    """A normal cloud in five dimensions that stays what it is, on three days."""
    x = np.random.default_rng(0).standard_normal((3 * N, P))
    obs = pd.DataFrame({"day": np.repeat([0, 1, 2], N)}, index=list(map(str, range(3 * N))))
    adata = anndata.AnnData(np.zeros((3 * N, 1)), obs=obs, obsm={"X_z": x})
    return cellam.fit(cellam.read(adata, use_rep="X_z"), n_features=16, path="ot")


def _found(model: Model, x: np.ndarray, weights: np.ndarray | None = None) -> Outside:
    far = model.support.remoteness(model.space.from_coordinates(x)) > 1
    known = np.ones(len(x)) if weights is None else weights
    return outside_at(model.training, model.support, 2.0, far, known)


def test_one_observed_cell_in_a_hundred_is_outside(still: Model) -> None:
    usual = still.support.outside
    assert usual.shape == (3,) and usual.mean() == pytest.approx(0.01, abs=0.002)


def test_new_cells_of_the_same_cloud_are_no_more_outside_than_observed_ones(still: Model) -> None:
    """What the fit has not seen and is right: the rule must not mind it, of few cells neither."""
    rng = np.random.default_rng(1)
    held_out = _found(still, rng.standard_normal((4 * N, P)))
    assert abs(held_out.share - held_out.observed) < 3 * held_out.error[0]
    assert not any(_found(still, rng.standard_normal((10, P))).too_many for _ in range(50))


def test_a_cloud_half_as_wide_again_is_said_to_be_outside(still: Model) -> None:
    found = _found(still, 1.5 * np.random.default_rng(1).standard_normal((N, P)))
    assert found.share > 0.1 and found.too_many


def test_few_cells_of_large_weight_count_as_averages_have_them(still: Model) -> None:
    x = np.random.default_rng(1).standard_normal((N, P))
    x[:15] += 20.0
    weights = np.where(np.arange(N) < 15, 6.0, 1.0)
    assert not _found(still, x).too_many  # 5 %
    found = _found(still, x, weights)
    assert found.weight == pytest.approx(90 / (90 + N - 15), abs=0.02) and found.too_many


def test_of_few_cells_a_difference_has_to_be_beyond_the_error_of_counting(still: Model) -> None:
    for n, said in ((10, False), (1000, True)):
        far = np.arange(n) < 0.2 * n
        found = outside_at(still.training, still.support, 0.0, far, np.ones(n))
        assert found.share == pytest.approx(0.2) and found.too_many is said


def test_where_no_cell_lives_none_is_outside(still: Model) -> None:
    found = outside_at(still.training, still.support, 2.0, np.zeros(0, dtype=bool), np.zeros(0))
    assert (found.share, found.weight, found.too_many) == (0.0, 0.0, False)


def test_every_saved_time_has_its_own_and_the_worst_is_that_of_the_most(still: Model) -> None:
    moved = still.simulate("0", to="2", n_cells=100)
    points = moved.points + 50.0 * (moved.times == 1.0)[:, None, None]
    moved = Simulation(moved.times, points, moved.log_weights, moved.rows)
    far = still.support.remoteness(still.space.from_coordinates(moved.positions)) > 1
    found = outside(still.training, still.support, moved, far)
    assert [each.time for each in found] == [0.0, 1.0, 2.0] and found[1].share == 1.0
    assert worst(found) is found[1] and worst(found[:1] * 2) is found[0]


def test_few_are_not_none() -> None:
    assert [percent(p) for p in (0.0, 0.002, 0.0096, 0.247, 1.0)] == [
        "0 %", "0.2 %", "1 %", "25 %", "100 %",
    ]  # fmt: skip
