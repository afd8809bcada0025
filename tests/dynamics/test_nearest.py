from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from cellam.analysis.assignment import Reference, neighbours
from cellam.analysis.fates import predict_fates
from cellam.analysis.transitions import transition_matrix
from cellam.dynamics import nearest as search
from cellam.dynamics.nearest import nearest, nearest_others, stand_ins
from cellam.modelling.model import Model
from cellam.modelling.observed import thinned_day
from cellam.reading.cells import Cells


@pytest.fixture
def at_most(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Few cells are enough to be too many."""
    monkeypatch.setattr(search, "MOST", 25)
    return monkeypatch


def test_up_to_so_many_all_are_searched() -> None:
    assert stand_ins(search.MOST).tolist() == list(range(search.MOST))
    assert len(stand_ins(search.MOST + 1)) == search.MOST


@pytest.mark.parametrize("sizes", [(1000,), (10, 1000, 1000), (1000, 3, 7, 50), (9,) * 40])
def test_every_day_has_as_many_and_small_ones_all(sizes: tuple[int, ...]) -> None:
    kept = stand_ins(*sizes, most=100)
    assert (np.diff(kept) > 0).all()
    assert len(kept) == min(100, sum(sizes)) or len(sizes) == 40
    of_day = np.diff(np.searchsorted(kept, np.cumsum([0, *sizes])))
    whole = of_day == np.array(sizes)
    if not whole.all():
        assert np.ptp(of_day[~whole]) <= 1
        assert of_day[whole].max(initial=0) <= of_day[~whole].min()
    assert kept.tolist() == stand_ins(*sizes, most=100).tolist()


def test_others_are_the_nearest_less_the_cell_itself(at_most: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    few = x[:20]
    told = NearestNeighbors(n_neighbors=4).fit(few).kneighbors(return_distance=False)
    assert nearest_others(few, 4).tolist() == told.tolist()
    searched, near = stand_ins(len(x)), nearest_others(x, 4)
    assert near.shape == (200, 4) and np.isin(near, searched).all()
    assert not (near == np.arange(200)[:, None]).any()
    for k in (searched[3], np.setdiff1d(np.arange(200), searched)[5]):
        away = np.linalg.norm(x[searched] - x[k], axis=1)
        away[searched == k] = np.inf
        assert near[k].tolist() == searched[away.argsort()[:4]].tolist()


def test_a_position_counts_for_cells_that_are_searched_alone(at_most: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).normal(size=(300, 2))
    near = neighbours(x[:50], x)
    assert near.shape == (50, 300)
    assert np.isin(near.indices, stand_ins(300)).all()
    np.testing.assert_allclose(near.sum(1), 1)
    distance, place = nearest(x[:50], x[stand_ins(300)], 10)
    assert np.array_equal(np.sort(near[0].indices), np.sort(stand_ins(300)[place[0]]))
    assert (np.diff(distance, axis=1) >= 0).all()


def test_shares_and_their_bias_are_those_of_all_cells_to_the_error_of_drawing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two types that overlap, one of them four times as frequent."""
    rng = np.random.default_rng(2)
    codes = (rng.random(20_000) < 0.2).astype(np.int64)
    cells = Reference(rng.normal(size=(20_000, 3)) + 1.5 * codes[:, None], codes, ("a", "b"))
    x = rng.normal(size=(4_000, 3)) + 1.5 * (rng.random(4_000) < 0.5)[:, None]
    told = []
    for most in (10**6, 2_000):
        monkeypatch.setattr(search, "MOST", most)
        told.append((cells.assign(x).mean(0), cells.bias(), cells.recognised(), cells.shares))
    assert len(cells.relabelled()) == 2_000
    (share, bias, known, all_cells), (share_few, bias_few, known_few, still) = told
    np.testing.assert_allclose(share_few, share, atol=0.02)
    np.testing.assert_allclose(bias_few, bias, atol=0.01)
    np.testing.assert_allclose(known_few, known, atol=0.05)
    assert np.array_equal(all_cells, still)


def test_what_is_observed_stays_within_the_data(model: Model, at_most: pytest.MonkeyPatch) -> None:
    x = np.concatenate(model.training.points)
    assert (model.support.remoteness(x) > 1).mean() < 0.1
    assert (model.support.remoteness(x + 50) > 1).all()


def test_steps_lead_to_cells_that_are_searched(model: Model, at_most: pytest.MonkeyPatch) -> None:
    T = transition_matrix(model)
    days = model.snapshots
    np.testing.assert_allclose(np.asarray(T.sum(1)).ravel(), 1)
    for k in range(len(days) - 1):
        after = days.rows[k + 1]
        reached = np.flatnonzero(np.asarray(T[days.rows[k]].sum(0)).ravel())
        assert np.isin(reached, after[stand_ins(len(after))]).all()


def test_fates_of_a_large_day(model: Model, cells: Cells, at_most: pytest.MonkeyPatch) -> None:
    """The cells that stand for all have the fates that they have alone; the others are near."""
    types = cells.obs["cell_type"]
    few = thinned_day(model, 1)
    assert few.snapshots.rows[1].tolist() == model.snapshots.rows[1][stand_ins(40)].tolist()
    found, alone = (predict_fates(m, "day2", types) for m in (model, few))
    assert found.rows.tolist() == model.snapshots.rows[1].tolist()
    there = np.isin(found.rows, alone.rows)
    np.testing.assert_allclose(found.probability[there], alone.probability, atol=1e-9)
    at_most.setattr(search, "MOST", 10_000)
    full = predict_fates(model, "day2", types)
    every = [[f.together()["fate"][s] for s in f.states] for f in (found, full)]
    np.testing.assert_allclose(*every, atol=0.1)
    assert (found.low <= found.probability + 1e-12).all()


def test_a_prior_is_thinned_with_its_cells(model: Model) -> None:
    days = model.snapshots
    known = replace(days, prior=tuple(np.arange(float(len(x))) for x in days.points))
    few = thinned_day(replace(model, snapshots=known), 0, 7).snapshots
    assert few.prior is not None
    assert few.prior[0].tolist() == stand_ins(40, most=7).tolist()
    assert [len(x) for x in few.prior] == [7, 40, 40, 40]


def test_types_of_cells_without_one_are_searched_alike(at_most: pytest.MonkeyPatch) -> None:
    x = np.linspace(0, 1, 400)[:, None]
    codes = np.where(np.arange(400) % 3 == 0, -1, (x[:, 0] > 0.5).astype(int))
    cells = Reference(x, codes, ("low", "high"))
    assert len(cells.searched) == 25 and (codes[cells.searched] >= 0).all()
    share, away = cells.memberships().toarray(), abs(x[:, 0] - 0.5) > 0.3
    assert (share[away].argmax(1) == (x[away, 0] > 0.5)).all()
    assert (share[codes >= 0].argmax(1) == codes[codes >= 0]).all()
