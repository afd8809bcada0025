"""The Jacobian of the velocity: where it is right, and where it must be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from bench.jacobian import SYSTEMS, found_in

import cellam
from cellam.analysis.jacobian import jacobian


@pytest.fixture(scope="module")
def mutual():
    return found_in(SYSTEMS["mutual"], 0)


def test_genes_that_act_on_each_other_alike_are_found(mutual):
    truth = SYSTEMS["mutual"][:2, :2]
    assert mutual.matrix().to_numpy() == pytest.approx(truth, abs=0.06)
    first = mutual.table().iloc[0]
    assert (first["gene"], first["other"]) == ("a", "b")
    assert first["same_sign"] > 0.9
    assert first["above"] == 14 / 15  # all other pairs of six genes


def test_it_cannot_tell_which_gene_acts_on_the_other():
    """b acts on a by 0.6 and a on b not at all: both directions have the same number."""
    J = found_in(SYSTEMS["one way"], 0).matrix()
    assert J.loc["a", "b"] == J.loc["b", "a"]
    assert 0.1 < J.loc["a", "b"] < 0.35


@pytest.mark.slow
def test_turning_motion_is_not_seen():
    assert abs(found_in(SYSTEMS["turning"], 0).matrix().to_numpy()).max() < 0.06


@pytest.mark.slow
def test_a_hidden_cause_looks_like_an_effect():
    """Neither gene acts on the other; the test that this must not be called regulation."""
    assert found_in(SYSTEMS["same cause"], 0).matrix().loc["a", "b"] > 0.08


def test_it_is_the_slope_of_the_velocity_of_expression(model):
    """Cells are moved along a gene, and the velocity that is decoded there compared."""
    genes, h = ["Apaf1", "Bax"], 1e-2
    space, days = model.space, model.snapshots
    axes = space.components[:, [space.genes.index(gene) for gene in genes]]
    keep = np.zeros(days.n_cells, dtype=bool)
    keep[days.rows[1]] = True
    found = jacobian(model, genes, keep).matrix().to_numpy()
    x, time = days.points[1], days.times[1]
    for b in range(2):
        step = h * axes[:, b] / space.scale
        slope = (model.velocity(time, x + step) - model.velocity(time, x - step)) / (2 * h)
        assert (slope * space.scale @ axes).mean(0) == pytest.approx(
            found[:, b], rel=0.01, abs=1e-4
        )


def test_an_ensemble_gives_an_interval(unsure_model):
    found = jacobian(unsure_model, ["Apaf1", "Bax"])
    table = found.table()
    assert (table["low"] < table["effect"]).all() and (table["effect"] < table["high"]).all()
    alone = jacobian(unsure_model.without_ensemble(), ["Apaf1", "Bax"])
    assert alone.mean == pytest.approx(found.mean) and alone.spread is None


def test_genes_are_refused_that_the_fit_does_not_have(model):
    with pytest.raises(cellam.errors.ConfigError, match="Gene Apaf2 is not among"):
        jacobian(model, ["Apaf2"])
    with pytest.raises(cellam.errors.ConfigError, match="0 genes were given"):
        jacobian(model, [])


def test_of_very_many_cells_some_are_drawn(model, monkeypatch):
    every = jacobian(model, ["Apaf1", "Bax"])
    monkeypatch.setattr("cellam.analysis.jacobian.CELLS", 100)
    some = jacobian(model, ["Apaf1", "Bax"])
    assert every.cells == model.snapshots.n_cells > some.cells == 100
    scatter = (every.high - every.low) / 3.3  # 5 to 95 % of a normal distribution
    assert (abs(some.mean - every.mean) < 4 * scatter / 10).all()
