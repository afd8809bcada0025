"""Labellings are all there are, or a fair draw; p-values are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.comparison.relabelling import false_discovery, labellings, p_values
from cellam.comparison.samples import Samples
from cellam.comparison.table import shown
from cellam.comparison.units import find_samples
from cellam.experiments import Experiment


def _samples(block: bool = False, **made: Any) -> Samples:
    adata = Experiment(n_cells=10, days=(0.0, 1.0), **made).to_adata(np.random.default_rng(0))
    if block:
        adata.obs["litter"] = adata.obs["sample"].str[1:].map({"1": "a", "2": "a"}).fillna("b")
    cells = cellam.read(adata, use_rep="X_true")
    return find_samples(cells, "treatment", replicate="sample", block="litter" if block else None)


@pytest.mark.parametrize(
    ("made", "number"),
    [
        ({"n_samples": (3, 3)}, 10),
        ({"n_samples": (4, 4)}, 35),
        ({"n_samples": (3, 4)}, 35),
        ({"n_samples": (4, 4), "block": True}, 18),  # 6 of each litter, half of the products
    ],
)
def test_all_labellings_are_tried_where_there_are_few(made: dict[str, Any], number: int) -> None:
    """Of balanced ones, mirror images count once."""
    samples = _samples(**made)
    found = labellings(samples, 99, np.random.default_rng(0))
    assert len(found) == number == len(np.unique(found, axis=0))
    assert (found[0] == samples.of).all()
    for j in np.unique(samples.stratum):
        mine = samples.stratum == j
        kept = {int(samples.of[mine].sum()), int((1 - samples.of[mine]).sum())}
        assert {int(row[mine].sum()) for row in found} <= kept


def test_of_many_labellings_a_draw_is_tried() -> None:
    samples = _samples(n_samples=(3, 3), destructive=True)
    found = labellings(samples, 99, np.random.default_rng(0))
    assert len(found) == 99 == len(np.unique(found, axis=0))
    for j in np.unique(samples.stratum):
        assert (found[:, samples.stratum == j].sum(1) == 3).all()


def test_p_values_are_shares_of_labellings() -> None:
    statistics = np.array([[3.0, 0.0], [-1.0, 1.0], [2.0, -2.0], [-3.0, 1.0]])
    family, single = p_values(statistics)
    assert single.tolist() == [0.5, 1.0]
    assert family.tolist() == [0.75, 1.0]  # in units of its scatter, -2 is larger than 3


def test_family_wise_p_values_hold_their_level() -> None:
    """Of noise, the smallest of five p-values is at most 0.1 in a tenth of the draws."""
    rng = np.random.default_rng(0)
    found = [p_values(rng.standard_normal((20, 5)))[0].min() for _ in range(2_000)]
    assert np.mean(np.array(found) <= 0.1 + 1e-9) == pytest.approx(0.1, abs=0.02)


def test_what_never_differs_has_p_one() -> None:
    family, single = p_values(np.zeros((10, 2)))
    assert family.tolist() == [1.0, 1.0] and single.tolist() == [1.0, 1.0]


def test_false_discovery_by_benjamini_and_hochberg() -> None:
    assert false_discovery(np.array([0.01, 0.02, 0.03, 0.5])).tolist() == pytest.approx(
        [0.04, 0.04, 0.04, 0.5]
    )


def test_tables_have_one_number_of_decimals_and_no_rows_of_nothing() -> None:
    frame = pd.DataFrame(
        {
            "family": "growth",
            "item": ["a", "b", "c"],
            "effect": [0.1234, -0.0056, 0.0],
            "low": [0.05, -0.02, 0.0],
            "high": [0.2, 0.01, 0.0],
            "p": [0.029, 1.0, 1.0],
            "control": [0.01, 0.02, 0.0],
        }
    )
    columns, rows, left = shown(frame, "growth", 1)
    assert columns == ["growth", "difference", "95 %", "p", "control"]
    assert rows == [["a", "+0.123", "+0.050 to +0.200", "0.029", "0.010"]] and left == 1
    assert len(shown(frame, "growth", 5)[1]) == 2
    points = shown(frame.assign(family="fates"), "fates", 1)[1]
    assert points == [["a", "+12.3", "+5.0 to +20.0", "0.029", "1.0"]]
