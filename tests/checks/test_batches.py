"""Batches in designs whose links between days are known."""

from __future__ import annotations

from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.checks.batches import find_batches
from cellam.checks.design_caveats import confounded, of_design
from cellam.reading.cells import Cells

N = 60  # cells a day
DAYS = np.repeat([0, 2, 4, 7], N)
WITHIN = np.tile(np.arange(N), 4)  # number of a cell within its day
ALL = ("0", "2", "4", "7")
ALONE = tuple((day,) for day in ALL)


def cells_of(names: list[str] | None = None, **obs: object) -> Cells:
    frame = pd.DataFrame({"day": DAYS.astype(float), **obs})
    frame.index = names or [f"cell{k}" for k in range(len(frame))]
    x = np.random.default_rng(0).normal(size=(len(frame), 3)).astype(np.float32)
    adata = anndata.AnnData(x[:, :1] - x.min(), frame, obsm={"X_map": x})
    return cellam.read(adata, time_key="day", use_rep="X_map")


def nested(k: int) -> list[str]:
    return [f"s{day}_{cell % k}" for day, cell in zip(DAYS, WITHIN, strict=True)]


def named(*names: object) -> np.ndarray:
    return np.array(names, dtype=object)[np.searchsorted([0, 2, 4, 7], DAYS)]


@pytest.mark.parametrize(
    "key",
    ["orig.ident", "sample_id", "SampleName", "library", "lane", "mouse", "donor id", "GEM_well",
     "HTO_maxID", "hash.ID", "10x channel", "sequencing_run", "replicates", "xyz"],
)  # fmt: skip
def test_samples_that_are_each_in_one_day_leave_all_days_alone(key: str) -> None:
    """The last name says nothing: the structure does."""
    (found,) = find_batches(cells_of(**{key: nested(2)}))
    assert (found.key, found.levels, found.confounded) == (key, 8, True)
    assert found.groups == ALONE
    (caveat,) = confounded([found])
    assert caveat.finding.startswith(f"Each of the 8 levels of obs[{key!r}] occurs on one day only")


@pytest.mark.parametrize(
    ("key", "levels"),
    [
        ("source", ["GSM1001", "GSM1002", "GSM1003", "GSM1004"]),
        ("origin", ["lane1", "lane2", "lane3", "lane4"]),
        ("library", [1, 2, 3, 4]),
        ("sample", ["W", "X", "Y", "Z"]),
    ],
)
def test_one_sample_a_day_is_known_by_its_name_or_its_values(key: str, levels: list) -> None:
    (found,) = find_batches(cells_of(**{key: named(*levels)}))
    assert (found.confounded, found.groups) == (True, ALONE)


DESIGNS: dict[str, tuple[object, tuple[tuple[str, ...], ...]]] = {
    "day 2 alone": (named("a", "b", "a", "a"), (("0", "4", "7"), ("2",))),
    "the last day alone": (named("a", "a", "a", "b"), (("0", "2", "4"), ("7",))),
    "two and two": (named("a", "a", "b", "b"), (("0", "2"), ("4", "7"))),
    "no batch on day 2": (named("a", None, "a", "a"), (("0", "4", "7"), ("2",))),
    "a chain": (
        np.where(WITHIN < 30, named("a", "a", "b", "c"), named("x", "b", "c", "c")), (ALL,)),
    "day 2 in both": (np.where((DAYS == 2) & (WITHIN < 40), "b", "a"), (ALL,)),
    "three stray cells": (
        np.where((DAYS == 2) & (WITHIN > 2), "b", "a"), (("0", "4", "7"), ("2",))),
    "everything in both": (np.where(WITHIN % 2, "a", "b"), (ALL,)),
}  # fmt: skip


@pytest.mark.parametrize("design", DESIGNS)
def test_days_are_linked_by_the_batches_that_they_share(design: str) -> None:
    column, groups = DESIGNS[design]
    (found,) = find_batches(cells_of(run=column))
    assert found.groups == groups
    assert len(list(confounded([found]))) == (len(groups) > 1)


