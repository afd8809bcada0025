"""The main job on the demo data, on defaults, against the truth of its simulator."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

import cellam
from cellam.reading.cells import Cells
from cellam.toys import Branching

DEMO = Path(__file__).parent.parent / "data" / "demo.h5ad"


@pytest.fixture(scope="module")
def cells() -> Cells:
    return cellam.read(DEMO)


@pytest.fixture(scope="module")
def model(cells: Cells) -> cellam.Model:
    return cellam.fit(cells)


def test_growth_agrees_with_the_truth_over_cells(model: cellam.Model) -> None:
    """Growth is relative to the population, so each day's mean is taken off the truth."""
    z = anndata.read_h5ad(DEMO).obsm["X_latent"]
    truth = Branching().growth(0.0, z)
    inferred = np.zeros(len(z))
    days = model.snapshots
    for day, rows, x in zip(days.times, days.rows, days.points, strict=True):
        inferred[rows] = model.growth(day, x)
        truth[rows] -= truth[rows].mean()
    assert np.corrcoef(inferred, truth)[0, 1] > 0.9
    # The scale is right as well, and shrunk rather than blown up: rates are per day.
    assert 0.6 < np.polyfit(truth, inferred, 1)[0] < 1.2


def test_cells_move_the_way_that_they_truly_moved(model: cellam.Model) -> None:
    """The mean displacement of simulated cells from day2 to day4 is that of the population."""
    moved = model.simulate("day2", to="day4")
    w = np.exp(moved.log_weights[-1])
    x = model.space.from_coordinates(moved.points[-1])
    day4 = model.snapshots.points[2]
    step = np.linalg.norm(day4.mean(0) - model.snapshots.points[1].mean(0))
    assert np.linalg.norm(w @ x / w.sum() - day4.mean(0)) < 0.1 * step


def test_mass_stays_that_of_the_population(model: cellam.Model) -> None:
    """Every day has mass 1."""
    moved = model.simulate("day0")
    assert np.exp(moved.log_weights).mean(1) == pytest.approx(np.ones(4), abs=0.1)


def test_a_held_out_day_is_predicted_better_than_by_every_baseline(cells: Cells) -> None:
    table = cellam.evaluate(
        cells, "day4", metrics=["W1", "energy"], counterpart=False, refits=0
    ).table
    for _, scores in table.groupby("metric"):
        values = scores.set_index("method")["value"]
        assert values["cellam"] < values.drop(["cellam", "forward", "floor"]).min()
        assert values["cellam"] > values["floor"]
    assert table["n"].nunique() == 1
