"""Where a run is found: by its name, the variable, or the pointer of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import cellam
from cellam.errors import RunError
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.runs.places import RUNS, find_run, point_to
from cellam.workflows.run import Run


def test_a_run_is_looked_for_in_the_argument_then_the_variable_then_upward(
    run: Run, model: Model, cells: Cells, no_run_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("second", "third"):
        cellam.save(model, cells, run.path.with_name(name))
    point_to(run.path.with_name("third"))
    below = no_run_here / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_run().resolve() == run.path.with_name("third")
    monkeypatch.setenv("CELLAM_RUN", str(run.path.with_name("second")))
    assert find_run().resolve() == run.path.with_name("second")
    assert find_run(run.path).resolve() == run.path


def test_a_run_may_be_given_by_its_name(run: Run, no_run_here: Path) -> None:
    assert find_run("small").resolve() == run.path


def test_the_nearest_pointer_wins(
    run: Run, model: Model, cells: Cells, no_run_here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_to(run.path)
    near = no_run_here / "sub" / RUNS / "near"
    cellam.save(model, cells, near)
    point_to(near)
    monkeypatch.chdir(no_run_here / "sub")
    assert find_run() == near


def test_no_run_at_all_says_to_fit_first(no_run_here: Path) -> None:
    with pytest.raises(RunError, match="There is no run here") as caught:
        find_run()
    assert "cellam fit" in caught.value.hint


def test_a_pointer_to_nothing_names_what_it_points_to(run: Run, no_run_here: Path) -> None:
    point_to(run.path.with_name("gone"))
    with pytest.raises(RunError, match="'gone'"):
        find_run()


@pytest.mark.parametrize("pointer", [b"", b"\xff\xfe", b"x\x00y"])
def test_a_damaged_pointer_is_a_run_error(run: Run, no_run_here: Path, pointer: bytes) -> None:
    (run.path.parent / "current").write_bytes(pointer)
    with pytest.raises(RunError):
        find_run()


def test_a_wrong_variable_is_named(no_run_here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLAM_RUN", "nope")
    with pytest.raises(RunError, match="nope") as caught:
        find_run()
    assert "CELLAM_RUN" in str(caught.value)
