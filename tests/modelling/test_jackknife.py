"""`modelling.jackknife`: the same fit without one replicate."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.modelling import jackknife
from cellam.modelling.jackknife import freedom, leave_out, spread
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.reading.samples import replicates_of

FAST: dict[str, Any] = {"n_features": 32, "tau": 1.0, "curvature": 1.0}


def mice_of(n: dict[int, int], cells: int = 12) -> Cells:
    """So many mice on each day, and the mice of a day as far apart as its number."""
    rng = np.random.default_rng(0)
    mice = [(float(day), f"d{day}m{k}") for day, m in n.items() for k in range(m)]
    frame = pd.DataFrame([mouse for mouse in mice for _ in range(cells)], columns=["day", "mouse"])
    frame.index = [f"cell{k}" for k in range(len(frame))]
    x = rng.normal(size=(len(frame), 2)) + 0.3 * frame[["day"]].to_numpy()
    return cellam.read(
        anndata.AnnData(np.ones((len(frame), 1), np.float32), frame, obsm={"X_map": x}),
        use_rep="X_map", time_key="day",
    )  # fmt: skip


def test_of_a_mean_the_variance_is_that_of_the_textbook() -> None:
    """Means of m replicates: s²/m, whatever m; and degrees of freedom m − 1."""
    rng = np.random.default_rng(0)
    for m in (2, 3, 7):
        x = rng.normal(size=m)
        without = np.array([np.delete(x, k).mean() for k in range(m)])
        moved = spread(without)
        assert (moved**2).sum() == pytest.approx(x.var(ddof=1) / m)
        # The contributions are those of the replicates themselves, with their signs.
        assert moved == pytest.approx(np.sqrt(m / (m - 1)) * (x - x.mean()) / m)
        assert freedom([moved]) == pytest.approx(m - 1)
    assert freedom([np.zeros(3), np.zeros(4)]) == 0


@pytest.mark.slow
def test_one_replicate_of_one_day_is_missing_in_each_fit() -> None:
    cells = mice_of({0: 3, 1: 2, 2: 1})
    model = cellam.fit(cells, **FAST)
    replicates = replicates_of(cells)
    found = leave_out(model, replicates)
    assert found.replicates == (3, 2, 0)  # of one mouse, groups of its cells stand for mice
    assert [len(day) for day in found.models] == [3, 2, 8]
    mouse = cells.obs["mouse"].to_numpy()
    for k, day in enumerate(found.models):
        for other in day:
            kept = [set(rows) for rows in other.snapshots.rows]
            less = [set(rows) - kept[j] for j, rows in enumerate(model.snapshots.rows)]
            assert [len(gone) > 0 for gone in less] == [j == k for j in range(3)]
            if k < 2:
                assert len({mouse[row] for row in less[k]}) == 1
                assert len(less[k]) == 12
            assert (other.fit.action.theta != model.fit.action.theta).any()
            assert other.space is model.space


def test_many_replicates_are_joined_and_a_network_is_not_fitted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jackknife, "MOST_FITS", 6)
    cells = mice_of({0: 7, 1: 3})
    model: Model = cellam.fit(cells, **FAST)
    found = leave_out(model, replicates_of(cells))
    assert [len(day) for day in found.models] == [3, 3]
    assert found.replicates == (7, 3)
    joined = pd.Series(found.groups[0]).groupby(cells.obs["mouse"].to_numpy()[:84]).nunique()
    assert (joined == 1).all()  # no mouse is split
    assert leave_out(model, replicates_of(cells), refit=False).models == ()
