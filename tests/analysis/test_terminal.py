"""`analysis.terminal`: days and columns as a user names them."""

from __future__ import annotations

import pytest

from cellam.analysis.terminal import days_before, parse_terminal
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.cells import Cells


@pytest.mark.parametrize(
    ("text", "backward", "expected"),
    [
        (None, False, ("day7", "cell_type")),
        (None, True, ("day0", "cell_type")),
        ("day4", False, ("day4", "cell_type")),
        ("4", True, ("day4", "cell_type")),
        ("batch", False, ("day7", "batch")),
        ("day4:batch", False, ("day4", "batch")),
    ],
)
def test_terminal_is_a_day_a_column_or_both(
    model: Model, cells: Cells, text: str | None, backward: bool, expected: tuple[str, str]
) -> None:
    obs = cells.obs.assign(batch="a")
    assert parse_terminal(model, obs, text, backward=backward) == expected


def test_terminal_names_what_there_is_not(model: Model, cells: Cells) -> None:
    with pytest.raises(ConfigError, match="no column 'type' in obs") as caught:
        parse_terminal(model, cells.obs, "day7:type")
    assert "cell_type" in caught.value.hint
    with pytest.raises(ConfigError, match="is recognised as cell types"):
        parse_terminal(model, cells.obs[["day"]], None)
    with pytest.raises(ConfigError, match="day9"):
        parse_terminal(model, cells.obs, "day9")


def test_days_before_and_after(model: Model) -> None:
    assert days_before(model, "day4") == ("day0", "day2")
    assert days_before(model, "day4", backward=True) == ("day7",)
    assert days_before(model, "day0") == ()
