from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cellam.analysis.composition import _independent, composition, present
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation
from cellam.reading.cells import Cells


@pytest.fixture(scope="module")
def simulation(model: Model) -> Simulation:
    return model.simulate("day0", to="5", save_every=0.5)


def test_there_is_a_row_for_each_observed_day_on_the_way_and_for_the_end(
    model: Model, simulation: Simulation
) -> None:
    frame = composition(model, simulation)
    assert frame["label"].tolist() == ["day0", "day2", "day4", "5"]
    assert frame["time"].tolist() == [0, 2, 4, 5]
    assert list(frame) == ["label", "time", "mass", "ess"]


@pytest.mark.parametrize("to", ["5", "9", "-1"])
def test_a_time_that_nobody_observed_has_types_from_the_days_beside_it(
    model: Model, cells: Cells, to: str
) -> None:
    """Within the days, after the last and before the first."""
    start = "day4" if to != "-1" else "day2"
    moved = model.simulate(start, to=to, extrapolate=True)
    end = composition(model, moved, cells.obs["cell_type"]).iloc[-1]
    assert (end["label"], end["time"], end["observed"]) == (to, float(to), {})
    assert sum(end["simulated"].values()) == pytest.approx(1)
    near = {"5": ["day4", "day7"], "9": ["day7"], "-1": ["day0"]}[to]
    assert {t for t, share in end["simulated"].items() if share} <= set(
        cells.obs.loc[cells.obs["day"].isin(near), "cell_type"]
    )


def test_shares_sum_to_one(model: Model, simulation: Simulation, cells: Cells) -> None:
    frame = composition(model, simulation, cells.obs["cell_type"]).iloc[:3]
    for column in ("simulated", "observed"):
        for shares in frame[column]:
            assert sum(shares.values()) == pytest.approx(1)
            assert min(shares.values()) >= 0
            assert set(shares) <= set(cells.obs["cell_type"])


def test_observed_shares_are_those_of_the_day(
    model: Model, simulation: Simulation, cells: Cells
) -> None:
    frame = composition(model, simulation, cells.obs["cell_type"]).set_index("label")
    there = cells.obs.loc[cells.obs["day"] == "day2", "cell_type"].value_counts(normalize=True)
    for name, share in frame.loc["day2", "observed"].items():
        assert share == pytest.approx(there[name])


def test_mass_and_effective_size_of_equal_weights(model: Model, simulation: Simulation) -> None:
    grown = replace(simulation, log_weights=np.full_like(simulation.log_weights, np.log(3)))
    frame = composition(model, grown)
    np.testing.assert_allclose(frame["mass"], 3)
    np.testing.assert_allclose(frame["ess"], len(simulation.rows))


def test_one_cell_with_all_the_weight_is_an_effective_size_of_one(
    model: Model, simulation: Simulation
) -> None:
    log_w = np.full_like(simulation.log_weights, -50.0)
    log_w[:, 0] = 0
    np.testing.assert_allclose(composition(model, replace(simulation, log_weights=log_w))["ess"], 1)


def test_weights_move_the_shares(rep_model: Model, rep_cells: Cells) -> None:
    moved = rep_model.simulate("day4", to="day7")
    types = pd.Series("other", index=rep_cells.obs.index)
    day = rep_model.snapshots.index("day4")
    x = rep_model.snapshots.points[day]
    left = x[:, 0] < np.median(x[:, 0])
    types.iloc[rep_model.snapshots.rows[day][left]] = "left"
    even = np.zeros_like(moved.log_weights)
    one_sided = even + np.where(np.arange(len(x)) == x[:, 0].argmin(), 0.0, -50.0)
    shares = [
        composition(rep_model, replace(moved, log_weights=w), types)["simulated"][0]["left"]
        for w in (even, one_sided)
    ]
    assert shares[0] == pytest.approx(0.5, abs=0.15)
    assert shares[1] > 0.9


def test_fewer_observed_cells_than_neighbours_are_enough(
    model: Model, simulation: Simulation, cells: Cells
) -> None:
    few = replace(
        model.snapshots,
        points=tuple(x[:3] for x in model.snapshots.points),
        rows=tuple(r[:3] for r in model.snapshots.rows),
    )
    frame = composition(replace(model, snapshots=few), simulation, cells.obs["cell_type"])
    assert all(sum(s.values()) == pytest.approx(1) for s in frame["simulated"])


