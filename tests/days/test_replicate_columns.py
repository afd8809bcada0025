"""Samples: the column of replicates is found by name, then by structure, and can be named."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.errors import DataError
from cellam.reading.cells import Cells
from cellam.reading.samples import LEAST, find_replicates, replicates_of, unnamed_replicates

N = 60
DAYS = np.repeat([0, 2, 7], N)
THIRD = np.tile(np.arange(N) % 3, 3)


def cells_of(asked: str | None = None, **obs: Any) -> Cells:
    frame = pd.DataFrame({"day": DAYS.astype(float), **obs})
    frame.index = [f"cell{k}" for k in range(len(frame))]
    x = np.random.default_rng(0).normal(size=(len(frame), 3)).astype(np.float32)
    adata = anndata.AnnData(np.zeros((len(frame), 1), np.float32), frame, obsm={"X_map": x})
    return cellam.read(adata, time_key="day", use_rep="X_map", replicate=asked)


CROSSED = np.char.add("m", THIRD.astype(str))
NESTED = np.char.add(np.char.add("s", DAYS.astype(str)), CROSSED)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"mouse": CROSSED}, "mouse"),
        ({"whatever": NESTED}, "whatever"),  # its structure is that of samples
        ({"whatever": CROSSED}, None),
        ({"batch": CROSSED}, None),  # may be cells of one mouse
        ({"batch": CROSSED, "orig.ident": NESTED}, "orig.ident"),
        ({"batch": CROSSED, "sample_id": NESTED}, "sample_id"),
        ({"sample_id": NESTED, "Mouse": CROSSED}, "Mouse"),
        ({"donor": NESTED, "replicate": CROSSED}, "replicate"),
        ({"sample": NESTED, "hash": CROSSED}, "hash"),  # the fewest levels among equals
        ({"cell_type": CROSSED}, None),
        ({"mouse": np.char.add("m", DAYS.astype(str))}, None),  # one a day
        ({"condition": CROSSED}, None),
        ({}, None),
    ],
)
def test_the_column_is_found_by_its_name_then_by_its_structure(
    columns: dict[str, Any], found: str | None
) -> None:
    replicates = find_replicates(cells_of(**columns))
    assert (replicates.key if replicates is not None else None) == found


def test_a_column_that_is_named_is_taken_and_none_switches_it_off() -> None:
    both = {"mouse": CROSSED, "well": NESTED}
    assert replicates_of(cells_of("well", **both)).key == "well"
    assert replicates_of(cells_of(**both)).key == "mouse"
    assert replicates_of(cells_of("none", **both)) is None


def test_small_ones_and_cells_without_one_are_left_out_and_said() -> None:
    mouse = CROSSED.astype(object)
    mouse[:15][mouse[:15] == "m0"] = "m1"  # m0 has 15 of 20 cells left
    mouse[N : N + 45][mouse[N : N + 45] == "m0"] = None  # and 5 of 20 on day 2
    replicates = replicates_of(cells_of(mouse=mouse))
    assert replicates.on("2") == {"m1": 20, "m2": 20}
    assert replicates.describe() == "obs['mouse']: 3 replicates on time 0, 2 on time 2, 3 on time 7"
    assert replicates.notes() == [
        f"m0 has 5 cells on time 2, too few to stand for a replicate of that day ({LEAST} are "
        "needed).",
        "15 cells of time 2 have no value in obs['mouse'].",
    ]


def test_columns_that_cannot_be_replicates_are_refused_with_the_design() -> None:
    one = np.char.add("m", DAYS.astype(str))
    with pytest.raises(DataError, match="No day has two replicates") as error:
        replicates_of(cells_of("mouse", mouse=one))
    assert "mouse   0   2   7\nm0     60   –   –" in error.value.message
    assert "`replicate='none'`" in error.value.hint
    with pytest.raises(DataError, match="no column 'mous'") as error:
        replicates_of(cells_of("mous", mouse=CROSSED))
    assert "Did you mean 'mouse'" in error.value.hint
    twice = CROSSED.astype(object)
    twice[:20] = np.char.upper(twice[:20].astype(str))
    with pytest.raises(DataError, match="differ by case"):
        replicates_of(cells_of("mouse", mouse=twice))
    assert replicates_of(cells_of(mouse=twice)) is None  # not taken by itself


def test_the_fit_is_the_same_with_and_without_and_keeps_what_was_found() -> None:
    options = {"n_features": 32, "tau": 1.0, "curvature": 1.0}
    with_ = cellam.fit(cells_of(mouse=CROSSED), **options)
    without = cellam.fit(cells_of("none", mouse=CROSSED), **options)
    assert with_.options.replicate == "mouse"
    assert without.options.replicate == "none"
    assert (with_.fit.action.theta == without.fit.action.theta).all()


def test_replicates_in_labels_of_the_time_can_be_named_as_is_said(small: anndata.AnnData) -> None:
    rep = np.arange(len(small)) % 2
    small.obs["day"] = [f"{d}_rep{k}" for d, k in zip(small.obs["day"], rep, strict=True)]
    (said,) = unnamed_replicates(cellam.read(small))
    assert "'day0_rep0'" in said
    assert unnamed_replicates(cellam.read(small, replicate="none")) == ()
    assert "`replicate='day'`" in said
    cells = cellam.read(small, replicate="day")
    assert unnamed_replicates(cells) == ()
    assert replicates_of(cells).on("day2") == {"day2_rep0": 20, "day2_rep1": 20}
