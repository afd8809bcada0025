from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cellam
from cellam.analysis.transitions import STAY, Gap, gaps, transition_matrix
from cellam.modelling.model import Model
from cellam.reading.cells import Cells


@pytest.fixture(scope="module", name="T")
def _transitions(model: Model) -> Any:
    return transition_matrix(model, neighbours=7)


@pytest.fixture(scope="module")
def found(model: Model) -> list[Gap]:
    return list(gaps(model))


def _days(model: Model) -> np.ndarray[Any, Any]:
    day = np.empty(model.snapshots.n_cells, dtype=int)
    for k, rows in enumerate(model.snapshots.rows):
        day[rows] = k
    return day


def test_rows_are_probabilities_of_few_cells(T: Any, model: Model) -> None:
    assert T.shape == (model.snapshots.n_cells,) * 2
    assert T.min() >= 0
    np.testing.assert_allclose(np.asarray(T.sum(1)).ravel(), 1, atol=1e-12)
    assert (np.diff(T.indptr) == 7).all()


def test_every_step_leads_to_the_next_day_and_the_last_day_stays(T: Any, model: Model) -> None:
    day = _days(model)
    rows, columns = T.nonzero()
    assert (day[columns] == np.minimum(day[rows] + 1, len(model.snapshots) - 1)).all()


def test_a_cell_goes_where_the_model_takes_it(T: Any, model: Model) -> None:
    """The mean of the cells that it goes to is nearer to y than the cells of that day are."""
    days = model.snapshots
    x = np.empty((days.n_cells, days.n_dims))
    x[days.data_rows] = np.concatenate(days.points)
    y, _ = model.follow(days.points[0], days.times[0], days.times[1])
    aim = (T @ x)[days.rows[0]]
    off = np.linalg.norm(aim - y, axis=1).mean()
    rng = np.random.default_rng(0)
    anyone = days.points[1][rng.integers(len(days.points[1]), size=len(y))]
    assert off < 0.5 * np.linalg.norm(anyone - y, axis=1).mean()


def test_of_one_neighbour_all_go_to_the_nearest(model: Model) -> None:
    T = transition_matrix(model, neighbours=1)
    days = model.snapshots
    last = days.rows[-1]
    np.testing.assert_allclose(T[last][:, last].toarray(), np.eye(len(last)))
    y, _ = model.follow(days.points[1], days.times[1], days.times[2])
    nearest = np.linalg.norm(y[:, None] - days.points[2], axis=-1).argmin(1)
    assert T[days.rows[1]].argmax(1).ravel().tolist() == [[*days.rows[2][nearest]]]


def test_cells_of_the_last_day_mostly_stay(T: Any, model: Model) -> None:
    last = model.snapshots.rows[-1]
    assert (T.diagonal()[last] >= STAY).all() and (T.diagonal()[last] < 1).all()
    assert (T.diagonal()[np.concatenate(model.snapshots.rows[:-1])] == 0).all()


def test_noise_spreads_over_more_cells(noisy_model: Model) -> None:
    rows = noisy_model.snapshots.rows
    one = transition_matrix(noisy_model, neighbours=3, draws=1)
    many = transition_matrix(noisy_model, neighbours=3, draws=8)
    np.testing.assert_allclose(np.asarray(many.sum(1)).ravel(), 1, atol=1e-12)
    assert many[rows[0]].nnz > 2 * one[rows[0]].nnz
    assert (transition_matrix(noisy_model, neighbours=3) != many).nnz == 0  # the same seed


def test_a_coupling_has_both_marginals(found: list[Gap], model: Model) -> None:
    days = model.snapshots
    assert [(gap.start, gap.stop) for gap in found] == [(0, 1), (1, 2), (2, 3)]
    for gap in found:
        after = days.weights[gap.stop]
        np.testing.assert_allclose(np.asarray(gap.matrix.sum(0)).ravel(), after, rtol=1e-9)
        _, growth = model.follow(
            days.points[gap.start], days.times[gap.start], days.times[gap.stop]
        )
        np.testing.assert_allclose(gap.growth, growth)
        share = growth / growth.sum() * after.sum()
        np.testing.assert_allclose(np.asarray(gap.matrix.sum(1)).ravel(), share, rtol=1e-6)


def test_a_cell_that_all_but_dies_stays_in_the_coupling(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(self: Model, x: Any, start: float, stop: float, *, seed: int = 0) -> Any:
        growth = np.ones(len(x))
        growth[0] = 1e-30
        return x, growth

    monkeypatch.setattr(Model, "follow", follow)
    for gap in gaps(model):
        assert (np.asarray(gap.matrix.sum(1)) > 0).all()


def test_a_coupling_in_blocks_has_each_pair_once(cells: Cells, monkeypatch: Any) -> None:
    monkeypatch.setattr("cellam.dynamics.couplings.BLOCK", 12)
    model = cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3)
    for gap in gaps(model):
        after = model.snapshots.weights[gap.stop]
        assert gap.matrix.has_canonical_format
        np.testing.assert_allclose(np.asarray(gap.matrix.sum(0)).ravel(), after, rtol=1e-9)
