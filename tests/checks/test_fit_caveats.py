"""Each caveat of a fit where it is due, and none on the demo data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import cellam
from cellam.checks import fit_caveats as module
from cellam.checks.fit_caveats import fit_caveats
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation
from cellam.reading.cells import Cells


def changed(patch: pytest.MonkeyPatch, change: Callable[[Simulation], Simulation]) -> None:
    """Let every simulation be a changed one."""
    own = Model.simulate

    def simulate(self: Model, *args: object, **kwargs: object) -> Simulation:
        return change(own(self, *args, **kwargs))

    patch.setattr(Model, "simulate", simulate)


def names(model: Model, cells: Cells) -> set[str]:
    found = list(fit_caveats(model, cells))
    assert all(c.finding.endswith(".") and c.advice.endswith(".") for c in found)
    return {caveat.name for caveat in found}


def test_a_small_part_of_the_demo_has_none(model: Model, cells: Cells) -> None:
    assert names(model, cells) == set()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("off data", lambda m: replace(m, points=m.points + 30 * (m.times > 5)[:, None, None])),
        ("mass", lambda m: replace(m, log_weights=m.log_weights + 0.8)),
        ("mass", lambda m: replace(m, log_weights=m.log_weights - 0.8)),
    ],
)
def test_what_the_simulated_cells_do_wrong_is_found(
    model: Model,
    cells: Cells,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[Simulation], Simulation],
) -> None:
    changed(monkeypatch, change)
    assert name in names(model, cells)


def test_cells_that_all_become_the_rarest_type_are_found(
    model: Model, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    types = cells.obs["cell_type"].to_numpy()[model.snapshots.rows[-1]]
    rare = model.snapshots.points[-1][types == "myeloid"]
    assert 0 < len(rare) < 0.3 * len(types)
    there = model.space.to_coordinates(rare).mean(0)
    changed(monkeypatch, lambda m: replace(m, points=0 * m.points + there))
    (found,) = [c for c in fit_caveats(model, cells) if c.name == "composition"]
    assert "a training day" in found.finding


def test_growth_that_was_chosen_away_is_said_and_what_was_asked_for_is_not(cells: Cells) -> None:
    asked = cellam.fit(cells, n_features=32, n_pcs=3, path="ot", method="ueam")
    assert "no growth" not in names(asked, cells)
    chosen = replace(asked, options=asked.options.model_copy(update={"path": None}))
    (found,) = [c for c in fit_caveats(chosen, cells) if c.name == "no growth"]
    assert "path ot, which was chosen, conserves mass" in found.finding
    assert "path='uot'" in found.advice


def test_an_ensemble_that_disagrees_on_most_cells_is_said(
    unsure_model: Model, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = unsure_model.snapshots.n_cells
    for share, said in ((0.9, True), (0.5, False)):
        sd = np.where(np.arange(n) < share * n, 2.0, 0.1)
        monkeypatch.setattr(module, "relative_sd", lambda model, sd=sd: sd)
        monkeypatch.setattr(module, "growth_spread", lambda model: _Sure())
        assert ("unsure" in names(unsure_model, cells)) == said


class _Sure:
    """Growth that no member doubts."""

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(3), np.full(3, 2.0)
