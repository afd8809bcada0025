"""`modelling.left_out`: quick fits without each replicate, and intervals from them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from modelling.test_jackknife import FAST, mice_of
from scipy import stats

import cellam
from cellam.modelling.left_out import LeftOut, leave_replicates_out
from cellam.modelling.model import Model
from cellam.reading.samples import replicates_of


def _of(values: list[np.ndarray], names: list[list[str]]) -> tuple[LeftOut, list[np.ndarray]]:
    """Replicates of which each has one number: their place in the data stands for the fit."""
    ends = np.cumsum([0, *map(len, values)])
    rows = tuple(tuple(np.array([k]) for k in range(a, b)) for a, b in itertools.pairwise(ends))
    models = tuple(tuple(None for _ in day) for day in values)
    sizes = tuple(map(len, values))
    seen = {f"day{k}": of for k, of in enumerate(rows)}
    left = LeftOut("mouse", sizes, tuple(map(tuple, names)), models, rows, seen)  # type: ignore[arg-type]
    return left, [np.arange(a, b) for a, b in itertools.pairwise(ends)]


def test_the_interval_of_a_difference_of_means_is_that_of_welch() -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=3), rng.normal(size=5)]
    left, days = _of(values, [["a", "b", "c"], ["d", "e", "f", "g", "h"]])
    known = np.concatenate(values)

    def difference(_: Model, out: np.ndarray) -> np.ndarray:
        first, second = (known[np.setdiff1d(day, out)].mean() for day in days)
        return np.array(second - first)

    value = values[1].mean() - values[0].mean()
    low, high = left.interval(np.array(value), difference)
    welch = stats.ttest_ind(values[1], values[0], equal_var=False).confidence_interval()
    assert (float(low), float(high)) == pytest.approx((welch.low, welch.high))
    assert left.says == "95 % over 3 to 5 replicates a day (obs['mouse'])"


def test_the_interval_of_one_day_is_that_of_its_mean() -> None:
    values = np.random.default_rng(2).normal(size=4)
    left, _ = _of([np.zeros(3), values], [["a", "b", "c"], ["d", "e", "f", "g"]])
    found = left.interval_of_day("day1", values.mean(), lambda rows: values[rows - 3].mean())
    student = stats.ttest_1samp(values, 0).confidence_interval()
    assert found == pytest.approx((student.low, student.high))
    assert left.interval_of_day("day9", values.mean(), lambda rows: values[rows].mean()) is None


def test_a_replicate_on_two_days_is_one() -> None:
    """What cultures have of their own on both days is no change: that of the paired test."""
    rng = np.random.default_rng(1)
    own = 5 * rng.normal(size=4)
    values = [own + 0.1 * rng.normal(size=4), own + 1 + 0.1 * rng.normal(size=4)]
    names = ["a", "b", "c", "d"]
    known = np.concatenate(values)
    value = np.array(values[1].mean() - values[0].mean())
    found = {}
    for case, later in (("same", names), ("others", ["e", "f", "g", "h"])):
        left, days = _of(values, [names, later])

        def difference(_: Model, out: np.ndarray, days: list[np.ndarray] = days) -> np.ndarray:
            first, second = (known[np.setdiff1d(day, out)].mean() for day in days)
            return np.array(second - first)

        found[case] = tuple(map(float, left.interval(value, difference)))
    paired = stats.ttest_rel(values[1], values[0]).confidence_interval()
    assert found["same"] == pytest.approx((paired.low, paired.high))
    assert found["others"][1] - found["others"][0] > 5 * (found["same"][1] - found["same"][0])


@pytest.mark.slow
def test_each_fit_misses_one_mouse_and_has_the_same_features() -> None:
    cells = mice_of({0: 3, 1: 4, 2: 3})
    model = cellam.fit(cells, **FAST)
    left = leave_replicates_out(model, replicates_of(cells))
    assert left is not None and left.sizes == (3, 4, 3)
    mouse = cells.obs["mouse"].to_numpy()
    everything = set(model.snapshots.data_rows)
    fits = [
        (m, out)
        for day in zip(left.models, left.rows, strict=True)
        for m, out in zip(*day, strict=True)
    ]
    assert len(fits) == 10
    for m, out in fits:
        assert len({mouse[row] for row in out}) == 1
        assert set(m.snapshots.data_rows) == everything - set(out)
        assert (m.fit.action.features.omega == fits[0][0].fit.action.features.omega).all()
    theta = {m.fit.action.theta.numpy().tobytes() for m, _ in fits}
    assert len(theta) == 10
    again = leave_replicates_out(model, replicates_of(cells))
    assert again is not None
    assert {m.fit.action.theta.numpy().tobytes() for day in again.models for m in day} == theta


def test_without_three_on_each_day_there_is_none() -> None:
    cells = mice_of({0: 3, 1: 2, 2: 3})
    model = cellam.fit(cells, **FAST)
    assert leave_replicates_out(model, replicates_of(cells)) is None
    assert leave_replicates_out(model, None) is None
    enough = mice_of({0: 3, 1: 3, 2: 3})
    fitted = cellam.fit(enough, **FAST)
    network = replace(fitted, options=fitted.options.model_copy(update={"action": "mlp"}))
    assert leave_replicates_out(network, replicates_of(enough)) is None
    # Of a day that is not fitted to, none has to be left out.
    without = cellam.fit(cells, exclude=("1.0",), **FAST)
    left = leave_replicates_out(without, replicates_of(cells))
    assert left is not None and left.sizes == (3, 3)
