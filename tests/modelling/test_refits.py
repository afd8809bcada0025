"""`modelling.refits`: the same fit to other cells."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import cellam
from cellam.dynamics.couplings import Balanced
from cellam.dynamics.masses import keep_masses
from cellam.errors import ConfigError
from cellam.evaluation.scoring import score
from cellam.modelling import refits
from cellam.modelling.model import Model
from cellam.modelling.refits import effective_refits, refit

FAST = {"n_features": 32, "n_pcs": 3}


@pytest.fixture(scope="module")
def without(cells: cellam.Cells) -> Model:
    return cellam.fit(cells, exclude=("day4",), **FAST)


def test_they_differ_in_the_fit_alone(without: Model) -> None:
    found = refit(without, 4)
    assert len(found.models) == 4
    assert found.scale == 1.0  # half of 40 cells of each day
    coefficients = [m.fit.action.theta for m in (without, *found.models)]
    assert all((a != b).any() for a, b in pairwise(coefficients))
    for model in found.models:
        assert model.snapshots is without.snapshots
        assert model.space is without.space
    again = refit(without, 4)
    for one, other in zip(found.models, again.models, strict=True):
        assert (one.fit.action.theta == other.fit.action.theta).all()


@pytest.mark.slow
def test_masses_are_kept_where_they_are_scored_and_move_no_other_score(without: Model) -> None:
    found, rng = refit(without, 4), np.random.default_rng(0)
    assert not any(m.fit.growth_levels for m in found.models)
    kept = [replace(m, fit=keep_masses(m.fit, m.training, rng)) for m in found.models]
    assert all(m.fit.growth_levels for m in kept)
    one, other = (
        score(without, "day4", refits=refits).table
        for refits in (found, replace(found, models=tuple(kept)))
    )
    np.testing.assert_allclose(other[["low", "high"]], one[["low", "high"]], rtol=1e-5)
    sizes = without.options.model_copy(update={"population": "cells"})
    assert all(m.fit.growth_levels for m in refit(replace(without, options=sizes), 4).models)


def test_they_are_fitted_along_the_paths_that_the_choice_left_open(without: Model) -> None:
    """Growth is impossible along balanced transport, and differs along unbalanced."""
    only = replace(without.choice, couplings=(Balanced(),))
    models = refit(replace(without, choice=only), 4).models
    assert all(model.conserves_mass for model in models)
    assert not any(model.conserves_mass for model in refit(without, 4).models)


def test_few_of_many_cells_are_enough_and_their_variance_is_scaled(
    without: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refits, "REFITTED", 10)
    assert refit(without, 4).scale == pytest.approx(10 / 30)


def test_so_few_that_they_say_nothing_are_refused_and_a_network_is_not_refitted(
    without: Model,
) -> None:
    with pytest.raises(ConfigError, match="`refits=3`"):
        refit(without, 3)
    assert effective_refits(without.options, 0) == 0
    network = without.options.model_copy(update={"action": "mlp"})
    assert effective_refits(network, 8) == 0
    assert refit(replace(without, options=network), 8).models == ()


def test_a_score_varies_by_its_cells_and_its_fits(without: Model) -> None:
    held = score(without, "day4", metrics=["W1", "energy"]).table
    moved = score(without, "day4", metrics=["W1", "energy"], refits=refit(without, 4)).table
    assert set(held["refits"]) == {0}
    assert set(moved["refits"]) == {4}
    np.testing.assert_array_equal(held["value"], moved["value"])
    wider = (moved["high"] - moved["low"]) / (held["high"] - held["low"])
    fits = moved["method"].isin(["cellam", "forward"])
    assert (wider[fits] > 1).all()
    assert (wider[~fits] == 1).all()
