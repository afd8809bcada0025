"""Fates calibrated by clones: what barcodes confirm is kept, and what they do not is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.analysis.fates import Fates, predict_fates
from cellam.errors import ConfigError, DataError
from cellam.evaluation.calibration import calibrate
from cellam.evaluation.reliability import calibration_error, reliability, verdict
from cellam.modelling.model import Model

LATE = "day7"


@pytest.fixture(scope="module")
def rep_model(demo_path: Path) -> Model:
    cells = cellam.read(demo_path, use_rep="X_latent")
    return cellam.fit(cells, n_features=64, tau=1.0, curvature=1.0, use_rep="X_latent")


@pytest.fixture(scope="module")
def sides(demo_path: Path) -> pd.Series:
    """Side of the fork, which hardly any cell changes."""
    z = np.asarray(anndata.read_h5ad(demo_path).obsm["X_latent"])
    return pd.Series(np.where(z[:, 1] > 0, "upper", "lower"), name="side")


@pytest.fixture(scope="module")
def clones(sides: pd.Series) -> pd.Series:
    """Clones of a side, found on several days."""
    number = np.random.default_rng(0).integers(30, size=len(sides))
    barcode = [f"{side}{k}" for side, k in zip(sides, number, strict=True)]
    return pd.Series(barcode, name="clone")


@pytest.fixture(scope="module")
def found(rep_model: Model, sides: pd.Series) -> list[Fates]:
    return [predict_fates(rep_model, day, sides, terminal=LATE) for day in ("day2", "day4")]


def test_clones_that_follow_the_fates_keep_them(
    rep_model: Model, sides: pd.Series, clones: pd.Series, found: list[Fates]
) -> None:
    told = calibrate(rep_model, sides, clones, found)
    assert told.kept > 0.8
    assert "The ranges and the line of decided cells are not" in told.says
    assert told.brier["calibrated"] < 0.2 * told.brier["mean fate"]
    value, low, _ = told.gain["mean fate"]
    assert value == pytest.approx(told.brier["mean fate"] - told.brier["calibrated"])
    assert low > 0
    days = rep_model.snapshots
    early, late = (
        set(clones.iloc[np.concatenate(rows)]) for rows in (days.rows[1:3], days.rows[3:])
    )
    assert told.clones == len(early & late)
    assert "Brier on clones that took no part in it: calibrated 0.0" in told.says


def test_barcodes_at_random_leave_the_mean_fate(
    rep_model: Model, sides: pd.Series, clones: pd.Series, found: list[Fates]
) -> None:
    shuffled = clones.sample(frac=1, random_state=0).reset_index(drop=True)
    told = calibrate(rep_model, sides, shuffled, found)
    assert told.kept < 0.1
    assert told.brier["calibrated"] == pytest.approx(told.brier["mean fate"], rel=0.05)
    assert told.gain["uncalibrated"][1] > 0
    assert "better than uncalibrated" in told.says


def test_what_scores_worse_on_other_clones_is_not_used(
    rep_model: Model, sides: pd.Series, clones: pd.Series, found: list[Fates]
) -> None:
    """What is used is what has the lower score on clones that took no part, sure or not."""
    told = calibrate(rep_model, sides, clones, found)
    assert told.helps == (told.brier["calibrated"] < told.brier["uncalibrated"])
    for gain in (-0.027, 0.0):
        worse = replace(told, gain={**told.gain, "uncalibrated": (gain, -0.119, 0.039)})
        assert worse.used is None and "so the fates here are uncalibrated" in worse.says
    better = replace(told, gain={**told.gain, "uncalibrated": (0.04, -0.01, 0.1)})
    assert better.used == told.kept and "are uncalibrated" not in better.says


def test_a_worst_row_does_not_hide_behind_the_average() -> None:
    """Of larry: 3 points on average, and 27 where fates are said to be likely."""
    rows = [
        (0.0, 0.1, 1928, 0.02, 0.03, 0.03, 0.04),
        (0.2, 0.3, 44, 0.25, 0.25, 0.14, 0.37),
        (0.6, 0.7, 87, 0.66, 0.47, 0.38, 0.58),
        (0.7, 0.8, 53, 0.71, 0.44, 0.30, 0.61),
    ]
    names = ["from", "to", "pairs", "predicted", "observed", "low", "high"]
    table = pd.DataFrame(rows, columns=names)
    says = verdict(table)
    assert says.startswith("Probabilities are off by 2.4 percentage points on average; 91 % of")
    assert "In 3 of 4 rows the interval leaves out what was predicted" in says
    assert "The worst is 70 to 80 %, where probabilities are too high: 71 % predicted" in says
    assert "44 % found (95 % 30 to 61 %, 53 pairs of a cell and a state)." in says
    wide = table.assign(low=0.0, high=1.0)
    assert "No row is off by more than chance. The worst is 70 to 80 %" in verdict(wide)
    right = table.assign(predicted=table["observed"])
    assert "worst" not in verdict(right) and "off by 0.0 percentage" in verdict(right)


def test_each_half_is_scored_with_what_the_other_one_tells(
    rep_model: Model, sides: pd.Series, clones: pd.Series, found: list[Fates]
) -> None:
    """Another split changes what the halves say, and the score; what all clones say stays."""
    half = clones.where(
        np.arange(len(clones)) % 2 == 0, clones.sample(frac=1, random_state=0).array
    )
    clones = half  # of which half of the cells say nothing
    one, same, other = (calibrate(rep_model, sides, clones, found, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one.kept == other.kept
    assert one.halves != other.halves
    assert one.brier["calibrated"] != other.brier["calibrated"]
    assert one.brier["mean fate"] == other.brier["mean fate"]


def test_what_is_kept_is_between_the_mean_fate_and_the_trajectories(
    rep_model: Model, sides: pd.Series, found: list[Fates]
) -> None:
    none, all_ = (
        predict_fates(rep_model, "day2", sides, terminal=LATE, kept=kept) for kept in (0.0, 1.0)
    )
    last = sides.iloc[rep_model.snapshots.rows[3]]
    shares = [float((last == state).mean()) for state in none.states]
    np.testing.assert_allclose(none.whole, shares)
    np.testing.assert_allclose(none.probability, np.tile(shares, (len(none.rows), 1)))
    np.testing.assert_allclose(all_.probability, all_.explanations[0])
    own = found[0]
    np.testing.assert_allclose(own.probability, none.keeping(own.kept))
    assert own.keeping(0.3).min() >= 0
    np.testing.assert_allclose(own.keeping(0.3).sum(1), 1)
    # As a whole the day becomes what the terminal day is.
    together = own.together()["fate"]
    np.testing.assert_allclose(list(together.values()), shares, atol=0.02)
    for of in (none, all_):
        assert (of.low <= of.probability).all() and (of.probability <= of.high).all()
    with pytest.raises(ConfigError, match="is no share"):
        predict_fates(rep_model, "day2", sides, terminal=LATE, kept=1.5)


def test_too_few_clones_are_refused(rep_model: Model, sides: pd.Series, found: list[Fates]) -> None:
    own = pd.Series([f"c{k}" for k in range(len(sides))], name="barcode")
    with pytest.raises(DataError, match=r"0 of the 3,000 clones in obs\['barcode'\]"):
        calibrate(rep_model, sides, own, found)


# Reliability -------------------------------------------------------------------------------


def test_probabilities_that_are_true_are_reliable_and_pushed_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(4_000)
    happened = (rng.random(4_000) < p).astype(float)
    both = [np.stack([q, 1 - q], axis=1) for q in (p, happened)]
    weights = np.concatenate([np.ones((1, 4_000)), rng.multinomial(4_000, [1 / 4_000] * 4_000, 50)])
    table = reliability(*both, weights)
    assert len(table) == 10
    assert table["pairs"].sum() == 8_000
    assert calibration_error(table) < 0.03
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()
    pushed = np.stack([(p > 0.5) * 1.0, (p <= 0.5) * 1.0], axis=1)
    assert calibration_error(reliability(pushed, both[1])) == pytest.approx(0.25, abs=0.02)


# The command -------------------------------------------------------------------------------


@pytest.fixture
def barcoded(run: Path, small: anndata.AnnData) -> Path:
    """The data of the run with a column of clones, which is no part of what was fitted."""
    small.obs["clone"] = np.random.default_rng(0).integers(40, size=small.n_obs).astype(str)
    small.obs["own"] = small.obs_names
    small.write_h5ad("small.h5ad")
    return run


def test_the_command_says_what_clones_tell_and_uses_it(
    call: Callable[..., Any], barcoded: Path
) -> None:
    plain = json.loads(call("fates", "--from", "day2", "--json").out)
    assert plain["calibration"] is None
    result = call("fates", "--from", "day2", "--clones", "clone", "--json")
    what = json.loads(result.out)
    told = what["calibration"]
    assert set(told["brier"]) == {"calibrated", "uncalibrated", "mean fate"}
    assert what["written"] != plain["written"]
    found = cellam.open_run(barcoded).fates("day2", clones="clone")
    assert (found.days[0].kept == told["kept"]) is told["used"]
    frame = pd.read_csv(what["written"])
    np.testing.assert_allclose(frame["fate_erythroid"], found.to_frame()["fate_erythroid"])
    said = call("fates", "--from", "day2", "--clones", "clone").out
    assert f"clones    By {told['clones']} clones, " in said
    assert "Brier on clones that took no part in it: calibrated" in said


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--clones", "clon"), 2, "neither obs nor obsm of "),
        (("--clones", "cell_type"), 2, "holds the states that fates end in"),
        (("--clones", "clone", "--ancestors"), 2, "not what they came from"),
        (("--clones", "own"), 1, "0 of the 160 clones in obs['own']"),
    ],
)
def test_columns_that_are_no_clones_are_refused(
    call: Callable[..., Any], barcoded: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    result = call("fates", *args)
    assert (result.code, result.out.count("written")) == (code, 0)
    assert words in result.err


def test_validate_prints_the_reliability(call: Callable[..., Any], barcoded: Path) -> None:
    args = ("validate", "--clones", "clone", "--terminal", "day4")
    said = call(*args)
    assert said.code == 0
    assert "reliability of cellam" in said.out
    assert "Probabilities are off by" in said.out
    what = json.loads(call(*args, "--json").out)
    assert sum(row["pairs"] for row in what["reliability"]) % what["cells"] == 0
    assert {"from", "to", "predicted", "observed", "low", "high"} <= set(what["reliability"][0])
