"""Cell types: found, never mistaken for the time, and missing ones never a type."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellam.errors import ConfigError
from cellam.reading.cell_types import (
    find_types,
    follows_time,
    offer_types,
    read_types,
    resolve_types,
)

DAYS = np.repeat([0, 1, 2, 3], 6)
TYPES = ["A", "B", "C"] * 8


def obs(**columns: object) -> pd.DataFrame:
    day = np.array([0.0, 2.0, 4.0, 7.0])[DAYS]
    return pd.DataFrame({"day": day, **columns}, index=[f"cell{k}" for k in range(24)])


@pytest.mark.parametrize(
    "missing", [None, np.nan, pd.NA, "", "  ", "nan", "NaN", "NA", "n/a", "<NA>", "None", "null"]
)
@pytest.mark.parametrize("categorical", [False, True])
def test_what_is_missing_is_no_type(missing: object, categorical: bool) -> None:
    values = pd.Series(["A", missing, "B", "unknown", "unassigned"], name="cell_type")
    found = read_types(values.astype("category") if categorical else values)
    assert found.tolist() == ["A", None, "B", "unknown", "unassigned"]
    assert read_types(found).tolist() == found.tolist()


def test_numbers_are_types_as_they_are_spelt() -> None:
    """Whole numbers become fractions where one is missing: 2.0 and 2 are one cluster."""
    assert read_types(pd.Series([0.0, 2.0, np.nan])).tolist() == ["0", "2", None]
    assert read_types(pd.Series([0, 2, 2])).tolist() == ["0", "2", "2"]


def test_the_column_is_found_by_its_name() -> None:
    assert find_types(obs(cell_type=TYPES), DAYS) == "cell_type"
    assert find_types(obs(**{"Cell Type": TYPES, "leiden": TYPES}), DAYS) == "Cell Type"
    assert find_types(obs(kind=TYPES), DAYS) is None
    assert find_types(obs(cell_type="one"), DAYS) is None
    assert find_types(obs(cell_type=["A", "nan"] * 12), DAYS) is None


TIMES = {
    "the day": np.array([0, 2, 4, 7])[DAYS],
    "labels": np.array(["d0", "d2", "d4", "d7"])[DAYS],
    "other labels": np.array(["0d", "8h", "1d", "3d+7d"])[DAYS],
    "ranges": np.array(["Day 00-03", "Day 06-09", "Day 12-15", "Day 18-21"])[DAYS],
    "bins": np.array(["early", "early", "late", "late"])[DAYS],
    "numbered bins": np.array([1, 1, 2, 2])[DAYS],
    "a finer time": 10 * DAYS + np.tile(range(6), 4),
    "counting down": -DAYS,
}


@pytest.mark.parametrize("kind", TIMES)
def test_a_column_that_tells_the_time_is_never_a_type(kind: str) -> None:
    frame = obs(when=TIMES[kind], kind=TYPES)
    assert offer_types(frame, DAYS) == ["kind"]
    for requested in ("when", "day"):
        with pytest.raises(ConfigError, match="says when cells were sampled") as error:
            resolve_types(frame, DAYS, requested)
        assert error.value.hint == "Columns that may name cell types: kind."
    if kind != "other labels" and kind != "bins":
        assert find_types(frame.rename(columns={"when": "cluster"}), DAYS) is None


def test_types_of_one_day_each_are_types_if_the_name_says_so() -> None:
    sorted_cells = np.array(["fibroblast", "intermediate", "intermediate", "stem"])[DAYS]
    found = resolve_types(obs(cell_type=sorted_cells), DAYS)
    assert found is not None
    assert found.tolist() == sorted_cells.tolist()


def test_a_column_that_is_not_there_is_asked_for_by_its_likely_name() -> None:
    with pytest.raises(ConfigError, match="no column 'celltype'") as error:
        resolve_types(obs(cell_type=TYPES), DAYS, "celltype")
    assert "Did you mean 'cell_type'?" in error.value.hint
    with pytest.raises(ConfigError, match="No cell has a value") as error:
        resolve_types(obs(cell_type=""), DAYS, "cell_type")
    assert "annotate the cells first" in error.value.hint
    assert resolve_types(obs(), DAYS) is None


def test_clusters_that_come_back_do_not_follow_the_time() -> None:
    assert not follows_time(pd.Series(np.tile([0, 1, 2], 8)), DAYS)
    assert not follows_time(pd.Series(np.full(24, 3)), DAYS)
    assert follows_time(pd.Series(np.where(DAYS == 0, np.nan, DAYS)), DAYS)