@pytest.mark.parametrize(
    "key", ["assay", "platform", "technology", "study", "lab", "operator", "processing_date"]
)
def test_whatever_cells_go_through_together_links_days_or_does_not(key: str) -> None:
    dates = "2023-03-01", "2023-05-01"
    (found,) = find_batches(cells_of(**{key: named(dates[0], dates[1], dates[0], dates[0])}))
    assert found.groups == (("0", "4", "7"), ("2",))
    (found,) = find_batches(cells_of(**{key: np.array(dates)[WITHIN % 2]}))
    assert found.groups == (ALL,)


def test_a_day_in_a_run_of_its_own_is_named_and_left_out_days_do_not_count() -> None:
    cells = cells_of(run=named("a", "b", "a", "a"))
    (caveat,) = of_design(cells)
    assert caveat.name == "batch"
    assert caveat.finding.startswith("No level of obs['run'] links time 2 to another day")
    assert "exclude=['2']" in caveat.advice
    assert of_design(cells, ["0", "4", "7"]) == []


def test_samples_are_no_problem_where_the_runs_they_are_part_of_link_days() -> None:
    good = cells_of(sample=nested(2), pool=WITHIN % 2)
    assert [b.within for b in find_batches(good)] == ["pool", None]
    assert of_design(good) == []
    bad = cells_of(sample=nested(2), run=named("a", "b", "a", "a"), lane=named(1, 2, 1, 1))
    (caveat,) = of_design(bad)  # one for both columns, none for the samples within them
    assert "obs['run'] and obs['lane'] links time 2" in caveat.finding
    assert [c.name for c in of_design(cells_of(sample=nested(2), mouse=WITHIN % 2))] == ["batch"]


NO_BATCH: dict[str, tuple[str, object]] = {
    "time in its bins": ("embryo_time_bin", named("<100", "100-130", "130-200", ">200")),
    "a finer time": ("embryo_time", 60 * DAYS + WITHIN),
    "time as an estimate": ("embryo_time", 60 * DAYS + 5 * WITHIN),
    "days as names of samples": ("sample", named("d0", "d2", "d4", "d7")),
    "a label of the day": ("label", named("0d", "8h", "1d", "3d+7d")),
    "a medium": ("media", named("GM", "DM", "DM", "DM")),
    "clusters": ("leiden", nested(2)),
    "clusters of Seurat": ("RNA_snn_res.0.8", nested(2)),
    "types": ("Cell type", nested(3)),
    "phases": ("phase", np.array(["G1", "S", "G2M"])[WITHIN % 3]),
    "a number of each cell": ("library_size", 1000 + np.arange(4 * N)),
    "a number": ("n_samples", WITHIN % 5),
    "clones": ("clone_id", [f"k{k // 4}" for k in range(4 * N)]),
    "one batch": ("batch", "a"),
    "the date of each day": ("date", named("1 May", "3 May", "5 May", "8 May")),
    "types of types": ("subtype", nested(3)),
    "kinds of samples": ("sample_type", nested(2)),
    "a column that crosses days": ("xyz", np.array(["u", "v"])[WITHIN % 2]),
}


@pytest.mark.parametrize("kind", NO_BATCH)
def test_times_types_and_numbers_are_no_batches(kind: str) -> None:
    key, column = NO_BATCH[kind]
    assert find_batches(cells_of(**{key: column})) == []


def _barcodes(tag: Callable[[int], str]) -> list[str]:
    """The same barcodes on every day, and what stands beside them."""
    rng = np.random.default_rng(0)
    letters = ["".join(rng.choice(list("ACGT"), 16)) for _ in range(N)]
    return [tag(day).format(letters[cell]) for day, cell in zip(DAYS, WITHIN, strict=True)]


def test_what_stands_beside_barcodes_tells_the_runs_of_a_droplet_instrument() -> None:
    each = _barcodes(lambda day: "{}-" + str(1 + day // 2))
    (found,) = find_batches(cells_of(each))
    assert (found.levels, found.groups) == (4, ALONE)
    apart = _barcodes(lambda day: f"mouse{day}_" + "{}-1")
    (found,) = find_batches(cells_of(apart))
    assert found.groups == ALONE
    assert find_batches(cells_of(_barcodes(lambda day: f"d{day}_" + "{}-1"))) == []
    (found,) = find_batches(cells_of(each, lane=WITHIN % 2))  # a column says it better
    assert found.key == "lane"
