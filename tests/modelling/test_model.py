"""The pipeline from cells to predictions, and what it may not look at."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.dynamics.simulation import simulate
from cellam.errors import ConfigError, DataError
from cellam.options import Method, PathName

METHODS, PATH_NAMES = (kind.__args__ for kind in (Method, PathName))
M = np.array([1.0, -0.5])  # of the translation, per day


FAST = {"n_features": 32, "n_pcs": 3, "tau": 1.0}


@pytest.fixture(scope="module")
def moving():
    """Days 0, 2 and 5 of one cloud that moves by M a day."""
    rng = np.random.default_rng(0)
    days = np.repeat([0.0, 2.0, 5.0], 200)
    x = np.concatenate([0.8 * rng.standard_normal((200, 2)) + t * M for t in (0, 2, 5)])
    obs = pd.DataFrame({"day": [f"day{t:g}" for t in days]}, index=[f"c{i}" for i in range(600)])
    adata = anndata.AnnData(np.ones((600, 1), np.float32), obs=obs, obsm={"X_z": x})
    return cellam.read(adata, use_rep="X_z")


@pytest.fixture(scope="module")
def moved(moving):
    return cellam.fit(moving, method="am")


# ----------------------------------------------------------------- what it may not look at


def bytes_of(model):
    """All that a fit without day4 leaves behind, in bytes."""
    arrays = [v for v in vars(model.space).values() if isinstance(v, np.ndarray)]
    action = model.fit.action
    arrays += [
        p.numpy() for p in ((action.theta,) if action.name == "kernel" else action.parameters())
    ]
    if model.fit.growth is not None:
        arrays.append(model.fit.growth.theta.numpy())
    return [a.tobytes() for a in arrays], model.space.genes, model.choice


def without_day4(cells, options):
    return cellam.fit(cells, exclude=("day4",), n_features=32, n_pcs=4, **options)


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({}, "noise"),
        ({}, "reversed genes"),
        ({"method": "ueam"}, "noise"),
        ({"action": "mlp", "steps": 20}, "reversed genes"),
    ],
    ids=["uam, noise", "uam, reversed genes", "ueam", "mlp"],
)
@pytest.mark.slow
def test_a_day_that_is_held_out_is_never_looked_at(small, cells, options, change):
    held = (small.obs["day"] == "day4").to_numpy()
    counts = small.X.toarray()
    counts[held] = (
        np.random.default_rng(0).poisson(9, counts[held].shape)
        if change == "noise"
        else counts[held][:, ::-1]
    )
    small.X = sparse.csr_matrix(counts)
    changed = cellam.read(small)
    assert changed.digest != cells.digest
    before, after = without_day4(cells, options), without_day4(changed, options)
    assert before.fit.growth is not None
    assert bytes_of(before) == bytes_of(after)
    # … while the other days matter, so that the comparison is not an empty one.
    x = [m.snapshots.points[m.snapshots.index("day4")] for m in (before, after)]
    assert not np.array_equal(*x)


def test_the_days_that_are_not_held_out_do_matter(cells):
    one, two = (
        cellam.fit(cells, exclude=(label,), n_features=32, n_pcs=4, tau=1.0)
        for label in ("day2", "day4")
    )
    assert bytes_of(one) != bytes_of(two)


def test_the_seed_decides_the_fit(cells):
    options = {"n_features": 32, "n_pcs": 4, "tau": 1.0}
    one, same, other = (cellam.fit(cells, seed=seed, **options) for seed in (0, 0, 1))
    assert bytes_of(one) == bytes_of(same) != bytes_of(other)


# --------------------------------------------------------------------------- days left out


def test_days_left_out_may_be_given_as_numbers_and_twice(moving):
    model = cellam.fit(moving, exclude=("2", "day2"), n_features=32, tau=1.0)
    assert model.options.exclude == ("day2",)
    assert model.training.labels == ("day0", "day5")
    assert model.snapshots.labels == ("day0", "day2", "day5")


def test_one_day_is_too_few_to_fit_on(moving):
    with pytest.raises(DataError, match="two are needed") as caught:
        cellam.fit(moving, exclude=("day0", "5"))
    assert "1 training day" in caught.value.message
    assert "Exclude fewer days" in caught.value.hint


def test_a_day_of_one_cell_is_named(moving):
    codes = np.flatnonzero((moving.codes != 1) | (np.cumsum(moving.codes == 1) == 1))
    obs = moving.obs.iloc[codes]
    adata = anndata.AnnData(
        np.ones((len(obs), 1), np.float32), obs=obs, obsm={"X_z": moving.matrix[codes]}
    )
    few = cellam.read(adata, use_rep="X_z")
    with pytest.raises(DataError, match="day2 has 1 cell") as caught:
        cellam.fit(few)
    assert "`exclude='day2'`" in caught.value.hint
    cellam.fit(few, exclude=("day2",), n_features=32, tau=1.0)


# ---------------------------------------------------------------------- what was learned


@pytest.mark.parametrize("day", [1.0, 2.0, 3.5])
def test_velocity_is_displacement_per_day(moving, moved, day):
    """Although the days are uneven, and model coordinates are scaled."""
    z = 0.5 * np.random.default_rng(1).standard_normal((100, 2)) + day * M
    x = moved.space.from_coordinates(z)
    velocity = moved.velocity(day, x) * moved.space.scale
    # The means of 200 cells with deviation 0.8 are known to 0.06, and of two gaps to 0.03 a day.
    assert velocity.mean(0) == pytest.approx(M, abs=0.08)
    assert np.abs(velocity - M).mean() < 0.12


def test_cells_are_followed_to_where_the_cloud_goes(moving, moved):
    x = moved.snapshots.points[0]
    for stop in (2.0, 5.0):
        end, weights = moved.follow(x, 0.0, stop)
        shift = (end - x).mean(0) * moved.space.scale
        assert shift == pytest.approx(stop * M, abs=0.15)
        assert weights == pytest.approx(1)


@pytest.mark.parametrize(("start", "to"), [(2, 5.0), (np.int64(2), np.float32(5)), (2.0, None)])
def test_times_may_be_given_as_numbers(moved, start, to):
    expected = moved.simulate("day2", to="day5")
    found = moved.simulate(start, to=to)
    assert found.times.tolist() == [2.0, 5.0]
    np.testing.assert_array_equal(found.points, expected.points)


def test_a_number_that_is_no_time_to_go_to_is_refused(moved):
    with pytest.raises(ConfigError, match="outside the training days"):
        moved.simulate(2, to=8)
    with pytest.raises(ConfigError, match="Start and end of the simulation are both 0") as caught:
        moved.simulate(0, to=0)
    assert caught.value.hint == "Choose another `to`."


def test_following_back_undoes_following(moved):
    x = moved.snapshots.points[0]
    there, _ = moved.follow(x, 0.0, 5.0)
    assert moved.follow(there, 5.0, 0.0)[0] == pytest.approx(x, abs=1e-3)


def test_a_day_between_is_predicted_from_both_sides(moving, moved):
    days = moved.training
    points, weights = moved.predict(3.0)
    assert len(points) == len(days.points[1]) + len(days.points[2])
    assert weights.sum() == pytest.approx(1)
    # A third of the way from day 2 to day 5, so that two thirds of the mass come from day 2.
    assert weights[: len(days.points[1])].sum() == pytest.approx(2 / 3)
    first = np.average(days.points[0], axis=0, weights=days.weights[0])
    shift = (np.average(points, axis=0, weights=weights) - first) * moved.space.scale
    assert shift == pytest.approx(3.0 * M, abs=0.15)


@pytest.mark.slow
def test_steps_are_fine_enough_for_many_days():
    """A cloud that swings to and fro over thirty days, followed with far more steps."""
    rng = np.random.default_rng(0)
    days = np.arange(30)
    x = np.concatenate([[2 * np.sin(t), 0.2 * t] + rng.standard_normal((40, 2)) for t in days])
    obs = pd.DataFrame({"day": np.repeat(days, 40)}, index=[f"c{i}" for i in range(len(x))])
    adata = anndata.AnnData(np.ones((len(x), 1), np.float32), obs=obs, obsm={"X_z": x})
    model = cellam.fit(cellam.read(adata, use_rep="X_z"), method="am", n_features=200)
    start = model.snapshots.points[0]
    end, _ = model.follow(start, 0.0, 29.0)
    exact = simulate(model.fit.dynamics, start, np.array([0.0, 1.0]), rng=rng, steps=1_000)
    assert np.abs(end - exact.points[-1]).mean() < 0.02


def test_a_fit_to_some_of_the_cells_still_moves_all_of_them(moving):
    few = cellam.fit(moving, method="am", max_cells=100)
    assert (few.n_fitted, few.training.n_cells) == (300, 600)
    points, weights = few.predict(3.0)
    assert len(points) == 400
    everyone = np.average(moving.matrix, axis=0)
    at_3 = few.space.to_coordinates(points)
    assert weights @ at_3 - everyone == pytest.approx((3 - 7 / 3) * M, abs=0.2)


def test_a_prediction_can_be_thinned(moved):
    whole, w = moved.predict(3.0)
    few, u = moved.predict(3.0, n_cells=50)
    assert len(few) <= 50
    assert u.sum() == pytest.approx(w.sum())
    assert u @ few == pytest.approx(w @ whole, abs=0.1)


@pytest.mark.parametrize(("time", "nearest"), [(-1.0, 0), (6.0, -1)])
def test_beyond_the_days_the_nearest_one_is_followed(moved, time, nearest):
    points, weights = moved.predict(time)
    assert len(points) == len(moved.training.points[nearest])
    assert weights.sum() == pytest.approx(1)


def test_populations_are_in_ratio_to_the_first_day(cells):
    counts = list(cells.counts.values())
    model = cellam.fit(cells, population="cells", **FAST)
    assert model.snapshots.masses == pytest.approx([n / counts[0] for n in counts])
    sizes = {"day0": 10.0, "day2": 20.0, "4": 30.0, "day7": 5.0}
    model = cellam.fit(cells, population=sizes, **FAST)
    assert model.snapshots.masses == pytest.approx((1.0, 2.0, 3.0, 0.5))


def test_a_population_that_doubles_is_simulated_to_double(cells):
    sizes = {"day0": 1.0, "day2": 2.0, "day4": 4.0, "day7": 8.0}
    model = cellam.fit(cells, population=sizes, **{**FAST, "n_features": 200})
    mass = np.exp(model.simulate("day0").log_weights).mean(1)
    # Forty cells a day, of which some grow and others shrink besides.
    assert mass == pytest.approx([1.0, 2.0, 4.0, 8.0], rel=0.15)


@pytest.mark.parametrize(
    ("population", "options", "message"),
    [
        ({"day0": 1.0, "day2": 2.0}, {}, "no size for day4, day7"),
        ({"day0": 1.0, "day9": 2.0}, {}, "day9"),
        ({"day0": 1.0, "day2": 0.0}, {}, "positive"),
        ("cells", {"method": "am", "tau": None}, "conserves mass"),
    ],
)
def test_populations_that_mean_nothing_are_refused(cells, population, options, message):
    with pytest.raises(ConfigError, match=message):
        cellam.fit(cells, population=population, **{**FAST, **options})


def test_growth_is_the_rate_at_which_weights_grow(model):
    """Per unit of the user's time, by finite differences of what `follow` returns."""
    x, t, h = model.snapshots.points[1], model.snapshots.times[1], 0.01
    _, weights = model.follow(x, t, t + h)
    assert np.log(weights) / h == pytest.approx(model.growth(t, x), abs=0.01)


