from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cellam.analysis.fates import Fates, predict_fates
from cellam.analysis.pseudobulk import pseudobulk
from cellam.modelling.model import Model
from cellam.reading.cells import Cells


@pytest.fixture(scope="module")
def found(model: Model, cells: Cells) -> Fates:
    return predict_fates(model, "day2", cells.obs["cell_type"])


@pytest.fixture(scope="module")
def expression(cells: Cells) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(2, 1, (len(cells), 2)), columns=["B", "A"])


def test_certain_fates_give_means_of_cells_with_students_interval(
    model: Model, cells: Cells, found: Fates, expression: pd.DataFrame
) -> None:
    certain = np.zeros_like(found.probability)
    certain[:, 0], certain[:30] = 1.0, np.eye(len(found.states))[1]
    sure = replace(found, probability=certain)
    frame = pseudobulk(model, expression, [sure], cells.obs["cell_type"])
    assert list(dict.fromkeys(frame["gene"])) == ["B", "A"]
    row = frame[(frame["group"] == found.states[1]) & (frame["label"] == "day2")].iloc[0]
    x = expression["B"].to_numpy()[found.rows[:30]]
    low, high = stats.t.interval(0.95, 29, x.mean(), stats.sem(x))
    assert (row["cells"], row["mean"]) == (pytest.approx(30), pytest.approx(x.mean()))
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    # On the terminal day a cell has the state that it is annotated with.
    last = frame[(frame["group"] == found.states[0]) & (frame["label"] == "day7")].iloc[0]
    rows = model.snapshots.rows[3]
    own = (cells.obs["cell_type"].astype(str).to_numpy()[rows]) == found.states[0]
    assert last["mean"] == pytest.approx(expression["B"].to_numpy()[rows][own].mean())
    assert last["time"] == 7


def test_weights_are_probabilities_and_units_are_replicates(
    model: Model, cells: Cells, found: Fates, expression: pd.DataFrame
) -> None:
    mice = np.arange(len(cells)) % 4
    shifted = expression + 3.0 * mice[:, None]
    by_mouse, by_cell = (
        pseudobulk(model, shifted, [found], cells.obs["cell_type"], of) for of in (mice, None)
    )
    pd.testing.assert_series_equal(by_mouse["mean"], by_cell["mean"])
    row = by_mouse[by_mouse["label"] == "day2"].iloc[0]
    w, x = found.probability[:, 0], shifted["B"].to_numpy()[found.rows]
    m = w @ x / w.sum()
    sums = np.bincount(mice[found.rows], w * (x - m))
    half = stats.t.ppf(0.975, 3) * np.sqrt(4 / 3 * (sums**2).sum()) / w.sum()
    assert row["mean"] == pytest.approx(m)
    assert row["high"] - row["mean"] == pytest.approx(half)
    # Mice that differ say less than as many cells that are all taken for independent.
    wide, narrow = ((f["high"] - f["low"]).mean() for f in (by_mouse, by_cell))
    assert wide > 2 * narrow
    # A single mouse is no sample of mice: the cells are the units then.
    alone = pseudobulk(model, shifted, [found], cells.obs["cell_type"], np.zeros_like(mice))
    pd.testing.assert_frame_equal(alone, by_cell)
