"""`cellam.days.timepoints`: every label is read right, or refused with a way out."""

from __future__ import annotations

import random
import re
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_time_labels import NO_TIMES, ONE_LABEL

from cellam.days.timeline import Timeline
from cellam.days.timepoints import read_timeline
from cellam.errors import CellamError, ConfigError, DataError
from cellam.flags import as_flags
from cellam.pairs import parse_pairs


def read(*labels, dtype=None, time_map=None):
    return read_timeline(pd.Series(labels, dtype=dtype), key="day", time_map=time_map)[0]


def refused(*labels, dtype=object, error=DataError, **options):
    with pytest.raises(error) as caught:
        read_timeline(pd.Series(labels, dtype=dtype), key="day", **options)
    return caught.value


def time_map_of(error):
    """The time map that a hint tells the user to type."""
    words = shlex.split(as_flags(error.hint).replace("(", " ").replace(")", " "))
    return words[words.index("--time-map") + 1]


@pytest.mark.parametrize(("label", "time", "unit"), ONE_LABEL)
def test_a_label_is_read_as_its_time_and_unit(label, time, unit):
    timeline = read(label, "99")
    assert timeline.times == (time, 99.0)
    assert timeline.unit == unit
    assert timeline.labels == (label.strip(), "99")


@pytest.mark.parametrize("label", [label for label in NO_TIMES if "rep" not in label])
def test_a_label_that_is_no_time_is_refused_with_its_number_of_cells(label):
    error = refused("day0", label, "day2", label)
    assert f"'day' holds labels that are not times: {label!r} (2 cells)." in error.message
    assert error.hint


def test_the_hint_for_strange_labels_fills_in_what_is_known():
    error = refused("day2", "late stage", "day0")
    assert time_map_of(error) == "day0=0,day2=2,late stage=NUMBER"
    with pytest.raises(ConfigError, match="LABEL=NUMBER"):  # nobody pastes it by mistake
        parse_pairs(time_map_of(error), "time_map")


def test_a_hint_spells_out_what_would_move_the_cursor_and_can_be_typed():
    labels = ("day\x1b[31m2 it's", "day\u20280\u202e 'late'")
    error = refused(*labels)
    assert error.hint.isprintable()
    option = as_flags(error.hint).split("--time-map ")[1].split(" (your")[0].replace("NUMBER", "1")
    typed = subprocess.run(
        ["bash", "-c", f"printf %s {option}"], capture_output=True, check=True, text=True,
        env={"LC_ALL": "C.UTF-8"},
    ).stdout  # fmt: skip
    assert parse_pairs(typed, "time_map") == dict.fromkeys(labels, 1.0)


def test_an_ordered_category_that_contradicts_the_numbers_is_sorted_and_that_is_said():
    declared = pd.Categorical(
        ["day0", "day4", "day2"], categories=["day0", "day4", "unused", "day2"], ordered=True
    )
    timeline, codes = read_timeline(pd.Series(declared), key="day")
    assert codes.tolist() == [0, 2, 1]
    (note,) = timeline.notes
    assert "'day0' < 'day4' < 'day2'" in note
    assert "'day0' < 'day2' < 'day4'" in note


@pytest.mark.parametrize("ordered", [True, False])
def test_an_order_is_no_contradiction_where_it_agrees_or_was_not_declared(ordered):
    categories = ["day0", "D0", "day2", "day10"] if ordered else ["day10", "day2", "day0", "D0"]
    declared = pd.Categorical(["day10", "day2", "day0", "D0"], categories, ordered=ordered)
    assert not any(
        "categories" in note for note in read_timeline(pd.Series(declared), key="")[0].notes
    )


