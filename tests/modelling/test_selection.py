"""The choice of the path on populations where the right one is known."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from cellam.dynamics.couplings import Balanced, Unbalanced
from cellam.dynamics.objectives import Objective
from cellam.modelling.selection import CURVATURES, INNER, KEPT, SHARES, TAU, TAUS, choose_recipe
from cellam.reading.snapshots import Snapshots

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


def choose(days, objective=GROWS, **kwargs):
    return choose_recipe(days, objective, np.random.default_rng(0), **kwargs)


def scores(choice):
    """What the note says of each candidate."""
    return scores_in(choice.notes[0])


def scores_in(note):
    listed = note.split("(energy distance: ")[1].rstrip(")")
    return {name: float(s) for name, s in (entry.rsplit(" ", 1) for entry in listed.split(", "))}


def name_of(coupling):
    return "ot" if isinstance(coupling, Balanced) else f"tau {coupling.tau:g}"


def acceleration(days=5, n=200, seed=0):
    """One cloud that moves by the square of time: at t² m, and by no straight line."""
    rng = np.random.default_rng(seed)
    m = np.array([1.5, 0.5])
    points = [rng.standard_normal((n, 2)) + k**2 * m for k in range(days)]
    return snapshots(points, tuple(float(k) for k in range(days)))


def test_growth_is_chosen_where_shares_change_and_nobody_moves():
    choice = choose(shares_change())
    assert isinstance(choice.recipe.coupling, Unbalanced)
    found = scores(choice)
    assert found[name_of(choice.recipe.coupling)] < found["ot"]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("days", [3, 4, 5])
def test_little_or_no_growth_is_chosen_where_all_cells_move_alike(days, seed):
    """All candidates predict to within sampling noise here, and noise must not decide."""
    coupling = choose(translation(days, seed=seed)).recipe.coupling
    assert isinstance(coupling, Balanced) or coupling.tau >= 1


def test_the_choice_keeps_most_of_the_gain_and_the_note_says_by_which_scores():
    choice = choose(shares_change())
    found = scores(choice)
    assert list(found) == [*(f"tau {tau:g}" for tau in TAUS), "ot"]
    least = min(found.values())
    limit = least + KEPT * (found["ot"] - least)
    enough = [candidate for candidate, score in found.items() if score <= limit * (1 + 1e-9)]
    # Candidates stand in the order of less and less growth.
    assert name_of(choice.recipe.coupling) == enough[-1]
    assert re.search(r"1 inner training day\b", choice.notes[0])


def test_the_lines_are_bent_where_the_cells_speed_up():
    choice = choose(acceleration(), Objective())
    found = scores_in(choice.notes[1])
    assert list(found) == [f"{c:g}" for c in CURVATURES]
    assert found["0"] > 2 * min(found.values())
    assert choice.recipe.curvature > 0


def test_three_days_cannot_judge_a_bend_and_two_have_none():
    assert "default" in choose(acceleration(3)).notes[1]
    assert len(choose(acceleration(2)).notes) == 1


def test_what_is_asked_for_is_not_chosen():
    choice = choose(acceleration(), coupling=Unbalanced(3.0), curvature=0.25)
    assert (choice.recipe.coupling, choice.recipe.curvature) == (Unbalanced(3.0), 0.25)
    assert all(note.endswith("as asked") for note in choice.notes)


def test_two_days_leave_nothing_to_judge_by():
    choice = choose(translation(2))
    assert choice.recipe.coupling == Unbalanced(TAU)
    assert "default" in choice.notes[0]


@pytest.mark.parametrize("objective", [Objective(), Objective(0.3)])
def test_without_growth_mass_is_only_moved(objective):
    choice = choose(shares_change(), objective)
    assert choice.recipe.coupling == Balanced()
    assert objective.method in choice.notes[0]


def test_progress_counts_to_its_end():
    seen = []
    choose(translation(4, n=60), on_progress=seen.append)
    for stage, n in (("choose the path", len(TAUS) + 1), ("choose the curvature", len(CURVATURES))):
        counts = [p for p in seen if p.stage == stage]
        assert [p.done for p in counts] == list(range(1, 2 * n + 1))
        assert {p.total for p in counts} == {2 * n}


def test_of_many_days_only_some_are_held_out():
    note = choose(translation(12, n=40)).notes[0]
    assert f"{INNER} inner training days" in note


def test_the_same_seed_makes_the_same_choice():
    assert choose(shares_change(100)) == choose(shares_change(100))


def expecting(days, factor):
    """Those that grow are on the right, by log(4) a day there: 0.2, 0.5, 0.8 of the cells."""
    rates = tuple(factor * np.log(4) * (x[:, 0] > 2.0) for x in days.points)
    return replace(days, prior=rates)


@pytest.mark.parametrize(("factor", "share"), [(1.0, 1.0), (2.0, 0.5), (10.0, 0.1)])
def test_of_expected_growth_so_much_is_taken_as_is_true(factor, share):
    choice = choose(expecting(shares_change(), factor))
    assert choice.recipe.prior == share
    assert choice.notes[0].startswith(f"share of the growth prior {share:g}: ")
    assert isinstance(choice.recipe.coupling, Unbalanced)


def test_of_expected_growth_nothing_is_taken_where_it_is_the_other_way_round():
    wrong, none = choose(expecting(shares_change(), -1.0)), choose(shares_change())
    assert wrong.recipe == none.recipe
    assert wrong.notes[1:] == none.notes
    listed = dict(p.split() for p in wrong.notes[0].split("(")[1].rstrip(")").split(", "))
    # The search ends where it gets dearer.
    assert list(listed) == [f"{share:g}" for share in SHARES[: len(listed)]]
    assert len(listed) < len(SHARES)


def test_where_nobody_grows_growth_is_not_believed():
    days = translation(3)
    rng = np.random.default_rng(0)
    rates = tuple(rng.standard_normal(len(x)) for x in days.points)
    assert choose(replace(days, prior=rates)).recipe.prior == 0
