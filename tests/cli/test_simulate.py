from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation

Call = Callable[..., Any]


def stray(run: Path) -> list[str]:
    """What a simulation has left in the run or in the working directory."""
    folder = run / "simulations"
    inside = [p.name for p in folder.iterdir()] if folder.exists() else []
    return inside + [p.name for p in run.parent.parent.iterdir() if p.name.startswith(".")]


def times_of(path: Path) -> list[float]:
    return sorted(set(anndata.read_h5ad(path).obs["cellam_time"]))


def test_simulated_cells_are_written_into_the_run(call: Call, run: Path) -> None:
    result = call("simulate", "--from", "day0")
    assert (result.code, result.err) == (0, "")
    path = run / "simulations" / "day0_to_7.h5ad"
    assert "written   cellam_runs/small/simulations/day0_to_7.h5ad" in result.out
    adata = anndata.read_h5ad(path)
    assert adata.shape == (4 * 40, 50)
    assert list(adata.obs) == [
        "cellam_time", "origin", "trajectory", "weight", "remoteness", "off_manifold",
    ]  # fmt: skip
    assert all(str(name).startswith("cell") for name in adata.obs["origin"])
    assert adata.uns["cellam"]["run"] == str(run)
    assert stray(run) == ["day0_to_7.h5ad"]


def test_the_table_has_a_row_for_each_day_with_shares_of_types(call: Call, run: Path) -> None:
    out = call("simulate", "--from", "0", "--to", "4").out
    table = out.split("\n\n")[1].splitlines()
    assert table[0].split()[:3] == ["day", "mass", "ESS"]
    assert "progenitor" in table[0]
    assert [line.split()[0] for line in table[1:4]] == ["day0", "day2", "day4"]
    assert table[1].split()[1:3] == ["1.00", "40"]


@pytest.mark.parametrize("spelt", ["day2", "2", "2.0", "Day 2", "d2"])
def test_a_day_is_given_by_its_label_or_number(call: Call, run: Path, spelt: str) -> None:
    assert "of day2 from 2 to 7" in call("simulate", "--from", spelt, "--n-cells", 2).out


def test_more_cells_than_there_are_is_said(call: Call, run: Path) -> None:
    for n, said in ((40, False), (41, True)):
        found = json.loads(call("simulate", "--from", "day2", "--n-cells", n, "--json").out)
        assert any(f"`n_cells={n}` is more than the 40 cells" in s for s in found["notes"]) is said


def test_backward_runs_to_the_first_day_or_to_the_day_given(call: Call, run: Path) -> None:
    for args in (["--backward"], ["--to", "day0"], ["--backward", "--to", "0"]):
        result = call("simulate", "--from", "day4", *args, "-o", "x.h5ad", "--overwrite")
        assert result.code == 0
        assert times_of(Path("x.h5ad")) == [0, 2, 4]
        assert "of day4 backward from 4 to 0" in result.out
        assert "Time runs backward, from 4 to 0" in result.err
    forward = call("simulate", "--from", "day0", "--to", "day2")
    assert "backward" not in forward.out + forward.err


def test_the_number_of_cells_is_the_one_asked_for(call: Call, run: Path) -> None:
    for n in (1, 7, 40, 100):
        assert call("simulate", "--from", "0", "--n-cells", n, "-o", f"{n}.h5ad").code == 0
        adata = anndata.read_h5ad(f"{n}.h5ad")
        assert adata.obs["trajectory"].nunique() == n
        if n <= 40:  # more than there are can only be drawn with replacement
            assert adata.obs["origin"].nunique() == n


def test_the_same_seed_draws_and_moves_the_same_cells(call: Call, run: Path) -> None:
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        call("simulate", "--from", "0", "--n-cells", 5, "--seed", seed, "-o", f"{name}.h5ad")
    a, b, c = (anndata.read_h5ad(f"{name}.h5ad") for name in "abc")
    np.testing.assert_array_equal(a.obsm["X_pca"], b.obsm["X_pca"])
    assert a.obs["origin"].tolist() != c.obs["origin"].tolist()


