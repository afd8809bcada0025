from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.analysis.fates import predict_fates
from cellam.analysis.flows import flow
from cellam.modelling.model import Model
from cellam.runs.places import point_to

Call = Callable[..., Any]


def test_every_earlier_day_is_printed_and_kept_in_the_run(
    call: Call, run: Path, model: Model, small: anndata.AnnData
) -> None:
    result = call("fates")
    assert (result.code, result.err) == (0, "")
    for day in ("day0", "day2", "day4"):
        assert f"of 40 cells of {day} on day7" in result.out
    (path,) = (run / "fates").iterdir()
    assert result.out.endswith(f"written   cellam_runs/small/fates/{path.name}\n")
    frame = pd.read_csv(path)
    assert frame["day"].tolist() == ["day0"] * 40 + ["day2"] * 40 + ["day4"] * 40
    found = predict_fates(model, "day2", small.obs["cell_type"])
    of = frame[frame["day"] == "day2"].set_index("cell")
    for k, state in enumerate(found.states):
        assert of[f"fate_{state}"].tolist() == pytest.approx(found.probability[:, k].tolist())
    # A run with fates is still a run that may be replaced, and the same call replaces its file.
    assert call("fates").code == 0
    assert len(list((run / "fates").iterdir())) == 1
    assert call("fit", "small.h5ad", "--n-features", 32, "--tau", 1, "--overwrite").code == 0


def test_the_table_is_the_mean_of_each_type(
    call: Call, run: Path, model: Model, small: anndata.AnnData
) -> None:
    lines = call("fates", "--from", "2").out.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("day2 "))
    found = predict_fates(model, "day2", small.obs["cell_type"])
    most = max(found.states, key=lambda s: found.probability[:, found.states.index(s)].mean())
    assert lines[start].split()[:5] == ["day2", "cells", "mass", "entropy", most]
    row = found.by_type(small.obs["cell_type"])[0]
    share = f"{100 * row['fate'][most]:.0f}"
    cells = [row["type"], str(row["cells"]), f"{row['mass']:.2f}", f"{row['entropy']:.2f}", share]
    assert lines[start + 1].split()[:5] == cells


def test_all_cells_stand_above_what_the_terminal_day_was_observed_to_be(
    call: Call, run: Path, model: Model, small: anndata.AnnData
) -> None:
    lines = [x for x in call("-q", "fates", "--from", "2").out.splitlines() if x]
    found = predict_fates(model, "day2", small.obs["cell_type"])
    k = next(k for k, line in enumerate(lines) if line.startswith("all "))
    state = lines[0].split()[4]
    at = found.states.index(state)
    assert found.observed is not None
    share, low, high = (100 * each[at] for each in found.observed)
    assert f"{share:.0f} % ({low:.0f} to {high:.0f})" in lines[k + 1]
    assert lines[k + 1].split()[:4] == ["observed", "on", "day7", "40"]
    assert ("*" in lines[k]) == bool(found.left_out(found.together()))
    assert any(line.startswith("decided ") for line in lines)  # a result, also without notes
    assert "observed on" not in call("fates", "--ancestors").out


def test_json_is_one_object(call: Call, run: Path, model: Model, small: anndata.AnnData) -> None:
    result = call("fates", "--from", "day4", "--json", "--csv", "x.csv")
    what = json.loads(result.out)
    assert what["terminal"] == {"day": "day7", "column": "cell_type"}
    assert (what["ancestors"], what["members"], what["written"]) == (False, 0, "x.csv")
    (day,) = what["days"]
    assert (day["day"], day["cells"]) == ("day4", 40)
    types = small.obs["cell_type"]
    found = predict_fates(model, "day4", types)
    assert day["types"] == found.by_type(types)
    assert found.observed is not None
    assert day["observed"] == {
        s: [float(x) for x in each] for s, *each in zip(found.states, *found.observed, strict=True)
    }
    assert day["flow"] == flow(model, found, types).to_dict("records")
    assert not (run / "fates").exists()
    assert len(pd.read_csv("x.csv")) == 40
    assert call("fates", "--csv", "x.csv").code == 4
    assert call("fates", "--csv", "x.csv", "--overwrite").code == 0
    assert len(pd.read_csv("x.csv")) == 120


def test_flow_prints_masses_with_their_sums(
    call: Call, run: Path, model: Model, small: anndata.AnnData
) -> None:
    out = call("fates", "--from", "day0", "--terminal", "day4:cell_type", "--flow").out
    lines = out.splitlines()
    head = next(k for k, line in enumerate(lines) if line.startswith("day0 > day4"))
    types = small.obs["cell_type"]
    frame = flow(model, predict_fates(model, "day0", types, terminal="day4"), types)
    total = f"{frame['before'].sum():.3f} > {frame['after'].sum():.3f}"
    last = next(line for line in lines[head:] if line.startswith("all"))
    assert last.endswith(total)
    assert total.startswith("1.000 > ")
    assert lines[head].split()[-1] == "all"


