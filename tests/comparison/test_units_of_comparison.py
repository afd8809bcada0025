"""Who is a sample of what, and which data make no comparison."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.comparison.samples import PARTS, Samples
from cellam.comparison.units import find_samples
from cellam.errors import CellamError, ConfigError, DataError
from cellam.experiments import Experiment
from cellam.reading.cells import Cells


def _cells(change: Any = None, **experiment: Any) -> Cells:
    made = Experiment(**{"n_cells": 12, "days": (0.0, 2.0, 4.0), **experiment})
    adata = made.to_adata(np.random.default_rng(0))
    if change is not None:
        adata = change(adata)
    return cellam.read(adata, use_rep="X_true")


def _found(change: Any = None, *, asked: dict[str, Any] | None = None, **made: Any) -> Samples:
    asked = {"replicate": "sample", **(asked or {})}
    return find_samples(_cells(change, **made), "treatment", **asked)


def test_samples_have_their_condition_days_and_stratum() -> None:
    samples = _found()
    assert samples.conditions == ("control", "treated")
    assert samples.names == ("c1", "c2", "c3", "t1", "t2", "t3")
    assert samples.of.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.on.all() and len(set(samples.stratum)) == 1
    assert samples.count() == (3, 3) and samples.enough


def test_samples_of_one_day_are_exchanged_with_those_of_the_same_day() -> None:
    samples = _found(destructive=True)
    assert len(samples.names) == 18 and samples.count() == (3, 3)
    for j in np.unique(samples.stratum):
        assert len(np.unique(samples.on[samples.stratum == j], axis=0)) == 1


def test_a_replicate_of_both_conditions_is_a_sample_in_each() -> None:
    def same_names(adata: anndata.AnnData) -> anndata.AnnData:
        adata.obs["sample"] = "rep" + adata.obs["sample"].str[1:]
        return adata

    samples = _found(same_names)
    assert samples.names == (
        "control rep1", "control rep2", "control rep3",
        "treated rep1", "treated rep2", "treated rep3",
    )  # fmt: skip


def test_a_shared_day_belongs_to_both_and_needs_no_condition() -> None:
    def unlabelled(adata: anndata.AnnData) -> anndata.AnnData:
        first = adata.obs["day"] == 0
        adata.obs["treatment"] = adata.obs["treatment"].where(~first)
        adata.obs["sample"] = adata.obs["sample"].where(~first, "before")
        return adata

    samples = _found(unlabelled, asked={"shared": ["0"]})
    (shared,) = np.flatnonzero(samples.shared)
    assert samples.names[shared] == "before"
    assert samples.on[shared].tolist() == [True, False, False]
    assert shared in samples.group(0) and shared in samples.group(1)


def test_a_block_keeps_samples_apart() -> None:
    def litters(adata: anndata.AnnData) -> anndata.AnnData:
        adata.obs["litter"] = adata.obs["sample"].str[1:].map({"1": "a", "2": "a", "3": "b"})
        return adata

    samples = _found(litters, asked={"block": "litter"})
    assert len(set(samples.stratum)) == 2
    with pytest.raises(DataError, match="no block of samples"):
        _found(asked={"block": "cell_type"})


def test_the_reference_is_the_control_or_the_one_asked_for() -> None:
    def renamed(adata: anndata.AnnData) -> anndata.AnnData:
        adata.obs["treatment"] = adata.obs["treatment"].map({"control": "WT", "treated": "KO"})
        return adata

    assert _found(renamed).conditions == ("WT", "KO")
    assert _found(renamed, asked={"reference": "KO"}).conditions == ("KO", "WT")


def test_parts_of_samples_keep_their_condition_and_their_sample() -> None:
    samples = _found()
    dealt = samples.dealt(np.random.default_rng(0))
    assert len(dealt.names) == PARTS * len(samples.names) and not dealt.enough
    assert (dealt.parent[dealt.of_cells] == samples.of_cells).all()


def _third(adata: anndata.AnnData) -> anndata.AnnData:
    adata.obs.loc[adata.obs["sample"] == "t3", "treatment"] = "high"
    return adata


def _no_middle(adata: anndata.AnnData) -> anndata.AnnData:
    return adata[~((adata.obs["treatment"] == "treated") & (adata.obs["day"] == 2))].copy()


def _few(adata: anndata.AnnData) -> anndata.AnnData:
    small = np.flatnonzero((adata.obs["sample"] == "t2") & (adata.obs["day"] == 4))
    return adata[np.setdiff1d(np.arange(adata.n_obs), small[5:])].copy()


def _few_again(adata: anndata.AnnData) -> anndata.AnnData:
    adata = _few(adata)
    adata.obs["sample"] = "rep" + adata.obs["sample"].str[1:]
    return adata


def _case(adata: anndata.AnnData) -> anndata.AnnData:
    adata.obs.loc[adata.obs["sample"] == "c2", "treatment"] = "Control"
    return adata


def _nameless(adata: anndata.AnnData) -> anndata.AnnData:
    adata.obs["sample"] = adata.obs["sample"].where(adata.obs["sample"] != "c3")
    return adata


def _batch(adata: anndata.AnnData) -> anndata.AnnData:
    adata.obs["batch"] = adata.obs["treatment"].map({"control": "run 1", "treated": "run 2"})
    return adata


@pytest.mark.parametrize(
    ("change", "asked", "says", "hint"),
    [
        (_third, {}, "has 3 values, and two are compared", "`reference='control'`"),
        (_no_middle, {}, "time 2 has no cell of obs['treatment'] = 'treated'", "`exclude='2'`"),
        (_few, {}, "t2 of obs['sample'] has 5 cells on time 4", "obs['sample'] = 't2'"),
        (_few_again, {}, "treated rep2 of obs", "'treated', obs['sample'] = 'rep2'"),
        (_few, {}, "t2", "Leave out the day, `exclude='4'`, or"),
        (_case, {}, "differ by case or blanks only", "Control"),
        (_nameless, {}, "36 cells of obs['treatment'] = 'control' have no", "Name the sample"),
        (_batch, {}, "could be one between batches", "del adata.obs['batch']"),
        (None, {"replicate": "mouse"}, "no column 'mouse'", "Available"),
        (None, {"against": "drug"}, "`against='drug'`", "control"),
        (None, {"shared": ["0", "2", "4"]}, "Every day is shared", ""),
        (None, {"exclude": ["2", "4"]}, "One day is left", ""),
    ],
)  # fmt: skip
def test_what_makes_no_comparison_is_refused(
    change: Any, asked: dict[str, Any], says: str, hint: str
) -> None:
    with pytest.raises((DataError, ConfigError)) as caught:
        _found(change, asked=asked)
    error: CellamError = caught.value  # type: ignore[assignment]
    assert says in error.message and hint in error.hint


def test_a_refusal_shows_the_design() -> None:
    with pytest.raises(DataError) as caught:
        _found(_no_middle)
    assert "treated    t1      12   –  12" in caught.value.message


def test_one_condition_is_none_to_compare() -> None:
    def one(adata: anndata.AnnData) -> anndata.AnnData:
        adata.obs["treatment"] = pd.Categorical(["control"] * adata.n_obs)
        return adata

    with pytest.raises(DataError, match="has 1 value"):
        _found(one)


def test_samples_of_both_conditions_have_as_many_cells() -> None:
    """The larger ones are thinned, day by day; the others stay whole."""
    found = _found(n_cells=(30, 12))
    there = found.of_cells >= 0
    sizes = np.zeros(found.on.shape, dtype=int)
    np.add.at(sizes, (found.of_cells[there], found.day_of_cells[there]), 1)
    assert (sizes == 12).all()
    assert found.thinned == 3 * 18 * len(found.days)
    assert found.names == _found(n_cells=12).names
    assert _found(n_cells=12).thinned == 0


def test_without_a_p_value_all_cells_take_part() -> None:
    assert _found(n_cells=(30, 12), n_samples=(2, 2)).thinned == 0
