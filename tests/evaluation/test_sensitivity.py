"""How far answers move with other settings: on answers that are known, and on a fit."""

from __future__ import annotations

import json

import numpy as np
import pytest

import cellam
from cellam.evaluation import sensitivity
from cellam.evaluation.sensitivity import AS_FITTED, Answers, Sensitivity, settings
from cellam.options import Options
from cellam.storage import restore, to_json


def known(**others: Answers) -> Sensitivity:
    return Sensitivity({AS_FITTED: Answers({"d": 0.4}, {"A": 0.2, "B": -0.1}, FATES), **others})


FATES = {"A": {"X": 0.7, "Y": 0.3}}
SAME = Answers({"d": 0.3}, {"A": 0.1, "B": -0.3}, {"A": {"X": 0.6, "Y": 0.4}})
TURNED = Answers({"d": -0.1}, {"A": 0.3, "B": 0.1}, {"A": {"X": 0.2, "Y": 0.8}})
BALANCED = Answers({"d": 0.5}, {}, {"A": {"X": 0.7, "Y": 0.3}})


def test_answers_on_the_same_side_are_stable():
    found = known(**{"seed 1": SAME, "path ot": BALANCED})
    assert found.unstable == {}
    assert "With 2 other settings of the fit, 4 of 4 answers stay the same" in found.says
    assert found.brief == "With 2 other settings of the fit, 4 of 4 answers stay the same."


def test_answers_that_turn_are_named_with_their_settings():
    found = known(**{"seed 1": SAME, "tau 0.1": TURNED})
    assert set(found.unstable) == {"the skill on d", "the growth of B", "the fate of A"}
    assert set(found.unstable.values()) == {("tau 0.1",)}
    assert "1 of 4 answers stay the same: the growth of A (above zero)." in found.says
    assert "the fate of A (tau 0.1)" in found.says
    assert found.brief.endswith("the skill on d, the growth of B, the fate of A did not.")


def test_the_table_has_the_largest_moves():
    table = known(**{"seed 1": SAME, "path ot": BALANCED}).table.set_index("setting")
    assert table.loc["seed 1", "skill d"] == 0.3
    assert table.loc["seed 1", "growth_moved"] == pytest.approx(0.2)
    assert table.loc["seed 1", "fates_moved"] == pytest.approx(0.1)
    assert np.isnan(table.loc["path ot", "growth_moved"])
    assert (table.loc[AS_FITTED, ["growth_moved", "fates_moved"]] == 0).all()


def test_json_holds_all_of_it():
    found = known(**{"seed 1": SAME, "path ot": BALANCED})
    assert Sensitivity.from_json(restore(json.loads(to_json(found.to_json())))) == found


def test_one_setting_is_changed_at_a_time(model, cells):
    found = settings(model, len(cells.genes))
    base = Options(**model.options.model_dump())
    for name, options in found.items():
        changed = {k for k, v in options if v != getattr(base, k)}
        assert (changed and changed <= {"path", "tau"}) or len(changed) == 1, name
    kinds = {name.split()[-1] for name in found} & {"components", "genes"}
    assert kinds == {"components", "genes"}
    assert f"seed {base.seed + 1}" in found and "curvature 0" in found
    label = model.choice.recipe.coupling.label
    assert label not in found


@pytest.mark.slow
def test_a_sweep_asks_every_fit_the_same(monkeypatch, tmp_path, small):
    small.write_h5ad(tmp_path / "x.h5ad")
    quick = {"n_features": 32, "tau": 1.0, "curvature": 1.0, "n_pcs": 4}
    cells = cellam.read(tmp_path / "x.h5ad")
    model = cellam.fit(cells, **quick)
    two = {"curvature 0": {"curvature": 0.0}, "seed 1": {"seed": 1}}
    given = model.options.model_dump()
    monkeypatch.setattr(
        sensitivity, "settings", lambda *_: {k: Options(**given | v) for k, v in two.items()}
    )
    run = cellam.save(model, cells, tmp_path / "run", data=tmp_path / "x.h5ad")
    found = run.evaluate("day2", refits=0, counterpart=False, sweep=True).sensitivity
    assert list(found.answers) == [AS_FITTED, *two]
    monkeypatch.setattr(sensitivity, "evaluate", None)
    assert run.evaluate("day2", refits=0, counterpart=False, sweep=True).sensitivity == found
    base = found.answers[AS_FITTED]
    assert set(base.skill) == {"day2"} and base.growth and base.fates
    own = cellam.evaluate(cells, "day2", model.options, refits=0, counterpart=False)
    shares = {s.metric: s.value for s in cellam.skills(own.scores) if s.method == "cellam"}
    assert base.skill["day2"] == pytest.approx(shares["energy"])
