"""A state that the terminal day lacks: ranges of fates hold that its cells were not measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cellam
from cellam import truths
from cellam.analysis.fates import Fates, predict_fates
from cellam.analysis.missing import missing_states
from cellam.modelling.model import Model

FAST = {"n_features": 32, "tau": 1.0, "curvature": 1.0}


def fitted(population: truths.Population) -> tuple[Model, pd.Series]:
    cells = cellam.read(population.to_adata(), use_rep="X_true")
    return cellam.fit(cells, **FAST), cells.obs["state"]


@pytest.fixture(scope="module", params=[0, 3], ids=["none left", "three left"])
def lacking(request: pytest.FixtureRequest) -> tuple[Model, pd.Series, Fates]:
    population = truths.missing_state(np.random.default_rng(1), left=request.param, n_cells=100)
    model, types = fitted(population)
    return model, types, predict_fates(model, "0", types)


def test_it_is_found_with_its_cells(lacking: tuple[Model, pd.Series, Fates]) -> None:
    model, types, _ = lacking
    missing = missing_states(model, types, "6")
    assert missing is not None
    assert missing.label == "4"
    assert not missing.first
    on = {day: int((types.iloc[model.snapshots.rows[day]] == "C").sum()) for day in (2, 3)}
    assert missing.before == {"C": on[2]}
    assert missing.there == {"C": on[3]}
    assert missing_states(model, types, "4") is None
    assert missing_states(model, types, "0") is None


def test_its_cells_may_have_stayed_in_it(lacking: tuple[Model, pd.Series, Fates]) -> None:
    _, types, found = lacking
    of = types.iloc[found.rows].to_numpy() == "C"
    for k, state in enumerate(found.states):
        if state == "C":
            assert np.median(found.high[of, k]) > 0.8
            assert np.median(found.probability[of, k]) < 0.5  # by what was measured
        else:
            assert np.median(found.low[of, k]) < 0.05


def test_the_whole_day_holds_the_truth(lacking: tuple[Model, pd.Series, Fates]) -> None:
    """A third of all cells stay A, a third B; on the last day they are half each."""
    row = lacking[2].together()
    for state, share in row["fate"].items():
        assert row["least"][state] < 1 / 3 < row["most"][state]
        assert (share < 0.1) == (state == "C")


def test_where_no_state_is_missing_there_is_nothing_of_it() -> None:
    model, types = fitted(truths.biased_day(np.random.default_rng(0), n_cells=100))
    assert missing_states(model, types, "6") is None
    assert len(predict_fates(model, "0", types).explanations) == 2


def test_states_may_be_numbers(lacking: tuple[Model, pd.Series, Fates]) -> None:
    model, types, found = lacking
    numbers = types.map({"A": 0, "B": 1, "C": 2}).astype(int)
    again = predict_fates(model, "0", numbers)
    np.testing.assert_array_equal(again.high, found.high)
    np.testing.assert_array_equal(again.low, found.low)
