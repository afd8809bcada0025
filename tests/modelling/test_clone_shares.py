"""How far fits go by barcodes: on a fork that snapshots cannot see, and where they tell nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import cellam
from cellam.analysis.fates import predict_fates
from cellam.dynamics.couplings import Balanced
from cellam.evaluation.clones import OURS, PLAIN, validate
from cellam.evaluation.sisters import find_sisters, unseen
from cellam.modelling.clone_share import choose_clones
from cellam.modelling.pipeline import fit_beside
from cellam.modelling.recipe import choice_from_json, choice_to_json
from cellam.options import Options
from cellam.reading.snapshots import take_snapshots
from cellam.report.wording import explain
from cellam.storage import to_json
from cellam.truths import fading_fork

QUICK = {"use_rep": "X_true", "path": "ot", "curvature": 1.0, "n_features": 64}


@pytest.fixture(scope="module")
def truth():
    return fading_fork(np.random.default_rng(0), days=(0.0, 2.0, 4.0), n_cells=200, founders=120)


@pytest.fixture(scope="module")
def adata(truth):
    adata = truth.to_adata()
    rng = np.random.default_rng(0)
    of_day = adata.obs.groupby("day", sort=False)["clone"]
    adata.obs["shuffled"] = of_day.transform(lambda clones: rng.permutation(clones.to_numpy()))
    return adata


def fitted(adata, clones, **more):
    cells = cellam.read(adata, use_rep="X_true", clones=clones)
    return cellam.fit(cells, **QUICK, clones=clones, **more), cells


@pytest.fixture(scope="module")
def model(adata):
    return fitted(adata, "clone")[0]


def early_fates(model, adata):
    found = predict_fates(model, "0", adata.obs["state"])
    return found.probability[:, found.states.index("up")]


def test_fates_that_are_decided_early_are_seen_with_barcodes_alone(adata, truth, model):
    true = truth.fates[truth.day == 0, 0]
    plain = fitted(adata, None)[0]
    assert dict(model.choice.recipe.clones).get("0", 0) > 0
    assert model.choice.reasons["clones"].because == "nearer"
    assert np.corrcoef(early_fates(model, adata), true)[0, 1] > 0.8
    assert np.corrcoef(early_fates(plain, adata), true)[0, 1] < 0.5


def test_ancestors_and_masses_follow_pairs_too(adata, model):
    back = predict_fates(model, "4", adata.obs["state"], terminal="2")
    assert back.probability.sum(1) == pytest.approx(1.0)
    forth = predict_fates(model, "0", adata.obs["state"])
    assert np.average(forth.mass) == pytest.approx(1.0)


def test_barcodes_that_tell_nothing_leave_the_fit_as_it_is(adata):
    none, shuffled = fitted(adata, None)[0], fitted(adata, "shuffled")[0]
    assert shuffled.choice.recipe.clones == ()
    assert shuffled.choice.reasons["clones"].because == "not nearer"
    assert none.fit.action.theta.equal(shuffled.fit.action.theta)
    said = next(line for line in explain(shuffled) if line.startswith("share of the barcodes"))
    assert "not used" in said


def test_few_clones_are_not_judged(truth):
    few = np.where(truth.clones < 12, truth.clones, -1)
    cells = cellam.read(truth.to_adata(), use_rep="X_true")
    days = take_snapshots(cells, truth.x, clones=few)
    shares, reason = choose_clones(days, Balanced(), np.random.default_rng(0))
    assert shares == () and reason.because == "few clones"


def test_a_held_out_day_gives_no_barcodes(adata):
    other = adata.copy()
    there = (other.obs["day"] == 2).to_numpy()
    other.obs["clone"] = other.obs["clone"].astype(object).mask(there, "another")
    one, same = (fitted(a, "clone", exclude=("2",))[0] for a in (adata, other))
    assert one.snapshots.clones is not None and (one.snapshots.clones[1] == -1).all()
    assert one.fit.action.theta.equal(same.fit.action.theta)


def test_a_recipe_with_clones_is_kept(model):
    kept = choice_from_json(json.loads(to_json(choice_to_json(model.choice))))
    assert kept == model.choice
    older = json.loads(to_json(choice_to_json(model.choice)))
    del older["clones"]
    assert choice_from_json(older).recipe.clones == ()


def test_a_run_remembers_its_clones(adata, model, tmp_path):
    cells = cellam.read(adata, use_rep="X_true", clones="clone")
    cellam.save(model, cells, tmp_path / "run")
    opened = cellam.open_run(tmp_path / "run").model
    assert all(map(np.array_equal, opened.snapshots.clones, model.snapshots.clones))
    assert np.array_equal(early_fates(opened, adata), early_fates(model, adata))
    relabelled = adata.copy()
    relabelled.obs["clone"] = relabelled.obs["shuffled"]
    assert cellam.read(relabelled, use_rep="X_true", clones="clone").digest != cells.digest


def test_an_ensemble_draws_clones(adata, model):
    members = replace(
        model, ensemble=(model.fit,) * 8, options=model.options.model_copy(update={"ensemble": 8})
    ).members
    fates = np.stack([early_fates(member, adata) for member in members])
    assert 0 < fates.std(0).mean() < 0.3


def test_no_clone_is_judged_by_a_fit_that_saw_it(adata, model):
    types, clones = adata.obs["state"], adata.obs["clone"]
    of_state = np.zeros((200, 1))
    sisters = find_sisters(model, types, clones, start=["0", "2"], terminal="4", of_state=of_state)
    seen = np.zeros(sisters.number)
    for asked, of in unseen(model, sisters, "4"):
        seen += of
        hidden = {names for c, rows in enumerate(sisters.late) if of[c] for names in rows}
        there = asked.snapshots.clones[asked.snapshots.index("4")]
        assert (there[sorted(hidden)] == -1).all()
        whose = np.unique(model.snapshots.clones[2][sorted(hidden)])
        for before, after in zip(model.snapshots.clones, asked.snapshots.clones, strict=True):
            assert (after[np.isin(before, whose)] == -1).all()
            assert np.array_equal(after[~np.isin(before, whose)], before[~np.isin(before, whose)])
    assert (seen == 1).all()


def test_validation_shows_what_barcodes_gain(adata, model):
    cells = cellam.read(adata, use_rep="X_true", clones="clone")
    options = Options(**model.options.model_dump() | {"clones": None})
    plain = fit_beside(model, cells.without_clones(), options)
    types, clones = adata.obs["state"], adata.obs["clone"]
    found = validate(
        model, types, clones, start=["0"], terminal="4", n_boot=100, plain=plain
    ).table.set_index(["state", "score", "method"])
    assert found.loc[("all", "AUROC", OURS), "value"] > 0.75
    assert found.loc[("all", "AUROC", PLAIN), "gain_low"] > 0
    assert found.loc[("all", "Brier", PLAIN), "gain_low"] > 0


def test_scores_of_a_held_out_day_have_the_fit_without_barcodes(adata):
    cells = cellam.read(adata, use_rep="X_true", clones="clone")
    table = cellam.evaluate(cells, "2", **QUICK, refits=0, metrics=("energy",)).table
    assert {"cellam", "no-clones"} <= set(table["method"])
