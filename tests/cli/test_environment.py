"""Odd environments: closed streams, other locales, no home, strange names, small limits."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellam.runs.run import RUNS

Call = Callable[..., Any]

FIT = ["--n-features", "32", "--tau", "1", "--n-pcs", "3", "--no-report"]


def shell(here: Path, command: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run `cellam …` in a shell, so that its streams can be anything."""
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("cellam", f"{sys.executable} -m cellam")],
        cwd=here,
        capture_output=True,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OMP_NUM_THREADS": "1",
            **variables,
        },
        check=False,
        timeout=120,
    )
    assert b"Traceback" not in done.stdout + done.stderr
    assert b"bug in cellam" not in done.stderr
    return done


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(run: Path, here: Path, closed: str) -> None:
    assert shell(here, f"cellam info {closed}").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_results_that_cannot_be_printed_are_exit_4(run: Path, here: Path) -> None:
    done = shell(here, "cellam info > /dev/full")
    assert done.returncode == 4
    assert b"No space left" in done.stderr


def test_a_reader_that_leaves_is_no_error(run: Path, here: Path) -> None:
    assert shell(here, "cellam info | head -1; cellam info | true").stderr == b""


def test_no_home_and_no_other_variables(here: Path) -> None:
    assert shell(here, f"cellam fit small.h5ad {' '.join(FIT)}").returncode == 0


@pytest.mark.parametrize("name", ["données 日本.h5ad", "a b'c\"d.h5ad", "x\ny.h5ad", "x" * 240])
def test_names_of_any_kind_in_a_locale_of_ascii(here: Path, name: str) -> None:
    shutil.copy(here / "small.h5ad", here / name)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = f'cellam fit "$DATA" {" ".join(FIT)} && cellam info'
    done = shell(here, command, DATA=name, COLUMNS="1", TERM="dumb", **ascii_only)
    assert done.returncode == 0, done.stderr
    done.stdout.decode("ascii")


def test_a_name_that_is_no_text(here: Path) -> None:
    data = os.fsencode(here) + b"/b\xff.h5ad"
    shutil.copy(here / "small.h5ad", os.fsdecode(data))
    done = shell(here, f"cellam fit b*.h5ad {' '.join(FIT)} && cellam info")
    assert done.returncode == 0, done.stderr


def test_a_working_directory_that_is_gone(here: Path) -> None:
    (here / "gone").mkdir()
    done = shell(here, "cd gone; rmdir ../gone; cellam info")
    assert done.returncode == 4
    assert b"working directory is gone" in done.stderr


def test_a_file_size_limit_is_exit_4_and_leaves_nothing(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cellam", "fit", "small.h5ad", *FIT],
        cwd=here,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "too large" in done.stderr
    assert not (here / RUNS).exists() or not any(
        p for p in (here / RUNS).iterdir() if not p.name.startswith(".")
    )


def test_quiet_prints_the_result_only(spawn: Call, here: Path) -> None:
    done = spawn("fit", "small.h5ad", *FIT, "-q")
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == ["run", f"{RUNS}/small"]


def test_verbose_prints_the_log(spawn: Call, here: Path) -> None:
    done = spawn("fit", "small.h5ad", *FIT, "--verbose")
    assert done.code == 0
    log = (here / RUNS / "small" / "log.txt").read_text()
    assert "cellam fit small.h5ad" in log
    assert "ridge" in log
    for line in log.splitlines():
        assert line in done.err


def test_warnings_of_libraries_are_in_the_log_and_those_for_users_on_stderr(
    spawn: Call, here: Path
) -> None:
    code = (
        "import warnings, sys, cellam.reading.embedding as e, cellam.modelling.pipeline as p\n"
        "inner = p.fit_space\n"
        "def noisy(*a, **k):\n    warnings.warn('a library\\nsays so')\n"
        "    warnings.warn('old', FutureWarning)\n    return inner(*a, **k)\n"
        "p.fit_space = noisy\n"
        "from cellam_cli.app import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "fit", "small.h5ad", *FIT],
        cwd=here,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    expected = "warning   a library says so (UserWarning of <string>)\n"
    assert (done.returncode, done.stderr) == (0, expected)
    assert "says so" not in done.stdout
    log = (here / RUNS / "small" / "log.txt").read_text()
    assert "UserWarning: a library\nsays so" in log and "FutureWarning: old" in log
