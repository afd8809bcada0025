"""How far a path bends by given velocities: on arms that few days do not show, and on noise."""

from __future__ import annotations

import json
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.modelling import trials, velocity_share
from cellam.modelling.recipe import choice_from_json, choice_to_json
from cellam.report.wording import explain
from cellam.storage import to_json
from cellam.truths import bent_arms

DAYS = (0.0, 1.0, 2.0, 3.0)
QUICK = {"use_rep": "X_true", "method": "am", "n_features": 200}


@pytest.fixture
def few_halves(monkeypatch):
    """What is asked is not whether the share is right."""
    for module, name, less in (
        (velocity_share, "HALVES", 2),
        (velocity_share, "CELLS", 80),
        (trials, "FEATURES", 64),
        (trials, "PARTICLES", 2_000),
    ):
        monkeypatch.setattr(module, name, less)


@pytest.fixture(scope="module")
def adata():
    rng = np.random.default_rng(0)
    drawn = [bent_arms(t, 80, rng) for t in DAYS]
    x, v = (np.concatenate(part) for part in zip(*drawn, strict=True))
    obs = pd.DataFrame({"day": np.repeat(DAYS, 80)}, index=[f"c{i}" for i in range(320)])
    wrong = rng.standard_normal(v.shape)
    some = np.where(np.arange(320)[:, None] % 8 > 0, -7.0 * v, np.nan)
    return anndata.AnnData(obs=obs, obsm={"X_true": x, "turned": some, "random": wrong})


def fitted(adata, velocity, **more):
    cells = cellam.read(adata, use_rep="X_true", velocity=velocity)
    return cellam.fit(cells, **QUICK | more)


@pytest.fixture(scope="module")
def model(adata):
    return fitted(adata, "turned")


@pytest.fixture(scope="module")
def plain(adata):
    return fitted(adata, None)


def off(model):
    """Squared error of the velocity over all times, by the truth's squared length."""
    rng, wrong, size = np.random.default_rng(0), 0.0, 0.0
    for t in np.linspace(0, 3, 13):
        x, v = bent_arms(t, 100, rng)
        found = model.velocity(t, model.space.from_coordinates(x)) * model.space.scale
        wrong, size = wrong + ((found - v) ** 2).sum(), size + (v**2).sum()
    return wrong / size


def test_velocities_show_what_the_days_do_not_and_are_turned_round(model, plain):
    assert model.choice.recipe.velocity > 0
    assert model.choice.reasons["velocity"].because == "predicts better"
    assert off(model) < 0.8 * off(plain)
    found = model.agreement
    assert (found.known, found.missing) == (280, 40)
    assert found.low < found.cosine < found.high < -0.7 and found.p < 0.01
    assert found.cosine < found.shuffled < 0
    # A day is seven of their units of time, backwards.
    assert 3 / found.scale == pytest.approx(-7, rel=0.2)
    said = "\n".join(explain(model))
    assert 0.9 < found.trust < 1
    assert "280 of 320 training cells" in said and "were turned round" in said


@pytest.mark.slow
def test_velocities_that_tell_nothing_leave_the_fit_as_it_is(adata, plain):
    random = fitted(adata, "random")
    assert random.choice.recipe.velocity == 0
    assert random.choice.reasons["velocity"].because == "not better"
    assert random.fit.action.theta.equal(plain.fit.action.theta)
    assert abs(random.agreement.cosine - random.agreement.shuffled) < 0.1
    said = "\n".join(explain(random))
    assert "no share predicts 2 held-out training days clearly better" in said
    assert plain.agreement is None and "velocit" not in "\n".join(explain(plain)).split("curv")[0]


def test_two_days_cannot_judge_them(adata):
    two = fitted(adata, "turned", exclude=("1", "2"))
    assert two.choice.recipe.velocity == 0
    assert "at least three training days" in "\n".join(explain(two))
    assert two.agreement.known + two.agreement.missing == 160


@pytest.mark.usefixtures("few_halves")
@pytest.mark.slow
def test_velocities_of_a_held_out_day_are_not_seen(adata):
    other = adata.copy()
    other.obsm["turned"][(other.obs["day"] == 2).to_numpy()] = 5.0
    one, same = (fitted(a, "turned", exclude=("2",)) for a in (adata, other))
    assert (one.snapshots.velocities[2] == 0).all()
    assert one.fit.action.theta.equal(same.fit.action.theta)
    assert one.agreement == same.agreement


@pytest.mark.usefixtures("few_halves")
@pytest.mark.slow
def test_units_of_coordinates_do_not_matter(adata):
    """Stretched coordinates with velocities stretched alike are the same cells, once whitened."""
    stretched = adata.copy()
    for key in ("X_true", "turned"):
        stretched.obsm[key] = stretched.obsm[key] * [4.0, 0.5, 2.0, 1.0, 8.0]
    one, other = (fitted(a, "turned", whiten=True) for a in (adata, stretched))
    assert one.choice.recipe.velocity == other.choice.recipe.velocity > 0
    assert other.agreement.scale == pytest.approx(one.agreement.scale, rel=1e-3)
    for x, y in zip(one.snapshots.velocities, other.snapshots.velocities, strict=True):
        assert x == pytest.approx(y, rel=1e-4)


@pytest.mark.slow
def test_a_network_has_them_too(adata):
    trained = [fitted(adata, key, action="mlp", steps=1_000) for key in ("turned", None)]
    assert off(trained[0]) < off(trained[1])


def test_a_recipe_and_a_run_remember_them(adata, model, tmp_path):
    kept = json.loads(to_json(choice_to_json(model.choice)))
    assert choice_from_json(kept) == model.choice
    del kept["velocity"]
    assert choice_from_json(kept).recipe == replace(model.choice.recipe, velocity=0.0)
    cells = cellam.read(adata, use_rep="X_true", velocity="turned")
    cellam.save(model, cells, tmp_path / "run")
    opened = cellam.open_run(tmp_path / "run").model
    assert opened.agreement == model.agreement
    assert all(map(np.array_equal, opened.snapshots.velocities, model.snapshots.velocities))


@pytest.mark.usefixtures("few_halves")
@pytest.mark.slow
def test_scores_of_a_held_out_day_have_the_fit_without_velocities(adata):
    cells = cellam.read(adata, use_rep="X_true", velocity="turned")
    how = {"method": "am", "n_features": 200, "refits": 4, "metrics": ("energy",)}
    table = cellam.evaluate(cells, "1", **how).table
    value = table.set_index("method")["value"]
    assert value["cellam"] < value["no-velocity"]
    # Fits to other cells, of which the interval is made, have the velocities of these.
    row = table.set_index("method").loc["cellam"]
    assert row["high"] < value["no-velocity"]
