from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cellam import truths

Call = Callable[..., Any]


def test_genes_of_both_signs_are_listed(call: Call, run: Path) -> None:
    result = call("drivers", "--of", "growth", "-n", 4)
    assert (result.code, result.err) == (0, "")
    assert "160 cells of day0, day2, day4, day7; " in result.out
    up, down = result.out.split("with less growth")
    assert up.split("with more growth")[1].count("+0.") == 4
    assert down.count("-0.") == 4
    assert "q  expressing\n" in up and "expressing: share of these cells" in down


def test_all_genes_are_written_and_printed_for_machines(call: Call, run: Path) -> None:
    result = call("drivers", "--of", "fate:myeloid", "--csv", "genes.csv", "--json", "-n", 50)
    assert result.code == 0
    told = json.loads(result.out)
    assert told["cells"] == 120 and told["days"] == ["day0", "day2", "day4"]
    frame = pd.read_csv("genes.csv")
    assert len(frame) == told["genes"] == len(told["drivers"])
    assert frame.to_dict("records")[0] == pytest.approx(told["drivers"][0])
    assert frame["correlation"].is_monotonic_decreasing
    result = call("drivers", "--of", "speed", "--csv", "genes.csv")
    assert result.code == 4 and "exists already" in result.err
    assert call("drivers", "--of", "speed", "--csv", "genes.csv", "--overwrite").code == 0
    assert len(pd.read_csv("genes.csv")) == told["genes"]


def test_days_and_cells_can_be_chosen(call: Call, run: Path) -> None:
    told = json.loads(call("drivers", "--of", "speed", "--day", "day2", "--json").out)
    assert (told["cells"], told["days"]) == (40, ["day2"])
    query = "cell_type == 'progenitor'"
    part = json.loads(call("drivers", "--of", "speed", "--from-cells", query, "--json").out)
    assert 0 < part["cells"] < 160


def test_a_fit_of_a_representation_takes_the_genes_of_x(call: Call, rep_run: Path) -> None:
    told = json.loads(call("drivers", "--of", "fate:erythroid", "--json").out)
    assert told["genes"] >= 40


@pytest.mark.parametrize(
    ("args", "code", "phrase"),
    [
        (["--of", "size"], 2, "there is no such quantity"),
        (["--of", "APAF1"], 2, "Apaf1 is a gene: `cellam plot trends` with --genes Apaf1 draws"),
        (["--of", "fate:neuron"], 2, "fate:myeloid"),
        (
            ["--of", "fate:myeloid", "--day", "day7"],
            2,
            "fates are defined only before the last day",
        ),
        (["--of", "growth", "--day", "day9"], 2, "day9"),
        (["--of", "growth", "--from-cells", "cell_type =="], 2, "cannot be understood"),
        (["--of", "growth", "--groupby", "nope"], 2, "no column 'nope'"),
        (["--of", "growth", "--csv", "small.h5ad", "--overwrite"], 4, "is the input"),
    ],
)
def test_mistakes_are_told(call: Call, run: Path, args: list[str], code: int, phrase: str) -> None:
    result = call("drivers", *args)
    assert (result.code, result.out.count("with more")) == (code, 0)
    assert phrase in result.err


def test_a_fate_like_none_there_is_guessed_as_none(call: Call, run: Path) -> None:
    result = call("drivers", "--of", "fate:foo")  # "fate:" is no likeness
    assert result.code == 2 and "Did you mean" not in result.err
    assert "Available: fate:erythroid, fate:myeloid." in result.err
    assert "Did you mean 'fate:myeloid'?" in call("drivers", "--of", "fate:myelod").err


def test_a_type_alone_is_taken_for_its_fate(call: Call, run: Path) -> None:
    for text in ("erythroid", "Erythrod"):
        result = call("drivers", "--of", text)
        assert result.code == 2 and "Did you mean 'fate:erythroid'?" in result.err
    assert "Did you mean 'growth'?" in call("drivers", "--of", "grwth").err


def test_growth_that_is_not_needed_is_said_and_what_q_counts(call: Call, run: Path) -> None:
    result = call("drivers", "--of", "growth")
    assert "caveat    These days do not tell whether any of these cells grow" in result.out
    assert "replicates are not used" in result.out
    told = json.loads(call("drivers", "--of", "growth", "--json").out)
    assert [caveat["name"] for caveat in told["caveats"]] == ["growth range"]


def test_a_state_that_the_last_day_lacks_is_said_of_a_fate(
    call: Call, here: Path, fast: tuple[str, ...]
) -> None:
    lacking = truths.missing_state(np.random.default_rng(0), n_cells=80)
    lacking.to_adata().write_h5ad("lacking.h5ad")
    assert call("fit", "lacking.h5ad", "--use-rep", "X_true", *fast, "--no-report").code == 0
    result = call("drivers", "--of", "fate:A")
    assert result.code == 0
    assert "caveat" in result.out and "hardly has any C" in result.out
    assert "Fit again without time 6 (--exclude 6)." in result.out
    assert "caveat" not in call("drivers", "--of", "speed").out
    told = json.loads(call("drivers", "--of", "fate:A", "--json").out)
    assert "terminal" in [caveat["name"] for caveat in told["caveats"]]
