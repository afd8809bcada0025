"""Days in unit time, and the cells and masses that they keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellam.reading.snapshots import Snapshots

LABELS = ("d1", "d3", "d9")


def three_days(masses=(1.0, 2.0, 0.5), sizes=(30, 50, 40), d=3) -> Snapshots:
    rng = np.random.default_rng(0)
    starts = np.cumsum([0, *sizes])
    return Snapshots(
        tuple(rng.standard_normal((n, d)) for n in sizes),
        (1.0, 3.0, 9.0),
        LABELS,
        masses,
        tuple(np.arange(start, start + n) for start, n in zip(starts, sizes, strict=False)),
    )


def test_unit_time_keeps_the_proportions_of_the_real_gaps():
    assert three_days().unit_times == (0.0, 0.25, 1.0)


def test_unit_time_goes_on_beyond_the_days():
    days = three_days()
    assert days.unit_time(-7.0) == -1.0
    assert days.unit_time(17.0) == 2.0


def test_the_mass_of_a_day_is_shared_equally_by_its_cells():
    for w, mass, x in zip(three_days().weights, (1.0, 2.0, 0.5), three_days().points, strict=True):
        assert w.shape == (len(x),)
        assert np.ptp(w) == 0
        assert w.sum() == pytest.approx(mass, rel=1e-12)


def test_sizes_are_those_of_the_points():
    days = three_days()
    assert (len(days), days.n_dims, days.n_cells) == (3, 3, 120)


@pytest.mark.parametrize("label", LABELS)
def test_a_day_left_out_takes_everything_of_it_along_and_nothing_else(label):
    days = three_days()
    kept = [k for k, other in enumerate(LABELS) if other != label]
    rest = days.without({label})
    for field in ("points", "rows", "times", "masses", "labels"):
        values = getattr(days, field)
        assert all(a is values[k] for a, k in zip(getattr(rest, field), kept, strict=True))
    assert rest.unit_times == (0.0, 1.0)


def test_thinning_draws_distinct_cells_and_leaves_small_days_and_masses_alone():
    days = three_days()
    few = days.thinned(35, np.random.default_rng(1))
    assert [len(x) for x in few.points] == [30, 35, 35]
    assert (few.masses, few.times, few.labels) == (days.masses, days.times, days.labels)
    everyone = np.concatenate(days.points)
    for x, rows in zip(few.points, few.rows, strict=True):
        assert len(np.unique(rows)) == len(x)
        assert np.array_equal(everyone[rows], x)


def test_every_label_is_found_where_it_stands():
    assert [three_days().index(label) for label in LABELS] == [0, 1, 2]


def test_expected_growth_goes_with_its_cells():
    days = three_days()
    prior = tuple(x[:, 0].copy() for x in days.points)
    days = replace(days, prior=prior)
    for some in (days.without({"d3"}), days.thinned(20, np.random.default_rng(0))):
        assert some.prior is not None
        for x, g in zip(some.points, some.prior, strict=True):
            assert np.array_equal(g, x[:, 0])
    half = days.with_prior(0.5)
    assert np.array_equal(half.prior[1], 0.5 * prior[1])
    assert days.with_prior(0.0).prior is None
    assert three_days().with_prior(1.0).prior is None


def test_days_may_stay_whole_while_others_are_thinned() -> None:
    days = three_days()
    few = days.thinned(7, np.random.default_rng(0), whole=["d3"])
    assert [len(x) for x in few.points] == [7, 50, 7]
    assert few.masses == days.masses
    assert [w.sum() for w in few.weights] == pytest.approx(list(days.masses))
