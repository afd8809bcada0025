"""Families of a fit: what they are held to, and when they are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import cellam
from cellam.dynamics.objectives import Level
from cellam.errors import ConfigError
from cellam.modelling import families
from cellam.modelling.model import Model
from cellam.reading.cells import Cells


def test_they_are_where_the_weighted_cells_are_and_as_many_as_these_weigh(model: Model) -> None:
    many = np.tile(model.snapshots.points[1], (60, 1))
    start = model.space.to_coordinates(many)
    found = model.branch(start, "day2", save_every=1.0)
    assert found.times.tolist() == [2, 3, 4, 5, 6, 7]
    weighted = found.weighted
    np.testing.assert_allclose(found.positions, weighted.points[found.when, found.founder])
    w = np.exp(weighted.log_weights)
    np.testing.assert_allclose(found.expected, w.sum(1))
    sizes = np.bincount(found.founder[found.when == 5], minlength=len(many))
    assert abs((sizes - w[-1]).sum()) < 4 * np.sqrt(((sizes - w[-1]) ** 2).sum())
    of_cell = (sizes - w[-1]).reshape(60, -1)
    z = of_cell.mean(0) / np.maximum(of_cell.std(0, ddof=1), 1e-9) * np.sqrt(60)
    assert (np.abs(z) < 4.5).mean() > 0.95  # of the few that nearly never divide, z is no normal
    assert found.counts[0] == found.surviving[0] == len(many)


def test_times_are_those_of_the_user(model: Model) -> None:
    found = model.branch("day2", to="day4", turnover=0.5, seed=3)
    tree = found.tree
    assert (tree.born[:40] == 2.0).all()
    assert tree.born[40:].min() > 2 and tree.born.max() < 4
    assert tree.ended[np.isfinite(tree.ended)].max() < 4
    assert found.divisions == (len(tree) - 40) / 2
    assert found.counts[-1] == 40 + found.divisions - found.deaths
    b = 0.5 * 2 * 40  # at this turnover, so many cells divide and die at least, but for chance
    assert found.divisions > b - 4 * np.sqrt(b) and found.deaths > b - 4 * np.sqrt(b)


def test_what_does_not_fit_into_memory_is_refused_with_both_numbers(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "available_memory", lambda: 100_000)
    with pytest.raises(ConfigError, match=r"40 cells would become .* take .* MB; 0.1 MB are free"):
        model.branch("day0")
    assert model.branch("day0", n_cells=2).counts[0] == 2


def test_with_noise_the_cells_of_a_family_part(noisy_model: Model) -> None:
    found = noisy_model.branch("day0", turnover=1.0, seed=2)
    end = found.when == len(found.times) - 1
    np.testing.assert_allclose(found.expected, 40)
    places = len(np.unique(found.positions[end], axis=0))
    # Those born in the last step are still together.
    assert len(set(found.founder[end])) < 0.9 * end.sum() < places


def test_growth_beyond_all_numbers_is_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match="are free"):
        model.branch("day0", turnover=1e12)


@pytest.mark.parametrize("turnover", [-0.1, float("nan"), float("inf")])
def test_a_turnover_that_is_no_rate_is_refused(model: Model, turnover: float) -> None:
    with pytest.raises(ConfigError, match="turnover"):
        model.branch("day0", turnover=turnover)


def test_nothing_divides_where_mass_is_conserved_unless_there_is_turnover(cells: Cells) -> None:
    still = cellam.fit(cells, method="am", n_features=16, n_pcs=2)
    with pytest.raises(ConfigError, match="conserves mass"):
        still.branch("day0")
    assert still.branch("day0", turnover=0.5).divisions > 0


def test_growth_that_is_but_rounding_is_none(cells: Cells) -> None:
    """The path moves mass only, and what is taken off for the masses of the days is 1e-15."""
    still = cellam.fit(cells, path="ot", n_features=16, n_pcs=2)
    days = still.training.unit_times
    for rate, none in ((1e-15, True), (0.1, False)):
        fit = replace(still.fit, growth_levels=(Level(days, (rate, 0.0, -rate)),) * 4)
        assert replace(still, fit=fit).conserves_mass == none


def test_time_does_not_run_backward(model: Model) -> None:
    with pytest.raises(ConfigError, match="forward in time"):
        model.branch("day4", to="day0")