def test_many_strange_labels_are_summed_up():
    error = refused(*(f"cell_{n}x" for n in range(60)))
    assert "and 52 more (52 cells)" in error.message
    assert "time_key" in error.hint


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([2, 0, 10]),
        pd.Series([2, 0, 10], dtype="uint8"),
        pd.Series([2, 0, 10], dtype="Int64"),
        pd.Series([2.0, 0.0, 10.0]),
        pd.Series([2.0, -0.0, 10.0], dtype="float16"),
        pd.Series([2.0, 0.0, 10.0], dtype="Float64"),
        pd.Series(["2", "0", "10"]),
        pd.Series(["2", "0", "10"], dtype="string"),
        pd.Series(["2", "0", "10"], dtype="category"),
        pd.Series([2.0, 0.0, 10.0], dtype="category"),
        pd.Series([2, "0", np.float32(10)], dtype=object),
    ],
    ids=lambda values: str(values.dtype),
)
def test_any_dtype_gives_the_same_timeline(values):
    timeline, codes = read_timeline(values, key="day")
    assert timeline == Timeline(
        ("0", "2", "10"), (0.0, 2.0, 10.0), "", {"0": 0.0, "2": 2.0, "10": 10.0}, ()
    )
    assert codes.tolist() == [1, 0, 2]
    assert codes.dtype.kind == "i"


def test_numbers_are_spelt_compactly_in_their_own_precision():
    timeline = read(1.5, 2.0, 0.1, 1e-5, dtype="float32")
    assert timeline.labels == ("0.00001", "0.1", "1.5", "2")
    assert timeline.times == (1e-5, 0.1, 1.5, 2.0)


def test_codes_point_at_the_right_cells_whatever_the_index_and_the_categories():
    labels = ["day10", "day2", "D2", "day0", "day10"]
    values = pd.Series(
        pd.Categorical(labels, categories=["day2", "unused", "day10", "D2", "day0"]), index=[7] * 5
    )
    timeline, codes = read_timeline(values, key="day")
    assert codes.shape == (5,)
    assert [timeline.times[k] for k in codes] == [10.0, 2.0, 2.0, 0.0, 10.0]


def test_the_real_gaps_are_kept():
    assert read("d0", "d2", "d7", "d30").times == (0.0, 2.0, 7.0, 30.0)


def test_spellings_of_one_time_are_one_time_named_by_the_most_frequent():
    timeline = read("day2", "D2", "2.0 d", "D2", "day0", " day0 ")
    assert timeline.labels == ("day0", "D2")
    assert timeline.spellings == {"day0": 0.0, "day2": 2.0, "D2": 2.0, "2.0 d": 2.0}
    assert timeline.notes == ("'2.0 d', 'D2', 'day2' are one time, 2.",)


def test_spellings_equally_frequent_are_named_by_the_first_in_order():
    assert read("day2", "D2", "d0").labels == ("d0", "D2")


def test_times_that_differ_by_rounding_are_one_time():
    timeline, codes = read_timeline(pd.Series([0.3, 0.1 + 0.2, 1.0]), key="day")
    assert timeline.labels == ("0.3", "1")
    assert codes.tolist() == [0, 0, 1]


def test_labels_without_a_unit_take_that_of_the_others_and_say_so():
    timeline = read("0", "day2", "t4")
    assert (timeline.unit, timeline.times) == ("day", (0.0, 2.0, 4.0))
    assert timeline.notes == ("'0', 't4': no unit, assumed to be days like the others.",)


def test_midpoints_are_said_aloud():
    timeline = read("Day 00-03", "Day 06-09", "Day 12-15")
    assert timeline.times == (1.5, 7.5, 13.5)
    assert "'Day 00-03' is read as 1.5" in timeline.notes[0]
    assert "midpoint" in timeline.notes[0]


@pytest.mark.parametrize("labels", [("d0-1", "d0-2"), ("day 0-3", "day 2"), ("0-10", "1-2")])
def test_ranges_that_overlap_are_refused_since_they_may_be_replicates(labels):
    assert "overlap" in refused(*labels).message


def test_ranges_may_touch():
    assert read("0-3 d", "3-6 d", "0 d").times == (0.0, 1.5, 4.5)


