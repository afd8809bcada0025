"""Families against the birth–death process, and against particles with weights."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cellam.dynamics.branching import branch
from cellam.dynamics.objectives import Level
from cellam.dynamics.simulation import simulate
from cellam.errors import TrainingError

N = 20_000
TIMES = np.array([0.0, 0.25, 1.0])


def still(t, x):
    return 0 * x


def growing(t, x):
    """Faster to the right, and later."""
    return x[:, 0] + t - 0.5


def dynamics(growth, drift=still, sigma=0.0, level=None):
    """Stand in for what was fitted; a growth that is a number is the same everywhere."""
    rate = growth if callable(growth) else lambda t, x: growth + 0 * t
    return SimpleNamespace(
        drift=drift, growth_field=rate, growth_level=level, sigma=sigma, jumps=()
    )


def families(which, x, *, turnover=0.0, seed=0, steps=8, **kwargs):
    rng = np.random.default_rng(seed)
    return branch(which, x, TIMES, turnover=turnover, rng=rng, steps=steps, **kwargs)


def sizes(grown, k=-1):
    """Cells of each family at a saved time."""
    founders = int((grown.tree.parent < 0).sum())
    return np.bincount(grown.tree.founder[grown.living[k]], minlength=founders)


@pytest.mark.parametrize("sigma", [0.0, 0.5])
@pytest.mark.parametrize(("g", "r"), [(1.5, 0.0), (-1.2, 0.0), (0.7, 0.9), (-0.7, 0.9)])
def test_sizes_have_mean_and_variance_of_the_birth_death_process(g, r, sigma):
    grown = families(dynamics(g, sigma=sigma), np.zeros((N, 1)), turnover=r)
    b, d, w = max(g, 0) + r, max(-g, 0) + r, np.exp(g)
    variance = (b + d) / (b - d) * w * (w - 1)
    found = sizes(grown)
    assert abs(found.mean() - w) < 4 * np.sqrt(variance / N)
    # The fourth moment of a family that grows like a geometric one is at most 9 variances².
    assert found.var() == pytest.approx(variance, rel=4 * np.sqrt(8 / N))
    # A cell that neither divides nor dies has lived on with the probability exp(−b − d).
    kept = ~np.isfinite(grown.tree.ended[:N])
    assert abs(kept.mean() - np.exp(-b - d)) < 4 * 0.5 / np.sqrt(N)


def test_without_growth_and_turnover_nothing_happens():
    x = np.random.default_rng(1).standard_normal((50, 2))
    grown = families(dynamics(0.0), x)
    assert [len(living) for living in grown.living] == [50, 50, 50]
    assert np.isinf(grown.tree.ended).all()


def test_families_have_the_weights_of_particles_that_move_through_growth():
    """40 places, 500 cells each: the mean of a place is its weight, level of the days included."""
    x = np.repeat(np.linspace(-1, 1, 40), 500)[:, None]
    level = Level((0.0, 0.25, 1.0), (0.8, -0.4))
    which = dynamics(growing, lambda t, x: 0.7 * x, level=level)
    particles = simulate(which, x, TIMES, rng=np.random.default_rng(0), steps=64)
    grown = families(which, x, steps=64)
    for k in (1, 2):
        found = sizes(grown, k).reshape(40, 500)
        w = np.exp(particles.log_weights[k].reshape(40, 500)[:, 0])
        error = found.std(1, ddof=1) / np.sqrt(500)
        z = (found.mean(1) - w) / error
        assert abs(z.mean()) < 4 / np.sqrt(40)
        assert (z**2).mean() == pytest.approx(1, abs=4 * np.sqrt(2 / 40))
        np.testing.assert_array_equal(
            grown.points[k], particles.points[k][grown.tree.founder[grown.living[k]]]
        )


def test_with_noise_all_cells_together_are_the_weighted_particles():
    """The mean and the spread of all that live, as of particles by weight."""
    which = dynamics(lambda t, x: x[:, 0], lambda t, x: -x, sigma=0.8)
    x = np.zeros((N, 1))
    particles = simulate(which, x, TIMES, rng=np.random.default_rng(1), steps=8)
    w, y = np.exp(particles.log_weights[-1]), particles.points[-1, :, 0]
    grown = families(which, x)
    cells = grown.points[-1][:, 0]
    assert len(cells) / N == pytest.approx(w.mean(), rel=0.03)
    assert cells.mean() == pytest.approx(np.average(y, weights=w), abs=0.02)
    assert cells.var() == pytest.approx(np.average(y**2, weights=w) - cells.mean() ** 2, rel=0.05)


@pytest.mark.parametrize("sigma", [0.0, 0.8])
def test_sisters_part_where_there_is_noise_and_only_there(sigma):
    grown = families(dynamics(1.0, sigma=sigma), np.zeros((2_000, 1)))
    parent = grown.tree.parent[grown.living[-1]]
    at = grown.points[-1][:, 0]
    same = np.flatnonzero((parent[1:] == parent[:-1]) & (parent[1:] >= 0))
    apart = at[same + 1] - at[same]
    if not sigma:
        assert not apart.any()
        return
    # From their birth on each has noise of its own: the variance of what is between them.
    alone = TIMES[-1] - grown.tree.born[grown.living[-1][same]]
    z2 = apart**2 / (2 * sigma**2 * alone)
    late = alone > 0.3  # they part at the end of the step of their birth
    assert z2[late].mean() == pytest.approx(1, abs=0.2)
    assert np.all(apart[alone > 0.13] != 0)


def test_the_tree_is_whole():
    x = np.zeros((300, 1))
    grown = families(dynamics(lambda t, x: 1.5 * torch.cos(6 * t)), x, turnover=0.7)
    tree, number = grown.tree, np.arange(len(grown.tree))
    born = tree.parent >= 0
    assert (tree.parent[born] < number[born]).all()
    assert (np.diff(tree.born[born]) >= 0).all()
    assert (tree.founder[:300] == number[:300]).all()
    assert (tree.founder[born] == tree.founder[tree.parent[born]]).all()
    assert (tree.generation[born] == tree.generation[tree.parent[born]] + 1).all()
    assert (tree.born[born] == tree.ended[tree.parent[born]]).all()
    assert (tree.ended > tree.born).all()
    daughters = np.bincount(tree.parent[born], minlength=len(tree))
    assert (daughters == 2 * tree.divided).all()
    for t, living in zip(grown.times, grown.living, strict=True):
        there = (tree.born <= t) & (t < tree.ended)
        np.testing.assert_array_equal(living, number[there])


def test_all_may_die():
    grown = families(dynamics(-60.0, sigma=0.3), np.zeros((20, 2)))
    assert [len(living) for living in grown.living] == [20, 0, 0]
    assert grown.points[-1].shape == (0, 2)
    assert grown.tree.died.all()


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_the_seed_decides(sigma):
    x = np.random.default_rng(2).standard_normal((40, 2))

    def bytes_of(seed):
        grown = families(dynamics(growing, still, sigma), x, seed=seed, chunk=16)
        assert (grown.tree.founder[:40] == np.arange(40)).all()
        return [a.tobytes() for a in (*vars(grown.tree).values(), *grown.living, *grown.points)]

    assert bytes_of(0) == bytes_of(0) != bytes_of(1)


def test_rates_that_run_off_end_in_a_message():
    which = dynamics(lambda t, x: 1 / (x[:, 0] - 1))
    with pytest.raises(TrainingError, match="1 of 2"):
        families(which, np.array([[0.0], [1.0]]))
