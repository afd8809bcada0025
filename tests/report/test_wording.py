"""Choices in sentences: each says what happened."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast, get_args

import pytest

from cellam.dynamics.couplings import Balanced, Unbalanced
from cellam.dynamics.fitting import Solved, Trained
from cellam.modelling.model import Model
from cellam.modelling.recipe import Because, Choice, Reason, Recipe
from cellam.options import Options
from cellam.report.wording import explain_choice, explain_growth, explain_record

GAINS = {"tau 0.1": 0.1, "tau 0.3": 0.11, "tau 1": 0.12, "ot": 0.3}
NO_GAIN = {"tau 0.1": 0.32, "tau 0.3": 0.3, "tau 1": 0.27, "ot": 0.24}


def said(reason: Reason, coupling=Unbalanced(1.0), part="coupling") -> str:  # noqa: B008
    (line,) = explain_choice(Choice(Recipe(coupling), {part: reason}, (coupling,)), "uam")
    return line


def test_a_gain_is_named_only_where_there_is_one() -> None:
    line = said(Reason("least growth", GAINS, 2))
    assert line == (
        "path uot with tau 1: the least growth that keeps 50 % of the gain over path ot in "
        "predicting 2 held-out training days (energy distance: tau 0.1 0.1, tau 0.3 0.11, tau 1 "
        "0.12, ot 0.3)"
    )
    line = said(Reason("one day", NO_GAIN, 1))
    assert "gain" not in line
    assert "path ot predicts 1 held-out training day best, but one day cannot rule" in line
    assert "ot 0.24" in line


def test_ot_that_is_not_the_best_is_not_called_so() -> None:
    assert "predicts 1 held-out training day as well" in said(
        Reason("one day", {**NO_GAIN, "tau 1": 0.239}, 1)
    )


OPEN = {"type": "A", "low": -0.1, "high": 0.2}
KNOWN = {"type": "B", "low": 0.1, "high": 0.2}


def model(because: Because | None = None) -> Model:
    """What of a model the words go by: relative growth, and how the path was chosen."""
    reasons = {} if because is None else {"coupling": Reason(because, GAINS, 2)}
    choice = Choice(Recipe(Unbalanced(1.0)), reasons, ())
    return cast(Model, SimpleNamespace(options=Options(), choice=choice))


def test_growth_that_is_open_is_not_said_to_be_unneeded() -> None:
    said = explain_growth([OPEN], model())
    assert said.startswith("These days do not tell whether any type grows or shrinks: cells that ")
    assert "worse" not in said  # nothing was compared
    assert "worse" not in explain_growth([OPEN], model("one day"))
    worse = explain_growth([OPEN], model("least growth"))
    assert worse.endswith("With neither (path ot), 2 held-out training days are predicted worse.")
    some = explain_growth([OPEN, KNOWN], model())
    assert "these grow faster than all cells together: B." in some
    assert "whether A grows or shrinks" in some
    assert explain_growth([], model()) == ""


def test_too_few_days_say_how_many_it_takes() -> None:
    assert "at least three" in said(Reason("too few days"))
    assert "at least four" in said(Reason("too few days"), part="curvature")


@pytest.mark.parametrize("because", get_args(Because))
def test_every_reason_has_a_sentence(because: Because) -> None:
    line = said(Reason(because, NO_GAIN, 2), Balanced())
    assert line.startswith("path ot: ")
    assert "{" not in line


def test_a_ridge_and_a_training_say_how_they_ended() -> None:
    assert explain_record(Solved(0.1, {1.0: -1.0, 0.1: -2.0})).startswith("ridge 0.1: ")
    assert "4 smaller ones" in explain_record(Solved(0.1, {1.0: -1.0, 0.1: -2.0}))
    assert "nearly singular" in explain_record(Solved(10.0, {10.0: -1.0}))
    history = ({"step": 100, "loss": 1.0, "held_out_loss": 0.5},)
    assert explain_record(Trained(history, 0.5, 100)) == "ran all 100 steps; held-out loss 0.5"
    assert explain_record(Trained(history, 0.5, 300, 0.5)) == (
        "stopped at step 100; held-out loss 0.5; training diverged and was resumed with steps of "
        "0.5 of the usual size"
    )
