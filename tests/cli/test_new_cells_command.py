"""Cells that were not in the fit, in simulate, fates and perturb."""

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
from cellam.modelling.cohort import Cohort

Call = Callable[..., Any]


@pytest.fixture
def new(run: Path, small: anndata.AnnData) -> Path:
    """The cells of day 2 as if they were new, their genes in another order."""
    day = small[small.obs["day"] == "day2"].copy()
    day = day[:, np.random.default_rng(0).permutation(day.n_vars)].copy()
    day.layers["counts"] = day.X
    path = run.parent.parent / "new.h5ad"
    day.write_h5ad(path)
    return path


@pytest.mark.parametrize("at", [[], ["--at", "day2"], ["--from", "2"]])
def test_cells_of_the_fit_give_the_same_bytes_as_new_ones(
    call: Call, new: Path, at: list[str]
) -> None:
    assert call("simulate", "--from", "day2", "-o", "old.h5ad").code == 0
    result = call("simulate", "--cells", new, *at, "-o", "other.h5ad")
    assert result.code == 0, result.err
    assert "simulated 40 cells of new.h5ad at day2 from 2 to 7" in result.out
    old, other = anndata.read_h5ad("old.h5ad"), anndata.read_h5ad("other.h5ad")
    np.testing.assert_array_equal(old.X, other.X)
    np.testing.assert_array_equal(old.obsm["X_pca"], other.obsm["X_pca"])
    pd.testing.assert_frame_equal(old.obs, other.obs)
    assert other.uns["cellam"]["new_cells"].endswith("new.h5ad")


def test_fates_of_cells_of_the_fit_are_the_same_as_new_ones(call: Call, new: Path) -> None:
    for name, args in {"old": ["--from", "day2"], "new": ["--cells", new]}.items():
        assert call("fates", *args, "--csv", f"{name}.csv").code == 0
    old, other = pd.read_csv("old.csv"), pd.read_csv("new.csv")
    far = other.pop("off_manifold")
    assert far.dtype == bool
    pd.testing.assert_frame_equal(old, other, check_exact=True)


def test_a_perturbation_of_cells_of_the_fit_is_the_same_for_new_ones(call: Call, new: Path) -> None:
    old = json.loads(call("perturb", "-g", "Mki67=-3", "--from", "day2", "--json").out)
    other = json.loads(call("perturb", "-g", "Mki67=-3", "--cells", new, "--json").out)
    assert old.pop("new_cells") is None
    assert other.pop("new_cells").endswith("new.h5ad")
    assert old == other


def test_fates_of_some_cells_are_those_of_the_whole_day(small: anndata.AnnData, run: Path) -> None:
    opened = cellam.open_run(run)
    day = small[small.obs["day"] == "day2"].copy()
    whole = opened.fates("day2").days[0]
    for n in (1, 3, 17):
        few = opened.fates(cells=day[:n].copy(), at="day2").days[0]
        np.testing.assert_allclose(few.probability, whole.probability[:n], atol=1e-6)
        np.testing.assert_allclose(few.low, whole.low[:n], atol=1e-6)
        np.testing.assert_allclose(few.high, whole.high[:n], atol=1e-6)
        np.testing.assert_allclose(few.mass, whole.mass[:n], rtol=1e-5)


def test_new_cells_without_types_get_those_of_their_neighbours(
    small: anndata.AnnData, run: Path
) -> None:
    opened = cellam.open_run(run)
    day = small[small.obs["day"] == "day2"].copy()
    del day.obs["cell_type"]
    found = opened.fates(cells=day, at="day2")
    assert any("has no obs['cell_type']" in note for note in found.notes)
    truth = small.obs.loc[day.obs_names, "cell_type"].astype(str)
    assert (found.types == truth).mean() > 0.5
    moved = opened.simulate(cells=day, at=3)
    assert moved.start == "3"
    assert moved.composition["label"].tolist() == ["3", "day4", "day7"]
    assert sum(moved.composition["simulated"][0].values()) == pytest.approx(1)


