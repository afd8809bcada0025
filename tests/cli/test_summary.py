"""The line of growth: the largest types first, small ones marked, the rest counted."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam_cli.summary import AT_MOST, largest_first, rates, say_cells


def row(name: str, cells: int, mean: float) -> dict[str, Any]:
    return {"type": name, "cells": cells, "mean": mean, "low": mean - 1, "high": mean + 1}


def test_the_largest_type_is_first_and_few_cells_have_a_star() -> None:
    rows = largest_first([row("fast", 9, 0.5), row("large", 258, -0.1), row("ten", 10, 0.2)])
    assert rates(rows) == (
        "large -0.1 (-1.1 to +0.9), ten +0.2 (-0.8 to +1.2), fast * +0.5 (-0.5 to +1.5)"
    )


def test_types_that_are_left_out_are_counted_and_a_place_is_named() -> None:
    rows = largest_first([row(f"t{n}", n, 0.0) for n in range(1, AT_MOST + 4)])
    said = rates(rows)
    assert said.startswith(f"t{AT_MOST + 3} +0")
    assert said.endswith(" and 3 more with 3 cells or fewer (in the report and `cellam info`)")
    assert "1 more with 1 cell (in" in rates(rows[2:])


@pytest.mark.parametrize(("labels", "said"), [((2, 4), True), (("day2", "day4"), False)])
def test_days_without_a_unit_are_explained(
    capsys: pytest.CaptureFixture[str], labels: tuple[object, object], said: bool
) -> None:
    obs = pd.DataFrame({"day": np.repeat(labels, 20)}, index=[f"c{k}" for k in range(40)])
    x = np.random.default_rng(0).standard_normal((40, 2))
    say_cells(cellam.read(anndata.AnnData(obs=obs, obsm={"X_z": x}), use_rep="X_z"))
    out = capsys.readouterr().out
    assert ("2 is said as time 2, rates are per unit of time" in out) == said