def test_ancestors_are_of_later_days_on_an_earlier_one(call: Call, run: Path) -> None:
    out = call("fates", "--ancestors").out
    assert "No range is given" in out
    assert "decided" not in out and "one certain origin" in out
    for day in ("day2", "day4", "day7"):
        assert f"of 40 cells of {day} on day0" in out
    again = call("fates", "--backward", "--from", "day7", "--terminal", "day2", "--json")
    what = json.loads(again.out)
    assert what["ancestors"] is True
    assert what["terminal"]["day"] == "day2"
    assert "flow" not in what["days"][0]


def test_an_ensemble_shows_its_spread(
    call: Call, here: Path, model: Model, cells: cellam.Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    other = [cellam.fit(cells, n_features=32, tau=1.0, n_pcs=5, seed=s).fit for s in (1, 2)]
    path = here / "cellam_runs" / "small"
    cellam.save(model, cells, path, data=here / "small.h5ad")
    point_to(path)
    opened = cellam.open_run(path)
    filled = replace(opened, model=replace(opened.model, ensemble=tuple(other)))
    monkeypatch.setattr("cellam.runs.run.open_run", lambda _: filled)
    out = call("fates", "--from", "day0", "--csv", "x.csv").out
    assert " % ± " in out
    assert "over 2 fits of the ensemble" in out
    assert "fate_erythroid_sd" in pd.read_csv("x.csv")


@pytest.mark.parametrize(
    ("args", "says", "code"),
    [
        (("--from", "day7"), "day7 is not a day before day7", 2),
        (("--terminal", "day0"), "no day before day0", 2),
        (("--ancestors", "--terminal", "day7"), "no day after day7", 2),
        (("--terminal", "day7:type"), "no column 'type' in obs", 2),
        (("--terminal", "day9"), "day9", 2),
        (("--flow", "--ancestors"), "--flow goes forward", 2),
        (("--csv", "x.txt"), "the file is a .csv", 2),
        (("--csv", "small.h5ad/x.csv"), "cannot be written", 4),
        (("--data", "nothing.h5ad"), "nothing.h5ad", 1),
        (("--draws", "0"), "draws", 2),
    ],
)
def test_mistakes_are_told(
    call: Call, run: Path, args: tuple[str, ...], says: str, code: int
) -> None:
    result = call("fates", *args)
    assert result.code == code
    assert says in result.err
    assert not (run / "fates").exists()


@pytest.mark.slow
def test_noise_is_drawn_by_seed_and_not_run_backward(call: Call, noisy_run: Path) -> None:
    def rows(*args: object) -> Any:
        return json.loads(call("fates", "--from", "day0", "--json", *args).out)["days"]

    assert rows("--seed", 1) == rows("--seed", 1)
    assert rows("--seed", 1) != rows("--seed", 2)
    assert rows("--draws", 1) != rows("--draws", 9)
    refused = call("fates", "--ancestors")
    assert refused.code == 2
    assert "noise cannot be run backward" in refused.err


@pytest.fixture
def two_arms(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of cells without types that end in two clouds; gene3 is higher in the smaller one."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    day = np.repeat([0, 1, 2], 60)
    arm = np.arange(180) % 3 == 0
    x = rng.normal(size=(180, 3))
    x[:, 0] += np.where(arm, 6, -6) * day
    expression = rng.normal(size=(180, 5)).astype(np.float32) + 3
    expression[:, 3] += 2 * arm
    names = [f"gene{k}" for k in range(5)]
    adata = anndata.AnnData(expression, obs={"day": day}, var={"name": names}, obsm={"X_ready": x})
    adata.var_names = names
    adata.obs_names = [f"c{k}" for k in range(180)]
    adata.write_h5ad("arms.h5ad")
    options = ["--use-rep", "X_ready", "--n-features", "32", "--tau", "1", "--no-report"]
    assert call("fit", "arms.h5ad", *options).code == 0


@pytest.mark.usefixtures("two_arms")
def test_without_cell_types_states_are_found_and_written(call: Call) -> None:
    result = call("fates", "--csv", "fates.csv")
    assert result.code == 0, result.err
    assert "2 found among the 60 cells of time 2" in result.out
    assert re.search(r"state 1 +40 +67 % +8 of 8", result.out)
    assert re.search(r"state 2 +20 +33 % +8 of 8 +gene3", result.out)
    assert "unannotated" not in result.out
    states = pd.read_csv("fates-states.csv", index_col="cell")["state"]
    assert list(states.index) == [f"c{k}" for k in range(120, 180)]
    assert [state == "state 2" for state in states] == [k % 3 == 0 for k in range(120, 180)]
    assert {"fate_state 1", "fate_state 2"} < set(pd.read_csv("fates.csv").columns)
    found = json.loads(call("fates", "--json").out)
    assert found["terminal"] == {"day": "2", "column": None}
    largest, other = found["found"]["states"]
    assert (largest["cells"], other["cells"], other["markers"][0]) == (40, 20, "gene3")
    assert "gene3" not in largest["markers"]
    refused = call("fates", "--csv", "other.csv", "--find-states", "--terminal", "2:day")
    assert refused.code != 0 and not Path("other.csv").exists()
