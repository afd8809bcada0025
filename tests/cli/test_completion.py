"""What the shell completes, asked as bash asks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cellam.guide.topics import topics
from cellam_cli.app import app
from cellam_cli.schemas import SCHEMAS

COMMANDS = typer.main.get_command(app).commands
CELLAM = Path(sys.executable).with_name("cellam")


@pytest.fixture
def complete() -> Callable[[str], list[str]]:
    """What is offered for the last word of a line."""

    def offered(line: str) -> list[str]:
        asked = {"_CELLAM_COMPLETE": "complete_bash", "COMP_WORDS": line}
        asked["COMP_CWORD"] = str(len(line.split(" ")) - 1)
        result = CliRunner().invoke(app, [], prog_name="cellam", env=asked)
        assert result.exit_code == 0 and not result.stderr
        return result.stdout.split("\n")[:-1] if result.stdout != "\n" else []

    return offered


def days(path: Path) -> list[str]:
    return json.loads((path / "timeline.json").read_text())["labels"]


def test_commands_and_every_option_of_every_command(complete: Callable[[str], list[str]]) -> None:
    assert complete("cellam ") == list(COMMANDS)
    assert complete("cellam va") == ["validate"]
    assert complete("cellam --version dr") == ["drivers"]
    for name, command in COMMANDS.items():
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts) if "--" in o}
        assert options <= set(complete(f"cellam {name} --"))


@pytest.mark.parametrize(
    "line",
    [
        "fates --from",
        "plot mass --from",
        "simulate --from",
        "perturb --from",
        "validate --from",
        "plot heldout --holdout",
    ],
)
def test_days_are_those_of_the_run(
    run: Path, complete: Callable[[str], list[str]], line: str
) -> None:
    assert complete(f"cellam {line} ") == days(run)
    assert complete(f"cellam {line} {days(run)[1]}") == [days(run)[1]]


def test_eval_holds_out_days_or_all(run: Path, complete: Callable[[str], list[str]]) -> None:
    assert complete("cellam eval --holdout ") == [*days(run), "all"]


def test_days_of_a_run_that_is_named_before(
    run: Path, complete: Callable[[str], list[str]]
) -> None:
    other = run.with_name("other")
    shutil.copytree(run, other)
    timeline = json.loads((other / "timeline.json").read_text())
    # A shell would split the first label; its number is a name of the same day.
    labels = ["day 0", *(f"E{label}" for label in timeline["labels"][1:])]
    (other / "timeline.json").write_text(json.dumps({**timeline, "labels": labels}))
    number = f"{timeline['times'][0]:g}"
    assert complete("cellam fates --run other --from ") == [number, *labels[1:]]
    assert complete("cellam fates --from ") == days(run)
    assert complete("cellam info --run ") == ["other", "small"]
    assert complete("cellam info --run o") == ["other"]


@pytest.mark.parametrize("damage", ["", "{}", '{"labels": 1}', "gone"])
def test_where_no_run_can_be_read_no_day_is_offered_and_nothing_is_said(
    run: Path, complete: Callable[[str], list[str]], damage: str
) -> None:
    (run / "timeline.json").write_text(damage)
    if damage == "gone":
        shutil.rmtree(run)
    assert complete("cellam fates --from ") == []


def test_names_that_only_the_library_knows(complete: Callable[[str], list[str]]) -> None:
    assert complete("cellam plot he") == ["heatmap", "heldout"]
    assert complete("cellam guide ") == [topic.name for topic in topics()]
    assert complete("cellam schema ") == list(SCHEMAS)
    assert complete("cellam fit data.h5ad --path ") == ["independent", "ot", "uot", "mixture"]
    assert complete("cellam fit ") == []  # so the shell completes files


def test_completing_a_day_loads_nothing_slow(run: Path) -> None:
    code = (
        "import sys, cellam_cli.app\n"
        "try:\n    cellam_cli.app.app(prog_name='cellam')\nexcept SystemExit: pass\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    asked = {"_CELLAM_COMPLETE": "complete_bash", "COMP_WORDS": "cellam fates --from "}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**asked, "COMP_CWORD": "3", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    *offered, loaded = done.stdout.splitlines()
    assert offered == days(run)
    slow = {"torch", "scanpy", "anndata", "ot", "pandas", "scipy", "h5py", "matplotlib"}
    assert not slow & set(loaded.split())


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not here")
def test_in_bash_the_script_completes_a_day(run: Path) -> None:
    script = (
        f'PATH="{CELLAM.parent}:$PATH"; eval "$(_CELLAM_COMPLETE=source_bash cellam)"\n'
        "COMP_WORDS=(cellam fates --from ''); COMP_CWORD=3; COMPREPLY=()\n"
        "$(complete -p cellam | sed 's/.*-F \\([^ ]*\\).*/\\1/') cellam\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == days(run)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not here")
def test_where_the_home_folder_cannot_be_written_that_is_said(tmp_path: Path) -> None:
    (home := tmp_path / "home").write_text("a file")
    script = f'HOME="{home}" "{CELLAM}" --install-completion; echo $?'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "4\n"
    assert str(home) in done.stderr and "Traceback" not in done.stderr
