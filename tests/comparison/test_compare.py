"""Effects are those that were made; the verdict goes by the samples."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.comparison.compare import Comparison, compare
from cellam.comparison.table import reading, shown
from cellam.errors import ConfigError
from cellam.experiments import Experiment
from cellam.plots.comparison import effects
from cellam.toys import Branching

QUICK = {"path": "uot", "tau": 1.0, "n_features": 100}
N = 4  # samples of each condition


def _two(make: Any, *, days: tuple[float, ...] = (0.0, 1.0, 2.0), n: int = 40) -> cellam.Cells:
    """Cells that `make(rng, day, treated)` gives, (n, 2) and types, of four samples each."""
    rng, x, rows = np.random.default_rng(0), [], []
    for treated in (False, True):
        for r in range(N):
            for day in days:
                cloud, types = make(rng, day, treated, n)
                x.append(cloud)
                condition = "treated" if treated else "control"
                rows += [(day, condition, f"{condition[0]}{r}", t) for t in types]
    obs = pd.DataFrame(rows, columns=["day", "treatment", "mouse", "cell_type"])
    obs.index = obs.index.map("cell{}".format)
    points = np.concatenate(x).astype(np.float32)
    return cellam.read(anndata.AnnData(points, obs=obs, obsm={"X": points}), use_rep="X")


def _moving(rng: Any, day: float, treated: bool, n: int) -> Any:
    x = 0.5 * rng.standard_normal((n, 2)) + np.array([(1.5 if treated else 1.0) * day, 0.0])
    return x, np.where(x[:, 1] > 0, "up", "down")


def _growing(rng: Any, day: float, treated: bool, n: int) -> Any:
    odds = 0.5 * np.exp((0.6 if treated else 0.2) * day)
    is_b = rng.random(n) < odds / (1 + odds)
    return rng.standard_normal((n, 2)) * 0.5 + 6 * is_b[:, None], np.where(is_b, "B", "A")


@pytest.fixture(scope="module")
def moving() -> Comparison:
    return compare(_two(_moving), "treatment", path="ot", n_features=100)


def test_a_difference_of_speed_is_found_with_its_size(moving: Comparison) -> None:
    velocity, _ = moving.at_cells()
    assert velocity.mean(0) == pytest.approx([0.5, 0.0], abs=0.1)
    motion = moving.effects.query("family == 'motion'").iloc[0]
    assert motion["effect"] == pytest.approx(0.5, abs=0.1)
    assert motion["control"] < 0.5 * motion["effect"]
    assert moving.changed and moving.dynamics_p == moving.smallest_p == pytest.approx(1 / 35)
    assert moving.verdict.startswith("The dynamics of treated and control differ (p = 0.029")


def test_what_a_difference_may_be_of_is_left_open_with_the_smallest_p(moving: Comparison) -> None:
    """Speed alone differs here, and in the drug data division alone: snapshots show neither."""
    said = moving.verdict
    assert "(p = 0.029 over 35 labellings, the smallest that they allow)" in said
    assert "whether cells move, turn or grow otherwise" in said


@pytest.mark.parametrize(
    ("motion", "arrival", "says"),
    [
        (0.03, 0.49, "This rests on how cells move (motion). No row of arrival is told"),
        (0.49, 0.03, "This rests on which types the same cells lead to (arrival);"),
        (0.03, 0.03, "the same cells lead to other shares of types"),
        (0.49, 0.49, "none of them is told from chance alone"),
    ],
)
def test_the_verdict_says_no_more_than_the_tables_below_it(
    moving: Comparison, motion: float, arrival: float, says: str
) -> None:
    rows = [("motion", "all cells", motion), ("arrival", "A on 1", arrival), ("genes", "g", 0.001)]
    effects = pd.DataFrame(rows, columns=["family", "item", "p"])
    verdict = replace(moving, effects=effects).verdict
    assert verdict.startswith("The dynamics of treated and control differ") and says in verdict
    assert ("the same cells lead to other" in verdict) == (motion == arrival == 0.03)


def test_tables_say_what_p_control_and_the_numbers_are(moving: Comparison) -> None:
    says = reading(moving.effects, moving.n_labellings, "control")
    tables = moving.effects["family"].nunique()
    assert f"p is over all rows of its table, but not over the {tables} tables" in says
    assert "0.029 is the smallest p that 35 labellings allow" in says
    assert "not that they do in this row" in says
    assert "Control: the largest such difference between two groups of samples of control" in says
    large = moving.effects.assign(p=0.4)
    assert "is the smallest p" not in reading(large, 35, "control")
    untested = reading(moving.effects.assign(p=np.nan), 1, "control")
    assert untested.startswith("Control: ") and " p " not in untested


def test_shares_are_shown_in_percentage_points_and_kept_as_shares(moving: Comparison) -> None:
    row = moving.effects.query("family == 'composition'").iloc[0]
    _, rows, _ = shown(moving.effects, "composition", 99)
    (said,) = [r for r in rows if r[0] == row["item"]]
    assert said[1] == f"{100 * row['effect']:+.1f}" and said[-1] == f"{100 * row['control']:.1f}"
    assert abs(row["effect"]) <= 1
    assert moving.scale.family("composition").shown_unit == "percentage points"
    ax = effects(moving.effects, "composition")
    drawn = np.sort(ax.get_lines()[0].get_xdata())
    np.testing.assert_allclose(
        drawn, np.sort(100 * moving.effects.query("family == 'composition'")["effect"])
    )
    assert ax.get_xlabel() == "difference (percentage points)"


def test_the_condition_that_is_ahead_has_a_negative_delay(moving: Comparison) -> None:
    """Ahead by half a unit of time for each that has passed, and none at the start."""
    (delay,) = moving.effects.query("family == 'delay'")["effect"]
    assert -0.6 < delay < -0.2


def test_without_growth_none_is_compared(moving: Comparison) -> None:
    assert "growth" not in set(moving.effects["family"])


def test_transfer_tells_whose_dynamics_lead_to_the_next_day(moving: Comparison) -> None:
    frame = moving.transfer
    assert len(frame) == 4
    assert (frame["own"] < 0.3 * frame["other"]).all() and (frame["common"] < frame["other"]).all()


@pytest.mark.slow
def test_a_difference_of_growth_is_found_with_its_size() -> None:
    """Of populations at rest, growth is what their log odds gain."""
    cells = _two(_growing, n=80)
    found = compare(cells, "treatment", path="uot", tau=0.1, n_features=100)
    growth = found.effects.query("family == 'growth'").set_index("item")
    is_b = (cells.obs["cell_type"] == "B").groupby(
        [cells.obs["treatment"], cells.codes], observed=True
    )
    odds = np.log(is_b.mean() / (1 - is_b.mean())).unstack()
    rate = (odds[2] - odds[0]) / 2
    gain = growth["effect"]["B"] - growth["effect"]["A"]
    assert gain == pytest.approx(rate["treated"] - rate["control"], abs=0.04)
    assert growth["p"].max() <= 0.06
    assert 0 < growth["low"]["B"] < growth["high"]["B"]


def _compared(seed: int = 0, **made: Any) -> Comparison:
    made = {"n_cells": 40, "days": (0.0, 2.0, 4.0), **made}
    adata = Experiment(**made).to_adata(np.random.default_rng(seed), noise=1)
    return compare(cellam.read(adata, use_rep="X_true"), "treatment", **QUICK)


@pytest.fixture(scope="module")
def null() -> Comparison:
    return _compared(n_samples=(4, 4))


def test_without_a_difference_one_dynamics_is_enough(null: Comparison) -> None:
    assert not null.changed
    assert null.verdict.startswith("One dynamics is enough for control and treated")


def test_samples_are_found_by_name_and_said(null: Comparison) -> None:
    assert null.samples.replicate == "sample"
    assert null.unit == (
        "The unit is obs['sample']: 4 samples of control and 4 of treated on a day."
    )


def test_every_effect_has_an_interval_p_and_a_control(null: Comparison) -> None:
    effects = null.effects
    assert set(effects["family"]) == {
        "motion", "growth", "fates", "arrival", "delay", "composition"
    }  # fmt: skip
    assert (effects["low"] <= effects["effect"] + 1e-12).all()
    assert (effects["effect"] <= effects["high"] + 1e-12).all()
    assert (
        effects["p"].between(1 / 35 - 1e-9, 1).all() and (effects["p"] >= effects["p_single"]).all()
    )
    assert np.isfinite(effects["control"]).all()


@pytest.mark.slow
def test_it_is_plain_json_and_the_same_again(null: Comparison) -> None:
    told = json.loads(null.to_json())
    assert told["samples"] == [4, 4] and told["labellings"] == 35
    assert told["design"][0]["sample"] == "c1"
    small = {"n_samples": (3, 3), "n_cells": 12, "days": (0.0, 2.0)}
    assert _compared(**small).to_json() == _compared(**small).to_json()


@pytest.mark.slow
def test_three_samples_cannot_reach_the_level_and_it_says_so() -> None:
    found = _compared(n_samples=(3, 3), n_cells=15, delay=2.0)
    assert found.smallest_p == pytest.approx(0.1) and not found.changed
    assert "So few samples cannot give p below 0.1" in found.verdict


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"permutations": 1}, "over 1 labelling). So few labellings cannot give p below 1: more"),
        ({"block": "litter"}, "So few samples that could be exchanged cannot give p below 0.056"),
    ],
)
@pytest.mark.slow
def test_what_keeps_p_from_being_small_is_said(asked: dict[str, Any], says: str) -> None:
    adata = Experiment(n_samples=(4, 4), n_cells=12, days=(0.0, 2.0)).to_adata(
        np.random.default_rng(0)
    )
    adata.obs["litter"] = adata.obs["sample"].str[1:].map({"1": "a", "2": "a", "3": "b", "4": "b"})
    cells = cellam.read(adata, use_rep="X_true")
    found = compare(cells, "treatment", replicate="sample", **asked, **QUICK)
    assert says in found.verdict and not found.changed


def test_two_samples_have_no_p_value() -> None:
    found = _compared(n_samples=(2, 2), n_cells=15)
    assert found.dynamics_p is None and found.effects["p"].isna().all()
    assert found.verdict.startswith("Too few samples for a p-value")
    assert "Intervals are over cells" in found.unit
    assert np.isfinite(found.effects["low"]).all() and np.isfinite(found.effects["control"]).all()


@pytest.mark.slow
def test_samples_of_one_day_each_are_compared_too() -> None:
    found = _compared(n_samples=(3, 3), destructive=True, n_cells=15)
    assert found.n_labellings == 99 and found.dynamics_p is not None


@pytest.mark.slow
def test_cells_of_a_third_condition_take_no_part() -> None:
    adata = Experiment(n_cells=20, n_samples=(3, 3), days=(0.0, 2.0)).to_adata(
        np.random.default_rng(0)
    )
    adata.obs["treatment"] = adata.obs["treatment"].astype(str)
    adata.obs.loc[adata.obs["sample"] == "t3", "treatment"] = "high"
    cells = cellam.read(adata, use_rep="X_true")
    found = compare(cells, "treatment", against="treated", **QUICK)
    assert len(found.rows) == 200
    velocity, growth = found.at_cells()
    assert len(velocity) == len(growth) == 200


@pytest.mark.parametrize("wrong", [{"action": "mlp", "steps": 1}, {"growth": "tied"}])
def test_what_has_no_closed_form_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="closed form"):
        compare(_two(_moving, n=12), "treatment", path="uot", tau=1.0, **wrong)


@pytest.mark.parametrize(
    ("condition", "replicate", "says"),
    [
        ("cell_type", "mouse", "names the cell types"),
        ("treatment", "treatment", "are the same column"),
    ],
)
def test_a_column_that_is_no_condition_is_refused(
    condition: str, replicate: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        compare(_two(_moving, n=12), condition, replicate=replicate)


def test_an_ensemble_is_refused_rather_than_left_unused() -> None:
    with pytest.raises(ConfigError, match="no part in a comparison"):
        compare(_two(_moving, n=12), "treatment", ensemble=8)


def test_the_treated_divide_more_often_in_the_simulator() -> None:
    """What the experiment is made of: the arm is larger by what its cells divide more."""
    truth, more = Branching(step=0.1), Branching(step=0.1, boost=2.0)
    z = np.array([[2.0, 2.0], [2.0, -2.0]])
    gain = more.growth(0.0, z) - truth.growth(0.0, z)
    assert gain == pytest.approx([0.25, 0.0], abs=0.01)
