from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

import cellam
from cellam.option_fields import Group, describe
from cellam.options import Options
from cellam_cli.app import app

COMMANDS = typer.main.get_command(app).commands


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_help_lists_every_command(call: Callable[..., Any]) -> None:
    result = call("--help")
    assert result.code == 0
    assert set(COMMANDS) == {
        "check", "fit", "simulate", "eval", "fates", "drivers", "jacobian", "perturb", "validate",
        "suggest", "compare", "info", "plot", "report", "export", "schema", "guide",
    }  # fmt: skip
    for name, command in COMMANDS.items():
        assert f"\n  {name}" in result.out
        assert command.help.split("\n\n")[0] in " ".join(result.out.split())


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_every_option_and_what_it_does(
    call: Callable[..., Any], name: str, flag: str
) -> None:
    result = call(name, flag)
    assert result.code == 0
    text = " ".join(result.out.split())
    for param in COMMANDS[name].params:
        for option in param.opts if param.param_type_name == "option" else ():
            assert option in text
        if param.name != "help":
            told = " ".join(param.help.split())[:40].split("{")[0]  # names are filled in
            assert told in text


def test_the_help_of_a_fit_has_each_option_once_with_choices_default_and_limits(
    call: Callable[..., Any],
) -> None:
    text = " ".join(call("fit", "--help").out.split())
    for each in describe(Options):
        flag = f"--{each.name.replace('_', '-')} "
        own = text.split(f" {flag}", 1)[1].split(" --")[0]
        assert each.kind is bool or own.startswith(f"<{each.form}>")
        for choice in each.choices:
            assert choice in own
    assert "[default: 25000; 100 or more]" in text
    assert "[default: 0.3; above 0]" in text
    assert "`" not in text.replace("`cellam report`", "")
    groups = [text.index(f" {group}: --") for group in Group]
    assert groups == sorted(groups)


def test_no_arguments_show_the_help(call: Callable[..., Any]) -> None:
    result = call()
    assert "simulate" in result.out + result.err
    assert result.code in (0, 2)


def test_the_version_is_that_of_the_library(call: Callable[..., Any]) -> None:
    assert call("--version").out == f"cellam {cellam.__version__}\n"


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys, cellam_cli.app\n"
        "try:\n    cellam_cli.app.app(['fit', '--help'])\nexcept SystemExit: pass\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "cellam_cli" in loaded
    slow = {"torch", "scanpy", "anndata", "ot", "pandas", "scipy", "numpy", "h5py", "matplotlib"}
    assert not loaded & slow
