"""Design: cells by day and level, and levels that are one but for a slip."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.errors import DataError
from cellam.reading.cells import Cells
from cellam.reading.design import MOST_DAYS, MOST_ROWS, Design

DAYS = np.repeat([0, 2, 7], 20)
MICE = np.tile(np.repeat(["m1", "m2", "m10", "m3"], 5), 3)


def cells_of(days: np.ndarray = DAYS, **obs: Any) -> Cells:
    frame = pd.DataFrame({"day": days.astype(float), **obs})
    frame.index = [f"cell{k}" for k in range(len(frame))]
    x = np.random.default_rng(0).normal(size=(len(frame), 3)).astype(np.float32)
    adata = anndata.AnnData(np.zeros((len(frame), 1), np.float32), frame, obsm={"X_map": x})
    return cellam.read(adata, time_key="day", use_rep="X_map")


def test_cells_are_counted_by_day_and_level_in_the_order_of_their_numbers() -> None:
    design = Design.of(cells_of(mouse=MICE), "mouse")
    assert design.days == ("0", "2", "7")
    assert design.levels() == ("m1", "m2", "m3", "m10")
    assert (design.counts == 5).all()
    assert design.in_several_days() == design.levels()
    assert design.in_one_day() == ()
    assert design.missing() == {}
    assert np.array(design.levels())[design.codes()].tolist() == MICE.tolist()


def test_two_columns_and_missing_values() -> None:
    mouse = np.array([f"d{d}_{m}" for d, m in zip(DAYS, MICE, strict=True)], dtype=object)
    drug = np.where(np.isin(MICE, ["m1", "m2"]), "no", "yes").astype(object)
    drug[:2], mouse[59] = np.nan, "NA"
    design = Design.of(cells_of(drug=drug, mouse=mouse), "drug", "mouse")
    assert design.by_day("drug") == {
        "no": {"0": 8, "2": 10, "7": 10},
        "yes": {"0": 10, "2": 10, "7": 10},
    }
    assert design.in_one_day("mouse") == design.levels("mouse")
    assert design.in_several_days("drug") == ("no", "yes")
    assert design.on("2", "mouse") == {"d2_m1": 5, "d2_m2": 5, "d2_m3": 5, "d2_m10": 5}
    assert design.is_within("mouse", "drug")
    assert not design.is_within("drug", "mouse")
    assert design.missing("drug") == {"0": 2}
    assert design.missing("mouse") == {"7": 1}
    assert design.few(5, "mouse") == {("d7_m3", "7"): 4}
    codes = design.codes("drug")
    assert (codes[:2] == -1).all()
    assert (np.array(["no", "yes"])[codes[2:]] == drug[2:]).all()
    assert design.counts.sum() == 60
    lines = design.text().splitlines()
    assert lines[0].split() == ["drug", "mouse", "0", "2", "7"]
    assert lines[1].split() == ["no", "d0_m1", "3", "–", "–"]
    assert lines[-1].split() == ["(none)", "d0_m1", "2", "–", "–"]
    frame = design.to_frame()
    assert frame.columns.tolist() == ["drug", "mouse", "0", "2", "7"]
    assert frame[["0", "2", "7"]].to_numpy().sum() == 60


def test_only_some_days_count() -> None:
    sample = np.array(["a", "b", "c"])[np.searchsorted([0, 2, 7], DAYS)]
    design = Design.of(cells_of(sample=sample), "sample", days=("0", "7"))
    assert design.levels() == ("a", "c")
    assert design.counts.tolist() == [[20, 0], [0, 20]]
    assert (design.codes() == np.repeat([0, -1, 1], 20)).all()


@pytest.mark.parametrize(
    "values", [[True, False], [1, 2], [1.0, 2.0], pd.Categorical(["u", "v"], ["v", "w", "u"])]
)
def test_levels_of_any_kind_are_text(values: Any) -> None:
    level = pd.Series(values).iloc[np.tile([0, 1], 30)].to_numpy()
    design = Design.of(cells_of(level=level), "level")
    assert design.counts.tolist() == [[10] * 3] * 2
    assert set(design.levels()) <= {"True", "False", "1", "2", "u", "v"}


def test_spellings_that_differ_by_case_or_blanks_are_refused_with_what_to_type() -> None:
    arm = np.array(["Control", "control", "drug A", "drugA"], dtype=object)[
        np.tile([0, 1, 1, 2, 3], 12)
    ]
    with pytest.raises(DataError, match="differ by case or blanks only") as error:
        Design.of(cells_of(arm=arm), "arm")
    assert "'Control' (12 cells), 'control' (24 cells)" in error.value.message
    assert "'drug A' (12 cells), 'drugA' (12 cells)" in error.value.message
    typed = error.value.hint.removeprefix("Make them one in Python: ").partition(". If")[0]
    adata = anndata.AnnData(obs=pd.DataFrame({"arm": arm}, index=[str(k) for k in range(60)]))
    exec(typed, {"adata": adata})  # what is offered works
    assert adata.obs["arm"].value_counts().to_dict() == {"control": 36, "drug A": 24}


def test_names_that_differ_by_more_are_levels() -> None:
    names = ["1 1", "11", "m_1", "m-1", "m1"]
    design = Design.of(cells_of(plate=np.tile(names, 12)), "plate")
    assert set(design.levels()) == set(names)


@pytest.mark.parametrize(
    ("key", "says", "advice"),
    [
        ("mouze", "no column 'mouze' in obs of the AnnData", "Did you mean 'mouse'?"),
        ("day", "holds the time", "the sample, batch or condition"),
        ("empty", "No cell has a value", "another column"),
        ("barcode", "60 levels in 60 cells", "another column"),
    ],
)
def test_columns_that_are_no_design_are_refused(key: str, says: str, advice: str) -> None:
    cells = cells_of(mouse=MICE, empty="", barcode=[f"b{k}" for k in range(60)])
    with pytest.raises(DataError, match=says) as error:
        Design.of(cells, key)
    assert advice in error.value.hint


def test_a_long_table_is_shortened_in_the_middle() -> None:
    days = np.repeat(np.arange(20), 30)
    embryo = np.array([f"e{k}" for k in np.repeat(np.arange(100), 6)])
    design = Design.of(cells_of(days, embryo=embryo), "embryo")
    lines = design.text().splitlines()
    assert len(lines) == 1 + MOST_ROWS
    assert len(lines[0].split()) == 1 + MOST_DAYS
    assert lines[-1].split()[0] == "e99"
    assert lines[-1].split()[-1] == "6"