def test_velocity_is_the_rate_at_which_cells_move(model):
    x, t, h = model.snapshots.points[1], model.snapshots.times[1], 0.01
    end, _ = model.follow(x, t, t + h)
    assert (end - x) / h == pytest.approx(model.velocity(t, x), abs=0.02)


# ----------------------------------------------------------------------------- simulation


@pytest.mark.parametrize(
    ("start", "options", "times"),
    [
        ("day0", {}, [0, 2, 5]),
        ("day0", {"to": "day2"}, [0, 2]),
        ("day0", {"to": "3"}, [0, 2, 3]),
        ("day0", {"save_every": 1.5}, [0, 1.5, 2, 3, 4.5, 5]),
        ("day0", {"save_every": 1.0, "to": "2"}, [0, 1, 2]),
        ("day2", {}, [2, 5]),
        ("day5", {"to": "day0"}, [5, 2, 0]),
        ("day5", {"backward": True, "save_every": 2.0}, [5, 3, 2, 1, 0]),
        ("day2", {"backward": True}, [2, 0]),
        ("day2", {"to": "7", "extrapolate": True}, [2, 5, 7]),
    ],
)
def test_observed_days_and_even_steps_are_saved(moved, start, options, times):
    result = moved.simulate(start, n_cells=3, **options)
    assert result.times == pytest.approx(times)
    assert result.points.shape == (len(times), 3, 2)
    assert result.log_weights.shape == (len(times), 3)


