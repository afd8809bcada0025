"""What every command prints: results alone under -q, caveats on stderr, and strict JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import jsonschema
import numpy as np
import pandas as pd
import pytest
import typer

import cellam
from cellam.runs.places import RUNS, point_to
from cellam.runs.run import open_run
from cellam.storage import json_text
from cellam_cli import console
from cellam_cli.app import app
from cellam_cli.outputs import written
from cellam_cli.schemas import SCHEMAS, schema

Call = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ("--no-report", "--no-counterpart")
# Every command, and under -q the first word of the first line of its result.
COMMANDS = {
    "check": (("small.h5ad",), "data"),
    "fit": (
        ("small.h5ad", "--n-features", 32, "--tau", 1, "--n-pcs", 3, "--name", "new", QUICK[0]),
        "run",
    ),
    "simulate": (("--from", "day2"), "day"),
    "eval": (("--holdout", "day2", "--n-boot", 100, *QUICK, "--refits", 0), "day2"),
    "fates": ((), "day0"),
    "drivers": (("--of", "speed"), "with"),
    "jacobian": (("-g", "Apaf1", "-g", "Bax"), "genes"),
    "perturb": (("-g", "Apaf1=2"), "cell_type"),
    "validate": (("--clones", "clone", "--n-boot", 100), "correlation"),
    "suggest": (("--n-cells", 50), "open"),
    "compare": (
        ("small.h5ad", "--condition", "group", "--n-features", 32, "--tau", 1, "--n-pcs", 3),
        "group",
    ),
    "info": ((), "data"),
    "plot": (("history",), "written"),
    "report": ((), "written"),
    "export": (("--tables", "tables"), "written"),
    "schema": (("fates",), None),
    "guide": (("growth",), "#"),
}
LONG = ("fit", "eval", "compare", "report")
OF_NO_RUN = ("check", "compare", "schema", "guide")
JSON = [name for name, c in typer.main.get_command(app).commands.items()
        if any("--json" in p.opts for p in c.params)]  # fmt: skip


def strict(text: str | bytes) -> Any:
    """Parse JSON as parsers other than Python's do: NaN and Infinity are not part of it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(autouse=True)
def _clones(here: Path, small: anndata.AnnData) -> None:
    number = np.random.default_rng(0).integers(10, size=small.n_obs)
    red = small.obs["cell_type"] == "erythroid"
    small.obs["clone"] = [f"{'ab'[int(r)]}{k}" for r, k in zip(red, number, strict=True)]
    small.obs["group"] = np.where(number < 5, "a", "b")
    small.write_h5ad(here / "small.h5ad")


def start(model: cellam.Model, cells: cellam.Cells) -> Path:
    path = Path(RUNS) / "small"
    cellam.save(model, cells, path, data="small.h5ad", command="cellam fit small.h5ad")
    point_to(path)
    return path


def test_every_command_is_tried_here() -> None:
    assert set(COMMANDS) == set(typer.main.get_command(app).commands)
    assert set(JSON) == set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas_of_these_keys_and_no_others(call: Call, name: str) -> None:
    """That real outputs have them, `call` looks at in every test of --json."""
    said = strict(call("schema", name).out)
    jsonschema.Draft202012Validator.check_schema(said)
    assert said == strict(json_text(schema(name)))
    assert said["additionalProperties"] is False
    assert said["required"] == list(said["properties"])


