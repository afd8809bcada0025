from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Call = Callable[..., Any]


def test_the_table_has_a_row_for_each_fate_and_one_for_growth(call: Call, run: Path) -> None:
    result = call("perturb", "-g", "Apaf1=+2", "-g", "Bax=ko", "--from", "day2")
    assert (result.code, result.err) == (0, "")
    assert "Apaf1=+2, Bax=ko in 40 cells of day2" in result.out
    table = result.out.split("\n\n")[1].splitlines()
    assert table[0].split() == ["cell_type", "before", "after", "change"]
    assert any(line.startswith("log mass") for line in table)
    assert "--ensemble 8" in result.out


@pytest.mark.slow
def test_an_ensemble_gives_intervals(call: Call, unsure_run: Path) -> None:
    out = call("perturb", "-g", "Apaf1=2").out
    assert "90 %  same sign" in out and "of 8" in out and "--ensemble" not in out
    found = json.loads(call("perturb", "-g", "Apaf1=2", "--json").out)
    assert found["members"] == 8
    for effect in (*found["fates"], found["log_mass"]):
        low, high = effect["interval"]
        assert low <= effect["change"] <= high
        assert 0 <= effect["agreeing"] <= 8


def test_cells_and_their_fates_are_written(call: Call, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "effect.csv"
    query = 'cell_type == "progenitor"'
    assert call("perturb", "-g", "Apaf1=2", "--from-cells", query, "--csv", path).code == 0
    frame = pd.read_csv(path)
    assert list(frame.columns[:3]) == ["cell", "day", "growth"] and len(frame) > 1
    again = call("perturb", "-g", "Apaf1=2", "--csv", path)
    assert again.code != 0 and "--overwrite" in again.err


def test_cells_that_leave_the_data_are_warned_of(call: Call, run: Path) -> None:
    assert "no data support" in call("perturb", "-g", "Apaf1=80", "-g", "Aurka=80").err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("-g", "Apaf1"), "cannot be understood"),
        (("-g", "Apaff=2"), "Did you mean 'Apaf1'"),
        (("-g", "Apaf1=2", "--from", "day7"), "is not a training day after"),
        (("-g", "Apaf1=2", "--terminal", "nope"), "nope"),
        ((), "--gene"),
    ],
)
def test_mistakes_are_named(call: Call, run: Path, args: tuple[str, ...], says: str) -> None:
    result = call("perturb", *args)
    assert result.code in (1, 2) and says in result.err
