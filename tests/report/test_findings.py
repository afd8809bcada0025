from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellam.analysis.composition import composition, roles
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation
from cellam.reading.cells import Cells
from cellam.report.findings import growth_by_type, shares, thinned_out, unsure_by_type


@pytest.fixture(scope="module")
def simulation(model: Model) -> Simulation:
    return model.simulate("day0")


@pytest.fixture(scope="module")
def types(cells: Cells) -> pd.Series:
    return cells.obs["cell_type"].astype(str)


def test_growth_by_type_is_the_mean_over_its_cells(
    model: Model, cells: Cells, types: pd.Series
) -> None:
    rows = growth_by_type(model, types)
    of_cell = np.zeros(len(cells))
    days = model.snapshots
    for t, x, where in zip(days.times, days.points, days.rows, strict=True):
        of_cell[where] = model.growth(t, x)
    for row in rows:
        values = of_cell[(types == row["type"]).to_numpy()]
        assert row["cells"] == len(values)
        assert row["mean"] == pytest.approx(values.mean())
        assert row["low"] <= row["mean"] <= row["high"]
        assert row["sd"] == pytest.approx(values.std())
        assert row["growing"] == pytest.approx((values > 0).mean())
    means = [row["mean"] for row in rows]
    assert means == sorted(means, reverse=True)
    assert sum(row["cells"] for row in rows) == len(cells)
    # The truth of the demo: erythroid cells expand, myeloid ones shrink.
    order = [row["type"] for row in rows]
    assert order.index("erythroid") < order.index("myeloid")


def test_without_types_or_growth_there_is_nothing_to_say(
    model: Model, noisy_model: Model, types: pd.Series
) -> None:
    assert growth_by_type(model, None) == []
    assert growth_by_type(noisy_model, types) == []


def test_shares_are_those_of_the_composition(
    model: Model, simulation: Simulation, types: pd.Series
) -> None:
    frame = composition(model, simulation, types)
    found = shares(frame.assign(said=roles(model, frame)))
    assert [row["role"] for row in found["rows"]] == ["start", "training", "training", "training"]
    assert found["left"] == ""
    assert set(found["types"]) == set(types)
    for row, (_, expected) in zip(found["rows"], frame.iterrows(), strict=True):
        for name, (said, bias) in zip(found["types"], row["shares"], strict=True):
            low, high = expected["observed_interval"][name]
            shown = 100 * np.array(
                [expected["simulated"][name], expected["observed"][name], low, high]
            )
            assert said == "{:.0f} ({:.0f}; {:.0f} to {:.0f})".format(*shown)
            assert bias == expected["bias"].get(name, 0)


def test_some_keeps_whole_cells(simulation: Simulation) -> None:
    few = thinned_out(simulation, 7)
    assert len(few.rows) == 7
    assert few.points.shape[:2] == few.log_weights.shape == (len(simulation.times), 7)
    at = np.flatnonzero(np.isin(simulation.rows, few.rows))
    np.testing.assert_array_equal(few.points, simulation.points[:, at])
    assert len(thinned_out(simulation, 10_000).rows) == len(simulation.rows)


def test_what_is_unsure_is_counted_by_type(
    unsure_model: Model, model: Model, types: pd.Series
) -> None:
    rows = unsure_by_type(unsure_model, types)
    assert {row["type"] for row in rows} == set(types)
    (everybody,) = unsure_by_type(unsure_model, None)
    assert sum(row["cells"] for row in rows) == everybody["cells"] == 160
    for what in ("direction", "growth"):
        of_all = sum(row["cells"] * row[what] for row in rows) / 160
        assert of_all == pytest.approx(everybody[what])
        assert 0 < everybody[what] < 1
    assert unsure_by_type(model, types) == []
