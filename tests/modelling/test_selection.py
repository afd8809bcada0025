"""The choice of the path on populations where the right one is known."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest

from cellam import truths
from cellam.dynamics.couplings import Balanced, Unbalanced
from cellam.dynamics.curves import CURVATURE
from cellam.dynamics.objectives import Objective
from cellam.modelling import trials
from cellam.modelling.prior_share import SHARES
from cellam.modelling.recipe import choice_from_json, choice_to_json
from cellam.modelling.selection import KEPT, TAU, TAUS, choose_recipe
from cellam.reading.snapshots import Snapshots
from cellam.storage import to_json

GROWS = Objective(own_growth=True)


def snapshots(points, times):
    n = [len(x) for x in points]
    labels = tuple(f"day{t:g}" for t in times)
    return Snapshots(tuple(points), tuple(times), labels, (1.0,) * len(n), tuple(map(np.arange, n)))


def shares_change(n=250):
    """Two clusters in place; the share of the right one goes 0.2, 0.5, 0.8."""
    rng = np.random.default_rng(0)
    points = []
    for share in (0.2, 0.5, 0.8):
        x = 0.4 * rng.standard_normal((n, 2))
        x[: int(share * n), 0] += 4.0
        points.append(x)
    return snapshots(points, (0.0, 1.0, 2.0))


def translation(days=3, n=250, seed=0):
    """One cloud that moves by some three of its standard deviations a day."""
    rng = np.random.default_rng(seed)
    m = np.array([3.0, 1.0])
    points = [rng.standard_normal((n, 2)) + k * m for k in range(days)]
    return snapshots(points, tuple(float(k) for k in range(days)))


@functools.cache
def chosen_where_shares_change():
    return choose(shares_change())


def choose(days, objective=GROWS, **kwargs):
    return choose_recipe(days, objective, np.random.default_rng(0), **kwargs)


def acceleration(days=5, n=200, seed=0):
    """One cloud that moves by the square of time: at t² m, and by no straight line."""
    rng = np.random.default_rng(seed)
    m = np.array([1.5, 0.5])
    points = [rng.standard_normal((n, 2)) + k**2 * m for k in range(days)]
    return snapshots(points, tuple(float(k) for k in range(days)))


def test_growth_is_chosen_where_shares_change_and_nobody_moves():
    choice = chosen_where_shares_change()
    assert isinstance(choice.recipe.coupling, Unbalanced)
    found = choice.reasons["coupling"].scores
    assert found[choice.recipe.coupling.label] < found["ot"]


@pytest.mark.parametrize(
    ("days", "seed"), [(3, 0), (4, 1), pytest.param(5, 2, marks=pytest.mark.slow)]
)
def test_little_or_no_growth_is_chosen_where_all_cells_move_alike(days, seed):
    """All candidates predict to within sampling noise here, and noise must not decide."""
    coupling = choose(translation(days, seed=seed)).recipe.coupling
    assert isinstance(coupling, Balanced) or coupling.tau >= 1


@pytest.mark.parametrize("seed", [0, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("faster", [0.0, 0.2], ids=["shares stay", "shares change"])
def test_parts_that_exchange_no_cells_grow_where_their_shares_change(faster, seed):
    """Two clouds far apart: a balanced plan sends cells across, and predicts well."""
    truth = truths.still(np.random.default_rng(seed), faster=faster, gap=8.0, n_cells=100)
    times = tuple(float(t) for t in np.unique(truth.day))
    choice = choose(snapshots([truth.x[truth.day == t] for t in times], times))
    assert isinstance(choice.recipe.coupling, Unbalanced) == (faster > 0)
    assert (choice.reasons["coupling"].because == "parts grow") == (faster > 0)
    assert any(isinstance(c, Balanced) for c in choice.couplings) == (faster == 0)


def test_the_choice_keeps_most_of_the_gain_and_the_reason_holds_the_scores():
    choice = chosen_where_shares_change()
    reason = choice.reasons["coupling"]
    found = reason.scores
    assert list(found) == [*(f"tau {tau:g}" for tau in TAUS), "ot"]
    least = min(found.values())
    limit = least + KEPT * (found["ot"] - least)
    enough = [candidate for candidate, score in found.items() if score <= limit * (1 + 1e-9)]
    # Candidates stand in the order of less and less growth.
    assert choice.recipe.coupling.label == enough[-1]
    best = min(found, key=found.__getitem__)
    assert reason.because == ("predicts best" if enough[-1] == best else "least growth")
    assert reason.days == 1


@pytest.mark.slow
def test_one_day_that_is_predicted_best_without_growth_does_not_rule_growth_out():
    """So the weakest growth is taken, and the reason is not that it keeps any gain."""
    choice = choose(translation(3))
    reason = choice.reasons["coupling"]
    assert (choice.recipe.coupling, reason.because) == (Unbalanced(max(TAUS)), "one day")
    more = choose(translation(5))
    assert isinstance(more.recipe.coupling, Balanced)
    assert more.reasons["coupling"].because in ("predicts best", "no gain")


def test_lines_are_bent_unless_asked_otherwise_and_two_days_have_no_bend():
    for days in (3, 5):
        choice = choose(acceleration(days), Objective())
        assert (choice.recipe.curvature, choice.reasons["curvature"].because) == (1.0, "default")
    assert "curvature" not in choose(acceleration(2)).reasons


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))]
)
def test_noise_does_not_choose_growth_on_many_small_days(seed):
    """Thirty days of forty cells that drift and do not grow: all candidates score the same."""
    assert choose(translation(30, n=40, seed=seed)).recipe.coupling == Balanced()


@pytest.mark.parametrize("inner", [(2, 3), (40, 3), (3, 40)])
def test_days_of_two_or_three_cells_do_not_choose(inner):
    """No day can be halved into clouds that have a distance; what is left decides, or nothing."""
    rng = np.random.default_rng(0)
    points = [rng.standard_normal((n, 2)) for n in (40, *inner, 40)]
    choice = choose(snapshots(points, (0.0, 1.0, 2.0, 3.0)))
    assert np.isfinite(list(choice.reasons["coupling"].scores.values())).all()
    if max(inner) < 4:
        assert choice.recipe.coupling == Balanced()


def test_what_is_asked_for_is_not_chosen():
    choice = choose(acceleration(), coupling=Unbalanced(3.0), curvature=0.25)
    assert (choice.recipe.coupling, choice.recipe.curvature) == (Unbalanced(3.0), 0.25)
    assert {reason.because for reason in choice.reasons.values()} == {"asked"}


def test_two_days_leave_nothing_to_judge_by():
    choice = choose(translation(2))
    assert choice.recipe.coupling == Unbalanced(TAU)
    assert choice.reasons["coupling"].because == "too few days"


@pytest.mark.parametrize("objective", [Objective(), Objective(0.3)])
def test_without_growth_mass_is_only_moved(objective):
    choice = choose(shares_change(), objective)
    assert choice.recipe.coupling == Balanced()
    assert choice.reasons["coupling"].because == "conserved"


@pytest.mark.slow
def test_progress_counts_to_its_end():
    seen = []
    choose(translation(4, n=60), on_progress=seen.append)
    n = 2 * (len(TAUS) + 1)
    counts = [p for p in seen if p.stage == "choose the path"]
    assert [p.done for p in counts] == list(range(1, n + 1))
    assert {p.total for p in counts} == {n}


@pytest.mark.slow
def test_what_is_fitted_to_choose_does_not_grow_with_the_days(monkeypatch):
    """Each day that is held out is predicted from the nearest others; near the ends too."""
    fitted = []

    def fit_kernel(path, *args, **kwargs):
        fitted.append([gap.t_1 - gap.t_0 for gap in path.gaps])
        return trials.fit_kernel_as_it_is(path, *args, **kwargs)

    monkeypatch.setattr(trials, "fit_kernel_as_it_is", trials.fit_kernel, raising=False)
    monkeypatch.setattr(trials, "fit_kernel", fit_kernel)
    monkeypatch.setattr(trials, "NEAREST", 4)  # in place of 10, and of 6
    monkeypatch.setattr(trials, "INNER", 3)
    for days in (6, 12):
        fitted.clear()
        choice = choose(translation(days, n=20))
        assert choice.reasons["coupling"].days == 3  # only some are held out
        assert len(fitted) == 3 * (len(TAUS) + 1)
        assert {len(gaps) for gaps in fitted} == {4 - 1}
        # The gap past the day that is held out is twice as long, and there is one of them.
        assert all(sum(gap > 1.5 * min(gaps) for gap in gaps) == 1 for gaps in fitted)


@pytest.mark.slow
def test_the_same_seed_makes_the_same_choice():
    assert choose(shares_change(100)) == choose(shares_change(100))


@pytest.mark.parametrize("days", [shares_change(60), translation(2, n=40)])
def test_a_choice_goes_through_json(days):
    choice = choose(days)
    assert choice_from_json(json.loads(to_json(choice_to_json(choice)))) == choice


def test_the_candidates_and_defaults_are_those_of_the_readme():
    assert (TAUS, TAU, KEPT, CURVATURE) == ((0.1, 0.3, 1.0), 1.0, 0.5, 1.0)


def expecting(days, factor):
    """Those that grow are on the right, by log(4) a day there: 0.2, 0.5, 0.8 of the cells."""
    rates = tuple(factor * np.log(4) * (x[:, 0] > 2.0) for x in days.points)
    return replace(days, prior=rates)


@pytest.mark.parametrize(
    ("factor", "share"),
    [
        pytest.param(1.0, 1.0, marks=pytest.mark.slow),
        (2.0, 0.5),
        pytest.param(10.0, 0.1, marks=pytest.mark.slow),
    ],
)
def test_of_expected_growth_so_much_is_taken_as_is_true(factor, share):
    choice = choose(expecting(shares_change(), factor))
    assert choice.recipe.prior == share
    assert choice.reasons["prior"].because == "cheapest"
    assert isinstance(choice.recipe.coupling, Unbalanced)


def test_of_expected_growth_nothing_is_taken_where_it_is_the_other_way_round():
    wrong, none = choose(expecting(shares_change(), -1.0)), chosen_where_shares_change()
    assert wrong.recipe == none.recipe
    assert wrong.reasons["coupling"] == none.reasons["coupling"]
    assert wrong.reasons["prior"].because == "not cheaper"
    listed = wrong.reasons["prior"].scores
    # The search ends where it gets dearer.
    assert list(listed) == [f"{share:g}" for share in SHARES[: len(listed)]]
    assert len(listed) < len(SHARES)


def test_where_nobody_grows_growth_is_not_believed():
    days = translation(3)
    rng = np.random.default_rng(0)
    rates = tuple(rng.standard_normal(len(x)) for x in days.points)
    assert choose(replace(days, prior=rates)).recipe.prior == 0
