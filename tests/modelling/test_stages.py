"""Cells are followed at once as far as the flow keeps to the data, and go on as observed ones."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

import cellam
from cellam.dynamics.couplings import Balanced
from cellam.dynamics.distances import energy
from cellam.dynamics.fitting import Fit
from cellam.modelling import stages
from cellam.modelling.flow import Flow
from cellam.modelling.model import Model
from cellam.modelling.stages import LONGEST, Leg, Stages
from cellam.reading.snapshots import Snapshots

N, P = 250, 4


def _flow(days: int, astray: float, sigma: float = 0.0, times: tuple[float, ...] = ()) -> Flow:
    """A cloud that moves by 2 per unit of time, and a flow that brings it `astray` besides."""
    times = times or tuple(map(float, range(days)))
    points = np.random.default_rng(0).standard_normal((days, N, P))
    points[:, :, 0] += 2 * np.array(times)[:, None]
    known = Snapshots(
        tuple(points),
        times,
        tuple(f"d{k}" for k in range(days)),
        (1.0,) * days,
        tuple(np.arange(k * N, (k + 1) * N) for k in range(days)),
    )
    v = (times[-1] - times[0]) * torch.tensor([2.0, astray, 0.0, 0.0])
    moving = SimpleNamespace(
        drift=lambda t, x: v.expand_as(x),
        growth_field=lambda t, x: 0 * t,
        growth_level=None,
        sigma=sigma,
        jumps=(),
    )
    fit = SimpleNamespace(dynamics=moving, dynamics_from=lambda unit: moving)
    return Flow(cast(Fit, fit), known, None, Balanced())


def _unstopped(found: Stages, days: int) -> dict[tuple[int, int], Leg]:
    """What would be known of the days if nothing stopped."""
    n = [min(len(x), stages.CELLS) for x in found.days.points]
    return {(k, 1): Leg(np.ones((days - k, n[k])), None) for k in range(days)}


def _end(flow: Flow, start: float, end: float) -> np.ndarray:
    """Where the cells of a day are at another, saved on all days between, less their own day."""
    days, step = flow.days, 1 if end > start else -1
    times = np.array([t for t in days.times[::step] if min(start, end) <= t <= max(start, end)])
    x = days.points[days.times.index(start)]
    moved = flow.follow(x, times, np.random.default_rng(0)).points[-1]
    moved[:, 0] -= 2 * end
    return moved


def test_where_the_flow_keeps_to_the_data_nothing_stops() -> None:
    found = _flow(8, 0.0).stages
    assert found.times(0.0, 7.0) == found.times(7.0, 0.0) == ()
    assert found.says([0.0, 1.0], 7.0, drawn=True) == ()


def test_cells_stop_on_the_last_day_before_they_leave_and_begin_anew_there() -> None:
    """Two days bring them 1.4 standard deviations away, three 2.1."""
    flow = _flow(8, 0.7)
    assert flow.stages.times(0.0, 7.0) == (2.0, 4.0, 6.0)
    assert flow.stages.times(7.0, 0.0) == (5.0, 3.0, 1.0)
    assert flow.stages.times(1.0, 7.0) == (3.0, 5.0)
    plain = replace(flow)
    plain.stages._known.update(_unstopped(plain.stages, 8))
    assert _end(plain, 0.0, 7.0)[:, 1].mean() == pytest.approx(7 * 0.7, abs=0.15)
    assert _end(flow, 0.0, 7.0)[:, 1].mean() == pytest.approx(0.7, abs=0.15)
    assert _end(flow, 7.0, 0.0)[:, 1].mean() == pytest.approx(-0.7, abs=0.15)


def test_no_stop_lies_beyond_the_way_nor_on_its_ends() -> None:
    found = _flow(8, 0.7).stages
    assert found.times(0.0, 2.0) == ()
    assert found.times(0.0, 2.5) == (2.0,)
    assert found.times(1.5, 3.5) == (3.0,)  # as cells of the day before
    assert found.times(-1.0, 3.0) == (2.0,)
    assert found.times(0.0, 9.0) == (2.0, 4.0, 6.0)
    assert found.times(8.5, 6.0) == ()


def test_what_stops_is_said_with_the_days() -> None:
    found = _flow(8, 0.7).stages
    (said,) = found.says([0.0, 1.0], 6.0, drawn=True)
    assert said.startswith("At d2, d3, d4, d5 each cell is replaced by an observed cell of that")
    assert "drawn at random" in said and "pass more than" not in said
    (said,) = found.says([0.0, 1.0], 6.0, drawn=False)
    assert said.startswith("At d2, d3, d4, d5 each cell goes on as all observed cells of that day")
    assert "random" not in said


def test_cells_that_leave_in_every_gap_stop_on_every_day() -> None:
    """Nothing can be done within a gap, but they do not get farther away with each."""
    flow = _flow(5, 3.0)
    assert flow.stages.times(0.0, 4.0) == (1.0, 2.0, 3.0)
    assert _end(flow, 0.0, 4.0)[:, 1].mean() == pytest.approx(3.0, abs=0.15)


def test_over_many_days_they_stop_in_any_case() -> None:
    days = 2 * LONGEST + 3
    found = _flow(days, 0.0).stages
    assert found.times(0.0, days - 1.0) == (LONGEST, 2 * LONGEST)
    assert found.times(0.0, float(LONGEST)) == ()


def test_uneven_days_are_those_of_the_user() -> None:
    """1 per unit of time: from 0.7 and from 3.3 the next gap alone leads away."""
    times = (0.0, 0.1, 0.7, 3.2, 3.3, 11.0)
    assert _flow(6, 1.0, times=times).stages.times(0.0, 11.0) == (0.7, 3.2, 3.3)


@pytest.mark.parametrize("sigma", [0.0, 0.1])
def test_the_same_seed_draws_the_same_whatever_was_asked_before(sigma: float) -> None:
    flow, other = _flow(6, 0.8, sigma), _flow(6, 0.8, sigma)
    assert other.stages.times(0.0, 5.0)
    other.follow(other.days.points[1], np.array([1.0, 2, 3, 4, 5]), np.random.default_rng(5))
    np.testing.assert_array_equal(_end(flow, 0.0, 5.0), _end(other, 0.0, 5.0))


def test_of_very_many_cells_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "CELLS", 100)
    flow = _flow(8, 0.7)
    stop = flow.stages.first(0.0, 7.0)
    assert stop is not None and len(stop.arrived) == len(stop.observed) == 100
    assert _end(flow, 0.0, 7.0)[:, 1].mean() == pytest.approx(0.7, abs=0.3)


def test_a_day_that_was_held_out_is_predicted_better_over_many_gaps(demo_path: Path) -> None:
    """The demo: from the first day over the second to a day that the fit has not seen."""
    cells = cellam.read(demo_path)
    model = cellam.fit(cells, n_features=256, exclude=("day4",), threads=1)
    plain = replace(model)
    plain.stages._known.update(_unstopped(plain.stages, 3))
    x, y = model.training.points[0], model.cohort("day4").points
    assert model.stages.times(0.0, 4.0) == (2.0,)
    even = np.full(len(y), 1 / len(y))

    def score(m: Model) -> float:
        arrived, w = m.follow(x, 0.0, 4.0)
        return energy(arrived, w / w.sum(), y, even)

    assert score(model) < 0.8 * score(plain)


def test_members_of_an_ensemble_stop_by_their_own_flow_on_days_that_they_lack_too(
    unsure_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "LONGEST", 1)
    ends = set()
    for member in unsure_model.members:
        assert len(member.fit.growth_levels) < len(member.training)
        moved = member.simulate("day0")
        assert moved.stops == (2.0, 4.0)
        ends.add(moved.points[-1].tobytes())
    assert len(ends) == len(unsure_model.members)


def test_cells_that_go_on_evenly_have_the_level_of_their_day(unsure_model: Model) -> None:
    """Nothing is taken off for them, whichever days the fit knows."""
    for model in (unsure_model, *unsure_model.members):
        units, even = model.training.unit_times, np.full(40, 1 / 40)
        for day, step in ((1, 1), (2, -1)):
            own = model.fit.dynamics_from(units[day]).growth_level
            level = model.stages._level(day, step, even)
            assert own is not None and level is not None and level.times == units
            for gap in itertools.pairwise(units):
                assert level.integral(*gap) == pytest.approx(own.integral(*gap), abs=1e-9)


@pytest.mark.parametrize(("start", "end"), [("day0", "day7"), ("day7", "day0")])
def test_cells_keep_the_masses_of_the_days_over_stops(
    model: Model, monkeypatch: pytest.MonkeyPatch, start: str, end: str
) -> None:
    """The coupling lets mass go, so they do not go on spread as the cells of a day are."""
    monkeypatch.setattr(stages, "LONGEST", 1)
    stopping = replace(model)
    n = len(stopping.training.points[0])
    moved = stopping.simulate(start, to=end, n_cells=100 * n)
    assert len(moved.stops) == 2
    weights = np.exp(moved.log_weights)
    error = weights.std(1) / np.sqrt(weights.shape[1])
    assert (np.abs(weights.mean(1) - 1) < 0.01 + 4 * error).all()
    shares = [stop.partners.sum(0) for stop in stopping.stages.between(*moved.times[[0, -1]])]
    assert max(np.ptp(share) for share in shares) > 0.1


def test_all_cells_go_the_same_way_whether_their_number_is_named_or_not(
    model: Model, noisy_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "LONGEST", 1)
    for each in (replace(model), noisy_model):
        alone, named = (each.simulate("day0", n_cells=n) for n in (None, 40))
        np.testing.assert_array_equal(named.points, alone.points)
        np.testing.assert_array_equal(named.log_weights, alone.log_weights)
