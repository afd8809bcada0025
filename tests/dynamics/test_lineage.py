"""What clones tell of where cells go, on steps that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellam.dynamics.couplings import Balanced
from cellam.dynamics.lineage import carried
from cellam.dynamics.paths import build_gap
from cellam.limits import CLONES
from cellam.reading.snapshots import Snapshots


def swapped(clones: int = 40, n: int = 120) -> Snapshots:
    """Two days; what a cell has of the first coordinate its descendants have of the second."""
    rng = np.random.default_rng(0)
    clone = np.arange(n) % clones
    centre = rng.standard_normal((clones, 2))
    x = centre[clone] + 0.05 * rng.standard_normal((n, 2))
    y = centre[clone][:, ::-1] + 0.05 * rng.standard_normal((n, 2)) + 3.0
    rows = np.arange(n), n + np.arange(n)
    return Snapshots((x, y), (0.0, 1.0), ("a", "b"), (1.0, 1.0), rows, clones=(clone, clone))


def test_cells_are_carried_to_where_their_sisters_are():
    days = swapped().with_clones({"a": 1.0})
    off = carried(days, 0, 1) - (days.points[0][:, ::-1] + 3.0)
    assert np.abs(off).mean() < 0.1
    half = carried(days.with_clones({"a": 0.5}), 0, 1)
    assert np.allclose(half, (days.points[0] + carried(days, 0, 1)) / 2)


def test_cells_without_a_barcode_are_carried_with_the_others():
    days = swapped()
    assert days.clones is not None
    few = replace(days, clones=(np.where(np.arange(120) < 40, days.clones[0], -1), days.clones[1]))
    off = carried(few.with_clones({"a": 1.0}), 0, 1)[40:] - (days.points[0][40:, ::-1] + 3.0)
    assert np.abs(off).mean() < 0.1


@pytest.mark.parametrize(
    "days",
    [
        swapped(),
        swapped().with_clones({"b": 1.0}),
        swapped(CLONES - 1).with_clones({"a": 1.0}),
        swapped().less_clones(np.arange(40)).with_clones({"a": 1.0}),
    ],
    ids=["not used", "another day", "few clones", "no barcodes"],
)
def test_cells_stay_where_clones_tell_nothing(days):
    assert np.array_equal(carried(days, 0, 1), days.points[0])


def test_pairs_follow_clones_and_the_path_begins_at_the_cells():
    days = swapped()

    def sisters(known):
        gap = build_gap(known, 0, 1, Balanced(), np.random.default_rng(0))
        assert np.array_equal(gap.x_0, days.points[0])
        pairs = gap.pairs
        assert np.allclose(np.bincount(pairs.i, pairs.mass_0), 1 / 120)
        return pairs.mass_0[days.clones[0][pairs.i] == days.clones[1][pairs.j]].sum()

    assert sisters(days.with_clones({"a": 1.0})) > 0.6
    assert sisters(days) < 0.2


def test_whole_clones_are_drawn_the_same_ones_on_all_days():
    days = swapped()
    few = days.thinned(30, np.random.default_rng(0))
    assert [len(x) for x in few.points] == [30, 30]
    first, then = (set(c.tolist()) for c in few.clones)
    assert first == then and len(first) in (10, 11)
    assert np.array_equal(few.points[0], days.points[0][few.rows[0]])
    whole = days.thinned(500, np.random.default_rng(0))
    assert np.array_equal(whole.rows[1], days.rows[1])
