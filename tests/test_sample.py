"""Maps of very many cells draw some of them."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from cellam import plots
from cellam.analysis.growth_range import growth_range
from cellam.dynamics import nearest
from cellam.modelling.model import Model
from cellam.plots.sample import drawn_cells
from cellam.reading.cells import Cells


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "MOST", 60)


@pytest.fixture
def adata(cells: Cells) -> anndata.AnnData:
    made = anndata.AnnData(obs=cells.obs.copy())
    made.obsm["X_own"] = np.arange(2.0 * len(cells)).reshape(-1, 2)
    return made


def test_up_to_so_many_all_are_drawn(model: Model, adata: anndata.AnnData) -> None:
    sample = drawn_cells(model, adata)
    assert sample.model is model and sample.adata is adata and not sample.said


def test_the_cells_drawn_keep_what_is_theirs(
    model: Model, adata: anndata.AnnData, few: None
) -> None:
    sample = drawn_cells(model, adata)
    days, made = sample.model.snapshots, sample.adata
    assert made is not None
    assert sample.said == "60 of 160 cells"
    assert [len(x) for x in days.points] == [15] * 4
    assert np.array_equal(np.sort(days.data_rows), np.arange(60))
    whole = model.snapshots
    known = dict(zip(adata.obs_names[whole.data_rows], np.concatenate(whole.points), strict=True))
    for label, x, rows in zip(days.labels, days.points, days.rows, strict=True):
        assert (made.obs["day"].iloc[rows] == label).all()
        assert np.array_equal(x, [known[name] for name in made.obs_names[rows]])
    names = adata.obs_names[whole.data_rows[sample.places]]
    assert names.tolist() == made.obs_names[days.data_rows].tolist()


def test_a_map_says_how_many_it_draws(model: Model, adata: anndata.AnnData, few: None) -> None:
    moved = model.simulate("day0", n_cells=3, save_every=2.0)
    axes = [
        plots.velocity(model, adata, basis="own"),
        plots.growth(model, adata, basis="own", found=growth_range(model)),
        plots.trajectories(model, moved, adata, basis="own"),
    ]
    assert [ax.get_xlabel() for ax in axes] == ["OWN1 (60 of 160 cells)"] * 3
    drawn = np.concatenate([c.get_offsets() for c in axes[1].collections if len(c.get_offsets())])
    assert len(drawn) == 60
