"""`cellam.days.replicates`: a replicate or a condition in a label is no part of its time."""

from __future__ import annotations

import itertools
import shlex

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellam.days.replicates import find_repeats, find_replicates
from cellam.days.timepoints import read_timeline
from cellam.errors import ConfigError, DataError
from cellam.flags import as_flags
from cellam.pairs import parse_pairs


def read(*labels, **options):
    return read_timeline(pd.Series(labels, dtype=object), key="day", **options)


def time_maps_of(hint):
    words = shlex.split(as_flags(hint))
    return [
        parse_pairs(words[k + 1], "time_map")
        for k, word in enumerate(words)
        if word == "--time-map"
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        "D{}_rep{}", "day{}-r{}", "day {} rep {}", "Day {} ({})", "D{}rep{}", "day{}_batch{}",
        "day{}_{}", "d{}-{}", "day_{}_{}", "{}h_rep{}", "{}_rep{}", "Day{}.R{}", "T{}_s{}",
        "E{}.5-{}", "day-{}_rep{}", "wk{} #{}", "{}h_{}", "{}h_R{}", "WT_{}w_R{}",
    ],
)  # fmt: skip
def test_replicates_of_a_day_are_one_time_and_are_kept(pattern):
    labels = [pattern.format(day, k) for day in (0, 2, 10) for k in (1, 2)]
    timeline, codes = read(*labels)
    shift = 0.5 if ".5" in pattern else 0.0
    assert timeline.times == (0.0 + shift, 2.0 + shift, 10.0 + shift)
    assert codes.tolist() == [0, 0, 1, 1, 2, 2]
    assert list(timeline.replicates) == labels
    assert len({timeline.replicates[label] for label in labels}) == 2
    assert any(repr(labels[0]) in note and "replicates" in note for note in timeline.notes)


@pytest.mark.parametrize(
    "pattern", ["{1}_d{0}", "d{0}_{1}", "{1}.E{0}.5", "{1} day {0}", "{0}h/{1}"]
)
def test_a_condition_in_a_label_is_no_part_of_the_time(pattern):
    labels = [pattern.format(day, arm) for day in (0, 4) for arm in ("WT", "KO")]
    timeline, codes = read(*labels)
    assert codes.tolist() == [0, 0, 1, 1]
    assert timeline.times[1] - timeline.times[0] == 4.0
    assert [timeline.replicates[label] for label in labels] == ["WT", "KO", "WT", "KO"]


@pytest.mark.parametrize("pattern", ["time point: day {}", "{}-year-old stage", "LIF_d{}"])
def test_what_is_the_same_in_every_label_pools_nothing(pattern):
    labels = [pattern.format(day) for day in (20, 30)]
    timeline, _ = read(*labels)
    assert timeline.times == (20.0, 30.0)
    assert timeline.replicates == {}
    assert timeline.position(labels[1]) == 30.0
    assert not any("pooled" in note for note in timeline.notes)


def test_letters_may_be_glued_to_the_number_if_they_count():
    assert read("D0a", "D0b", "D2a", "D2b")[0].times == (0.0, 2.0)
    with pytest.raises(DataError, match="not times: 'D2x'"):
        read("D0", "D2", "D2x")


def test_eight_letters_of_replicates_are_no_units_though_five_of_them_could_be():
    labels = [f"d{day}_{letter}" for day in (0, 4) for letter in "ABCDEFGH"]
    timeline, _ = read(*labels)
    assert (timeline.times, timeline.unit) == ((0.0, 4.0), "day")


def test_a_day_is_named_without_its_replicate_and_a_replicate_is_no_day():
    timeline, _ = read("D0_rep1", "D0_rep2", "D2_rep1", "D2_rep2")
    assert timeline.labels == ("D0", "D2")
    assert timeline.describe() == "D0 = 0, D2 = 2 (days)"
    assert timeline.index("D2") == timeline.index("2") == timeline.index(2) == 1
    with pytest.raises(ConfigError, match="pooled as 'D2'"):
        timeline.index("D2_rep1")


# --- made unique by R


