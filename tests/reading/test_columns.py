"""`cellam.reading.columns`: the column of times is found, or the choice is given back."""

import numpy as np
import pandas as pd
import pytest

from cellam.errors import DataError
from cellam.reading.columns import find_time_key


@pytest.mark.parametrize(
    "name", ["day", "Day", "Time_Point", "developmental stage", "day.of-collection"]
)
def test_a_column_with_a_telling_name_is_found(name):
    obs = pd.DataFrame({"leiden": ["0", "1"], "n_counts": [1.0, 2.0], name: ["E8", "E9"]})
    assert find_time_key(obs, None) == name


def test_the_requested_column_is_taken_even_if_it_needs_a_map():
    assert find_time_key(pd.DataFrame({"day": [0, 1], "phase": ["x", "y"]}), "phase") == "phase"


def test_a_requested_column_that_is_not_there_is_refused_with_the_closest():
    with pytest.raises(DataError) as caught:
        find_time_key(pd.DataFrame({"sample_day": [0], "batch": [1]}), "sampel_day")
    assert "'sampel_day'" in caught.value.message
    assert "Did you mean 'sample_day'?" in caught.value.hint
    assert "sample_day, batch" in caught.value.hint


@pytest.mark.parametrize("other", [["adult", "fetal"], ["1", "1"], [True, False]])
def test_candidates_that_hold_no_times_are_passed_over(other):
    assert find_time_key(pd.DataFrame({"time": ["d0", "d2"], "day": other}), None) == "time"


def test_candidates_that_agree_cell_by_cell_are_one():
    obs = pd.DataFrame({"timepoint": ["d0", "d2", None], "day": [0.0, 2.0, np.nan]})
    assert find_time_key(obs, None) == "day"


def test_candidates_that_differ_are_listed():
    with pytest.raises(DataError) as caught:
        find_time_key(pd.DataFrame({"age": [30, 40], "day": ["d0", "d2"]}), None)
    assert "'day' with 'd0' (1 cell), 'd2' (1 cell); 'age' with '30'" in caught.value.message
    assert "--time-key NAME" in caught.value.hint


def test_a_day_with_missing_cells_does_not_yield_to_another_column():
    with pytest.raises(DataError, match="differ"):
        find_time_key(pd.DataFrame({"day": [0, 2, None], "age": [30, 40, 40]}), None)


def test_a_lone_candidate_is_taken_though_it_needs_a_map():
    assert find_time_key(pd.DataFrame({"stage": ["early", "late"]}), None) == "stage"


def test_several_candidates_of_which_none_reads_are_listed():
    with pytest.raises(DataError, match="cannot be read"):
        find_time_key(pd.DataFrame({"stage": ["a", "b"], "day": ["x", "y"]}), None)


def test_without_a_telling_name_the_columns_that_would_read_are_listed():
    obs = pd.DataFrame(
        {"sample": ["d0", "d2"] * 150, "batch": ["x", "y"] * 150, "n_counts": np.arange(300) / 7}
    )
    with pytest.raises(DataError) as caught:
        find_time_key(obs, None)
    assert "'sample' with 'd0' (150 cells), 'd2' (150 cells)" in caught.value.message
    assert "n_counts" not in caught.value.message
    assert "--time-key NAME" in caught.value.hint


@pytest.mark.parametrize("obs", [pd.DataFrame(), pd.DataFrame({"batch": ["x", "y"]})])
def test_without_any_such_column_that_is_said(obs):
    with pytest.raises(DataError, match="None reads as times"):
        find_time_key(obs, None)
