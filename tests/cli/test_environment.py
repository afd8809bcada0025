"""Odd environments: closed streams, other locales, no home, strange names, small limits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from warm import Warm

from cellam.runs.places import RUNS

Call = Callable[..., Any]

# Without growth, which is most of the work of a fit and nothing to these tests.
FIT = ["--method", "am", "--n-features", "32", "--n-pcs", "3", "--curvature", "1", "--no-report"]
COLD = f"{sys.executable} -m cellam"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def ascii_warm() -> Iterator[Warm]:
    """Loaded where the locale is that of ASCII."""
    process = Warm(**ASCII)
    yield process
    process.close()


def shell(
    here: Path, program: str, command: str, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `cellam …` in a shell, so that its streams can be anything."""
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("cellam", program)],
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


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_changes_nothing(run: Path, here: Path, warm: Warm, closed: str) -> None:
    assert shell(here, warm.command, f"cellam info {closed}").returncode == 0


@pytest.mark.slow
def test_closed_streams_change_nothing_from_the_very_start(here: Path) -> None:
    assert shell(here, COLD, "cellam check small.h5ad <&- >&- 2>&-").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_results_that_cannot_be_printed_are_exit_4(run: Path, here: Path, warm: Warm) -> None:
    done = shell(here, warm.command, "cellam info > /dev/full")
    assert done.returncode == 4
    assert b"No space left" in done.stderr


def test_a_reader_that_leaves_is_no_error(run: Path, here: Path, warm: Warm) -> None:
    assert shell(here, warm.command, "cellam info | head -1; cellam info | true").stderr == b""


def test_no_home_and_no_other_variables(here: Path, warm: Warm) -> None:
    assert shell(here, warm.command, f"cellam fit small.h5ad {' '.join(FIT)}").returncode == 0


@pytest.mark.slow  # another process has to load everything
def test_a_name_of_any_letters_in_a_locale_of_ascii(here: Path, ascii_warm: Warm) -> None:
    name = "données 日本 b'c\"d\ny.h5ad"
    shutil.copy(here / "small.h5ad", here / name)
    command = f'cellam fit "$DATA" {" ".join(FIT)} && cellam info'
    done = shell(here, ascii_warm.command, command, DATA=name, COLUMNS="1", TERM="dumb", **ASCII)
    assert done.returncode == 0, done.stderr
    done.stdout.decode("ascii")


def test_a_name_as_long_as_there_are(here: Path, warm: Warm) -> None:
    shutil.copy(here / "small.h5ad", here / ("x" * 240))
    done = shell(here, warm.command, f"cellam fit x* {' '.join(FIT)} && cellam info", COLUMNS="1")
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_no_text(here: Path, warm: Warm) -> None:
    data = os.fsencode(here) + b"/b\xff.h5ad"
    shutil.copy(here / "small.h5ad", os.fsdecode(data))
    done = shell(here, warm.command, f"cellam fit b*.h5ad {' '.join(FIT)} && cellam info")
    assert done.returncode == 0, done.stderr


def test_a_working_directory_that_is_gone(here: Path) -> None:
    (here / "gone").mkdir()
    done = shell(here, COLD, "cd gone; rmdir ../gone; cellam info")
    assert done.returncode == 4
    assert b"working directory no longer exists" in done.stderr


def test_a_file_size_limit_is_exit_4_and_leaves_nothing(here: Path, warm: Warm) -> None:
    done = shell(here, warm.command, f"ulimit -f 8; cellam fit small.h5ad {' '.join(FIT)}")
    assert done.returncode == 4, done.stderr
    assert b"too large" in done.stderr
    assert not (here / RUNS).exists() or not any(
        p for p in (here / RUNS).iterdir() if not p.name.startswith(".")
    )


def test_quiet_prints_the_result_only(spawn: Call, here: Path) -> None:
    done = spawn("fit", "small.h5ad", *FIT, "-q")
    assert done.code == 0
    assert all(line.startswith("caveat    ") for line in done.err.splitlines())
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
    warm: Warm, here: Path
) -> None:
    code = (
        "import warnings, cellam.modelling.pipeline as p\n"
        "inner = p.fit_points\n"
        "def noisy(*a, **k):\n    warnings.warn('a library\\nsays so')\n"
        "    warnings.warn('old', FutureWarning)\n    return inner(*a, **k)\n"
        "p.fit_points = noisy\n"
        "from cellam_cli.app import main\nmain()\n"
    )
    done = warm.run("fit", "small.h5ad", *FIT, code=code)
    expected = "warning   a library says so (UserWarning of <string>)\n"
    assert (done.code, done.err) == (0, expected)
    assert "says so" not in done.out
    log = (here / RUNS / "small" / "log.txt").read_text()
    assert "UserWarning: a library\nsays so" in log and "FutureWarning: old" in log
