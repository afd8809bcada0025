"""The first screen of the page: five questions, each with what the run says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from cellam.checks.caveat import Caveat
from cellam.evaluation.sensitivity import AS_FITTED, Answers, Sensitivity
from cellam.report import findings
from cellam.report.answers import answer


def _asked(**changes: Any) -> dict[str, tuple[str, ...]]:
    """What is said to each question, by its first words."""
    growth = [
        {"type": "a-b", "cells": 40, "mean": 0.1, "low": -0.02, "high": 0.2},
        {"type": "c", "cells": 50, "mean": -0.3, "low": -0.4, "high": -0.1},
    ]
    fates = {
        "rows": [
            {"type": "a-b", "cells": 40, "few": False, "fate": {"x": 0.9, "y": 0.1},
             "least": {"x": 0.5, "y": 0.0}, "most": {"x": 1.0, "y": 0.5}},
            {"type": "all", "cells": 45, "few": False, "fate": {"x": 1.0, "y": 0.0},
             "least": {"x": 1.0, "y": 0.0}, "most": {"x": 1.0, "y": 0.0}},
        ],
        "decided": "Half are decided.",
    }  # fmt: skip
    days = [({"a-b": 0.5, "c": 0.5}, {}), ({"a-b": 0.2, "c": 0.7}, {"a-b": -0.03, "c": 0.04})]
    shares = findings.shares(
        pd.DataFrame(
            [
                {"label": f"day{k}", "said": "", "mass": 1.0, "ess": 9.0, "bias": bias,
                 "observed": observed, "simulated": {"a-b": 0.9, "c": 0.1}}
                for k, (observed, bias) in enumerate(days)
            ]
        )
    )  # fmt: skip
    found = {
        "key": "type", "start": "day0", "end": "day7", "per_time": "per day", "shift": 1.25,
        "growth_by_type": growth, "growth_said": "However.", "growth": object(),
        "fates": fates, "shares": shares,
    }  # fmt: skip
    model = SimpleNamespace(
        rotation=SimpleNamespace(gradient=0.26, free=0.31, rotates=False),
        options=SimpleNamespace(population=None),
        without_growth=("method am conserves mass",),
    )
    scored = changes.pop("scored", [])
    caveats = changes.pop("caveats", ())
    sensitivity = changes.pop("sensitivity", None)
    said = answer(model, found | changes, scored, caveats, sensitivity)  # type: ignore[arg-type]
    assert [a.anchor for a in said] == ["go", "growth", "go", "good", "caveats"]
    return {a.question.split()[-1]: a.says for a in said}


def test_what_moved_is_told_by_what_was_observed() -> None:
    shares, strength = _asked()["moved"]
    assert shares == "Observed shares of type, day0 → day7: a-b 50 → 20 %, c 50 → 70 %."
    assert "by 1.2 standard deviations" in strength
    assert "26 % of the motion" in strength
    (strength,) = _asked(shares={"types": [], "rows": []})["moved"]
    assert "standard deviations" in strength


def test_growth_has_its_range_and_names_keep_their_hyphens() -> None:
    said, rates = _asked()["grew"]
    assert said == "However."
    assert "a-b +0.10 (−0.02 to +0.20), c −0.30 (−0.40 to −0.10)." in rates
    assert _asked(growth_by_type=[], growth=None)["grew"] == (
        "This fit has no growth: method am conserves mass.",
    )


def test_rates_of_a_few_cells_are_not_named_first() -> None:
    rates = [0.9, 0.4, 0.3, 0.2, 0.1, -0.8]
    rows = [
        {"type": f"t{k}", "cells": 3 if abs(r) > 0.5 else 30, "mean": r, "low": r, "high": r}
        for k, r in enumerate(rates)
    ]
    _, said = _asked(growth_by_type=rows)["grew"]
    assert "of 4 types of 10 cells or more" in said and "t1" in said
    assert "t0" not in said and "t5" not in said
    _, said = _asked(growth_by_type=[{**row, "cells": 30} for row in rows])["grew"]
    assert "the fastest and slowest of 6 types" in said and "t0" in said


def test_fates_have_their_range() -> None:
    fates, decided = _asked()["what"]
    assert fates == "a-b of day0, by day7: x 90 % (50 to 100), y 10 % (0 to 50)."
    assert decided == "Half are decided."
    assert _asked(fates=None)["what"][0].startswith("Not known")


def test_each_scored_day_has_its_verdict_and_a_control_that_failed_is_said() -> None:
    day = {"named": "day4", "verdict": "Better.", "controls": []}
    assert _asked(scored=[day])["predicts"] == ("day4: Better.",)
    control = {"says": "Above 0.", "failed": True}
    said = _asked(scored=[{**day, "controls": [control]}] * 5)["predicts"]
    assert said[-2:] == ("2 more days were scored.", "Above 0.")
    fine = {"says": "Not above 0.", "failed": False}
    assert len(_asked(scored=[{**day, "controls": [fine]}])["predicts"]) == 1


@pytest.mark.parametrize(
    ("caveats", "says"),
    [
        (None, "could not be looked for"),
        ((), "No caveat was found."),
        ([Caveat("a", f"Finding {k}.", "") for k in range(5)], "And 2 more caveats."),
    ],
)
def test_what_to_doubt(caveats: Any, says: str) -> None:
    said = _asked(caveats=caveats)["doubt"]
    assert says in said[-1]
    assert len(said) == min(4, 1 if not caveats else len(caveats))


def test_that_cells_leave_the_data_stands_before_the_other_caveats() -> None:
    """What becomes what, on the same screen, rests on it."""
    others = [Caveat("a", f"Finding {k}.", "") for k in range(5)]
    assert _asked(caveats=[*others, Caveat("off data", "Far off.", "")])["doubt"][0] == "Far off."


def test_other_settings_are_told_where_they_were_asked_for() -> None:
    assert _asked()["doubt"] == ("No caveat was found.",)
    as_fitted, other = (Answers({"day2": value}, {}, {}) for value in (0.4, 0.3))
    said = _asked(sensitivity=Sensitivity({AS_FITTED: as_fitted, "seed 1": other}))["doubt"]
    assert said[-1] == "With 1 other setting of the fit, 1 of 1 answers stay the same."
