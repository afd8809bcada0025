"""`cellam.days.time_labels`: one label says a time, or nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellam.days.time_labels import offer, parse_label, parse_number, spell, tally, variables

ONE_LABEL = [  # label, time, unit
    ("2", 2, ""),
    ("2.0", 2, ""),
    (".5", 0.5, ""),
    ("-2", -2, ""),
    ("+2", 2, ""),
    ("\u22122", -2, ""),
    ("day2", 2, "day"),
    ("Day 3", 3, "day"),
    ("DAY3", 3, "day"),
    ("  day3  ", 3, "day"),
    ("day\u00a03", 3, "day"),
    ("D2", 2, "day"),
    ("d10", 10, "day"),
    ("day_2", 2, "day"),
    ("day: 2", 2, "day"),
    ("day=2", 2, "day"),
    ("day - 2", 2, "day"),
    ("day -2", -2, "day"),
    ("day_-2", -2, "day"),
    ("day+2", 2, "day"),
    ("-2 d", -2, "day"),
    ("2d", 2, "day"),
    ("2 days", 2, "day"),
    ("2.0 d", 2, "day"),
    ("2-days", 2, "day"),
    ("E8.5", 8.5, "embryonic day"),
    ("e10.5", 10.5, "embryonic day"),
    ("8.5dpc", 8.5, "embryonic day"),
    ("Embryonic day 8.5", 8.5, "embryonic day"),
    ("P12", 12, "postnatal day"),
    ("P0", 0, "postnatal day"),
    ("12h", 12, "hour"),
    ("48 hrs", 48, "hour"),
    ("48 hrs.", 48, "hour"),
    ("H12", 12, "hour"),
    ("t=48h", 48, "hour"),
    ("24hpf", 24, "hour"),
    ("hpf24", 24, "hour"),
    ("3dpf", 3, "day"),
    ("dpi7", 7, "day"),
    ("7dpi", 7, "day"),
    ("30min", 30, "minute"),
    ("wk2", 2, "week"),
    ("wk. 2", 2, "week"),
    ("week 3", 3, "week"),
    ("2w", 2, "week"),
    ("8 PCW", 8, "week"),
    ("3mo", 3, "month"),
    ("month 3", 3, "month"),
    ("6 months", 6, "month"),
    ("2y", 2, "year"),
    ("year 2", 2, "year"),
    ("t0", 0, ""),
    ("T1", 1, ""),
    ("time 3", 3, ""),
    ("timepoint 2", 2, ""),
    ("time point 2", 2, ""),
    ("tp3", 3, ""),
    ("Day 00-03", 1.5, "day"),
    ("day 0 - 3", 1.5, "day"),
    ("0-3 days", 1.5, "day"),
    ("0\u20133 days", 1.5, "day"),
    ("2 to 4 days", 3, "day"),
]


NO_TIMES = [
    "late",
    "E8.5_rep1",
    "E8.5-1",
    "day2 rep1",
    "8,5",
    "1e5",
    "8e",
    "3p",
    "3m",
    "HH10",
    "2\u00b2",
    "day",
    "E8.5 h",
    "12h2d",
    "2023-05-01",
    "day 3-3",
    "\u00bd",
    "_",
    "-",
    "2-1",
    "9" * 500,
]


@pytest.mark.parametrize(("label", "time", "unit"), ONE_LABEL)
def test_a_label_says_its_time_and_unit(label, time, unit):
    reading = parse_label(label)
    assert (reading.time, reading.unit) == (time, unit)


@pytest.mark.parametrize("label", NO_TIMES)
def test_what_is_no_time_says_nothing(label):
    assert parse_label(label) is None


@pytest.mark.parametrize(
    ("label", "low", "high", "origin", "loose"),
    [
        ("day 0-3", 0, 3, "", False),
        ("24hpf", 24, 24, "hpf", False),
        ("day-2", 2, 2, "", True),
        ("day.5", 5, 5, "", True),
        ("day 2", 2, 2, "", False),
    ],
)
def test_ranges_origins_and_loose_marks_are_kept_apart(label, low, high, origin, loose):
    reading = parse_label(label)
    assert (reading.low, reading.high, reading.origin, reading.loose) == (low, high, origin, loose)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (np.float32(0.1), "0.1"),
        (-0.0, "0"),
        (" d2 ", "d2"),
        (True, "True"),
        (1e-5, "0.00001"),
    ],
)
def test_values_are_spelt_compactly(value, text):
    assert spell(value) == text


def test_labels_are_counted_as_they_are_spelt():
    spelt, inverse, cells = tally(pd.Series([" d2", "d0", "d2", None], dtype=object))
    assert [spelt[k] for k in inverse] == ["d2", "d0", "d2", "None"]
    assert cells == {"d2": 2, "d0": 1, "None": 1}


@given(st.text() | st.text("dayhEPt0123456789.-_ ,=+\u2013") | st.floats().map(str))
@settings(max_examples=500, deadline=None)
def test_whatever_the_text_it_says_finite_numbers_in_order_or_nothing(text):
    reading = parse_label(text)
    if reading is not None:
        assert np.isfinite([reading.low, reading.time, reading.high]).all()
        assert reading.low <= reading.time <= reading.high
    number = parse_number(text)
    assert number is None or np.isfinite(number)


@pytest.mark.parametrize(
    "text", ["a_" * 20_000, "day" + " " * 50_000 + "x", "1-" * 20_000, "9" * 50_000]
)
def test_long_labels_are_read_in_linear_time(text):
    assert parse_label(text) is None  # a quadratic expression would take minutes


def test_an_offer_names_the_closest_and_no_endless_list():
    genes = [f"Gene{k}" for k in range(2_000)]
    said = offer("gene12", genes, 5)
    assert said.startswith("Did you mean 'Gene12'? ")
    assert said.endswith("and 1,995 more.") and len(said) < 100
    assert offer("zzz", ["a", "b"]) == "Available: a, b."
    assert offer("x", []) == "Available: none."


@pytest.mark.parametrize(
    ("names", "noun"),
    [
        (["PC1", "PC2"], "variables"),
        (["dim_0", "dim_1"], "variables"),
        (["X_pca_1", "X_pca_2"], "variables"),
        (["0", "1"], "variables"),
        (["x1", "x2"], "variables"),
        (["latent0", "latent1"], "variables"),
        (["Gata1", "PC1"], "genes"),
        (["gene0", "gene1"], "genes"),
        (["ENSG00000000003", "ENSG00000000005"], "genes"),
        (["Rn45s", "Actg1"], "genes"),
    ],
)
def test_numbered_coordinates_are_not_called_genes(names, noun):
    assert variables(names) == f"2 {noun}"
