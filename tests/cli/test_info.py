from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warm import Warm

Call = Callable[..., Any]


def test_info_says_what_went_in_and_what_was_chosen(call: Call, run: Path, here: Path) -> None:
    result = call("info")
    assert (result.code, result.err) == (0, "")
    for text in (
        "run       cellam_runs/small\n",
        "data      small.h5ad (160 cells",
        "day7 = 7",
        "tau 1",
        "uam",
    ):
        assert text in result.out


def test_json_is_one_object_on_stdout(call: Call, run: Path) -> None:
    result = call("info", "--json")
    what = json.loads(result.out)
    assert set(what) == {
        "run", "options", "times", "unit", "cells", "space", "population", "choice", "chosen",
        "motion", "growth", "provenance",
    }  # fmt: skip
    assert what["growth"]["relative"]
    assert what["growth"]["types"] == "cell_type"
    assert sum(row["cells"] for row in what["growth"]["by_type"]) == 160
    assert what["times"] == {"day0": 0, "day2": 2, "day4": 4, "day7": 7}
    assert what["cells"] == {"day0": 40, "day2": 40, "day4": 40, "day7": 40}
    assert what["options"]["tau"] == what["choice"]["path"]["tau"] == 1
    assert what["choice"]["reasons"]["coupling"]["because"] == "asked"
    assert "cellam_runs/small" in result.err


def test_a_run_is_given_by_folder_name_or_variable(
    call: Call, run: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.parent / "current").unlink()
    assert call("info").code == 4
    assert call("info", "--run", run).code == 0
    assert call("info", "--run", "small").code == 0
    monkeypatch.setenv("CELLAM_RUN", str(run))
    assert call("info").code == 0


@pytest.mark.parametrize(
    "command", [["info"], ["simulate", "--from", "0"], ["eval", "--holdout", "2"]]
)
def test_without_a_run_every_command_says_to_fit_first(
    call: Call, here: Path, command: list[str]
) -> None:
    result = call(*command)
    assert (result.code, result.out) == (4, "")
    assert "cellam fit DATA" in result.err


def test_a_damaged_run_is_exit_4_and_names_the_file(call: Call, run: Path) -> None:
    (run / "fit.json").write_text("{}")
    result = call("info")
    assert (result.code, result.out) == (4, "")
    assert str(run / "fit.json") in result.err


@pytest.mark.parametrize("args", ["info", "--help"])
def test_a_reader_may_go_away(run: Path, warm: Warm, args: str) -> None:
    line = f"{warm.command} {args} | head -c 1"
    done = subprocess.run(
        line, shell=True, capture_output=True, text=True, check=False, timeout=120
    )
    assert len(done.stdout) == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.slow
def test_info_shows_the_growth_of_types_and_says_where_it_cannot(
    call: Call, run: Path, here: Path
) -> None:
    shown = call("info").out
    assert "growth per day by cell_type" in shown
    rows = json.loads(call("info", "--json").out)["growth"]["by_type"]
    means = [row["mean"] for row in rows]
    assert means == sorted(means, reverse=True)
    for row in rows:
        line = next(line for line in shown.splitlines() if line.startswith(f"{row['type']} "))
        assert f"{row['mean']:+.3f}" in line
    (here / "small.h5ad").rename(here / "moved.h5ad")
    alone = call("info")
    assert alone.code == 0
    assert "growth per day" not in alone.out
    assert "--data" in alone.err
    assert call("info", "--data", here / "moved.h5ad").out == shown
    missing = call("info", "--data", here / "nothing.h5ad")
    assert (missing.code, missing.out) == (1, "")
