"""Every way to write down how large a population was, and every way to get it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import cellam
from cellam.errors import CellamError, ConfigError
from cellam.pairs import parse_population
from cellam.reading.cells import Cells

SIZES = {"day0": 1.0, "day2": 3.0, "day4": 4.0, "day7": 8.0}


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> str:
    path = tmp_path / "counts.csv"
    path.write_text(text, encoding=encoding)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "time,count\nday0,1\nday2,3\nday4,4\nday7,8\n",
        "Time, Count\n0, 1\n2, 3e0\n4, 4.0\n7, 8\n",
        "well,count,time\nA,1,0\nA,3,2\nA,4,4\nA,8,7\n",
        "time,count\r\n7,8\r\n4,4\r\n2,3\r\n0,1\r\n",
        "time,count\n0,1\n0,1\n2,3\n4,4\n7,8\n",
    ],
    ids=["labels", "numbers", "more columns", "any order", "twice the same"],
)
def test_a_table_is_the_same_as_pairs(tmp_path: Path, cells: Cells, text: str) -> None:
    given = parse_population(table(tmp_path, text))
    fast = {"n_features": 16, "n_pcs": 2, "tau": 1.0, "curvature": 0.0}
    masses = cellam.fit(cells, population=given, **fast).snapshots.masses
    assert masses == (1.0, 3.0, 4.0, 8.0)
    assert parse_population("day0=1,day2=3,day4=4,day7=8") == SIZES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read as CSV"),
        ("time,count\n", "has no rows"),
        ("day,count\nday0,1\n", "no column 'time'; its columns are: day, count"),
        ("day0,1\nday2,3\n", "no column 'time' or 'count'"),
        ("time,count\nday0,\n", "line 2: the count of 'day0' is ''"),
        ("time,count\nday0,1\nday2,lots\n", "line 3: the count of 'day2' is 'lots'"),
        ("time,count\nday0,-1\n", "the count of 'day0' is '-1'"),
        ("time,count\nday0,inf\n", "the count of 'day0' is 'inf'"),
        ("time,count\nday0,0\n", "the count of 'day0' is '0'"),
        ("time,count\nday0,1\nday0,2\n", "gives 'day0' the counts 1 and 2"),
        ('time,count\nday0,"1\n', "cannot be read as CSV"),
    ],
)
def test_a_table_that_is_none_says_why(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CellamError) as error:
        parse_population(table(tmp_path, text))
    assert says in error.value.message
    assert "counts.csv" in error.value.message
    assert error.value.hint


def test_what_is_no_text_a_folder_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_bytes(b"\xff\xfe\x00t\x00i")
    for text in (str(tmp_path / "counts.csv"), str(tmp_path), "counts", "x" * 5000):
        with pytest.raises(CellamError, match=r"`population|counts\.csv"):
            parse_population(text)


def test_two_sizes_of_one_day_under_two_names_are_refused(cells: Cells) -> None:
    with pytest.raises(ConfigError, match="gives day0 two sizes, 1 and 2"):
        cellam.fit(cells, population={**SIZES, "0": 2.0})