@pytest.mark.parametrize(
    ("labels", "times"),
    [
        (("D0", "D0.1", "D2", "D2.1"), (0, 2)),
        (("D1", "D1.1", "D1.2", "D10", "D10.1", "D10.2"), (1, 10)),
        (("0", "0.1", "2", "2.1", "7"), (0, 2, 7)),
        (("E8.5", "E8.5.1", "E9.5"), (8.5, 9.5)),
        (("day0", "day0.1", "day2.5", "day3", "day3.1"), (0, 2.5, 3)),
        (("d4_WT", "d4_WT.1", "d0_WT", "d0_WT.1"), (0, 4)),
    ],
)
def test_labels_that_make_unique_repeated_are_one_time(labels, times):
    timeline, _ = read(*labels)
    assert timeline.times == times
    assert timeline.notes


def test_what_to_type_if_a_repeated_label_is_a_time_is_said():
    labels = ("D0", "D0.1", "D2", "D2.1")
    timeline, _ = read(*labels)
    (note,) = timeline.notes
    assert "'D0.1' is read as D0 (replicate 1)" in note
    (times,) = time_maps_of(note)
    assert read(*labels, time_map=times)[0].times == (0.0, 0.1, 2.0, 2.1)


@pytest.mark.parametrize(
    "labels",
    [
        ("E8.0", "E8.5", "E9.0"),
        ("D0", "D0.5", "D1"),
        ("D0", "D0.1", "D0.5", "D1"),
        ("day1", "day1.5", "day2"),
        ("6.5", "7.0", "7.25"),
        ("P0.5", "P1", "P7"),
        ("0", "0.1", "0.2", "0.3"),
        ("d0.1", "d2.1", "d7.1"),
    ],
)
def test_decimal_days_stay_days(labels):
    timeline, _ = read(*labels)
    assert timeline.times == tuple(float(label.strip("EDdayP")) for label in labels)
    assert not timeline.replicates
    assert not timeline.notes


@pytest.mark.parametrize(
    ("labels", "days"),
    [
        (("D0", "D2", "D7", "D7.1"), (0, 2, 7)),
        (("d0", "d0.1", "d1"), (0, 1)),
        (("D0.1", "D0.2", "D2.1", "D2.2"), (0, 2)),
    ],
)
def test_what_may_be_either_is_refused_with_both_maps_to_type(labels, days):
    with pytest.raises(DataError, match="decimals, or replicates") as caught:
        read(*labels)
    replicates, decimals = time_maps_of(caught.value.hint)
    assert read(*labels, time_map=replicates)[0].times == days
    assert read(*labels, time_map=decimals)[0].times == tuple(float(s[1:]) for s in labels)


def test_numbers_are_times_but_those_that_look_made_unique_are_mentioned():
    timeline, _ = read_timeline(pd.Series([0.0, 0.1, 2.0, 2.1]), key="day")
    assert timeline.times == (0.0, 0.1, 2.0, 2.1)
    assert time_maps_of(timeline.notes[0]) == [{"0": 0.0, "0.1": 0.0, "2": 2.0, "2.1": 2.0}]
    assert not read_timeline(pd.Series([0.0, 0.5, 1.0, 1.5, 3.0]), key="day")[0].notes


# --- what is not read


@pytest.mark.parametrize(
    "labels",
    [
        ("E8_5", "E9_5", "E10_5"),  # 8.5, by somebody who may not write points
        ("E8_0", "E8_5", "E9_0", "E9_5"),
        ("E8_5_rep1", "E9_5_rep1"),
        ("8_5h", "1_5h"),
        ("P1_D0", "P2_D2"),  # two times
        ("d2 4h", "d0 4h"),
        ("pre_d2", "d0", "d2"),
        ("WT-2d", "WT-4d"),
        ("28-05", "02-06", "09-06"),  # dates
        ("day0_1", "day2_3", "day4_5"),
        ("0_1", "0_2", "2_1"),
        ("E8.5 h", "E9.5 h"),
    ],
)
def test_labels_in_which_the_time_is_not_sure_are_refused(labels):
    with pytest.raises(DataError, match="not times"):
        read(*labels)


@given(st.lists(st.text("dayERrepWT0123456789.-_ ()", max_size=10), max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_the_labels_their_parts_hold_what_they_held(labels):
    parts = find_replicates(labels) | find_repeats(labels)[0]
    for label, part in parts.items():
        assert part.time in label
        assert all(piece in label for piece in part.rest.split("_"))
        assert part.rest


@pytest.mark.parametrize("text", ["a_" * 20_000, "d1_" * 40, "1-" * 20_000, "d" * 100 + "_1"])
def test_long_labels_cost_little(text):
    assert not find_replicates([text, *itertools.repeat("d0", 3)])
