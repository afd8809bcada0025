from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from cellam.analysis.results import fates
from cellam.analysis.transitions import gaps
from cellam.export.tables import coupling_table, fate_table, growth_table, tables, velocity_table
from cellam.modelling.model import Model

LIMITS = ("least", "most")


def test_a_velocity_is_a_cell_and_a_coordinate(model: Model, small: anndata.AnnData) -> None:
    frame = velocity_table(model, small.obs_names)
    assert len(frame) == small.n_obs * model.space.n_dims
    days = model.snapshots
    for k in (0, 2):
        name = small.obs_names[days.rows[k][5]]
        of_cell = frame[frame["cell"] == name]
        assert of_cell["coordinate"].tolist() == [1, 2, 3, 4, 5]
        assert set(of_cell["day"]) == {days.labels[k]} and set(of_cell["time"]) == {days.times[k]}
        x = days.points[k][5:6]
        np.testing.assert_allclose(of_cell["position"], model.space.to_coordinates(x)[0])
        v = model.velocity(days.times[k], x)[0] * model.space.scale
        np.testing.assert_allclose(of_cell["velocity"], v, rtol=1e-5, atol=1e-6 * abs(v).max())


def test_growth_and_fates_belong_to_their_cells(model: Model, small: anndata.AnnData) -> None:
    growth = growth_table(model, small.obs_names).set_index("cell")
    days = model.snapshots
    name = small.obs_names[days.rows[1][3]]
    rate = model.growth(days.times[1], days.points[1][3:4])[0]
    assert growth.loc[name, "growth"] == pytest.approx(rate, rel=1e-5)
    frame = fate_table(model, small.obs_names, small.obs["cell_type"])
    of_cells = fates(model, small.obs["cell_type"])
    p, names = of_cells.probability, of_cells.names
    wide = frame.pivot(index="cell", columns="fate", values="probability").loc[small.obs_names]
    np.testing.assert_array_equal(wide[names].to_numpy(), p)
    ends = {side: frame.pivot(index="cell", columns="fate", values=side) for side in LIMITS}
    for side, of in zip(LIMITS, (of_cells.least, of_cells.most), strict=True):
        np.testing.assert_array_equal(ends[side].loc[small.obs_names, names].to_numpy(), of)
    assert (frame["least"] <= frame["probability"]).all()
    assert (frame["probability"] <= frame["most"]).all()


def test_couplings_are_those_of_the_gaps(model: Model, small: anndata.AnnData) -> None:
    frame = coupling_table(model, small.obs_names)
    days = model.snapshots
    for gap in gaps(model):
        part = frame[frame["from_day"] == days.labels[gap.start]]
        assert set(part["to_day"]) == {days.labels[gap.stop]}
        assert set(part["source"]) == set(small.obs_names[days.rows[gap.start]])
        into = part.groupby("target")["mass"].sum()[small.obs_names[days.rows[gap.stop]]]
        np.testing.assert_allclose(into, days.weights[gap.stop], rtol=1e-9)


def test_there_are_as_many_tables_as_there_is_to_say(model: Model, small: anndata.AnnData) -> None:
    found = dict(tables(model, small.obs_names))
    assert list(found) == ["velocities", "growth", "couplings"]
    found = dict(tables(model, small.obs_names, small.obs["cell_type"]))
    assert list(found) == ["velocities", "growth", "fates", "couplings"]
    assert all(isinstance(frame, pd.DataFrame) for frame in found.values())
