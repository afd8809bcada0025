"""Scores of one day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.errors import ConfigError
from cellam.evaluation.evaluate import evaluate
from cellam.evaluation.scoring import score
from cellam.evaluation.skill import skill
from cellam.limits import DRAWS
from cellam.reading.cells import Cells

FAST = {"n_features": 32, "n_pcs": 3, "tau": 1.0}


@pytest.mark.slow  # the quick one is in test_controls.py
def test_days_permuted_among_cells_leave_no_skill(demo_path):
    """The shuffled control: no interval lies above zero, and the sentence claims nothing."""
    import anndata

    adata = anndata.read_h5ad(demo_path)
    rng = np.random.default_rng(0)
    adata = adata[rng.choice(len(adata), 500, replace=False)].copy()
    adata.obs["day"] = rng.permutation(adata.obs["day"].to_numpy())
    for rep in (None, "X_latent"):
        cells = cellam.read(adata, use_rep=rep)
        fast = {"n_features": 100} | ({"n_pcs": 5} if rep is None else {})
        found = evaluate(cells, "all", metrics=["W1", "energy"], counterpart=False, **fast)
        for label in found.holdout:
            for metric in ("W1", "energy"):
                one = skill(found.scores.of(label), metric)
                assert one.low <= 0
                assert "better than every" not in one.says
                said = ("is behind", "is worse than", "no method can be shown")
                assert any(words in one.says for words in said)


def test_clouds_may_be_of_a_given_size_and_number(cells: Cells):
    model = cellam.fit(cells, exclude=("day2",), **FAST)
    found = score(model, "day2", metrics=["W1"], n_cells=10, draws=DRAWS + 2).table
    assert set(found["n"]) == {10}
    assert set(found["draws"]) == {DRAWS + 2}
    with pytest.raises(ConfigError, match="too few to be scored with 21"):
        score(model, "day2", metrics=["W1"], n_cells=21)


def test_more_draws_do_not_change_what_is_estimated(cells: Cells):
    model = cellam.fit(cells, exclude=("day2",), **FAST)
    few, many = (score(model, "day2", metrics=["W1"], draws=k).table for k in (4, 24))
    error = (many["high"] - many["low"]) / (2 * 1.96)
    assert (np.abs(few["value"] - many["value"]) < 3 * error).all()


def test_composition_looks_at_training_days_only_and_at_the_truth_of_the_day(cells: Cells):
    model = cellam.fit(cells, exclude=("day2",), **FAST)
    days = cells.obs["day"].astype(str).to_numpy()
    types = pd.Series(np.where(days == "day2", "new", "old"))
    found = score(model, "day2", metrics=["composition"], types=types).table
    assert found["value"].to_numpy() == pytest.approx(
        1
    )  # nobody can know the new type, the floor neither
    # One type for each day: the day before is all of its own type, the mixture half of each.
    found = score(model, "day2", metrics=["composition"], types=pd.Series(days).replace(
        "day2", "day0")).table  # fmt: skip
    values = found.set_index("method")["value"]
    assert values["previous"] < values["mixture"] < values["next"]
