from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cellam.errors import DataError, OutputError, RunError, RunInUse, Stopped
from cellam.runs.claims import MANIFEST, claim, is_run, is_stopped

FILES = {"options.json": b"{}"}


def made(path: Path, **options: object) -> None:
    with claim(path, **options) as place:
        place.commit(FILES)


def stopped(path: Path, **decides: object) -> None:
    with pytest.raises(Stopped), claim(path, start=decides, command="cellam fit x") as place:
        place.checkpoint.keep("recipe", {"tau": 1.0})
        place.checkpoint.signal = 2
        place.checkpoint.pause()


def test_a_run_is_there_when_it_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "a"
    with claim(path) as place:
        assert not path.exists()
        place.commit(FILES)
        assert is_run(path)
    assert sorted(p.name for p in path.parent.iterdir()) == ["a"]
    assert sorted(p.name for p in path.iterdir()) == [MANIFEST, "options.json"]


def test_a_failure_leaves_not_even_the_parents(tmp_path: Path) -> None:
    with pytest.raises(DataError), claim(tmp_path / "a" / "b" / "c"):
        raise DataError("no")
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_fit_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    stopped(path, seed=1)
    assert is_stopped(path)
    with claim(path, start={"seed": 1}, resume=True) as place:
        assert place.checkpoint.recall("recipe").values == {"tau": 1.0}
        place.commit(FILES)
    assert is_run(path)
    assert not is_stopped(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_only_the_same_fit_may_go_on(tmp_path: Path) -> None:
    stopped(tmp_path / "a", seed=1)
    with (
        pytest.raises(RunError, match="had a different seed: 1, now 2") as caught,
        claim(tmp_path / "a", start={"seed": 2}, resume=True),
    ):
        raise AssertionError
    assert "cellam fit x" in caught.value.hint
    assert is_stopped(tmp_path / "a")


def test_nothing_stopped_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no stopped fit"), claim(tmp_path / "a", resume=True):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_fit_is_not_forgotten_by_accident(tmp_path: Path) -> None:
    stopped(tmp_path / "a")
    with pytest.raises(OutputError, match="was stopped") as caught:
        made(tmp_path / "a")
    assert "`resume=True`" in caught.value.hint
    assert is_stopped(tmp_path / "a")
    made(tmp_path / "a", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_fit_that_stops_before_it_kept_anything_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Stopped), claim(tmp_path / "a"):
        raise Stopped(2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["notes.txt", "evaluations/notes.txt", "simulations/a/b.h5ad"])
def test_other_peoples_files_in_a_run_are_not_replaced(tmp_path: Path, where: str) -> None:
    path = tmp_path / "a"
    made(path)
    (path / where).parent.mkdir(parents=True, exist_ok=True)
    (path / where).write_text("years of work")
    with pytest.raises(OutputError, match=where.split("/")[0]):
        made(path, overwrite=True)
    assert (path / where).read_text() == "years of work"


def test_what_cellam_added_to_a_run_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made(path)
    for added in ("evaluations/x.json", "simulations/x.h5ad"):
        (path / added).parent.mkdir()
        (path / added).write_text("")
    made(path, overwrite=True)
    assert sorted(p.name for p in path.iterdir()) == [MANIFEST, "options.json"]


HOLD = """
import sys
from cellam.runs.claims import claim
with claim(sys.argv[1], command="cellam fit first.h5ad") as place:
    place.checkpoint.keep("recipe", {})
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds the claim on tmp_path/a until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_told_of_the_first(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RunInUse, match=f"process {holder.pid}") as caught:
            made(tmp_path / "a", **options)
        assert "cellam fit first.h5ad" in caught.value.message
        assert caught.value.exit_code == 5


def test_a_killed_process_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with claim(tmp_path / "a", resume=True) as place:
        place.commit(FILES)
    assert is_run(tmp_path / "a")


def test_a_replaced_run_that_was_not_removed_in_time_is_removed_later(tmp_path: Path) -> None:
    made(tmp_path / "a")
    # As if killed after the exchange of old and new.
    (tmp_path / "a").rename(tmp_path / ".b.unfinished")
    made(tmp_path / "b")
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_disk_too_small_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="MB are needed"), claim(tmp_path / "a", size=10**18):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_lists_what_is_there(tmp_path: Path) -> None:
    with claim(tmp_path / "a") as place:
        place.log.write_text("one line")
        place.commit(FILES)
    manifest = json.loads((tmp_path / "a" / MANIFEST).read_text())
    assert sorted(manifest["files"]) == ["log.txt", "options.json"]