@pytest.mark.parametrize("mark", ["-", "."])
def test_a_mark_before_all_numbers_separates_and_is_said_aloud(mark):
    timeline = read(f"day{mark}0", f"day{mark}5", f"day{mark}10")
    assert timeline.times == (0.0, 5.0, 10.0)
    assert len(timeline.notes) == 1


@pytest.mark.parametrize("labels", [("day-1", "day0", "day1"), ("day0", "day.5", "day1")])
def test_a_mark_before_some_numbers_is_refused(labels):
    error = refused(*labels)
    strange = next(label for label in labels if re.search("[-.]", label))
    assert f"minus sign or a separator: {strange!r} (1 cell)" in error.message
    assert f"{strange}=NUMBER" in time_map_of(error)


@pytest.mark.parametrize(
    ("labels", "message", "fixed"),
    [
        (("48h", "day0", "day2", "day4"), "hour: '48h' (1 cell); day: 'day0'", (0, 2, 4)),
        (("E8.5", "E18", "P0", "P3"), "postnatal day: 'P0' (1 cell), 'P3'", (8.5, 18, 19, 22)),
        (("P0", "P3", "P4", "E18"), "embryonic day: 'E18' (1 cell)", (-1, 0, 3, 4)),
        (("30 min", "1h", "2h", "3"), "no unit: '3' (1 cell)", (0.5, 1, 2, 3)),
        (("1 year", "18 months", "6 mo"), "year: '1 year' (1 cell)", (6, 12, 18)),
        (("0hpf", "24hpf", "30hpi"), "hpi: '30hpi' (1 cell)", (0, 24, 30)),
        (("8pcw", "10gw"), "gw: '10gw' (1 cell)", (8, 10)),
        (("day2", "E8.5", "day0"), "embryonic day: 'E8.5' (1 cell)", (0, 2, 8.5)),
    ],
)
def test_mixed_units_are_refused_and_the_hint_fixes_them(labels, message, fixed):
    error = refused(*labels)
    assert "mixes units" in error.message
    assert message in error.message
    timeline = read(*labels, time_map=parse_pairs(time_map_of(error), "time_map"))
    assert timeline.times == fixed


def test_hours_post_fertilisation_go_with_plain_hours():
    assert read("0h", "24hpf").unit == "hour"


@pytest.mark.parametrize(
    "labels",
    [
        (0.0, None, 2.0, np.nan),
        ("d0", None, "d2", np.nan),
        ("d0", pd.NA, "d2", pd.NaT),
        ("d0", "", "d2", "  "),
        ("d0", "nan", "d2", "NA"),
        ("d0", None, "d2", "NA"),
        ("d0", "None", "d2", "n/a"),
        (0.0, np.inf, 2.0, -np.inf),
        ("0", "inf", "2", "-Infinity"),
    ],
)
@pytest.mark.parametrize("dtype", [object, "category"])
def test_cells_without_a_time_are_counted_and_the_hint_drops_them(labels, dtype):
    error = refused(*labels, dtype=dtype)
    assert "gives 2 cells no time" in error.message

    class Data:  # as much of an AnnData as the hint needs
        def __init__(self, obs):
            self.obs = obs

        def __getitem__(self, rows):
            return Data(self.obs[rows])

    scope = {"adata": Data(pd.DataFrame({"day": pd.Series(labels, dtype=dtype)}))}
    exec(error.hint.split("in Python: ")[1], scope)
    timeline, codes = read_timeline(scope["adata"].obs["day"], key="day")
    assert timeline.times == (0.0, 2.0)
    assert codes.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", ["float32", "Int64", "Float64", "string"])
def test_missing_values_of_other_dtypes_are_counted(dtype):
    values = pd.Series([0, None, 2], dtype="Int64").astype(dtype)
    with pytest.raises(DataError, match="gives 1 cell no time") as caught:
        read_timeline(values, key="day")
    assert "adata[adata.obs['day'].notna()]" in caught.value.hint