def test_a_query_chooses_the_cells(call: Call, run: Path, small: anndata.AnnData) -> None:
    query = 'cell_type == "myeloid"'
    assert call("simulate", "--from", "day2", "--from-cells", query, "-o", "x.h5ad").code == 0
    wanted = (small.obs["cell_type"] == "myeloid") & (small.obs["day"] == "day2")
    assert set(anndata.read_h5ad("x.h5ad").obs["origin"]) == set(small.obs_names[wanted])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('cell_type == "HSC"', "matches none of the 160 cells"),
        ('cell_type = "myeloid"', "cannot be understood"),
        ("cell_typ == 'myeloid'", "cell_type"),
        ("what is this", "cannot be understood"),
        ("", "cannot be understood"),
        ("True", "cannot be understood"),
        ("@os", "cannot be understood"),
        ("@os.system('touch owned')", "cannot be understood"),
        ("__import__('os').system('touch owned')", "cannot be understood"),
        ("cell_type", "cannot be understood"),  # words are not true or false
        ("day == 'day0'", "None of the 40 cells of day2"),
    ],
)
def test_a_query_that_chooses_nothing_is_refused(
    call: Call, run: Path, query: str, said: str
) -> None:
    result = call("simulate", "--from", "day2", "--from-cells", query)
    assert result.code == 2
    assert said in result.err
    assert stray(run) == []
    assert not Path("owned").exists()


def test_steps_are_saved_besides_the_observed_days(call: Call, run: Path) -> None:
    args = ("simulate", "--from", "0", "--n-cells", 3, "-o", "x.h5ad", "--save-every", 1.5)
    assert call(*args).code == 0
    assert times_of(Path("x.h5ad")) == [0, 1.5, 2, 3, 4, 4.5, 6, 7]


@pytest.mark.parametrize("step", ["0", "-1", "nan", "1e-9", "inf", "often"])
def test_a_step_that_is_none_is_refused(call: Call, run: Path, step: str) -> None:
    result = call("simulate", "--from", "0", "--save-every", step)
    assert result.code == 2
    assert "--save-every" in result.err


def test_a_step_longer_than_the_way_saves_the_days(call: Call, run: Path) -> None:
    assert call("simulate", "--from", "0", "--save-every", 99, "-o", "x.h5ad").code == 0
    assert times_of(Path("x.h5ad")) == [0, 2, 4, 7]


def test_genes_are_those_asked_for(call: Call, run: Path, small: anndata.AnnData) -> None:
    a, b = small.var_names[[5, 1]]
    for genes, there in {f"{a},{b}": [a, b], "none": [], "all": sorted(small.var_names)}.items():
        args = ("--from", "0", "--n-cells", 2, "--genes", genes, "-o", "x.h5ad", "--overwrite")
        assert call("simulate", *args).code == 0
        assert list(anndata.read_h5ad("x.h5ad").var_names) == there


def test_an_unknown_gene_is_named(call: Call, run: Path) -> None:
    result = call("simulate", "--from", "0", "--genes", "Actb,Nope")
    assert result.code == 2
    assert "genes of the fit" in result.err
    assert stray(run) == []


def test_a_representation_is_simulated_without_genes(call: Call, rep_run: Path) -> None:
    assert call("simulate", "--from", "0", "-o", "x.h5ad").code == 0
    assert list(anndata.read_h5ad("x.h5ad").obsm) == ["X_latent"]
    refused = call("simulate", "--from", "0", "--genes", "all")
    assert refused.code == 2
    assert "X_latent" in refused.err


def test_noise_is_refused_by_a_fit_without_it(call: Call, run: Path) -> None:
    result = call("simulate", "--from", "0", "--stochastic")
    assert result.code == 2
    assert "--method eam" in result.err


def test_noise_is_used_by_a_fit_with_it(call: Call, noisy_run: Path) -> None:
    for seed in (0, 1):
        args = ("--from", "0", "--stochastic", "--seed", seed, "-o", f"{seed}.h5ad")
        assert call("simulate", *args).code == 0
    a, b = (anndata.read_h5ad(f"{seed}.h5ad").obsm["X_pca"] for seed in (0, 1))
    np.testing.assert_array_equal(a[:40], b[:40])
    assert not np.allclose(a[40:], b[40:])


def test_noise_cannot_be_run_backward(call: Call, noisy_run: Path) -> None:
    result = call("simulate", "--from", "day4", "--backward")
    assert result.code == 2
    assert "backward" in result.err
    assert stray(noisy_run) == []


@pytest.mark.parametrize("to", ["9", "day9", "-1"])
def test_times_beyond_the_days_must_be_asked_for(call: Call, run: Path, to: str) -> None:
    refused = call("simulate", "--from", "day2", "--to", to)
    assert refused.code == 2
    assert "--extrapolate" in refused.err
    assert stray(run) == []
    args = ("--from", "day2", "--to", to, "--extrapolate", "-o", "x.h5ad")
    assert call("simulate", *args).code == 0
    assert float(to.removeprefix("day")) in times_of(Path("x.h5ad"))


