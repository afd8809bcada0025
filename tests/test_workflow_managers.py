"""The rules and the process of the guide: their commands exist, and do what the files need."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pages
import pytest

from cellam.guide.topics import GUIDE

PAGE = GUIDE / "howto" / "workflow-managers.md"
SNAKEFILE, PROCESS = re.findall(r"^```\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
RULE = re.compile(r'^ +shell:\n +"(cellam .*)"$', re.M)
SCRIPT = re.compile(r"^ +(cellam .*)$", re.M)


@pytest.mark.parametrize("commands", [RULE.findall(SNAKEFILE), SCRIPT.findall(PROCESS)])
def test_every_command_has_the_options_that_it_is_given(commands: list[str]) -> None:
    plain = [re.sub(r"\$?\{[^}]*\}", "1", command) for command in commands]
    assert [line.split()[1] for line in plain] == [
        "check", "fit", "eval", "fates", "export", "report",
    ]  # fmt: skip
    assert not list(pages.commands("```\n" + "\n".join(plain) + "\n```", PAGE))


def test_a_wrong_option_in_a_rule_would_be_found() -> None:
    (command,) = RULE.findall(SNAKEFILE.replace("--holdout", "--holdot"))[2:3]
    assert list(pages.commands(f"```\n{command}\n```", PAGE))


def test_what_a_rule_makes_is_what_its_command_writes() -> None:
    outputs = re.findall(r'output:\n +(?:directory\()?"([^"]+)"', SNAKEFILE)
    asked = re.findall(r'"([\w.]+)"', SNAKEFILE.partition("file=")[2].partition("]")[0])
    assert [name.removeprefix("results/{sample}/") for name in outputs] == [
        asked[0], "runs/{sample}", *asked[1:],
    ]  # fmt: skip
    for output, command in zip(outputs, RULE.findall(SNAKEFILE), strict=True):
        assert "{output}" in command or output == "runs/{sample}"


@pytest.mark.slow
def test_the_script_of_the_process_makes_every_output(here: Path, call: Callable[..., Any]) -> None:
    """Its commands, in order, as Nextflow fills them in."""
    filled = {"data": "small.h5ad", "sample": "small", "task.cpus": "1"}
    for command in SCRIPT.findall(PROCESS):
        line = re.sub(r"\$\{([\w.]+)\}", lambda name: filled[name[1]], command)
        typed, _, file = line.partition(" > ")
        result = call(*shlex.split(typed)[1:])
        assert result.code == 0, result.err
        if file:
            (here / file).write_text(result.out)
    for output in re.findall(r'path\(?[ ]?"([^"$]+)', PROCESS):
        assert (here / output).exists()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("snakemake"), reason="snakemake is not on the PATH")
def test_snakemake_runs_the_rules(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "data").mkdir()
    (here / "small.h5ad").rename(here / "data" / "small.h5ad")
    (here / "Snakefile").write_text(SNAKEFILE)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    done = subprocess.run(["snakemake", "--cores", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = subprocess.run(["snakemake", "--cores", "1", "-n"], capture_output=True, text=True)
    assert "Nothing to be done" in again.stdout + again.stderr