@pytest.mark.parametrize("dtype", [bool, "boolean", "category", object])
def test_booleans_are_refused(dtype):
    error = refused(True, False, True, dtype=dtype)
    assert "'True' (2 cells), 'False' (1 cell)" in error.message


def test_a_boolean_among_numbers_is_refused():
    assert "'True' (1 cell)" in refused(1, True, 0).message


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-05"])),
        pd.Series(["2024-01-01", "2024-01-05", "2024-01-05"]),
        pd.Series(pd.to_timedelta([0, 4, 4], unit="D")),
        pd.Series(pd.to_timedelta([0, 96, 96], unit="h")).astype("category"),
        pd.Series(["0,0", "4,0", "4,0"]),
    ],
)
def test_dates_durations_and_decimal_commas_are_refused_and_the_hint_converts_them(values):
    with pytest.raises(DataError) as caught:
        read_timeline(values, key="day")

    class Data:
        obs = pd.DataFrame({"day": values})

    exec(caught.value.hint.split("In Python: ")[1], {"adata": Data, "pd": pd})
    assert read_timeline(Data.obs["day"], key="day")[0].times == (0.0, 4.0)


def test_values_that_are_not_text_are_refused_not_crashed_on():
    assert "'[1]' (1 cell)" in refused([1], [2]).message


def test_a_single_time_is_refused():
    assert "a single time: 'day2' (2 cells), 'D2' (1 cell)" in refused("day2", "day2", "D2").message


def test_an_empty_column_is_refused():
    assert "no cells" in refused().message


@pytest.mark.parametrize("dtype", [float, str, "category"])
def test_a_pseudotime_is_refused_with_the_number_of_values(dtype):
    error = refused(*np.linspace(0, 1, 201), dtype=dtype)
    assert "201 distinct times" in error.message
    assert len(read(*np.linspace(0, 1, 200), dtype=dtype).times) == 200


# --- the time map


def test_a_time_map_replaces_all_reading():
    timeline, codes = read_timeline(
        pd.Series(["late", "day2", "none"]), key="day", time_map={"none": 0, "day2": 48, "late": 96}
    )
    assert timeline.labels == ("none", "day2", "late")
    assert timeline.times == (0.0, 48.0, 96.0)
    assert timeline.unit == ""
    assert timeline.notes == ("The times are from the time map.",)
    assert codes.tolist() == [2, 1, 0]


def test_a_time_map_may_name_numbers():
    assert read(0, 2, time_map={0: 0, 2.0: 48}).times == (0.0, 48.0)


def test_a_time_map_must_name_every_label():
    error = refused("a", "b", "b", error=ConfigError, time_map={"a": 0})
    assert "lacks labels of column 'day': 'b' (2 cells)" in error.message
    assert time_map_of(error) == "a=0,b=NUMBER"


def test_a_time_map_must_not_name_other_labels():
    error = refused("late", "early", error=ConfigError, time_map={"early": 0, "late": 1, "Lat": 2})
    assert "'Lat', which no cell of column 'day' has" in error.message
    assert "Did you mean 'late'?" in error.hint


@pytest.mark.parametrize("time", [np.nan, np.inf, "x", None])
def test_a_time_map_must_give_finite_numbers(time):
    for labels in (("a", "b"), ("a", "c")):
        error = refused(*labels, error=ConfigError, time_map={"a": 0, "b": time})
        assert f"'b' the time {time!r}" in error.message


def test_a_time_map_does_not_cover_cells_without_a_label():
    assert "1 cell no time" in refused("a", None, "b", time_map={"a": 0, "b": 1}).message


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("day0=0,day2=2", {"day0": 0.0, "day2": 2.0}),
        (" day 0 = 0 , late stage=-7.5 ", {"day 0": 0.0, "late stage": -7.5}),
        ("t=0=0,t=1=1e2", {"t=0": 0.0, "t=1": 100.0}),
        ("a=1,a=1.0", {"a": 1.0}),
    ],
)
def test_a_time_map_is_parsed(text, times):
    assert parse_pairs(text, "time_map") == times