@pytest.mark.parametrize(
    "args",
    [
        ["--from", "day3"],
        ["--from", "soon"],
        ["--from", "day0", "--to", "soon"],
        ["--from", "day0", "--to", "day0"],
        ["--from", "day0", "--backward"],
        ["--from", "day7"],
        ["--from", "day2", "--to", "day4", "--backward"],
        ["--from", "day0", "--n-cells", "0"],
        ["--from", "day0", "--n-cells", "-5"],
        ["--from", "day0", "--seed", "-1"],
        ["--from", "48h"],
        ["--from", ""],
        [],
    ],
)
def test_times_and_numbers_that_make_no_sense_are_usage(
    call: Call, run: Path, args: list[str]
) -> None:
    result = call("simulate", *args)
    assert result.code == 2
    assert result.err
    assert "bug" not in result.err
    assert stray(run) == []


def test_a_file_that_is_there_is_replaced_only_when_asked(call: Call, run: Path) -> None:
    Path("x.h5ad").write_text("mine")
    refused = call("simulate", "--from", "0", "-o", "x.h5ad")
    assert refused.code == 4
    assert "--overwrite" in refused.err
    assert Path("x.h5ad").read_text() == "mine"
    assert call("simulate", "--from", "0", "-o", "x.h5ad", "--overwrite").code == 0
    assert times_of(Path("x.h5ad")) == [0, 2, 4, 7]


@pytest.mark.parametrize("link", [False, True])
def test_the_input_is_never_written_to(call: Call, run: Path, link: bool) -> None:
    before = Path("small.h5ad").read_bytes()
    if link:
        Path("link.h5ad").symlink_to("small.h5ad")
    out = "link.h5ad" if link else "./small.h5ad"
    result = call("simulate", "--from", "0", "-o", out, "--overwrite")
    assert result.code == 4
    assert "input" in result.err
    assert Path("small.h5ad").read_bytes() == before


def test_a_folder_or_a_file_in_the_way_is_exit_4(call: Call, run: Path) -> None:
    Path("folder").mkdir()
    for out in ("folder", "small.h5ad/x.h5ad"):
        result = call("simulate", "--from", "0", "-o", out, "--overwrite")
        assert result.code == 4
        assert out.split("/")[0] in result.err


def test_folders_on_the_way_are_made(call: Call, run: Path) -> None:
    assert call("simulate", "--from", "0", "-o", "a/b/x.h5ad").code == 0
    assert Path("a/b/x.h5ad").is_file()


def test_data_that_have_moved_are_given_with_data(call: Call, run: Path) -> None:
    shutil.move("small.h5ad", "moved.h5ad")
    bare = call("simulate", "--from", "0", "-o", "bare.h5ad")
    assert bare.code == 0
    assert "--data" in bare.err
    assert call("simulate", "--from", "0", "-o", "x.h5ad", "--data", "moved.h5ad").code == 0
    bare, full = (anndata.read_h5ad(name) for name in ("bare.h5ad", "x.h5ad"))
    np.testing.assert_array_equal(bare.obsm["X_pca"], full.obsm["X_pca"])
    assert str(full.obs["origin"].iloc[0]).startswith("cell")


def test_a_query_without_the_data_says_where_to_give_them(call: Call, run: Path) -> None:
    Path("small.h5ad").unlink()
    result = call("simulate", "--from", "0", "--from-cells", "cell_type == 'myeloid'")
    assert result.code == 1
    assert "--data" in result.err


@pytest.mark.parametrize("change", ["fewer cells", "other times", "other order"])
def test_data_that_changed_since_the_fit_are_refused(
    call: Call, run: Path, small: anndata.AnnData, change: str
) -> None:
    if change == "fewer cells":
        small = small[:-1].copy()
    elif change == "other times":
        small.obs["day"] = small.obs["day"].to_numpy()[::-1]
    else:
        # Within the days, so that only the names tell; `origin` would name other cells.
        order = np.arange(160)
        first = np.flatnonzero(small.obs["day"] == "day0")
        order[first] = first[::-1]
        small = small[order].copy()
    small.write_h5ad("small.h5ad")
    result = call("simulate", "--from", "0")
    assert result.code in (1, 4)
    assert "changed" in result.err
    assert stray(run) == []


def test_a_run_saved_in_python_without_its_path_is_simulated(
    call: Call, here: Path, model: Any, cells: Any
) -> None:
    import cellam

    cellam.save(model, cells, here / "python")
    result = call("simulate", "--run", "python", "--from", "0", "-o", "x.h5ad")
    assert result.code == 0
    assert "--data" in result.err