def test_simulated_cells_start_at_their_own_coordinates(moving, moved):
    result = moved.simulate("day2")
    assert np.array_equal(result.rows, np.flatnonzero(moving.codes == 1))
    assert result.points[0] == pytest.approx(moving.matrix[result.rows], abs=1e-5)
    assert np.all(result.log_weights[0] == 0)


def test_only_the_cells_that_were_asked_for_are_followed(moved):
    rows = np.array([3, 201, 205, 599])  # two of them are of day2
    assert moved.simulate("day2", rows=rows).rows.tolist() == [201, 205]
    with pytest.raises(ConfigError, match="None of the 200 cells of day2"):
        moved.simulate("day2", rows=np.array([0]))


def test_drawn_cells_are_distinct_where_there_are_enough(moved):
    some, many = (moved.simulate("day2", n_cells=n).rows for n in (200, 500))
    assert len(np.unique(some)) == 200
    assert len(many) == 500


@pytest.mark.parametrize(
    ("start", "options", "message"),
    [
        ("day5", {}, "Start and end of the simulation"),
        ("day0", {"backward": True}, "Start and end of the simulation"),
        ("day2", {"to": "day2"}, "Start and end of the simulation"),
        ("day0", {"to": "day5", "backward": True}, "later"),
        ("day0", {"to": "9"}, "outside the training days"),
        ("day0", {"save_every": 0.0}, "`save_every="),
        ("day0", {"save_every": np.inf}, "`save_every="),
        ("day0", {"save_every": 1e-9}, "would save"),
        ("day0", {"to": 1e6, "extrapolate": True}, "leaves the training days"),
        ("day0", {"n_cells": 0}, "leaves no cell"),
    ],
)
def test_times_and_cells_that_do_not_fit_together_are_refused(moved, start, options, message):
    with pytest.raises(ConfigError, match=message):
        moved.simulate(start, **options)


