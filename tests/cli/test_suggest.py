from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cellam.analysis.suggestion import suggest
from cellam.checks.caveat import Caveat
from cellam.modelling.model import Model
from cellam.runs.run import open_run
from cellam_cli.suggest import _print_times

Call = Callable[..., Any]


def test_it_prints_times_and_what_they_would_settle(call: Call, run: Path) -> None:
    result = call("suggest", "--n-cells", 200)
    assert (result.code, result.err) == (0, "")
    assert "open      2 explanations: path uot with tau 1, curved; path uot" in result.out
    table = result.out.split("\n\n")[1].splitlines()
    assert table[0].split() == ["time", "between", "open", "noise", "right", "needed"]
    times = [line.split()[0] for line in table[1:10]]
    assert times == ["0.5", "1", "1.5", "2.5", "3", "3.5", "4.75", "5.5", "6.25"]
    assert sum("*" in line for line in table[1:10]) == 1
    assert "It would settle" in result.out and "argest gap" in result.out


def test_its_caveats_are_those_of_the_fit(call: Call, run: Path) -> None:
    told = [Caveat("cells", "Few cells.", "Take more.")]
    open_run(run).keep_caveats(told)
    assert "caveat    Few cells. Take more." in call("suggest", "--n-cells", 200).out
    found = json.loads(call("suggest", "--n-cells", 200, "--json").out)
    assert found["caveats"] == [vars(each) for each in told]


def test_json_has_all_that_is_printed(call: Call, run: Path) -> None:
    found = json.loads(call("suggest", "--n-cells", 200, "--json").out)
    assert found["cells"] == 200 and len(found["times"]) == 9 and found["middle"] == 5.5
    best = max(found["times"], key=lambda row: row["score"])
    assert found["suggested"] == best["time"]
    assert found["told"] == (best["right"] >= 0.95)
    printed = call("suggest", "--n-cells", 200).out
    assert all(sentence in printed for sentence in found["says"])


def test_times_that_could_be_measured_are_given_by_label_or_number(call: Call, run: Path) -> None:
    args = ("suggest", "--at", "3", "--at", "day5", "--n-cells", 200, "--csv", "x.csv")
    assert call(*args).code == 0
    table = pd.read_csv("x.csv")
    assert table["time"].tolist() == [3, 5] and table["after"].tolist() == ["day2", "day4"]
    refused = call(*args)
    assert refused.code == 4 and "--overwrite" in refused.err
    assert call(*args, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([1, 3], "None of these times lies in the largest gap (between day4 and day7)."),
        ([5.5], "It is also the middle of the largest gap (between day4 and day7)."),
        ([5], "It is also the nearest to the middle of the largest gap"),
        ([0.5, 5.5], "argest gap (between day4 and day7)"),
    ],
)
def test_the_choice_without_a_fit_is_said(
    call: Call, run: Path, times: list[float], said: str
) -> None:
    at = [part for time in times for part in ("--at", time)]
    assert said in call("suggest", *at).out


def test_it_says_so_where_no_time_would_tell(call: Call, run: Path) -> None:
    found = json.loads(call("suggest", "--n-cells", 2, "--json").out)
    assert not found["told"]
    said = call("suggest", "--n-cells", 2).out
    assert "No time would tell the explanations apart with 2 cells." in said
    best = next(row for row in found["times"] if row["time"] == found["suggested"])
    enough = f"about {best['needed']:,} cells" if best["needed"] else "no number of new cells"
    assert enough in said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--at", "9"], "does not lie between"),
        (["--at", "day4"], "is a training day"),
        (["--at", "soon"], "soon"),
        (["--n-cells", "1"], "--n-cells"),
    ],
)
def test_what_makes_no_sense_is_usage(call: Call, run: Path, args: list[str], said: str) -> None:
    result = call("suggest", *args)
    assert result.code == 2
    assert said in result.err


def test_growth_is_said_where_it_is_what_would_be_settled(call: Call, here: Path) -> None:
    import cellam

    cells = cellam.read("small.h5ad")
    model = cellam.fit(cells, exclude=("day2", "day4"), n_features=32, n_pcs=3)
    cellam.save(model, cells, here / "two", data="small.h5ad")
    found = json.loads(call("suggest", "--run", "two", "--json").out)
    assert {row["settles"] for row in found["times"]} == {"growth"}
    growth = found["growth"]
    assert growth["type"] in {"progenitor", "myeloid", "erythroid", "intermediate"}
    assert growth["difference"] == pytest.approx(growth["high"] - growth["low"]) != 0
    said = f"the growth of {growth['type']} between day0 and day7 differs by "
    assert any(f"{said}{growth['difference']:.2g}" in sentence for sentence in found["says"])
    known = json.loads(call("info", "--run", "two", "--json").out)["growth"]["by_type"]
    row = next(row for row in known if row["type"] == growth["type"])
    assert growth["range"] == pytest.approx([row["low"], row["high"]])
    whole = f"Its range over all days, {row['low']:+.2g} to {row['high']:+.2g} per day"
    assert any(whole in sentence for sentence in found["says"])


def test_a_column_that_says_the_same_of_every_time_is_a_sentence(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    found = suggest(model, 200, [1.0, 5.5])
    sure = replace(found, table=found.table.assign(right=[0.996, 0.9999]))
    _print_times(sure)
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["time", "between", "open", "noise", "needed"]
    assert "At every time these would name the right one of the two in >99 % of cases" in out
    _print_times(replace(found, table=found.table.assign(right=[0.99, 0.9999])))
    some = capsys.readouterr().out
    assert "right: how often" in some and some.splitlines()[0].split()[4] == "right"
    assert all("animals and batches add to that" in text for text in (out, some))


def test_without_the_data_there_is_a_note_and_no_growth(call: Call, run: Path) -> None:
    Path("small.h5ad").unlink()
    result = call("suggest")
    assert result.code == 0 and "--data" in result.err
    assert "Growth of" not in result.out


def test_noise_is_left_out_and_said_so(call: Call, noisy_run: Path) -> None:
    result = call("suggest")
    assert result.code == 0
    assert "noise of the fit is left out" in result.out


@pytest.mark.slow
def test_a_day_that_was_left_out_need_not_be_measured_again(call: Call, run: Path) -> None:
    options = ["--exclude", "day2", "--n-features", 32, "--n-pcs", 3, "--no-report"]
    assert call("fit", "small.h5ad", *options).code == 0
    said = call("suggest").err
    assert "Measured already, but left out of this fit: day2 (40 cells). Fit with it" in said
