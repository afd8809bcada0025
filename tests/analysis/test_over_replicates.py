"""`analysis.over_replicates`: growth and fates by type, as they would be with other mice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.analysis.composition import composition
from cellam.analysis.fates import predict_fates
from cellam.analysis.over_replicates import (
    HIGH,
    LOW,
    at_least,
    composition_over_replicates,
    fates_over_replicates,
    growth_over_replicates,
    rows_of,
)
from cellam.experiments import Experiment
from cellam.modelling.left_out import leave_replicates_out
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.reading.cells import Cells
from cellam.reading.samples import replicates_of

FAST: dict[str, Any] = {"n_features": 128, "tau": 1.0, "curvature": 1.0}


def _cultures(seed: int, n: int, cells: int, *, shuffled: bool = False) -> Cells:
    """Samples of one condition; shuffled within days, so that they differ by their cells only."""
    rng = np.random.default_rng(seed)
    adata = Experiment(n_samples=(n, 1), n_cells=cells, destructive=True).to_adata(rng)
    adata = adata[(adata.obs["treatment"] == "control").to_numpy()].copy()
    if shuffled:
        sample = adata.obs.groupby("day")["sample"]
        adata.obs["sample"] = sample.transform(lambda of: rng.permutation(of.to_numpy()))
    return cellam.read(adata, use_rep="X_true", time_key="day", replicate="sample")


def _growth(model: Model, cells: Cells) -> list[dict[str, Any]]:
    types = cells.obs["cell_type"].iloc[model.snapshots.data_rows].to_numpy()
    means = pd.Series(growth_rates(model)).groupby(types).mean()
    return [{"type": name, "mean": float(rate)} for name, rate in means.items()]


def _intervals(cells: Cells) -> dict[tuple[str, str], tuple[float, float]]:
    """Of growth and of becoming myeloid, by type."""
    model, types = cellam.fit(cells, **FAST), cells.obs["cell_type"]
    left = leave_replicates_out(model, replicates_of(cells))
    found = predict_fates(model, "0.0", types)
    grown = growth_over_replicates(model, _growth(model, cells), types, left)
    fates = fates_over_replicates(found, rows_of(found, types), types, left, draws=8, seed=0)
    ends = {("growth", row["type"]): (row[LOW], row[HIGH]) for row in grown}
    for row in fates:
        if row[LOW] is not None and "myeloid" in row[LOW]:
            ends["fate", row["type"]] = (row[LOW]["myeloid"], row[HIGH]["myeloid"])
    return ends


def _truth(seed: int) -> dict[tuple[str, str], float]:
    """What the fit says of many samples."""
    cells = _cultures(seed, 30, 30)
    model, types = cellam.fit(cells, **FAST), cells.obs["cell_type"]
    found = predict_fates(model, "0.0", types)
    return {
        **{("growth", row["type"]): row["mean"] for row in _growth(model, cells)},
        **{("fate", row["type"]): row["fate"]["myeloid"] for row in rows_of(found, types)},
    }


@pytest.mark.slow
def test_intervals_over_replicates_cover_and_are_wider_than_those_of_cells() -> None:
    truth = _truth(1_000)
    asked = [("growth", "erythroid"), ("growth", "myeloid"), ("fate", "all"), ("fate", "myeloid")]
    held, width = [], {False: [], True: []}  # type: ignore[var-annotated]
    for seed in range(6):
        for shuffled in (False, True):
            found = _intervals(_cultures(seed, 3, 60, shuffled=shuffled))
            width[shuffled] += [found[one][1] - found[one][0] for one in asked]
            if not shuffled:
                held += [found[one][0] <= truth[one] <= found[one][1] for one in asked]
    assert np.mean(held) > 0.75
    assert np.median(width[False]) > 1.2 * np.median(width[True])


def _mice(small: anndata.AnnData, n: int) -> anndata.AnnData:
    """The demo with so many mice on each day, each with a like number of cells."""
    out = small.copy()
    day = out.obs.groupby("day", observed=True).cumcount()
    out.obs["mouse"] = [f"{d}m{k % n}" for d, k in zip(out.obs["day"], day, strict=True)]
    return out


@pytest.mark.slow
def test_commands_say_what_it_is_over(
    here: Path, small: anndata.AnnData, call: Callable[..., Any]
) -> None:
    _mice(small, 3).write_h5ad("mice.h5ad")
    said = call("fit", "mice.h5ad", "--report", "--replicate", "mouse", "--n-features", 32,
                "--tau", 1, "--curvature", 1, "--n-pcs", 5)  # fmt: skip
    over = "95 % over 3 replicates a day (obs['mouse'])"
    assert over in said.out
    assert said.code == 0, said.err
    page = next(here.glob("cellam_runs/*/report.html")).read_text()
    assert page.count("95 % over 3 replicates a day") == 5  # growth, fates, composition
    growth = json.loads(call("info", "--json").out)["growth"]
    assert growth["over"] == over
    ends = [(row[LOW], row["mean"], row[HIGH]) for row in growth["by_type"]]
    assert ends and all(low < mean < high for low, mean, high in ends if low is not None)
    assert "over replicates" in call("info").out
    fates = json.loads(call("fates", "--from", "day2", "--json").out)
    assert fates["over"] == over
    assert set(fates["days"][0]["all"][LOW]) == set(fates["days"][0]["states"])
    assert "In square brackets: 95 % over 3" in call("fates", "--from", "day2").out
    assert call("export", "--tables", "tables").code == 0
    table = pd.read_csv("tables/type_growth.csv").set_index("type")
    for row in growth["by_type"]:
        if row[LOW] is not None:
            assert table.loc[row["type"], LOW] == pytest.approx(row[LOW])
    moved = json.loads(call("simulate", "--from", "day2", "--json").out)
    assert moved["over"] == over
    assert "in square brackets 95 % over 3" in call("simulate", "--from", "day2").out
    chosen = call("simulate", "--from", "day2", "--from-cells", "cell_type == 'myeloid'", "--json")
    assert json.loads(chosen.out)["over"] is None
    shares = pd.read_csv("tables/type_fates.csv").dropna()
    assert (shares[LOW] <= shares["share"] + 1e-12).all() and (shares[HIGH] <= 1).all()


def test_with_two_mice_on_a_day_nothing_is_said(small: anndata.AnnData) -> None:
    adata = _mice(small, 2)
    cells = cellam.read(adata, replicate="mouse")
    model = cellam.fit(cells, n_features=32, tau=1, curvature=1, n_pcs=5)
    left = leave_replicates_out(model, replicates_of(cells))
    types = cells.obs["cell_type"]
    rows = _growth(model, cells)
    frame = composition(model, moved := model.simulate("day2"), types)
    assert composition_over_replicates(frame, types, left, lambda m: moved) is frame
    assert left is None and growth_over_replicates(model, rows, types, left) == rows
    found = predict_fates(model, "day2", types)
    assert fates_over_replicates(
        found, rows_of(found, types), types, left, draws=8, seed=0
    ) == rows_of(found, types)


@pytest.mark.slow
def test_a_type_that_one_fit_lacks_has_none(small: anndata.AnnData) -> None:
    adata = _mice(small, 3)
    cells = cellam.read(adata, replicate="mouse")
    model = cellam.fit(cells, n_features=32, tau=1, curvature=1, n_pcs=5)
    types = cells.obs["cell_type"].astype(str)
    mouse = adata.obs["mouse"].iloc[0]
    types[(adata.obs["mouse"] == mouse).to_numpy()] = "rare"
    left = leave_replicates_out(model, replicates_of(cells))
    codes = types.iloc[model.snapshots.data_rows].to_numpy()
    means = pd.Series(growth_rates(model)).groupby(codes).mean()
    rows = [{"type": str(name), "mean": float(rate)} for name, rate in means.items()]
    found = {row["type"]: row for row in growth_over_replicates(model, rows, types, left)}
    assert found["rare"][LOW] is None and found["myeloid"][LOW] is not None


def test_shares_of_types_vary_as_those_of_the_mice_do(small: anndata.AnnData) -> None:
    """Observed ones by a jackknife over the shares of each mouse, held-out days too."""
    adata = _mice(small, 3)
    cells = cellam.read(adata, replicate="mouse")
    model = cellam.fit(cells, n_features=32, tau=1, curvature=1, n_pcs=5, exclude=("day4",))
    left = leave_replicates_out(model, replicates_of(cells))
    types = cells.obs["cell_type"]
    frame = composition(model, model.simulate("day2"), types)
    found = composition_over_replicates(frame, types, left, lambda m: m.simulate("day2"))
    assert found[list(frame)].equals(frame)
    table = pd.crosstab([adata.obs["day"], adata.obs["mouse"]], adata.obs["cell_type"])
    for row in found.to_dict("records"):
        by_mouse = table.loc[row["label"]]
        without = [by_mouse.drop(mouse).sum() for mouse in by_mouse.index]
        shares = pd.DataFrame([counts / counts.sum() for counts in without])
        margin = 4.302653 * np.sqrt(2 / 3 * ((shares - shares.mean()) ** 2).sum())  # t, df 2
        assert set(row["observed_replicates"]) == set(margin.index)
        for name, (low, high) in row["observed_replicates"].items():
            share = row["observed"][name]
            least, most = row["observed_interval"][name]  # mice that agree are no surer than cells
            ends = min(share - margin[name], least), max(share + margin[name], most)
            assert (low, high) == pytest.approx(np.clip(ends, 0, 1), abs=1e-6)
            assert low < high
    start = found.iloc[0]
    assert at_least(found) and not at_least(frame)
    for name, ends in start["observed_replicates"].items():
        assert start["simulated_replicates"][name] == pytest.approx(ends)
    last = found.iloc[-1]["simulated_replicates"]
    assert last and all(
        low <= found.iloc[-1]["simulated"][t] <= high for t, (low, high) in last.items()
    )
    beyond = composition_over_replicates(
        frame[frame["label"] == "day4"], types, left, lambda m: m.simulate("day2")
    )
    assert "simulated_replicates" not in beyond  # from a day that was not fitted to
