"""Cells without a type, and columns that tell the time, through every command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

Call = Callable[..., Any]

NAN = re.compile(r"(?<![\w.])nan(?![\w.])", re.IGNORECASE)
COMMANDS = [
    ("check", "small.h5ad"),
    ("info",),
    ("simulate", "--from", "day0"),
    ("fates", "--flow", "--csv", "fates.csv"),
    ("export", "--tables", "tables"),
    ("plot", "composition"),
]


@pytest.fixture
def blank(run: Path, small: anndata.AnnData) -> Path:
    """The run, when a third of the cells and all of day 2 have no type any more."""
    types = small.obs["cell_type"].astype(object)
    types.iloc[::3] = np.nan
    types[small.obs["day"] == "day2"] = np.nan
    small.obs["cell_type"] = types
    small.obs["other"] = ["x", "y"] * 80
    small.obs["timepoint"] = small.obs["day"].astype(str)
    small.write_h5ad("small.h5ad")
    return run


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_no_command_knows_a_type_called_nan(
    call: Call, blank: Path, small: anndata.AnnData, command: tuple[str, ...]
) -> None:
    result = call(*command)
    assert result.code == 0, result.err
    written = [path.read_text() for path in Path().rglob("*.csv")]
    for text in (result.out, result.err, *written):
        assert not NAN.search(text)
    if command[0] in ("check", "info", "simulate", "fates", "export"):
        n = int(small.obs["cell_type"].isna().sum())
        assert f"{n} of 160 cells" in result.out
        assert "unannotated" in result.out


def test_growth_and_shares_are_those_of_the_annotated_cells(
    call: Call, blank: Path, small: anndata.AnnData
) -> None:
    growth = json.loads(call("info", "--json").out)["growth"]
    assert growth["unannotated"] == small.obs["cell_type"].isna().sum()
    assert {row["type"]: row["cells"] for row in growth["by_type"]} == (
        small.obs["cell_type"].value_counts().to_dict()
    )
    lines = call("simulate", "--from", "day0").out.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("day "))
    day2, day7 = lines[start + 2].split(), lines[start + 4]
    assert set(day2[3:]) == {"–"}
    observed = [int(share) for share in re.findall(r"\((\d+); \d+ to \d+\)", day7)]
    assert sum(observed) == pytest.approx(100, abs=2)


@pytest.mark.usefixtures("undrawn")
def test_the_report_says_how_many_and_offers_no_day(call: Call, blank: Path) -> None:
    assert call("report").code == 0
    page = (blank / "report.html").read_text()
    text = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert not NAN.search(text)
    assert re.search(r"\d+ cells of all days are unannotated in cell_type", text)


@pytest.mark.parametrize(
    "command",
    [
        ("fates", "--terminal", "timepoint"),
        ("fates", "--terminal", "day7:day"),
        ("drivers", "--of", "fate:myeloid", "--groupby", "timepoint"),
        ("export", "--tables", "tables", "--groupby", "timepoint"),
    ],
    ids=" ".join,
)
def test_the_day_is_refused_as_a_cell_type(
    call: Call, blank: Path, command: tuple[str, ...]
) -> None:
    result = call(*command)
    assert result.code != 0
    assert "says when cells were sampled" in result.err
    assert "Columns that may name cell types: cell_type, other." in result.err


@pytest.mark.usefixtures("undrawn")
def test_the_day_is_not_offered_where_there_are_no_types(
    call: Call, run: Path, small: anndata.AnnData
) -> None:
    small.obs = small.obs[["day"]].assign(timepoint=small.obs["day"].astype(str))
    small.write_h5ad("small.h5ad")
    result = call("fates")
    assert result.code == 1
    assert "No cell types are named." in result.err
    found = call("fates", "--find-states")
    assert (found.code, "No cell types" in found.err) == (1, False)
    assert "timepoint" not in result.err
    assert "annotate the cells first" in result.err
    drawn = call("plot", "composition", "--out", "c.png").err
    assert drawn.count("No column") == 1 and "No other column could stand for" in drawn
    assert call("report").code == 0
    assert "timepoint" not in (run / "report.html").read_text()
