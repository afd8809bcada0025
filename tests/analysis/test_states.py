"""States: found where a valley lies between two groups of cells, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cellam.analysis.states import _again, find_states
from cellam.errors import DataError
from cellam.reading.snapshots import Snapshots

N = 240
RNG = np.random.default_rng(5)


def days_of(x: np.ndarray) -> Snapshots:
    """Two days, the later one first in the data."""
    other = RNG.normal(size=(7, x.shape[1]))
    rows = np.arange(len(x), len(x) + 7), np.arange(len(x))
    return Snapshots((other, x), (0.0, 1.0), ("day0", "day1"), (1.0, 1.0), rows)


def clouds(*sizes: int, apart: float, dims: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian clouds of variance 1, each on an axis of its own, and which one a cell is of."""
    of = np.repeat(np.arange(len(sizes)), sizes)
    x = RNG.normal(size=(len(of), dims))
    x[np.arange(len(of)), of] += apart
    order = RNG.permutation(len(of))
    return x[order], of[order]


def test_clouds_that_lie_apart_are_states_the_largest_first():
    x, of = clouds(60, 150, 30, apart=8)
    found = find_states(days_of(x), "day1")
    assert found.names == ("state 1", "state 2", "state 3") and found.sizes == (150, 60, 30)
    assert adjusted_rand_score(of, found.codes) == 1
    assert found.agreement.min() > 0.95


def test_cells_of_other_days_have_none():
    x, of = clouds(60, 90, apart=8)
    types = find_states(days_of(x), "day1").types(days_of(x))
    assert types.iloc[-7:].isna().all() and types.name == "state"
    assert list(types.iloc[:150]) == ["state 1" if k == 1 else "state 2" for k in of]


def arc() -> np.ndarray:
    angle = RNG.uniform(0, np.pi, N)
    x = 0.3 * RNG.normal(size=(N, 6))
    return x + 3 * np.stack([np.cos(angle), np.sin(angle), *np.zeros((4, N))], axis=1)


def fork() -> np.ndarray:
    along, arm = RNG.uniform(0, 5, N), 2.1 * RNG.integers(0, 3, N)
    x = 0.4 * RNG.normal(size=(N, 6))
    return x + along[:, None] * np.stack([np.cos(arm), np.sin(arm), *np.zeros((4, N))], axis=1)


@pytest.mark.parametrize(
    "cloud",
    [
        RNG.normal(size=(N, 10)) * np.geomspace(3, 0.5, 10),
        RNG.uniform(-1, 1, size=(N, 3)) * [9, 1, 1],
        RNG.standard_t(4, size=(N, 6)),
        RNG.gamma(1.5, size=(N, 6)),
        arc(),
        fork(),
        np.zeros((N, 3)),
    ],
    ids=["Gaussian", "long", "heavy tails", "skewed", "arc", "three arms that meet", "one point"],
)
def test_one_cloud_of_any_form_has_none(cloud: np.ndarray):
    with pytest.raises(DataError, match="240 cells of day1 are one cloud"):
        find_states(days_of(cloud), "day1")


def test_clouds_that_overlap_are_one():
    x, _ = clouds(120, 120, apart=1.5)
    with pytest.raises(DataError, match="one cloud"):
        find_states(days_of(x), "day1")


def test_states_that_halves_do_not_find_again_are_refused():
    """Of four groups of twelve cells, halves are too few for more than two components."""
    x, _ = clouds(12, 12, 12, 12, apart=12)
    with pytest.raises(DataError, match="Halves of the 48 cells of day1 do not find the same"):
        find_states(days_of(x), "day1")


def test_halves_that_are_one_cloud_find_no_state_again():
    x = np.random.default_rng(1).normal(size=(90, 6))
    x[:60, 0] += 5
    x[60:, 1] += 5
    found = find_states(days_of(x), "day1")
    assert found.codes.tolist() == pytest.approx([0] * 60 + [1] * 30, abs=1)
    assert found.clouds == (found.agreement == 0).sum() > 0
    assert found.again.tolist() == [8 - found.clouds] * 2 and found.unstable == ()
    assert f"in {found.clouds} of 8 halves of the cells of day1 none" in found.notes[0]
    rare = replace(found, clouds=0, again=np.array([8, 3]))
    assert rare.notes[0].endswith("find it again: state 2.") and len(rare.notes) == 1


def test_a_state_is_found_again_where_more_cells_are_shared_than_not():
    codes = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    assert _again(codes, codes).tolist() == [1, 1, 1]
    assert _again(codes, np.array([0, 0, 0, 1, 1, 2, 2, 2])).tolist() == [1, 0, 1]
    assert _again(codes, np.zeros(8, dtype=int)).tolist() == [0, 0, 0]
