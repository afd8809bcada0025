"""How often new cells name the prediction that is right, against trials."""

from __future__ import annotations

import numpy as np
import pytest

from cellam.analysis.telling import Clouds
from cellam.dynamics.transport import squared_distances

TRIALS = 600


def even(n):
    return np.full(n, 1 / n)


def distance(x, y):
    """Energy distance of two clouds, but for a constant that is the same for y moved."""
    return np.sqrt(squared_distances(x, y)).mean()


def apart(shift, known):
    """Two normal clouds, one moved, as they are but for chance."""
    x = np.random.default_rng(0).standard_normal((1_000, 2))
    clouds = Clouds((x, x + [shift, 0]), (even(1_000), even(1_000)), known)
    return clouds.tellings()[0, 1]


@pytest.mark.parametrize(("shift", "n", "known"), [(0.3, 40, 1e9), (0.3, 40, 60), (0.5, 20, 1e9)])
def test_the_sign_of_the_votes_is_right_as_often_as_it_says(shift, n, known):
    """Also where the predictions are of few cells, which both of them have in common."""
    rng = np.random.default_rng(1)
    large = rng.standard_normal((1_000, 2))
    right = 0
    for _ in range(TRIALS):
        x = large if known > 1e6 else rng.standard_normal((known, 2))
        new = rng.standard_normal((n, 2))
        right += distance(new, x) < distance(new, x + [shift, 0])
    said = apart(shift, known).right(n)
    assert 0.6 < said < 0.99
    assert right / TRIALS == pytest.approx(said, abs=4 * np.sqrt(said * (1 - said) / TRIALS) + 0.01)


def test_as_many_cells_as_are_needed_are_right_so_often():
    telling = apart(0.2, 2_000)
    n = telling.cells()
    assert telling.right(n) >= 0.95 > telling.right(n - 1)
    assert apart(0.2, 20).cells() is None


def test_what_is_the_same_is_never_told_apart():
    same = apart(0.0, 100)
    assert same.distance == 0 and same.noise(10**9) == 0 and same.right(10**9) == 0.5
    assert same.cells() is None


def test_every_two_of_several_are_compared():
    x = np.random.default_rng(2).standard_normal((50, 3))
    weights = np.arange(1.0, 51) / 1_275
    found = Clouds((x, x + 1, x), (even(50), even(50), weights), 100).tellings()
    assert list(found) == [(0, 1), (0, 2), (1, 2)]
    between = np.sqrt(squared_distances(x, x))
    u, v = even(50), weights
    expected = 2 * u @ between @ v - u @ between @ u - v @ between @ v
    assert found[0, 2].distance == pytest.approx(expected)