def test_cells_far_from_all_data_are_flagged_and_counted(
    call: Call, rep_run: Path, small: anndata.AnnData
) -> None:
    odd = small[:12].copy()
    odd.obsm["X_latent"][:8] *= 20
    odd.write_h5ad("odd.h5ad")
    result = call("simulate", "--cells", "odd.h5ad", "--at", "day2", "-o", "moved.h5ad")
    assert result.code == 0, result.err
    assert "is taken to be in the coordinates of the fit" in result.err
    count = int(result.err.split(" of the 12 cells of odd.h5ad lie")[0].split()[-1])
    first = anndata.read_h5ad("moved.h5ad").obs.query("cellam_time == 2")
    assert first["off_manifold"].sum() == count >= 8


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ("simulate", 2, "The run has cells of several times: day0"),
        ("simulate --at day2 --from day2", 2, "none were given"),
        ("simulate --cells all.h5ad", 2, "all.h5ad has cells of several times: day0 (40 cells)"),
        ("simulate --cells new.h5ad --from day4", 2, "has no cells of day4"),
        ("simulate --cells bare.h5ad", 1, "has no column 'day'"),
        ("simulate --cells new.h5ad -o new.h5ad --overwrite", 4, "is the input"),
        ("simulate --cells missing.h5ad", 1, "there is no such file"),
        ("fates --cells bare.h5ad --at 3", 2, "fates start on days that were observed"),
        ("fates --cells new.h5ad --at day7", 2, "There is no day before"),
        ("perturb -g Mki67=-3 --cells bare.h5ad --at day7", 2, "is not a training day after day7"),
        ("perturb -g Mki67=-3 --cells less.h5ad --at day2", 1, "lacks the gene 'Mki67'"),
    ],
)
def test_what_does_not_fit_together_is_said(
    call: Call, new: Path, small: anndata.AnnData, args: str, code: int, said: str
) -> None:
    small.write_h5ad("all.h5ad")
    bare = small[:20].copy()
    bare.obs = bare.obs[["cell_type"]]
    bare.write_h5ad("bare.h5ad")
    bare[:, [g != "Mki67" for g in bare.var_names]].copy().write_h5ad("less.h5ad")
    before = new.read_bytes()
    if args == "fates --cells new.h5ad --at day7":
        said = "is not a day before day7"
        args += " --from day7"
    result = call(*args.split())
    assert (result.code, result.out.count("Traceback")) == (code, 0), result.err
    assert said in result.err
    assert new.read_bytes() == before


def test_points_and_cells_are_simulated_in_python(
    small: anndata.AnnData, model: cellam.Model
) -> None:
    moved = model.simulate("day2")
    points = model.simulate(moved.points[0], "day2")
    np.testing.assert_allclose(points.points, moved.points, atol=1e-5)
    day = model.read(small[small.obs["day"] == "day2"].copy())
    np.testing.assert_array_equal(model.simulate(day).points, moved.points)
    cohort = model.cohort(day)
    assert isinstance(cohort, Cohort) and cohort.new and len(cohort) == 40
    np.testing.assert_array_equal(model.simulate(cohort).points, moved.points)
    for start, at, said in (
        (moved.points[0], None, "need a time"),
        (moved.points[0][:, :2], "day2", "5 finite coordinates"),
        (np.full((3, 5), np.nan), "day2", "finite"),
        ("day2", 3, "time of new cells"),
        (model.read(small), None, "of several times"),
    ):
        with pytest.raises(cellam.ConfigError, match=said):
            model.simulate(start, at)


def test_batches_are_corrected_said_and_asked_of_new_cells(
    call: Call, here: Path, small: anndata.AnnData, fast: tuple[str, ...]
) -> None:
    lane = np.random.default_rng(0).choice(["L1", "L2"], small.n_obs)
    counts = small.X.toarray()
    counts[lane == "L2", ::2] *= 3
    small.X, small.obs["lane"] = counts, lane
    small.write_h5ad("laned.h5ad")
    plain = call("fit", "laned.h5ad", *fast, "--name", "plain")
    assert "fit with --batch-key lane" in plain.out
    fitted = call("fit", "laned.h5ad", *fast, "--batch-key", "lane", "--name", "laned")
    assert fitted.code == 0, fitted.err
    assert "batches   obs['lane']: L1, L2; a shift of each was taken off" in fitted.out
    assert "fit with --batch-key lane" not in fitted.out
    small.obs["lane"] = "L7"
    small[:9].copy().write_h5ad("new.h5ad")
    refused = call("simulate", "--cells", "new.h5ad", "--at", "day2")
    assert (refused.code, "--new-batch" in refused.err) == (1, True)
    lost = call("simulate", "--from", "day2", "--new-batch")
    assert (lost.code, "for new cells, and none were given" in lost.err) == (2, True)
    taken = call("simulate", "--cells", "new.h5ad", "--at", "day2", "--new-batch")
    assert taken.code == 0
    assert "These cells are not shifted" in taken.err
    described = " ".join(report_methods(here / "cellam_runs" / "laned"))
    assert "2 batches (lane) by least squares" in described


def report_methods(path: Path) -> list[str]:
    from cellam.report.methods import describe

    return describe(cellam.open_run(path)).paragraphs
