"""Conditions that are pooled on one day, and columns that are none."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.checks.conditions import find_pools
from cellam.checks.design_caveats import of_design
from cellam.reading.cells import Cells

N = 60
DAYS = np.repeat([0, 2, 4], N)
TURN = np.tile(np.arange(N), 3) % 3


def cells_of(**obs: object) -> Cells:
    frame = pd.DataFrame({"day": DAYS, **obs}, index=[f"cell{k}" for k in range(3 * N)])
    x = np.random.default_rng(0).normal(size=(3 * N, 2)).astype(np.float32)
    adata = anndata.AnnData(np.abs(x[:, :1]), frame, obsm={"X_map": x})
    return cellam.read(adata, time_key="day", use_rep="X_map")


POOLED = {
    "condition": np.array(["ctrl", "KO", "KO"])[TURN],
    "Treatment": np.array(["none", "drugA", "drugB"])[TURN],
    "genotype": np.array(["+/+", "+/-", "-/-"])[TURN],
    "dose": np.array([0.0, 0.5, 10.0])[TURN],
    "drugTreated": TURN == 0,
    "guide_identity": [f"g{k % 25}" for k in range(3 * N)],
    "sgRNA": np.array(["NTC", "Gata1", "Spi1"])[TURN],
    "arm": np.array(["WT", "KO_1", "KO_2"])[TURN],
}


@pytest.mark.parametrize("key", POOLED)
def test_conditions_on_one_day_are_pooled(key: str) -> None:
    (found,) = find_pools(cells_of(**{key: POOLED[key]}))
    assert (found.key, found.labels) == (key, ("0", "2", "4"))
    assert set(found.levels) == set(POOLED[key])


def test_only_the_days_are_named_that_have_several() -> None:
    cells = cells_of(stim=np.where((DAYS == 2) & (TURN == 0), "IFN", "no"))
    (caveat,) = of_design(cells)
    assert "2 levels of obs['stim'] (no, IFN) are pooled on time 2:" in caveat.finding
    assert "adata[adata.obs['stim'] == 'no'].write_h5ad" in caveat.advice
    assert of_design(cells, ["0", "4"]) == []


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("condition", "ctrl"),
        ("condition", np.array(["ctrl", "drug", "drug"])[DAYS // 2]),
        ("condition", np.where(np.arange(3 * N) == 7, "KO", "ctrl")),
        ("treatment_time", DAYS * 24),
        ("n_guides", TURN),
        ("drug_score", np.linspace(0, 1, 3 * N)),
        ("cell_type", np.array(["treated-like", "stem", "mutant"])[TURN]),
        ("arm", np.array(["left", "right", "middle"])[TURN]),
    ],
)
def test_what_is_no_condition_or_differs_between_days_alone_is_not_pooled(
    key: str, column: object
) -> None:
    assert find_pools(cells_of(**{key: column})) == []