@pytest.mark.parametrize(
    "text", ["", " ", "day0", "day0=", "=0", "a=1,", "a=x", "a=nan", "a=inf", "a=1,a=2", "a=0,5"]
)
def test_a_wrong_time_map_is_refused_with_the_right_form(text):
    with pytest.raises(ConfigError) as caught:
        parse_pairs(text, "time_map")
    assert caught.value.hint


# --- asking for a time

DAYS = read("day0", "D2", "day2", "day2", "day4", "day7")


@pytest.mark.parametrize(
    "text", ["day2", "D2", "d2", " DAY2 ", "day 2", "2", "2.0", "2 days", "t2", "1-3 d"]
)
def test_a_snapshot_is_found_by_label_number_or_other_spelling(text):
    assert DAYS.index(text) == 1
    assert DAYS.position(text) == 2.0


@pytest.mark.parametrize("number", [2, 2.0, np.int64(2), np.float32(2)])
def test_a_snapshot_is_found_by_a_number_that_is_no_text(number):
    assert DAYS.index(number) == 1
    assert DAYS.position(number) == 2.0
    assert DAYS.position(-0.5) == -0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, True, None])
def test_what_is_neither_text_nor_a_number_is_refused(value):
    with pytest.raises(ConfigError, match="neither a label nor a number"):
        DAYS.position(value)


@pytest.mark.parametrize(("text", "time"), [("3.5", 3.5), ("day3", 3.0), ("-1", -1.0), ("d9", 9.0)])
def test_a_position_may_lie_between_and_beyond_the_snapshots(text, time):
    assert DAYS.position(text) == time
    with pytest.raises(ConfigError, match="no cells were sampled at that time"):
        DAYS.index(text)


@pytest.mark.parametrize(
    "text", ["2h", "E2", "2 weeks", "late", "", "day2x", "day-2", "day.2", "2,0", "nan", "inf"]
)
@pytest.mark.parametrize("ask", [DAYS.index, DAYS.position])
def test_a_time_that_makes_no_sense_is_refused_with_the_valid_ones(ask, text):
    with pytest.raises(ConfigError) as caught:
        ask(text)
    assert repr(text) in caught.value.message
    assert "day0 = 0, day2 = 2, day4 = 4, day7 = 7 (days)" in caught.value.hint


def test_the_closest_label_is_suggested():
    with pytest.raises(ConfigError, match="Did you mean 'day7'"):
        DAYS.index("dya7")


def test_plain_numbers_are_found_with_any_unit():
    assert read(0, 2).index("d2") == read(0, 2).index("E2.0") == 1


def test_mapped_times_are_not_found_by_the_number_in_another_spelling():
    mapped = read("d0", "d2", time_map={"d0": 0, "d2": 48})
    assert mapped.index("D2") == mapped.index("48") == 1
    with pytest.raises(ConfigError, match="map"):
        mapped.position("day 2")


def test_labels_that_differ_in_case_only_are_told_apart():
    mapped = read("a", "A", time_map={"a": 0, "A": 1})
    assert (mapped.index("a"), mapped.index("A")) == (0, 1)


def test_marks_are_understood_where_all_labels_have_them():
    timeline = read("day-0", "day-2")
    assert timeline.index("DAY-2") == timeline.index("day2") == timeline.index("2") == 1
    assert timeline.position("day-1") == 1.0


def test_hours_after_another_event_are_refused():
    fish = read("0hpf", "24hpf")
    assert fish.index("24h") == 1
    with pytest.raises(ConfigError, match="not counted in hpi"):
        fish.index("24hpi")


def test_a_long_description_ends_with_the_last_time():
    assert read(*range(10)).describe(at_most=3) == "0, 1, …, 9"
    assert read(*range(3)).describe(at_most=3) == "0, 1, 2"


def test_the_description_is_one_line():
    assert read(0.5, 2).describe() == "0.5, 2"
    assert read("E8.5", "E9").describe() == "E8.5 = 8.5, E9 = 9 (embryonic days)"


