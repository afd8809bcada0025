"""Estimates of seconds and memory are of the size of what was measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cellam
from cellam.checks.check import check
from cellam.checks.estimate import estimate, eval_memory, eval_seconds, fit_seconds, memory_of
from cellam.coordinates.extent import Extent
from cellam.options import Options

DEFAULTS = Options()


@pytest.mark.parametrize(
    ("file", "options", "seconds", "megabytes"),
    [
        # Measured: seconds of one core, and the peak of the whole process.
        ("klein_mesc_counts.h5ad", {"time_key": "day"}, 12.2, 822),
        ("sim_gene_growth.h5ad", {"time_key": "day", "use_rep": "X_pca"}, 13.0, 653),
        ("emt_10d.h5ad", {"use_rep": "X_pca"}, 10.4, 505),
        ("eb.h5ad", {"time_key": "day", "use_rep": "X_pca"}, 14.3, 550),
        ("sim_lotka_volterra.h5ad", {"time_key": "day", "use_rep": "X_pca"}, 16.7, 546),
        ("weinreb_2d.h5ad", {"time_key": "day", "use_rep": "X_pca"}, 10.0, 619),
        ("larry_clones_781.h5ad", {"time_key": "day"}, 10.0, 913),
        ("cite.h5ad", {"time_key": "day", "use_rep": "X_pca"}, 21.0, 850),
    ],
)
def test_a_fit_takes_about_what_was_measured(
    shared_data: Path, file: str, options: dict[str, str], seconds: float, megabytes: float
) -> None:
    found = check(shared_data / file, **options)
    assert found.estimate.seconds == pytest.approx(seconds, rel=1 / 3)
    assert found.estimate.memory / 1e6 == pytest.approx(megabytes, rel=1 / 3)


# Measured on 2026-11-30: seconds of one core of `cellam.evaluate` on its defaults, with 2.7 for the
# command around it, and the peak of the process.
MEASURED = [
    ("klein_mesc_counts.h5ad", {"time_key": "day"}, "2", 30.0, 911),
    ("eb.h5ad", {"time_key": "day", "use_rep": "X_pca"}, "1", 47.1, 723),
    ("worm_embryo_counts.h5ad", {"time_key": "day"}, "420", 44.0, 813),
    ("cite.h5ad", {"time_key": "day", "use_rep": "X_pca"}, "3", 109.6, 1005),
]


@pytest.mark.parametrize(("file", "options", "day", "seconds", "megabytes"), MEASURED)
def test_an_evaluation_takes_about_what_was_measured(
    shared_data: Path,
    file: str,
    options: dict[str, str],
    day: str,
    seconds: float,
    megabytes: float,
) -> None:
    cells = cellam.read(shared_data / file, **options)
    assert eval_seconds(cells, [day], DEFAULTS) == pytest.approx(seconds, rel=0.25)
    assert eval_memory(cells, DEFAULTS) / 1e6 == pytest.approx(megabytes, rel=0.25)


def test_of_many_small_days_the_estimate_is_right_to_a_factor_of_two() -> None:
    """Eleven days of 200 cells in two dimensions (sim_lotka_volterra), one held out: 35.3 s."""
    found = eval_seconds(with_days(*[200] * 11), ["day5"], DEFAULTS)
    assert 35.3 / 2 < found < 2 * 35.3


def with_days(*counts: int, d: int = 2) -> Any:
    """As much of Cells as estimates look at: days of so many cells in d coordinates."""
    days = {f"day{k}": n for k, n in enumerate(counts)}
    return SimpleNamespace(counts=days, rep="X_pca", matrix=np.empty((sum(counts), d)))


def test_an_evaluation_of_large_days_takes_about_what_was_measured() -> None:
    cells = with_days(22_000, 22_000, 22_000)
    assert eval_seconds(cells, ["day1"], DEFAULTS) == pytest.approx(88.8, rel=0.25)
    assert eval_memory(cells, DEFAULTS) / 1e6 == pytest.approx(967, rel=0.25)


def test_more_cells_take_longer_until_no_more_are_used() -> None:
    sizes = (100, 1_000, 10_000, 30_000)
    small, medium, large, huge = (with_days(n, n, n, d=0) for n in sizes)
    for seconds in (
        lambda cells: fit_seconds(cells, DEFAULTS),
        lambda cells: eval_seconds(cells, ["day1"], DEFAULTS),
    ):
        assert seconds(small) < seconds(medium) < seconds(large) < seconds(huge)
        assert seconds(huge) == seconds(with_days(*[100_000] * 3, d=0))
    followed = [
        eval_memory(cells, DEFAULTS) - memory_of(Extent.of(cells), DEFAULTS)
        for cells in (small, medium, large, huge)
    ]
    assert 0 < followed[0] < followed[1] < followed[2] == followed[3]


def test_every_inner_day_is_counted_and_starting_once() -> None:
    found = estimate(with_days(100, 200, 300, 400), DEFAULTS)
    assert found.inner == 2
    assert found.all_seconds < 2 * found.day_seconds < found.all_seconds + 10
    assert found.to_dict()["eval"]["all_seconds"] == round(found.all_seconds, 1)


def test_of_two_days_none_can_be_held_out() -> None:
    found = estimate(with_days(100, 200), DEFAULTS)
    assert found.inner == 0 and np.isnan(found.day_seconds)
    assert found.to_dict()["eval"] is None
