from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import cellam
from cellam.dynamics.distances import w1
from cellam.errors import DataError
from cellam.evaluation.clones import (
    CONTENDERS,
    OURS,
    SCORES,
    Validation,
    areas,
    correlations,
    validate,
    verdict,
)
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

EARLY, LATE = ("day4",), "day7"


@pytest.fixture(scope="module")
def all_cells(demo_path: Path) -> Cells:
    return cellam.read(demo_path, use_rep="X_latent")


@pytest.fixture(scope="module")
def rep_model(all_cells: Cells) -> Model:
    """Of the whole demo in its true coordinates: on day7 the smaller arm has 49 cells."""
    return cellam.fit(all_cells, n_features=64, tau=1.0, curvature=1.0, use_rep="X_latent")


@pytest.fixture(scope="module")
def sides(all_cells: Cells) -> pd.Series:
    """Side of the fork in the true coordinates, which hardly any cell changes."""
    side = np.where(np.asarray(all_cells.matrix)[:, 1] > 0, "upper", "lower")
    return pd.Series(side, name="side")


@pytest.fixture(scope="module")
def clones(sides: pd.Series) -> pd.Series:
    """Clones of a side, of a sixth of the cells, that are found on several days."""
    rng = np.random.default_rng(0)
    number = rng.integers(10, size=len(sides))
    barcode = [f"{side}{k}" for side, k in zip(sides, number, strict=True)]
    marked = rng.random(len(sides)) < np.where(sides == "lower", 0.6, 0.1)
    return pd.Series(barcode, name="clone").where(marked, None)


@pytest.fixture(scope="module")
def found(rep_model: Model, sides: pd.Series, clones: pd.Series) -> Validation:
    return validate(rep_model, sides, clones, start=("day2", "day4"), terminal=LATE, n_boot=200)


def of(found: pd.DataFrame, method: str, score: str, state: str = "all") -> pd.Series:
    rows = found[(found["method"] == method) & (found["score"] == score)]
    return rows.set_index("state").loc[state]


# Scores ------------------------------------------------------------------------------------


def test_the_area_is_that_of_hard_labels() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(200) < 0.3
    p = np.round(y + rng.standard_normal(200), 1)  # with ties
    w = rng.integers(0, 4, (2, 200)).astype(float)
    found = areas(p, y.astype(float), np.vstack([np.ones(200), w]))
    expected = [roc_auc_score(y, p), *(roc_auc_score(y, p, sample_weight=row) for row in w)]
    np.testing.assert_allclose(found, expected)


def test_the_area_of_shares_is_that_of_their_sisters() -> None:
    """A cell with 3 of 4 sisters in the state is three positives and one negative."""
    p, share, sisters = np.array([0.1, 0.6, 0.6, 0.9]), np.array([0.25, 0.0, 0.5, 0.75]), 4
    y = np.concatenate([[1] * round(4 * s) + [0] * round(4 - 4 * s) for s in share])
    found = areas(p, share, np.ones((1, 4)))
    assert found[0] == pytest.approx(roc_auc_score(y, np.repeat(p, sisters)))


def test_there_is_no_area_without_both_and_no_correlation_of_a_constant() -> None:
    p, one = np.array([0.1, 0.2]), np.ones((1, 2))
    assert np.isnan(areas(p, np.ones(2), one)).all()
    assert np.isnan(correlations(np.full(2, 0.3), p, one)).all()


def test_a_weighted_correlation_is_that_of_repeated_cells() -> None:
    rng = np.random.default_rng(0)
    p, share, w = rng.random(30), rng.random(30), rng.integers(0, 3, 30)
    found = correlations(p, share, np.vstack([np.ones(30), w]))
    again = np.corrcoef(np.repeat(p, w), np.repeat(share, w))[0, 1]
    np.testing.assert_allclose(found, [np.corrcoef(p, share)[0, 1], again])


# Validation --------------------------------------------------------------------------------


def test_clones_that_keep_to_a_side_are_predicted(found: Validation) -> None:
    assert found.states == ("lower", "upper")
    table = found.table
    assert set(table["method"]) == set(CONTENDERS)
    assert set(table["score"]) == set(SCORES)
    for method in (OURS, "nearest", "uot"):
        assert of(table, method, "AUROC")["value"] > 0.95
        assert of(table, method, "correlation")["value"] > 0.8
        assert of(table, method, "W1")["value"] < of(table, "mean", "W1")["value"]
    # Growth that is taken for motion carries cells from the one side to the other.
    assert of(table, OURS, "Brier")["gain_low"] == 0
    assert of(table, "ot", "Brier")["gain_low"] > 0
    assert (table["low"].fillna(0) <= table["high"].fillna(0)).all()


def test_barcodes_at_random_are_not_predicted(
    rep_model: Model, sides: pd.Series, clones: pd.Series
) -> None:
    shuffled = clones.sample(frac=1, random_state=0).reset_index(drop=True)
    found = validate(rep_model, sides, shuffled, start=EARLY, terminal=LATE, n_boot=200).table
    area = of(found, OURS, "AUROC")
    assert area["low"] < 0.5 < area["high"]
    correlation = of(found, OURS, "correlation")
    assert correlation["low"] < 0 < correlation["high"]


def test_the_mean_fate_ranks_nothing(found: Validation) -> None:
    area = of(found.table, "mean", "AUROC")
    assert (area["value"], area["low"], area["high"]) == pytest.approx((0.5, 0.5, 0.5))
    assert np.isnan(of(found.table, "mean", "correlation")["value"])


