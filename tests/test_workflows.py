"""Whatever a command does is one call on a run, and says the same."""

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
from cellam.checks import caveats as rules
from cellam.runs.places import point_to
from cellam.workflows import evaluate as evaluate_workflow

Call = Callable[..., Any]
Ask = Callable[[cellam.Run], Any]

# A command that prints JSON, and the call that it equals.
SAME: dict[str, tuple[str, Ask]] = {
    "info": ("info", lambda run: run.info()),
    "evaluate": (
        "eval --holdout day2 --metrics W1,energy --baselines previous,ot",
        lambda run: run.evaluate(
            "day2", metrics=["W1", "energy"], baselines=["previous", "ot"], refits=0
        ),
    ),
    "fates": (
        "fates --from day2 --from day4 --terminal day7:cell_type",
        lambda run: run.fates(["day2", "day4"], terminal="day7:cell_type", keep=True),
    ),
    "ancestors": (
        "fates --ancestors --from day7 --csv fates.csv --overwrite",
        lambda run: run.fates("day7", ancestors=True, csv="fates.csv", overwrite=True),
    ),
    "perturb": ("perturb -g Mki67=-3", lambda run: run.perturb({"Mki67": -3})),
    "drivers": (
        "drivers --of growth --day day2 -n 3",
        lambda run: run.drivers("growth", day="day2", top=3),
    ),
    "fate drivers": (
        "drivers --of fate:myeloid",
        lambda run: run.drivers("fate:myeloid"),
    ),
    "jacobian": (
        "jacobian -g Apaf1 -g Bax --day day2",
        lambda run: run.jacobian(["Apaf1", "Bax"], day="day2"),
    ),
    "suggest": (
        "suggest --n-cells 50 --at 3 --at 5",
        lambda run: run.suggest(n_cells=50, at=["3", 5]),
    ),
    "validate": (
        "validate --clones clone --from day2 --n-boot 100",
        lambda run: run.validate("clone", start="day2", n_boot=100),
    ),
}


@pytest.fixture
def marked(here: Path, model: cellam.Model) -> Path:
    """The run of a file that has clones too."""
    adata = anndata.read_h5ad(here / "small.h5ad")
    # Every clone has cells on every day, and on the last one of a single type.
    number = np.arange(adata.n_obs)
    for label in set(adata.obs["day"]):
        day = (adata.obs["day"] == label).to_numpy()
        of_type = (adata.obs["cell_type"] == "myeloid").to_numpy()
        side = of_type if label == "day7" else number % 2 == 0
        for name, rows in (("a", np.flatnonzero(day & side)), ("b", np.flatnonzero(day & ~side))):
            clones = [f"{name}{k % 6}" for k in range(len(rows))]
            adata.obs.loc[adata.obs_names[rows], "clone"] = clones
    adata.write_h5ad(here / "small.h5ad")
    path = here / "cellam_runs" / "small"
    cellam.save(model, cellam.read(here / "small.h5ad"), path, data=here / "small.h5ad")
    point_to(path)
    return path


@pytest.mark.parametrize("name", SAME)
def test_a_call_says_what_its_command_prints(call: Call, marked: Path, name: str) -> None:
    command, ask = SAME[name]
    printed = call(*command.split(), "--run", marked, "--json")
    assert printed.code == 0, printed.err
    found = ask(cellam.open_run(marked))
    assert json.loads(found.to_json()) == json.loads(printed.out)
    check_forms(found)


