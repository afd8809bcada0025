from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest

import cellam
from cellam import plots
from cellam.analysis.assignment import type_votes
from cellam.analysis.trends import groups, trends
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation


@pytest.fixture(scope="module")
def moved(model: Model) -> Simulation:
    return model.simulate("day0", n_cells=12, save_every=1.0)


def test_a_trend_is_the_weighted_mean_of_what_is_decoded(model: Model, moved: Simulation) -> None:
    genes = list(model.space.genes[3:5])
    frame = trends(model, moved, genes)
    assert frame["gene"].tolist() == [g for g in genes for _ in moved.times]
    assert set(frame["group"]) == {"all cells"} and (frame["cells"] == 12).all()
    t = 3
    x = model.space.from_coordinates(moved.points[t])
    expression = model.space.decode(x, genes)
    w = np.exp(moved.log_weights[t])
    row = frame[(frame["gene"] == genes[1]) & (frame["time"] == moved.times[t])].iloc[0]
    assert row["mean"] == pytest.approx(np.average(expression[:, 1], weights=w), rel=1e-5)
    # A tenth of the mass lies at or below `low`, and at or above `high`.
    below = w[expression[:, 1] <= row["low"] + 1e-9].sum() / w.sum()
    above = w[expression[:, 1] >= row["high"] - 1e-9].sum() / w.sum()
    assert 0.1 <= below < 0.1 + w.max() / w.sum() + 1e-9
    assert 0.1 - 1e-9 <= above < 0.1 + w.max() / w.sum() + 1e-9


def test_heavy_cells_count_for_more(model: Model, moved: Simulation) -> None:
    heavy = moved.log_weights.copy()
    heavy[:, 7] += 50
    genes = [model.space.genes[0]]
    frame = trends(model, replace(moved, log_weights=heavy), genes)
    alone = model.space.decode(model.space.from_coordinates(moved.points[:, 7]), genes)[:, 0]
    for column in ("mean", "low", "high"):
        np.testing.assert_allclose(frame[column], alone, rtol=1e-5)


def test_groups_are_the_first_or_the_last_types(
    model: Model, moved: Simulation, small: anndata.AnnData
) -> None:
    types = small.obs["cell_type"]
    assert groups(model, moved, types, by="start").tolist() == types.iloc[moved.rows].tolist()
    fate = groups(model, moved, types)
    last = types.iloc[model.snapshots.rows[-1]].to_numpy()
    x = model.space.from_coordinates(moved.points[-1])
    for name, one in zip(fate, x, strict=True):
        codes = (last == name).astype(int)
        assert type_votes(one[None], model.snapshots.points[-1], codes, 2)[0, 1] >= 0.5
    frame = trends(model, moved, [model.space.genes[0]], fate)
    assert frame.groupby("group")["cells"].first().sum() == 12
    assert set(frame["group"]) == set(fate)


def test_cells_without_a_type_are_no_fate(
    model: Model, moved: Simulation, small: anndata.AnnData
) -> None:
    types = small.obs["cell_type"].astype(object)
    last = model.snapshots.rows[-1]
    types.iloc[last[::2]] = np.nan
    types.iloc[moved.rows[:3]] = "nan"
    assert set(groups(model, moved, types)) <= set(small.obs["cell_type"].iloc[last[1::2]])
    assert groups(model, moved, types, by="start")[:3].tolist() == ["unannotated"] * 3
    types.iloc[last] = np.nan  # the day before then tells
    assert "unannotated" not in groups(model, moved, types)


def test_fates_need_a_day_on_the_way(
    model: Model, moved: Simulation, small: anndata.AnnData
) -> None:
    short = model.simulate("day0", to="1")
    with pytest.raises(ConfigError, match="No observed day"):
        groups(model, short, small.obs["cell_type"])
    with pytest.raises(ConfigError, match="`by='size'`"):
        groups(model, moved, small.obs["cell_type"], by="size")


def test_markers_rise_towards_their_fate(demo_path: Path) -> None:
    cells = cellam.read(anndata.read_h5ad(demo_path)[::4].copy())
    model = cellam.fit(cells, n_features=128, tau=1.0)
    moved = model.simulate("day0", save_every=1.0)
    fate = groups(model, moved, cells.obs["cell_type"])
    frame = trends(model, moved, ["Klf1", "Elane"], fate)
    last = frame[frame["time"] == 7].set_index(["gene", "group"])["mean"]
    assert last["Klf1", "erythroid"] > last["Klf1", "myeloid"] + 0.5
    assert last["Elane", "myeloid"] > last["Elane", "erythroid"] + 0.5


def test_a_panel_shows_the_means_of_its_gene(
    model: Model, moved: Simulation, small: anndata.AnnData
) -> None:
    genes = list(model.space.genes[:4])
    frame = trends(model, moved, genes, groups(model, moved, small.obs["cell_type"]))
    axes = plots.trends(frame)
    assert [ax.get_title() for ax in axes] == genes
    for ax in axes:
        for line in ax.get_lines():
            name = line.get_label().rsplit(" (", 1)[0]
            part = frame[(frame["gene"] == ax.get_title()) & (frame["group"] == name)]
            np.testing.assert_array_equal(line.get_ydata(), part["mean"])
    assert [len(ax.get_lines()) for ax in axes] == [frame["group"].nunique()] * 4