# --- for all inputs


@given(
    numbers=st.sets(st.integers(0, 10_000), min_size=2, max_size=30),
    pattern=st.sampled_from(["day{}", "d {}", "{}h", "E{}.5", "{}", "week-{}", "P{}", "{} dpi"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_any_shuffled_labels_are_sorted_by_number(numbers, pattern, seed):
    in_order = [pattern.format(n) for n in sorted(numbers)]
    labels = random.Random(seed).choices(in_order, k=50) + in_order
    timeline, codes = read_timeline(pd.Series(labels, dtype="category"), key="day")
    assert timeline.labels == tuple(in_order)
    assert [timeline.labels[k] for k in codes] == labels
    assert all(a < b for a, b in zip(timeline.times, timeline.times[1:], strict=False))
    for k, (label, time) in enumerate(zip(timeline.labels, timeline.times, strict=True)):
        assert timeline.index(label) == timeline.index(str(time)) == k
        assert timeline.position(label) == time


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_numbers_are_read_exactly_or_merged(numbers):
    try:
        timeline, codes = read_timeline(pd.Series(numbers), key="day")
    except CellamError:
        assert max(numbers) - min(numbers) <= 1e-9 * len(numbers)
        return
    np.testing.assert_allclose([timeline.times[k] for k in codes], numbers, rtol=0, atol=1.001e-9)


VALUES = st.one_of(
    st.text(max_size=12),
    st.text("dayhEPt0123456789.-_ ,=+\u2013", max_size=8),
    st.sampled_from([label for label, *_ in ONE_LABEL]),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.floats(width=16).map(np.float16),
    st.complex_numbers(),
    st.binary(max_size=4),
    st.datetimes(),
    st.timedeltas(),
    st.tuples(st.integers()),
)


@given(st.lists(VALUES, max_size=8), st.sampled_from([object, "category", None]))
@settings(max_examples=300, deadline=None)
def test_whatever_the_values_they_are_ordered_finite_times_or_our_own_error(values, dtype):
    try:
        column = pd.Series(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        return  # pandas makes no such column
    try:
        timeline, codes = read_timeline(column, key="day")
    except CellamError as error:
        assert error.hint or "no cells" in error.message
        return
    assert np.isfinite(timeline.times).all()
    assert (np.diff(timeline.times) > 0).all()
    assert set(codes) == set(range(len(timeline.times)))


TEXTS = st.one_of(
    st.text(max_size=12),
    st.text("dayhEPt0123456789.-_ ,=+\u2013", max_size=8),
    st.sampled_from([label for label, *_ in ONE_LABEL]),
    st.none(),
)


@given(labels=st.lists(TEXTS, max_size=6), asked=st.text(max_size=8))
@settings(max_examples=300, deadline=None)
def test_whatever_the_labels_only_our_own_errors_are_raised(labels, asked):
    values = pd.Series(labels, dtype=object)
    try:
        timeline, codes = read_timeline(values, key="day")
    except CellamError as error:
        assert "day" in error.message
        return
    assert len(codes) == len(labels)
    assert [timeline.spellings[s.strip()] for s in labels] == [timeline.times[k] for k in codes]
    assert [timeline.index(label) for label in timeline.labels] == list(range(len(timeline.times)))
    try:
        timeline.position(asked)
    except ConfigError as error:
        assert error.hint


@given(st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_whatever_the_time_map_only_our_own_errors_are_raised(text):
    try:
        assert parse_pairs(text, "time_map")
    except ConfigError as error:
        assert error.hint


def test_importing_the_module_does_not_import_pandas():
    code = "import sys, cellam.days.timepoints; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_several_times_in_one_text_are_refused_with_the_way_to_give_them() -> None:
    timeline, _ = read_timeline(pd.Series(["day2", "day4"]), key="day")
    with pytest.raises(ConfigError, match="Repeat the option for each time"):
        timeline.index("day2,day4")
