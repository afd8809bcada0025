"""Every caveat on data made to show it, and on no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cellam
from cellam.checks.caveats import caveats
from cellam.checks.design_caveats import FEW, few_cells
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

N = 60


def moving(
    means: list[tuple[float, float]],
    days: list[float],
    n: list[int] | None = None,
    **obs: object,
) -> Cells:
    """Clouds in the plane, one a day."""
    rng = np.random.default_rng(0)
    sizes = n or [N] * len(days)
    x = [rng.standard_normal((k, 2)) + mean for k, mean in zip(sizes, means, strict=True)]
    frame = pd.DataFrame({"day": np.repeat(days, sizes), **obs})
    frame.index = [f"cell{k}" for k in range(len(frame))]
    adata = AnnData(np.ones((len(frame), 1), np.float32), frame, obsm={"X": np.concatenate(x)})
    return cellam.read(adata, time_key="day", use_rep="X")


def fitted(cells: Cells, **options: object) -> Model:
    return cellam.fit(cells, **{"n_features": 64, "tau": 1.0, **options})


SLOPE = [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)]
DAYS = [0.0, 1.0, 2.0, 3.0]
SIZES = [60, 90, 140, 210]


def plain() -> tuple[Model, Cells, tuple[str, ...]]:
    cells = moving(SLOPE, DAYS, sample=np.tile(["a", "b"], 2 * N))  # each day has both samples
    return fitted(cells), cells, ("1", "2")


def batch() -> tuple[Model, Cells, tuple[str, ...]]:
    cells = moving(SLOPE, DAYS, SampleID=np.repeat(["s1", "s2", "s3", "s4"], N))
    return fitted(cells), cells, ("1",)


def few() -> tuple[Model, Cells, tuple[str, ...]]:
    cells = moving(SLOPE, DAYS, [N, FEW - 1, N, N])
    return fitted(cells), cells, ("2",)


def stray() -> tuple[Model, Cells, tuple[str, ...]]:
    cells = moving(SLOPE, DAYS)
    stray = cells.matrix.copy()
    stray[N] *= 500
    cells = replace(cells, matrix=stray)
    return fitted(cells), cells, ()


def collapsed() -> tuple[Model, Cells, tuple[str, ...]]:
    """Three cells of 200 on the right become nearly all, as those on the left die out."""
    cells = moving([(0.0, 0.0)] * 4, DAYS, [200] * 4)
    right = np.concatenate([np.arange(200) < n for n in (3, 40, 140, 196)])
    apart = cells.matrix + np.outer(10 * right, [1, 0]).astype(np.float32)
    cells = replace(cells, matrix=apart)
    return fitted(cells, tau=0.1), cells, ("1",)


def counted() -> tuple[Model, Cells, tuple[str, ...]]:
    cells = moving(SLOPE, DAYS, SIZES)
    return fitted(cells, population="cells"), cells, ("1",)


def counted_by_hand() -> tuple[Model, Cells, tuple[str, ...]]:
    cells = moving(SLOPE, DAYS, SIZES)
    sizes = {str(k): 1e4 * n for k, n in enumerate(SIZES)}
    return fitted(cells, population=sizes), cells, ("1",)


def turning() -> tuple[Model, Cells, tuple[str, ...]]:
    turns = np.linspace(0, 4 * np.pi, 9)
    means = [(6 * np.cos(a), 6 * np.sin(a)) for a in turns]
    cells = moving(means, list(map(float, range(9))))
    return fitted(cells), cells, ("1",)


def far() -> tuple[Model, Cells, tuple[str, ...]]:
    cells = moving(SLOPE, [0.0, 1.0, 4.0, 8.0])
    return fitted(cells), cells, ("4",)


CASES = [
    (plain, set()),
    (batch, {"batch"}),
    (few, {"cells"}),
    (stray, {"outliers"}),
    (collapsed, {"weights"}),
    (counted, {"growth"}),
    (counted_by_hand, {"growth"}),
    (turning, {"rotation"}),
    (far, {"gap"}),
]


@pytest.mark.parametrize(("case", "names"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_each_caveat_is_found_where_it_is_due_and_nowhere_else(case, names):
    model, cells, holdout = case()
    found = caveats(model, cells, holdout=holdout)
    assert {caveat.name for caveat in found} == names
    for caveat in found:
        assert caveat.finding.endswith(".")
        assert caveat.advice.endswith(".")


def test_many_days_of_few_cells_are_one_caveat():
    (found,) = few_cells({**{f"day{k}": 5 + k for k in range(20)}, "day30": FEW})
    assert found.finding.startswith("20 of 21 days have fewer than 40 cells (day0 has 5)")
    assert len(list(few_cells({"day0": 5, "day2": 6, "day4": 40}))) == 2


def test_real_population_sizes_are_no_caveat():
    cells = moving(SLOPE, DAYS, SIZES)
    model = fitted(cells, population={"0": 1e5, "1": 1e5, "2": 3e5, "3": 9e5})
    assert caveats(model, cells) == ()


def test_the_demo_has_none(cells: Cells, model: Model):
    assert caveats(model, cells, holdout=("day2", "day4")) == ()


def test_the_end_of_a_time_course_may_be_too_far(cells: Cells, model: Model):
    """Day 7 is three days from day 4, and the other gaps are of two days."""
    (found,) = caveats(model, cells, holdout=("day7",))
    assert found.name == "gap"
    assert "day7 is 3 away" in found.finding


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rep", "names"),
    [
        ("klein_mesc_counts", None, set()),
        ("eb", "X_pca", {"lost motion"}),  # days 6 to 15 have four fifths of the variance
        ("sim_gene_growth", "X_pca", set()),
        ("sim_lotka_volterra", "X_pca", {"rotation"}),
    ],
)
def test_real_data_and_simulations_have_those_that_are_known(
    shared_data: Path, name: str, rep: str | None, names: set[str]
):
    cells = cellam.read(shared_data / f"{name}.h5ad", time_key="timepoint", use_rep=rep)
    model = cellam.fit(cells, n_features=300)
    inner = cells.timeline.labels[1:-1]
    assert {caveat.name for caveat in caveats(model, cells, holdout=inner)} == names