def test_a_run_with_an_ensemble_says_how_sure_it_is(
    call: Call, unsure_run: Path, tmp_path: Path
) -> None:
    result = call("simulate", "--from", "day0", "-o", tmp_path / "sim.h5ad")
    lines = result.out.split("\n\n")[1].splitlines()
    assert lines[0].split()[:4] == ["day", "mass", "(90", "%)"]
    assert lines[1].split()[1:3] == ["1.00", "40"]  # at the start all weigh 1
    assert lines[2].split()[2].startswith("(")
    adata = anndata.read_h5ad(tmp_path / "sim.h5ad")
    late = adata.obs["cellam_time"] > 0
    weight = adata.obs["weight"]
    assert (adata.obs["weight_low"] <= weight).all() and (weight <= adata.obs["weight_high"]).all()
    assert (adata.obs["position_sd"][late] > 0).all()
    assert (adata.obs["position_sd"][~late] == 0).all()
    np.testing.assert_allclose(
        np.linalg.norm(adata.obsm["X_pca_sd"], axis=1), adata.obs["position_sd"], rtol=1e-4
    )
    assert "an ensemble of 8" in call("info").out


def test_cells_that_leave_the_data_are_marked(call: Call, run: Path, tmp_path: Path) -> None:
    result = call(
        "simulate", "--from", "day0", "--to", "40", "--extrapolate", "-o", tmp_path / "far.h5ad"
    )
    obs = anndata.read_h5ad(tmp_path / "far.h5ad").obs
    far = obs["off_manifold"] & (obs["cellam_time"] == 40)
    assert far.sum() > 0.8 * 40
    assert f"{far.sum()} of 40 cells (" in result.out
    assert (obs["off_manifold"] == (obs["remoteness"] > 1)).all()