def check_forms(found: Any) -> None:
    """It has one table, strict JSON, one line, and a table for a notebook."""
    assert isinstance(found.to_frame(), pd.DataFrame)
    json.loads(found.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    check_display(found)


def check_display(found: Any) -> None:
    line = repr(found)
    assert len(line) < 200 and "\n" not in line
    assert line.startswith(type(found).__name__)
    page = found._repr_html_()
    assert page.count("<table") >= 1 and len(page) < 10_000


@pytest.mark.parametrize(
    ("command", "ask"),
    [
        ("eval --holdout day2", lambda run, csv: run.evaluate("day2", refits=0, csv=csv)),
        ("fates --from day2", lambda run, csv: run.fates("day2", csv=csv)),
        ("perturb -g Mki67=-3", lambda run, csv: run.perturb("Mki67=-3", csv=csv)),
        ("jacobian -g Mki67", lambda run, csv: run.jacobian("Mki67", csv=csv)),
        ("drivers --of speed", lambda run, csv: run.drivers("speed", csv=csv)),
        ("validate --clones clone", lambda run, csv: run.validate("clone", csv=csv)),
    ],
)
def test_the_table_is_the_file_of_the_command(
    call: Call, marked: Path, here: Path, command: str, ask: Callable[[cellam.Run, str], Any]
) -> None:
    assert call(*command.split(), "--csv", "one.csv").code == 0
    found = ask(cellam.open_run(marked), "two.csv")
    assert (here / "one.csv").read_bytes() == (here / "two.csv").read_bytes()
    assert found.written == Path("two.csv")
    read = pd.read_csv("two.csv")
    assert list(read.columns) == list(found.to_frame().columns)
    assert len(read) == len(found.to_frame()) > 0
    with pytest.raises(cellam.OutputError, match="exists already"):
        ask(cellam.open_run(marked), "two.csv")


@pytest.mark.parametrize("discrete", [False, True])
def test_a_simulation_is_the_file_that_the_command_writes(
    call: Call, run: Path, discrete: bool
) -> None:
    query = "cell_type != 'myeloid'"
    args = ("simulate", "--from", "day2", "--from-cells", query, *["--discrete"] * discrete)
    printed = call(*args).out
    (written,) = (run / "simulations").iterdir()
    one = anndata.read_h5ad(written)
    opened = cellam.open_run(run)
    found = opened.simulate("day2", from_cells=query, discrete=discrete)
    assert found.written is None
    two = found.to_anndata()
    pd.testing.assert_frame_equal(one.obs, found.to_frame(), check_categorical=False)
    np.testing.assert_array_equal(one.X, two.X)
    np.testing.assert_array_equal(one.obsm["X_pca"], two.obsm["X_pca"])
    assert {**one.uns["cellam"], "command": ""} == two.uns["cellam"]
    written.unlink()
    kept = opened.simulate("day2", from_cells=query, discrete=discrete, keep=True)
    assert kept.written == written
    told = json.loads(call(*args, "--json").out)  # which fits its schema, as `call` sees to
    assert told == json.loads(kept.to_json())
    for row in found.to_dict()["days"]:
        assert any(
            line.startswith(f"{row['label']} ") and f" {row['mass']:.2f} " in line
            for line in printed.splitlines()
        )
    check_forms(found)
    check_display(found.families or found.simulation)
    numbers = found.to_dict()["discrete"]
    assert (numbers is not None) == discrete
    if numbers is not None:
        assert numbers["cells"] == found.composition["ess"].tolist()
        pd.testing.assert_frame_equal(
            one.uns["cellam_tree"], found.tree, check_categorical=False, check_names=False
        )


def test_expression_of_very_many_cells_is_computed_if_asked_for(
    call: Call, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellam.workflows.simulate.MOST_DECODED", 24_000 - 1)  # 3 times, 50 genes
    opened = cellam.open_run(run)
    genes = opened.model.space.genes
    (note,) = opened.simulate("day2", n_cells=40).notes
    assert note.startswith("No expression is computed: that of 50 genes in 120 rows")
    assert "`genes='all'`" in note and genes[0] in note
    assert opened.simulate("day2", n_cells=40).to_anndata().shape == (120, 0)
    assert opened.simulate("day2", n_cells=39).to_anndata().shape == (117, 50)
    assert not opened.simulate("day2", n_cells=40, genes="none").notes
    said = call("simulate", "--from", "day2", "--n-cells", "40")
    assert said.code == 0 and "add --genes all" in said.err
    (written,) = (run / "simulations").iterdir()
    assert anndata.read_h5ad(written).shape == (120, 0)
    said = call("simulate", "--from", "day2", "--n-cells", "40", "--genes", "all", "-o", "x.h5ad")
    assert (said.code, said.err) == (0, "") and anndata.read_h5ad("x.h5ad").shape == (120, 50)


def test_an_unsure_simulation_has_intervals(unsure_run: Path) -> None:
    found = cellam.open_run(unsure_run).simulate("day2")
    low, high = found.to_dict()["days"][-1]["mass_interval"]
    assert low < found.composition["mass"].iloc[-1] < high
    assert (found.cells["weight_low"] <= found.cells["weight"] + 1e-9).all()
    assert "8" in found._model.facts["ensemble"]


def test_a_report_is_the_page_of_the_command(
    call: Call, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def render(of: Any, **known: Any) -> str:  # drawing takes seconds, and is tested elsewhere
        asked.append((of.path.resolve(), known))
        return f"page {len(asked)}"

    monkeypatch.setattr("cellam.report.page.render_report", render)
    opened = cellam.open_run(run)
    opened.evaluate("day2", refits=0)
    assert call("report", "--groupby", "cell_type").code == 0
    found = opened.report(groupby="cell_type")
    assert found.written == run / "report.html" and found.written.read_text() == "page 2"
    assert asked[0] == asked[1]
    assert asked[1][1]["caveats"] == found.caveats and asked[1][1]["groupby"] == "cell_type"
    assert found.scored == ("day2",)
    assert len(found.to_frame()) == len(found.caveats)
    check_forms(found)
    with pytest.raises(cellam.ConfigError, match=r"a report is a \.html or \.htm"):
        opened.report("page.pdf")


def test_an_export_without_types_on_the_last_day_has_all_but_fates(
    run: Path, small: anndata.AnnData
) -> None:
    small.obs["cell_type"] = small.obs["cell_type"].where(small.obs["day"] != "day7")
    opened = cellam.open_run(run)
    found = opened.export(small)
    assert "obs/cellam_growth" in found.keys and "obsm/cellam_fates" not in found.keys
    assert found.notes[0].startswith("No cell of day7 has a value in obs['cell_type']: no fates")
    with pytest.raises(cellam.DataError, match="which defines the fates"):
        opened.export(small, groupby="cell_type")


def test_an_export_goes_to_a_file_or_into_an_object(
    call: Call, run: Path, here: Path, small: anndata.AnnData
) -> None:
    assert call("export", "--into", "one.h5ad", "--tables", "tables").code == 0
    opened = cellam.open_run(run)
    found = opened.export(small)
    one = anndata.read_h5ad("one.h5ad")
    np.testing.assert_array_equal(one.obsm["cellam_fates"], small.obsm["cellam_fates"])
    assert list(one.uns["cellam"]["keys"]) == found.keys
    assert found.into is None and "obs/cellam_growth" in found.keys
    check_forms(found)
    both = opened.export("two.zarr", tables="tables", overwrite=True)
    assert both.rows["growth"] == 160
    assert sorted(p.name for p in here.glob("two*")) == ["two.zarr"]
    check_forms(both)
    with pytest.raises(cellam.OutputError, match="exists already"):
        opened.export(small, tables="tables")
    with pytest.raises(cellam.ConfigError, match="an object of type dict"):
        opened.export({"a": 1})
    with pytest.raises(cellam.ConfigError, match="No destination"):
        opened.export()


def test_a_picture_is_drawn_with_or_without_a_file(call: Call, run: Path, here: Path) -> None:
    opened = cellam.open_run(run)
    found = opened.plot("mass", seed=1)
    assert found.axes.get_figure() is found.figure and found.written is None
    assert not list(here.glob("*.png"))
    assert found._repr_html_().startswith('<img alt="mass" src="data:image/png;base64,iVBOR')
    assert len(repr(found)) < 200
    assert call("plot", "mass", "--seed", 1, "--out", "one.svg").code == 0
    opened.plot("mass", seed=1, out="two.svg")
    assert (here / "one.svg").read_bytes() == (here / "two.svg").read_bytes()
    with pytest.raises(cellam.ConfigError, match="kind of figure: 'mas'"):
        opened.plot("mas")


def test_scores_are_kept_and_not_worked_out_again(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = cellam.open_run(run)
    first = opened.evaluate("day2", refits=0)
    assert first.earlier == ()

    def works(*args: object, **kwargs: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(evaluate_workflow, "evaluate", works)
    again = opened.evaluate(["day2"], refits=0, n_boot=500)
    assert again.earlier == ("day2",)
    assert set(opened.evaluation("day2").table["n_boot"]) == {500}
    pd.testing.assert_series_equal(
        again.to_frame()["value"], first.to_frame()["value"], check_exact=True
    )
    with pytest.raises(AssertionError, match="scored again"):
        opened.evaluate(["day2", "day4"], refits=0)


def test_caveats_of_a_fit_are_looked_for_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = cellam.open_run(run)
    opened.evaluate("day4", refits=0)
    simulated = []
    simulate = cellam.Model.simulate

    def counted(model: cellam.Model, *args: Any, **kwargs: Any) -> cellam.Simulation:
        simulated.append(args)
        return simulate(model, *args, **kwargs)

    monkeypatch.setattr(cellam.Model, "simulate", counted)
    found = opened.evaluate("day2", refits=0)
    n = len(simulated)
    assert found.caveats == rules.caveats(opened.model, found.cells, holdout=["day2"])
    assert 0 < n == len(simulated) - n
    assert found.all_caveats == rules.caveats(opened.model, found.cells, holdout=["day2", "day4"])


def test_days_are_followed_once_however_often_they_are_named(run: Path) -> None:
    found = cellam.open_run(run).fates(["day2", "2", "day2"])
    assert [f.start for f in found.days] == ["day2"]


def test_days_names_and_cells_are_given_in_the_forms_at_hand(
    marked: Path, cells: cellam.Cells
) -> None:
    run = cellam.open_run(marked)
    assert [f.start for f in run.fates([2, "day4"], terminal=7).days] == ["day2", "day4"]
    assert run.validate("clone", start=4, n_boot=100).start == ("day4",)
    assert run.drivers("speed", day=np.int64(2)).days == ("day2",)
    assert run.perturb("Mki67=-3", start=0).perturbation.start == "day0"
    text, names = (
        run.evaluate(day, metrics=metrics, baselines="ot", refits=0).to_json()
        for day, metrics in (("day2", "W1, energy"), (2.0, ["W1", "energy"]))
    )
    assert text == names
    chosen = cells.obs["cell_type"] != "myeloid"
    one, two, three = (
        run.simulate(2, from_cells=query, genes=["Mki67"], keep=True)
        for query in ("cell_type != 'myeloid'", chosen, chosen.to_numpy())
    )
    for other in (two, three):
        np.testing.assert_array_equal(other.simulation.rows, one.simulation.rows)
        assert list(other.to_anndata().var_names) == ["Mki67"]
    first = chosen & (np.arange(len(chosen)) < 60)
    assert run.simulate(2, from_cells=first, genes=["Mki67"], keep=True).written != two.written


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda run: run.evaluate([]), "No day to hold out was given"),
        (lambda run: run.simulate(2, from_cells=[True, False]), "does not select cells"),
        (lambda run: run.simulate(2, from_cells=np.arange(160)), "does not select cells"),
        (
            lambda run: run.simulate(2, from_cells=pd.Series(np.ones(160, dtype=bool))),
            "other names",
        ),
        (lambda run: run.drivers("speed", from_cells=np.zeros(160, dtype=bool)), "selects none"),
        (lambda run: run.evaluate("day2", metrics="W1;W2"), "no metric 'W1;W2'"),
        (lambda run: run.fates("day7"), "day7'` is not a day before day7"),
        (lambda run: run.fates("day0", ancestors=True), "day0'` is not a day after day0"),
        (lambda run: run.validate("clone", start="day7"), "day7'` is not a day before day7"),
        (lambda run: run.simulate("day2", stochastic=True), "fitted without noise"),
        (lambda run: run.drivers("growth", from_cells="nope == 1"), "cannot be understood"),
        (lambda run: run.perturb({}), "No gene was given"),
        (lambda run: run.evaluate("day2", refits=1), "refits"),
    ],
)
def test_mistakes_are_told_as_on_the_command_line(marked: Path, ask: Ask, says: str) -> None:
    with pytest.raises(cellam.ConfigError, match=says):
        ask(cellam.open_run(marked))


def test_what_an_object_holds_does_not_flood_the_page(
    cells: cellam.Cells, rep_cells: cellam.Cells, model: cellam.Model, run: Path
) -> None:
    opened = cellam.open_run(run)
    for found in (cells, rep_cells, model, opened, model.simulate("day2")):
        check_display(found)
    assert "160" in repr(cells) and "day4" in repr(cells)
    assert "uam" in repr(model) and "day7" in repr(model)
    assert "small" in repr(opened)


def test_names_of_any_length_and_kind_keep_to_one_line_and_are_escaped(
    small: anndata.AnnData,
) -> None:
    small.obs["day"] = [f"{d}\n<b>" + "x" * 300 for d in small.obs["day"]]
    times = {label: k for k, label in enumerate(sorted(set(small.obs["day"])))}
    cells = cellam.read(small, time_key="day", time_map=times)
    check_display(cells)
    assert "<b>" not in cells._repr_html_()


def test_a_notebook_needs_three_lines(run: Path) -> None:
    session = "run = cellam.open_run()\nfound = run.fates('day4')\nfound.to_frame().head()"
    exec(session, {"cellam": cellam})  # in the folder of the run, as a reader would