# --------------------------------------------------------------------- every combination


@pytest.mark.parametrize(
    "action",
    [
        pytest.param({"action": "kernel", "n_features": 32}, id="kernel"),
        pytest.param({"action": "mlp", "steps": 30}, id="mlp", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("path", PATH_NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_every_path(cells, method, path, action):
    given = {"tau": 1.0} if path == "uot" else {}
    if "steps" in action and path != "mixture":
        given["curvature"] = 1.0  # it is chosen by kernels, whatever the action
    model = cellam.fit(cells, method=method, path=path, n_pcs=3, **given, **action)
    result = model.simulate("day0", n_cells=20)
    assert np.isfinite(result.points).all()
    assert np.isfinite(result.log_weights).all()
    # On a path that conserves mass there is no growth to be learned.
    may_grow = method.startswith("u") and path in ("uot", "mixture")
    assert bool(np.abs(result.log_weights).max() > 0) == may_grow
    assert model.choice.recipe.coupling.name == path


@pytest.mark.parametrize("method", ["uam", "ueam"])
def test_tied_growth_is_the_scaled_action(cells, method):
    options = {**FAST, "method": method, "growth": "tied", "curvature": 1.0}
    model = cellam.fit(cells, growth_scale=2.0, **options)
    assert model.fit.growth is None
    assert model.fit.objective.growth_scale == 2.0
    assert np.abs(model.growth(2.0, model.snapshots.points[1])).max() > 0