@pytest.mark.parametrize("command", ["simulate", "fates"])
def test_where_cells_go_on_as_observed_ones_is_said_with_the_day(
    call: Call, run: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("cellam.modelling.stages.LONGEST", 1)
    says = {
        "simulate": "At day2, day4 each cell is replaced by an observed cell of that day, drawn at",
        "fates": "At day2, day4 each cell goes on as all observed cells of that day that the fit",
    }[command]
    assert call(command, "--from", "day0").err.startswith(says)
    found = json.loads(call(command, "--from", "day0", "--json").out)
    assert any(note.startswith(says) for note in found["notes"])
    if command == "simulate":
        assert found["stops"] == [2.0, 4.0]
        record = anndata.read_h5ad(found["written"]).uns["cellam"]
        assert json.loads(record["stops"]) == [2.0, 4.0]
    monkeypatch.setattr("cellam.modelling.stages.LONGEST", 20)
    assert "each cell" not in call(command, "--from", "day4").err


def test_how_many_lie_outside_is_said_beside_the_observed_ones(call: Call, run: Path) -> None:
    out = call("simulate", "--from", "day0").out
    assert re.search(r"off data  \d+ of 40 cells \(.* %; by weight .* %\) lie outside", out)
    assert re.search(r"of the observed cells of day\d .* % do", out)
    days = json.loads(call("simulate", "--from", "day0", "--json").out)["days"]
    assert all(0 <= d["off_manifold_by_weight"] <= 1 for d in days)
    assert all(0 <= d["off_manifold_observed"] < 0.1 for d in days)


def test_cells_that_leave_the_data_are_a_caveat_of_the_cells_followed(
    call: Call, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is theirs: what the fit says of the cells of its first day is not said again."""
    args = ("simulate", "--from", "day0", "--json")

    def caveats(call: Call) -> list[str]:
        found = json.loads(call(*args).out)["caveats"]
        return [c["finding"] for c in found or () if c["name"] == "off data"]

    assert caveats(call) == []
    own = Model.trajectories

    def far(self: Model, *asked: Any, **more: Any) -> Simulation:
        m = own(self, *asked, **more)
        return replace(m, points=m.points + 30 * (m.times > 5)[:, None, None])

    monkeypatch.setattr(Model, "trajectories", far)
    (said,) = caveats(call)
    assert "100 % of 40 cells of day0" in said and "of the observed cells of day7" in said


def test_discrete_cells_have_a_tree_and_live_when_it_says(call: Call, run: Path) -> None:
    args = ("simulate", "--from", "day2", "--discrete", "--turnover", 0.4, "--save-every", 1)
    result = call(*args, "-o", "x.h5ad")
    assert result.code == 0
    adata = anndata.read_h5ad("x.h5ad")
    obs, tree = adata.obs, adata.uns["cellam_tree"]
    assert list(obs) == [
        "cellam_time", "origin", "trajectory", "weight", "cell", "parent", "generation", "born",
        "ended", "ending", "remoteness", "off_manifold",
    ]  # fmt: skip
    assert (obs["weight"] == 1).all()
    for time, there in obs.groupby("cellam_time"):
        alive = (tree["born"] <= time) & ~(tree["ended"] <= time)
        assert there["cell"].tolist() == tree.loc[alive, "cell"].tolist()
    shared = ["parent", "origin", "trajectory", "generation", "born", "ended", "ending"]
    of_tree = tree.iloc[obs["cell"]]
    for column in shared:
        assert obs[column].astype(object).fillna("").tolist() == (
            of_tree[column].astype(object).fillna("").tolist()
        )
    assert (tree["ended"].isna() == (tree["ending"] == "lives")).all()
    n, end = tree["ending"].value_counts(), int((obs["cellam_time"] == 7).sum())
    assert f"families  {n['divides']} divisions, {n['dies']} deaths: {end} cells" in result.out
    assert result.out.split("\n\n")[1].splitlines()[0].split()[:3] == ["day", "mass", "cells"]
    assert adata.X.shape == (len(obs), 50)


def test_discrete_says_what_the_days_do_not_tell(call: Call, run: Path) -> None:
    said = call("simulate", "--from", "day0", "--discrete").out
    for part in ("not its parts", "relative to the average cell", "within a range", "no noise"):
        assert part in said
    assert "--turnover" in said


def test_discrete_follows_new_cells_and_a_query_by_the_seed(call: Call, run: Path) -> None:
    args = ("simulate", "--cells", "small.h5ad", "--from", "day2", "--discrete")
    args = (*args, "--from-cells", "cell_type == 'myeloid'")
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        result = call(*args, "--turnover", 1, "--seed", seed, "-o", f"{name}.h5ad")
        assert result.code == 0
    a, b, c = (anndata.read_h5ad(f"{name}.h5ad") for name in "abc")
    assert a.obs.equals(b.obs) and a.uns["cellam_tree"].equals(b.uns["cellam_tree"])
    assert a.obs["born"].tolist() != c.obs["born"].tolist()
    assert set(a.obs["origin"]) <= set(c.uns["cellam_tree"]["origin"])


def test_discrete_has_a_file_of_its_own_in_the_run(call: Call, run: Path) -> None:
    for more in ([], ["--discrete"], ["--discrete", "--turnover", 0.1]):
        assert call("simulate", "--from", "day4", *more).code == 0
    names = stray(run)
    assert len(names) == 3 and "day4_to_7.h5ad" in names


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--turnover", "1"], "--discrete"),
        (["--discrete", "--turnover", "-1"], "--turnover"),
        (["--discrete", "--backward"], "forward in time"),
        (["--discrete", "--to", "day0"], "forward in time"),
    ],
)
def test_discrete_refuses_what_makes_no_sense(
    call: Call, run: Path, args: list[str], said: str
) -> None:
    result = call("simulate", "--from", "day2", *args)
    assert result.code == 2
    assert said in result.err
    assert stray(run) == []


def test_discrete_needs_growth_and_follows_no_ensemble(
    call: Call, noisy_run: Path, unsure_model: Any, cells: Any
) -> None:
    import cellam

    refused = call("simulate", "--from", "0", "--discrete")  # method eam
    assert refused.code == 2
    assert "conserves mass" in refused.err
    cellam.save(unsure_model, cells, Path("unsure"))
    result = call("simulate", "--run", "unsure", "--from", "0", "--discrete", "-o", "x.h5ad")
    assert result.code == 0
    assert "not its ensemble" in result.out
    assert "weight_low" not in anndata.read_h5ad("x.h5ad").obs


def test_what_families_rest_on_are_caveats(call: Call, run: Path) -> None:
    found = json.loads(call("simulate", "--from", "day4", "--discrete", "--json").out)
    names = [caveat["name"] for caveat in found["caveats"]]
    assert names[:2] == ["turnover", "relative growth"] and "no noise" in names
    weighted = json.loads(call("simulate", "--from", "day4", "--json").out)["caveats"] or []
    assert "turnover" not in [caveat["name"] for caveat in weighted]


def test_all_discrete_cells_may_die(call: Call, run: Path) -> None:
    args = ("simulate", "--from", "0", "--n-cells", 2, "--discrete", "--turnover", 4)
    for seed in range(20):
        result = call(*args, "--seed", seed, "-o", "x.h5ad", "--overwrite")
        assert result.code == 0
        if ": 0 cells at the end" in result.out:
            break
    else:
        pytest.fail("nothing died out")
    obs = anndata.read_h5ad("x.h5ad").obs
    assert obs["cellam_time"].max() < 7