def test_a_key_that_is_missing_new_or_of_another_kind_does_not_conform(
    call: Call, run: Path
) -> None:
    right = strict(call("drivers", "--of", "speed", "--json").out)
    bare = {key: value for key, value in right.items() if key != "of"}
    for wrong in (bare, {**right, "new": 1}, {**right, "cells": "160"}, {**right, "days": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema("drivers"))


def test_a_command_without_a_schema_is_refused_with_those_there_are(call: Call) -> None:
    refused = call("schema", "evl")
    assert refused.code == 2
    assert "Did you mean 'eval'? Available: check, compare" in refused.err


@pytest.mark.parametrize("name", COMMANDS)
def test_quiet_prints_results_and_nothing_else(call: Call, run: Path, name: str) -> None:
    args, first = COMMANDS[name]
    quiet = call("-q", name, *args)
    assert (quiet.code, console.quiet) == (0, True)
    doubts = quiet.err.splitlines()
    assert all(line.startswith(("caveat    ", "warning   ")) for line in doubts)
    lines = [line for line in quiet.out.splitlines() if line]
    assert first is None or lines[0].split()[0] == first
    notes = ["note", "caveat", *(["data", "chosen", "next"] if name == "fit" else ["run"])]
    starts = tuple(f"{label:<9} " for label in notes)
    assert not [line for line in lines if line.startswith(starts) and line[10] != " "]
    if name not in LONG:
        loud = call(name, *args, *(("--overwrite",) if name == "export" else ()))
        assert set(lines) <= set(loud.out.splitlines())
        said = [x for x in loud.out.splitlines() if x.startswith(("caveat    ", "warning   "))]
        assert name in ("check", "info") or doubts == said  # no reason for doubt is lost
        assert name in OF_NO_RUN or loud.out.startswith("run ")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("growth", marks=pytest.mark.slow),
        "mass conserved",
        pytest.param("ensemble", marks=pytest.mark.slow),
    ],
)
def test_every_json_of_every_command_and_run_is_strict(
    call: Call, here: Path, request: pytest.FixtureRequest, cells: cellam.Cells, kind: str
) -> None:
    fixture = {"growth": "model", "ensemble": "unsure_model", "mass conserved": "noisy_model"}
    path = start(request.getfixturevalue(fixture[kind]), cells)
    for name in sorted({*JSON} - {"fit"}):  # which makes another run: tests/cli/test_fit.py
        quiet = ("-q",) if kind == "mass conserved" else ()
        result = call(*quiet, name, "--json", *COMMANDS[name][0])
        assert result.code == 0, result.err
        assert isinstance(strict(result.out), dict) and result.out.count("\n") == 1
        said = "" if quiet or name in OF_NO_RUN else "run       cellam_runs/small\n"
        assert result.err == said
        if kind == "growth" and name not in LONG:
            quiet = call("-q", name, "--json", *COMMANDS[name][0])
            assert (quiet.code, quiet.out, quiet.err) == (0, result.out, "")
    files = list(path.rglob("*.json"))
    assert {"fit.json", "provenance.json", "manifest.json"} <= {file.name for file in files}
    assert any(file.parent.name == "evaluations" for file in files)
    for file in files:
        strict(file.read_bytes())
    bounds = strict((path / "fit.json").read_bytes())["growth_range"]
    assert (bounds is None) == (kind == "mass conserved")
    again = open_run(path)
    assert again.model.fit.growth_range == request.getfixturevalue(fixture[kind]).fit.growth_range
    scores = again.evaluation("day2")
    assert scores is not None
    scores.table.loc[3, "value"] = np.nan
    scores.covariance["day2", "W1"].loc["cellam", "floor"] = np.nan
    again.keep(cellam.Evaluation(scores))
    for file in path.rglob("evaluations/*.json"):
        strict(file.read_bytes())
    kept = again.evaluation("day2")
    pd.testing.assert_frame_equal(kept.table, scores.table)
    for key, covariance in scores.covariance.items():
        pd.testing.assert_frame_equal(kept.covariance[key], covariance)


def test_a_run_whose_json_holds_infinities_still_opens(
    here: Path, noisy_model: cellam.Model, cells: cellam.Cells
) -> None:
    from cellam.storage import sha256

    path = start(noisy_model, cells)
    fitted = json.loads((path / "fit.json").read_bytes())
    fitted["growth_range"] = [-np.inf, np.inf]
    old = json.dumps(fitted).encode()
    (path / "fit.json").write_bytes(old)
    manifest = json.loads((path / "manifest.json").read_bytes())
    manifest["files"]["fit.json"] = sha256(old)
    (path / "manifest.json").write_text(json.dumps(manifest))
    assert open_run(path).model.fit.growth_range == (-np.inf, np.inf)


def test_columns_stand_below_each_other_also_in_chinese(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.table(["type", "a", "b"], [["巨核细胞", "1", "22"], ["Meg", "333", "4"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["type        a   b", "巨核细胞    1  22", "Meg       333   4"]


def test_a_name_of_two_lines_stays_on_one(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(["type", "a"], [["drug\n10 µM", "1"], ["Meg", "333"]])
    assert capsys.readouterr().out.splitlines() == [
        "type          a",
        "drug 10 µM    1",
        "Meg         333",
    ]


def test_a_wide_table_is_neither_cut_nor_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(["x" * 200, "y" * 200], [["1", "2"]])
    heading, _ = capsys.readouterr().out.splitlines()
    assert heading == f"{'x' * 200}  {'y' * 200}"


def test_what_is_large_is_written_with_its_size(here: Path) -> None:
    small, large, folder = here / "small.csv", here / "large.h5ad", here / "tables"
    folder.mkdir()
    for path in (small, large, folder / "one", folder / "two"):
        path.touch()
    for path in (large, folder / "one", folder / "two"):
        os.truncate(path, 700_000_000)  # takes no space
    assert [written(p) for p in (small, large, folder)] == [
        "small.csv",
        "large.h5ad (700 MB)",
        "tables/ (1.4 GB)",
    ]


def test_a_table_is_folded_at_the_width_of_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["day", *(f"type {k}" for k in range(12))]
    rows = [["day0", *["40 % (40; 37 to 43)"] * 12], ["second day", *["–"] * 12]]
    console.table(columns, rows)
    assert len(capsys.readouterr().out.splitlines()) == 3
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    console.table(columns, rows)
    blocks = [block.splitlines() for block in capsys.readouterr().out.split("\n\n")]
    assert max(len(line) for block in blocks for line in block) <= 80
    assert [block[2].startswith("second day") for block in blocks] == [True] * 4
    assert " ".join(block[0] for block in blocks).split() == " ".join(
        ["day type 0 type 1 type 2", "day type 3 type 4 type 5", "day type 6 type 7 type 8",
         "day type 9 type 10 type 11"]
    ).split()  # fmt: skip
