"""Where explanations disagree, on populations whose course is known."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.analysis.explanations import left_open
from cellam.analysis.suggestion import growth_told, suggest
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.modelling.recipe import Because, Reason
from cellam.report.findings import growth_by_type

N = 80  # cells a day


def course(means: dict[float, float], **options: object) -> Model:
    """A cloud in the plane that is at some place on each day."""
    rng = np.random.default_rng(0)
    x = np.concatenate([0.5 * rng.standard_normal((N, 2)) + [m, 0] for m in means.values()])
    day = np.repeat([f"{t:g}" for t in means], N)
    obs = pd.DataFrame({"day": day}, index=[f"c{k}" for k in range(len(x))])
    adata = anndata.AnnData(np.ones((len(x), 1), np.float32), obs=obs, obsm={"X_z": x})
    return cellam.fit(cellam.read(adata, use_rep="X_z"), n_features=32, **options)


@pytest.fixture(scope="module")
def leap() -> Model:
    """Still, but for one gap."""
    return course({0: 0, 1: 0, 2: 0, 3: 4, 4: 4}, method="am")


def test_explanations_agree_on_the_days_and_the_first_is_that_of_the_fit(model: Model) -> None:
    found = left_open(model)
    assert found.explanations[0].coupling == model.choice.recipe.coupling
    assert {e.curvature for e in found.explanations} == {0.0, 1.0}
    for t, x in zip(found.days.unit_times, found.days.points, strict=True):
        for explanation in found.explanations:
            y, w = explanation.cloud(t)
            np.testing.assert_allclose(w @ y, x.mean(0), atol=0.35)
            assert w.sum() == pytest.approx(1)


@pytest.mark.parametrize(("because", "open_"), [("one day", True), ("least growth", False)])
def test_no_growth_is_open_where_one_day_could_not_rule_it_out(
    model: Model, because: Because, open_: bool
) -> None:
    """The fit has growth then, although the path without it predicts that day as well."""
    reasons = {"coupling": Reason(because, {"tau 1": 0.3, "ot": 0.25}, 1)}
    judged = replace(model, choice=replace(model.choice, reasons=reasons))
    names = [e.name for e in left_open(judged).explanations]
    assert ("path ot, straight" in names) == ("path ot, curved" in names) == open_
    assert names[0].startswith("path uot")  # that of the fit


def test_most_is_open_in_the_gap_in_which_cells_leap(leap: Model) -> None:
    """Straight, or slow at the start and the end: they differ at a quarter and three quarters."""
    found = suggest(leap, 100)
    table = found.table
    best = table.iloc[found.best]
    assert (best["after"], best["before"]) == ("2", "3") and best["place"] != 0.5
    assert best["score"] == 1 and found.told and best["settles"] == "course"
    assert list(found.names) == ["path ot, curved", "path ot, straight"]
    still = table[table["before"].isin(["1"])]
    assert (still["right"] < 0.95).all()
    assert table["time"].tolist() == [k + p for k in range(4) for p in (0.25, 0.5, 0.75)]
    again = suggest(leap, 100).table
    pd.testing.assert_frame_equal(table, again)


def test_a_long_gap_counts_for_its_length_and_its_middle_is_the_baseline(leap: Model) -> None:
    times = [0.5, 2.25, 3.6]
    found = suggest(leap, 100, times)
    assert found.table["time"].tolist() == times
    worth = found.table["disagreement"] * found.table["gap"]
    np.testing.assert_allclose(found.table["score"], worth / worth.max())
    assert found.largest == [0, 1, 2, 3] and found.middle is None  # none is the largest


def test_the_middle_of_the_largest_gap_is_the_choice_without_a_fit(model: Model) -> None:
    assert suggest(model, 50).table["time"].iloc[suggest(model, 50).middle] == 5.5
    near = suggest(model, 50, [1.0, 4.5, 5.0])  # days 4 and 7 are farthest apart
    assert near.table["time"].iloc[near.middle] == 5.0
    assert suggest(model, 50, [1.0, 3.0]).middle is None


def test_many_gaps_are_tried_in_the_middle_only() -> None:
    many = course({float(k): float(k % 2) for k in range(14)}, method="am")
    assert (suggest(many, 50).table["place"] == 0.5).all()


def test_more_cells_tell_more_and_the_number_needed_is_enough(leap: Model) -> None:
    few, many = (suggest(leap, n, [2.25]).table.iloc[0] for n in (5, 5_000))
    assert few["noise"] < many["noise"] and few["needed"] == many["needed"]
    at = suggest(leap, int(few["needed"]), [2.25])
    assert at.table["right"].iloc[0] >= 0.95
    assert suggest(leap, int(few["needed"]) - 1, [2.25]).table["right"].iloc[0] < 0.95


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([-1.0], "does not lie between"),
        ([4.5], "does not lie between"),
        ([4.0], "is a training day"),
        ([float("nan")], "does not lie between"),
    ],
)
def test_times_that_no_explanation_knows_are_refused(
    leap: Model, times: list[float], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        suggest(leap, 100, times)


def test_without_anything_open_there_is_nothing_to_suggest() -> None:
    closed = course({0: 0, 1: 1, 3: 2}, path="ot", curvature=1.0)
    with pytest.raises(ConfigError, match="leaves no other path open"):
        suggest(closed, 100)


def test_one_cell_tells_nothing(leap: Model) -> None:
    with pytest.raises(ConfigError, match="n_cells=1"):
        suggest(leap, 1)


def test_growth_is_said_of_the_type_on_which_explanations_differ_most(model: Model) -> None:
    free = cellam.fit(_cells_of(model), n_features=32, n_pcs=3)  # three penalties stay open
    found = suggest(free, 50, [1.0])
    taus = ("path uot with tau 1", "path uot with tau 0.1", "path uot with tau 0.3")
    assert found.names == taus  # on two days there is no turn
    assert found.table["settles"].tolist() == ["growth"]
    types = np.array(["a", "b"] * 80, dtype=object)
    told = growth_told(free, found, types)
    assert told.type in ("a", "b") and told.difference == told.high - told.low > 0
    assert growth_told(free, found, np.full(160, None)) is None


def test_the_range_beside_it_is_that_of_the_fit_and_a_day_settles_but_its_difference(
    model: Model,
) -> None:
    """Of two states that exchange nothing, or may exchange all: the same question, other days."""
    free = cellam.fit(_cells_of(model), n_features=32, n_pcs=3)
    found = suggest(free, 50, [1.0])
    far = np.concatenate(free.snapshots.points)[:, 0] > 0
    types = np.where(free.snapshots.to_data_order(far), "up", "down").astype(object)
    told = growth_told(free, found, types)
    rows = {row["type"]: row for row in growth_by_type(free, pd.Series(types))}
    assert told.whole == (rows[told.type]["low"], rows[told.type]["high"])
    assert told.hardly == (told.difference < 0.1 * (told.whole[1] - told.whole[0]))


def _cells_of(model: Model) -> cellam.Cells:
    """Two states whose shares drift between two days: two days leave every penalty open."""
    rng = np.random.default_rng(4)
    days = {"day0": 0.5, "day2": 0.9}
    x = [rng.standard_normal((80, 3)) + 4 * (rng.random(80) < p)[:, None] for p in days.values()]
    obs = pd.DataFrame({"day": np.repeat(list(days), 80)}, index=[f"c{k}" for k in range(160)])
    adata = anndata.AnnData(np.ones((160, 1), np.float32), obs=obs, obsm={"X_z": np.vstack(x)})
    return cellam.read(adata, use_rep="X_z")
