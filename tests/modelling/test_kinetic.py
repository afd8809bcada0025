"""How much of the motion a fit keeps: of populations that lose it, and of others that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

import cellam
from cellam.checks.fit_caveats import LOST, fit_caveats
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

N = 40  # cells a day
FAST = {"n_features": 150, "tau": 1.0}


def days_of(points: list[NDArray[np.float64]]) -> Cells:
    """Cells of several days, by their coordinates."""
    labels = np.repeat([f"day{k}" for k in range(len(points))], [len(x) for x in points])
    obs = pd.DataFrame({"day": labels}, [f"cell{k}" for k in range(len(labels))])
    adata = AnnData(np.ones((len(obs), 1), np.float32), obs)
    adata.obsm["X_latent"] = np.concatenate(points).astype(np.float32)
    return cellam.read(adata, use_rep="X_latent")


def turning(days: int) -> Cells:
    """Six groups of cells in ten dimensions; each goes its own way, and back on the next day."""
    rng = np.random.default_rng(0)
    places, ways = rng.standard_normal((2, 6, 10))
    ways -= ways.mean(0)  # the mean of all does not move: a fit keeps it anyway
    ways *= 4 / np.linalg.norm(ways, axis=1, keepdims=True)
    points = []
    for k in range(days):
        group = rng.integers(6, size=N)
        x = 5 * places[group] + (-1) ** k * ways[group]
        points.append(x + rng.standard_normal((N, 10)))
    return days_of(points)


def lost(model: Model) -> float:
    assert model.kinetic is not None
    return model.kinetic.lost


@pytest.fixture(scope="module")
def turned() -> tuple[Model, Cells]:
    cells = turning(12)
    return cellam.fit(cells, **FAST), cells


def test_groups_that_turn_back_every_day_lose_their_motion(turned: tuple[Model, Cells]) -> None:
    model, cells = turned
    assert lost(model) > 2 * LOST
    found = {caveat.name: caveat for caveat in fit_caveats(model, cells)}
    assert "n_features=450" in found["lost motion"].advice
    # They stay where they are, as the caveat says.
    moved = model.simulate("day0", to="day1").points
    assert np.linalg.norm(moved[-1] - moved[0], axis=1).mean() < 4  # of 8


@pytest.mark.slow
def test_more_features_or_fewer_days_keep_it_as_the_advice_says(
    turned: tuple[Model, Cells],
) -> None:
    model, cells = turned
    more = cellam.fit(cells, model.options, n_features=1_500)
    assert lost(more) < 0.5 * lost(model)
    fewer = cellam.fit(turning(3), **FAST)
    assert lost(fewer) < LOST
    assert "lost motion" not in {caveat.name for caveat in fit_caveats(fewer, turning(3))}


@pytest.mark.parametrize("d", [2, 20])
def test_cells_that_stand_still_have_no_motion_to_lose(d: int) -> None:
    """All that pairs move is scatter, and nearly all of it is lost, as it should be."""
    rng = np.random.default_rng(0)
    model = cellam.fit(days_of([rng.standard_normal((N, d)) for _ in range(4)]), **FAST)
    assert lost(model) == 0
    assert model.kinetic is not None
    assert model.kinetic.scatter > 0.8 and model.kinetic.kept < 0.3


def test_a_population_that_drifts_keeps_its_energy() -> None:
    """In closed form: it moves by 8 in each gap, and the scatter in two dimensions is small."""
    rng = np.random.default_rng(0)
    points = [rng.standard_normal((N, 2)) + [8.0 * k, 0] for k in range(3)]
    kinetic = cellam.fit(days_of(points), **FAST).kinetic
    assert kinetic is not None
    assert kinetic.kept == pytest.approx(1, abs=0.05)
    assert kinetic.scatter < 0.05 and kinetic.lost < 0.02


def test_the_demo_keeps_its_motion(model: Model, cells: Cells) -> None:
    assert lost(model) < LOST
    assert "lost motion" not in {caveat.name for caveat in fit_caveats(model, cells)}


def test_where_nobody_moves_or_noise_moves_them_nothing_is_said(
    noisy_model: Model, cells: Cells
) -> None:
    assert noisy_model.kinetic is None
    still = cellam.fit(cells, n_features=16, n_pcs=3, path="mixture", method="am")
    assert still.kinetic is None
    for model in (noisy_model, replace(still, kinetic=None)):
        assert "lost motion" not in {caveat.name for caveat in fit_caveats(model, cells)}
