"""Reasons for doubt that a fit found are said wherever its answers are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cellam
from cellam.checks.caveat import Caveat
from cellam.errors import RunError
from cellam.evaluation.evaluate import evaluate
from cellam.storage import sha256, to_json

SAID = Caveat("made up", "Nothing is as it seems.", "Look again.")
LINE = "Nothing is as it seems. Look again."
LAST = Caveat("terminal", "The last day lacks a state.", "Read another.")


@pytest.fixture
def doubted(run: Path) -> Path:
    cellam.open_run(run).keep_caveats([SAID, LAST])
    return run


def test_simulate_and_fates_say_what_the_fit_found(call, doubted: Path) -> None:
    for command in (("simulate", "--from", "day2"), ("fates", "--from", "day2")):
        result = call(*command)
        assert result.code == 0
        assert LINE in result.out
    assert [c["name"] for c in json.loads(call("fates", "--json").out)["caveats"]] == ["made up"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_a_run_of_which_no_caveats_were_looked_for_says_so(call, run: Path) -> None:
    assert "cellam report does" in call("simulate", "--from", "day2").out
    assert cellam.open_run(run).fates("day2").caveats is None
    cellam.open_run(run).report()
    assert "cellam report does" not in call("simulate", "--from", "day2").out


def test_fit_keeps_its_caveats(call, here: Path, fast: tuple[str, ...]) -> None:
    assert call("fit", "small.h5ad", *fast, "--exclude", "day4", "--exclude", "day7").code == 0
    kept = cellam.open_run().caveats()
    assert kept is not None
    assert "two days" in [caveat.name for caveat in kept]
    assert "nothing judges" in call("simulate", "--from", "day0").out


def test_caveats_of_another_fit_are_not_believed(doubted: Path) -> None:
    path = doubted / "caveats.json"
    kept = json.loads(path.read_text())
    del kept["sha256"]
    other = {**kept, "fit": "another"}
    path.write_bytes(to_json({**other, "sha256": sha256(to_json(other))}))
    assert cellam.open_run(doubted).caveats() is None
    path.write_text(json.dumps({**kept, "caveats": [{"no": "caveat"}]}))
    with pytest.raises(RunError, match="has changed since it was written"):
        cellam.open_run(doubted).caveats()


def test_beyond_the_last_day_the_score_of_that_day_is_said(call, run: Path, cells) -> None:
    command = ("simulate", "--from", "day4", "--to", "9", "--extrapolate")
    assert "Hold the last day out" in call(*command).out
    opened = cellam.open_run(run)
    scores = evaluate(cells, "day7", opened.model.options, counterpart=False, refits=0)
    opened.keep(scores)
    said = call(*command, "--overwrite").out
    assert "When day7 was held out" in said
    value = scores.table.set_index(["method", "metric"])["value"]["previous", "energy"]
    assert f"the day before as it is {value:.3g}" in said
    assert "held out" not in call("simulate", "--from", "day4", "--to", "6").out