def test_cells_without_a_type_take_no_part(
    model: Model, simulation: Simulation, cells: Cells
) -> None:
    types = cells.obs["cell_type"].astype(object)
    types.iloc[model.snapshots.rows[0]] = np.nan
    types.iloc[model.snapshots.rows[1][::2]] = "NA"
    frame = composition(model, simulation, types)
    assert (frame["observed"][0], frame["simulated"][0]) == ({}, {})
    rest = cells.obs["cell_type"].iloc[model.snapshots.rows[1][1::2]]
    assert frame["observed"][1] == rest.value_counts(normalize=True)[rest.unique()].to_dict()
    assert sum(frame["simulated"][1].values()) == pytest.approx(1)
    assert set(frame["simulated"][1]) <= set(rest)


def test_cells_that_one_starts_from_keep_their_own_types(
    model: Model, simulation: Simulation, cells: Cells
) -> None:
    """Also where their neighbours have others, and by their weight."""
    mixed = pd.Series([f"type {k % 3}" for k in range(len(cells))], name="mixed")
    first = composition(model, simulation, mixed).iloc[0]
    assert first["simulated"] == pytest.approx(first["observed"])
    assert first["bias"] == {}
    chosen = model.snapshots.rows[0][mixed.iloc[model.snapshots.rows[0]] == "type 1"]
    moved = model.simulate("day0", rows=chosen)
    frame = composition(model, moved, mixed, chosen=True)
    assert frame["simulated"][0] == {"type 0": 0, "type 1": 1, "type 2": 0}
    assert frame["observed"].tolist() == [{}] * len(frame)  # the whole day is no comparison


def test_intervals_are_wilsons_by_independent_cells(
    model: Model, simulation: Simulation, cells: Cells
) -> None:
    """Of 40 observed cells; of simulated ones by their effective number, whatever they became."""
    weights = np.zeros_like(simulation.log_weights)
    weights[:, ::2] = -50.0  # 20 of 40 weigh nothing
    moved = replace(simulation, log_weights=weights)
    row = composition(model, moved, cells.obs["cell_type"]).set_index("label").loc["day2"]
    for of, n in (("observed", 40), ("simulated", 20)):
        for name, share in row[of].items():
            more = 1.959964**2 / n
            middle = (share + more / 2) / (1 + more)
            off = np.sqrt(share * (1 - share) * more + more**2 / 4) / (1 + more)
            ends = row[f"{of}_interval"][name]
            assert ends == pytest.approx((max(middle - off, 0), min(middle + off, 1)), abs=1e-4)
    types = cells.obs["cell_type"].astype(object)
    types.iloc[model.snapshots.rows[0][:1]] = "of day0 alone"
    row = composition(model, simulation, types).set_index("label").loc["day2"]
    none = 0.0, 1.959964**2 / (40 + 1.959964**2)
    assert row["observed"]["of day0 alone"] == row["simulated"]["of day0 alone"] == 0
    assert "of day0 alone" in present(composition(model, simulation, types))
    late = model.simulate("day2", to="day4")
    assert "of day0 alone" not in present(composition(model, late, types))
    assert row["observed_interval"]["of day0 alone"] == pytest.approx(none, abs=1e-4)
    both = (
        np.concatenate([simulation.points] * 2, 1),
        np.concatenate([simulation.log_weights] * 2, 1),
    )
    copies = replace(
        simulation, points=both[0], log_weights=both[1], rows=np.tile(simulation.rows, 2)
    )
    once, twice = (composition(model, m, cells.obs["cell_type"]) for m in (simulation, copies))
    for one, two in zip(once["simulated_interval"], twice["simulated_interval"], strict=True):
        assert two == {name: pytest.approx(ends) for name, ends in one.items()}
    types.iloc[model.snapshots.rows[0][1:21]] = None  # 20 of 40
    first = composition(model, simulation, types)["simulated_interval"][0]["of day0 alone"]
    share, more = 1 / 20, 1.959964**2 / 20
    assert sum(first) / 2 == pytest.approx((share + more / 2) / (1 + more), abs=1e-4)
    twins = np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 1.0, 3.0])  # three sisters and one large
    assert _independent(*twins) == pytest.approx(2)


def test_the_bias_is_what_a_day_gains_where_its_own_cells_are_assigned(
    model: Model, simulation: Simulation, cells: Cells
) -> None:
    types = cells.obs["cell_type"].astype(str)
    row = composition(model, simulation, types).set_index("label").loc["day4"]
    day = model.snapshots.index("day4")
    x, own = model.snapshots.points[day], types.iloc[model.snapshots.rows[day]].to_numpy()
    for name in set(own):
        told = []
        for k in range(len(x)):
            far = np.linalg.norm(x - x[k], axis=1)
            far[k] = np.inf
            told.append(np.mean(own[np.argsort(far)[:10]] == name))
        assert row["bias"][name] == pytest.approx(np.mean(told) - np.mean(own == name))