def test_counts_and_scores_are_those_of_the_clones(
    rep_model: Model, sides: pd.Series, clones: pd.Series
) -> None:
    found = validate(rep_model, sides, clones, start=EARLY, terminal=LATE, n_boot=100)
    days = rep_model.snapshots
    early, late = clones.iloc[days.rows[2]], clones.iloc[days.rows[3]]
    shared = sorted(set(early.dropna()) & set(late.dropna()))
    assert found.clones == len(shared)
    assert found.cells == early.isin(shared).sum()
    assert found.sisters == late.isin(shared).sum()
    # Everyone on the late day against the sisters of each clone, by hand.
    y = days.points[3]
    every = np.full(len(y), 1 / len(y))
    distances = []
    for clone in shared:
        sisters = y[(late == clone).to_numpy()]
        distances.append(w1(y, every, sisters, np.full(len(sisters), 1 / len(sisters))))
    # To 500 draws from the 600 cells.
    assert of(found.table, "mean", "W1")["value"] == pytest.approx(np.mean(distances), rel=1e-3)
    share = np.mean(sides.iloc[days.rows[3]] == "upper")
    truth = np.array([c.startswith("upper") for c in early[early.isin(shared)]])
    brier = 2 * np.mean((truth - share) ** 2)  # both states are off by the same
    assert of(found.table, "mean", "Brier")["value"] == pytest.approx(brier)


@pytest.mark.slow
def test_the_same_seed_draws_the_same_clones(
    rep_model: Model, sides: pd.Series, clones: pd.Series
) -> None:
    one, same, other = (
        validate(rep_model, sides, clones, start=EARLY, terminal=LATE, n_boot=100, seed=seed).table
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, same)
    assert one["value"].equals(other["value"])
    assert not one["low"].equals(other["low"])


def test_no_barcode_is_no_clone(rep_model: Model, sides: pd.Series, clones: pd.Series) -> None:
    """A missing value, an empty text, or what other tools write for it."""
    without = clones.copy()
    none = np.flatnonzero(clones.isna())
    for k, missing in enumerate((None, np.nan, "", "nan")):
        without.iloc[none[k::4]] = missing
    found = validate(rep_model, sides, without, start=EARLY, terminal=LATE, n_boot=100)
    days = rep_model.snapshots
    early = clones.iloc[days.rows[2]].dropna()
    shared = set(early) & set(clones.iloc[days.rows[3]].dropna())
    assert (found.clones, found.cells) == (len(shared), early.isin(shared).sum())


def test_too_few_clones_or_states_are_refused(
    rep_model: Model, sides: pd.Series, clones: pd.Series
) -> None:
    own = pd.Series([f"c{k}" for k in range(len(sides))], name="barcode")
    with pytest.raises(DataError, match=r"0 of the 3,000 clones in obs\['barcode'\]"):
        validate(rep_model, sides, own, start=EARLY, terminal=LATE)
    with pytest.raises(DataError, match=r"No state of obs\['one'\]"):
        one = pd.Series("x", index=range(len(sides)), name="one")
        validate(rep_model, one, clones, start=EARLY, terminal=LATE)


@pytest.mark.slow
def test_larry_is_predicted_better_than_without_dynamics(shared_data: Path) -> None:
    """Found: AUROC 0.737 (0.665 to 0.804); over the nearest cells a gain of 0.037 to 0.085.

    Over balanced transport 0.005 to 0.055; over unbalanced transport -0.006 to 0.027.
    """
    cells = cellam.read(shared_data / "larry_clones_781.h5ad")
    model = cellam.fit(cells)
    found = validate(
        model, cells.obs["state_info"], cells.obs["clone_id"], start=("2", "4"), terminal="6"
    )
    assert found.clones == 117
    area = of(found.table, OURS, "AUROC")
    assert 0.6 < area["low"] < area["value"] < 0.8
    assert of(found.table, "nearest", "AUROC")["gain_low"] > 0
    for rival in ("ot", "uot"):
        assert of(found.table, rival, "AUROC")["gain_high"] > 0
        assert of(found.table, rival, "W1")["gain"] > 0


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        ((0.1, 0.05, 0.2), "better than"),
        ((-0.1, -0.2, -0.05), "worse than"),
        ((0.1, -0.05, 0.2), "not clearly different from"),
        ((-0.1, -0.2, 0.05), "not clearly different from"),
        ((0.0, 0.0, 0.0), "not clearly different from"),
    ],
)
def test_the_verdict_follows_the_intervals_of_the_gains(
    gain: tuple[float, float, float], says: str
) -> None:
    rows = [
        {"method": name, "state": "all", "score": score, "value": 0.5}
        | dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
        for name in CONTENDERS
        for score in SCORES
    ]
    lines = verdict(pd.DataFrame(rows)).splitlines()
    rivals = ", ".join(name for name in CONTENDERS if name != OURS)
    assert lines == [f"In {score}, {OURS} is {says} {rivals}." for score in SCORES]


def test_a_score_that_cannot_be_told_is_not_judged() -> None:
    nan = dict.fromkeys(("gain", "gain_low", "gain_high"), np.nan)
    rows = [{"method": "mean", "state": "all", "score": "correlation", **nan}]
    assert verdict(pd.DataFrame(rows)) == ""
