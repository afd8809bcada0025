from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellam.runs.places import RUNS
from cellam.workflows.plot_kinds import PICTURES

Call = Callable[..., Any]

COMMANDS = {
    "fit": ["fit", "small.h5ad", "--name", "other", "--n-features", "32", "--tau", "1"],
    "simulate": ["simulate", "--from", "day0"],
    "eval": ["eval", "--holdout", "day2"],
    "info": ["info"],
}
INSIDE = {
    "fit": "cellam.modelling.pipeline.fit",
    "simulate": "cellam.modelling.model.Model.trajectories",
    "eval": "cellam.workflows.evaluate.evaluate",
    "info": "cellam.runs.run.open_run",
}


@pytest.fixture(autouse=True)
def logs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the log of a bug is written: not into the folder that all programs share."""
    folder = tmp_path_factory.mktemp("logs")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (ZeroDivisionError("by nought"), 70, "bug in cellam: ZeroDivisionError: by nought"),
        (MemoryError(), 3, "out of memory"),
    ],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_happens_inside_is_a_message_and_a_code(
    call: Call,
    run: Path,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise error

    before = files(here)
    monkeypatch.setattr(INSIDE[name], fails)
    result = call(*COMMANDS[name])
    assert result.code == code
    assert said in result.err
    assert said not in result.out
    assert files(here) == before


def test_a_bug_says_how_to_report_it_and_debug_shows_it(
    call: Call, run: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from cellam_cli.app import app

    def fails(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr("cellam.runs.run.open_run", fails)
    said = call("info").err
    kept = Path(re.search(r"\S*cellam-bug-\S+\.log", said)[0])
    assert "ZeroDivisionError: by nought" in kept.read_text()
    assert kept.parent == logs
    shown = CliRunner().invoke(app, ["--debug", "info"])
    assert shown.exit_code == 70
    assert "Traceback" in shown.stderr
    assert "by nought" in shown.stderr


@pytest.mark.parametrize("name", ["fit", "simulate", "eval"])
def test_a_full_disk_is_exit_4_and_leaves_nothing(
    call: Call, run: Path, here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = files(here)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        result = call(*COMMANDS[name])
    assert result.code == 4
    assert "No space left" in result.err
    assert files(here) == before
    assert sorted(p.name for p in (here / RUNS).iterdir()) == ["current", "small"]


def test_errors_go_to_stderr_and_results_to_stdout(call: Call, run: Path) -> None:
    good, bad = call("info"), call("info", "--run", "nope")
    assert (good.code, good.err) == (0, "")
    assert (bad.code, bad.out) == (4, "")
    assert bad.err.startswith("cellam: nope")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["fit", "nope.h5ad"], 1),
        (["simulate"], 4),  # there is no run
        (["simulate", "--nope"], 2),
        (["fly"], 2),
        (["--nope"], 2),
        (["info", "--run", "nope"], 4),
        (["info", "extra"], 2),
    ],
)
def test_exit_codes_tell_mistakes_apart(call: Call, here: Path, args: list[str], code: int) -> None:
    result = call(*args)
    assert result.code == code
    assert result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("compare x --ensemble 4", "cellam compare has no option --ensemble.\n  It is an option of "
         "check, fit. See `cellam compare --help`."),
        ("fit x --holdout day2", "cellam fit has no option --holdout.\n  It is an option of eval, "
         "plot. See `cellam fit --help`."),
        ("fit x --groupby state", "cellam fit has no option --groupby.\n  A fit needs no cell "
         "types; what"),
        ("fit x --sede 1", "cellam fit has no option --sede.\n  Did you mean --seed? See"),
        ("fit x --penalty 1", "cellam fit has no option --penalty.\n  See `cellam fit --help`."),
        ("fate", "No such command 'fate'. Did you mean 'fates'?\n  See `cellam --help`."),
        ("guide a b", "Got unexpected extra argument(s) (b).\n  See `cellam guide --help`."),
        ("schema", "Missing argument 'COMMAND'.\n  It is one of: check, compare, "),
        ("compare", "Missing argument 'DATA'.\n  See `cellam compare --help`."),
        ("simulate --from", "Option '--from' requires an argument.\n  See"),
    ],
)  # fmt: skip
def test_mistakes_of_usage_are_said_as_all_others_are(
    call: Call, here: Path, typed: str, said: str
) -> None:
    result = call(*typed.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"cellam: {said}")
    assert len(result.err.splitlines()) == 2


def test_a_missing_kind_of_figure_is_answered_with_those_there_are(call: Call, here: Path) -> None:
    result = call("plot")
    assert (result.code, result.out) == (2, "")
    first, *listed, last = result.err.splitlines()
    assert (first, last) == ("cellam: Missing argument 'KIND'.", "  See `cellam plot --help`.")
    assert [line.split()[0] for line in listed] == list(PICTURES)
    assert len({line.index(line.split(maxsplit=1)[1]) for line in listed}) == 1  # in columns
    assert "`" not in "".join(listed)  # options as they are typed


def test_without_a_command_there_is_help(call: Call, here: Path) -> None:
    result = call()
    assert result.code == 2
    assert "Usage: cellam [OPTIONS] COMMAND" in result.err


def test_the_command_of_a_process_has_the_same_codes(spawn: Call, here: Path) -> None:
    result = spawn("fit", "nope.h5ad")
    assert (result.code, result.out) == (1, "")
    assert "there is no such file" in result.err


@pytest.mark.parametrize(
    ("args", "code"),
    [
        *(
            ((command, "small.h5ad", option, "nope"), 1)
            for command in ("check", "fit")
            for option in ("--time-key", "--batch-key", "--replicate", "--clones", "--layer")
        ),
        *(
            (("compare", "small.h5ad", "--condition", "cell_type", option, "nope"), 1)
            for option in ("--clones", "--groupby", "--time-key")
        ),
        (("compare", "small.h5ad", "--condition", "nope"), 1),
        (("fates", "--clones", "nope"), 2),
        (("fates", "--terminal", "day7:nope"), 2),
        (("validate", "--clones", "nope"), 2),
        (("perturb", "-g", "Apaf1=2", "--terminal", "day7:nope"), 2),
        (("drivers", "--of", "fate:erythroid", "--groupby", "nope"), 2),
        (("plot", "composition", "--groupby", "nope"), 2),
        (("report", "--groupby", "nope"), 2),
        (("export", "--tables", "tables", "--groupby", "nope"), 2),
        (("simulate", "--from", "day2", "--from-cells", "nope == 1"), 2),
    ],
)
def test_a_name_that_the_data_lack_has_the_code_of_the_guide(
    call: Call, run: Path, args: tuple[str, ...], code: int
) -> None:
    """1 where the file is read for the first time, 2 where a run knows what it holds."""
    result = call(*args)
    assert (result.code, "nope" in result.err) == (code, True)
