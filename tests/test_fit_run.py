"""`cellam fit` is one call in Python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata
import pytest

import cellam
from cellam.dynamics.fitting import OnProgress, silent
from cellam.errors import Stopped
from cellam.runs.claims import Claim, is_stopped
from cellam.runs.places import RUNS

Call = Callable[..., Any]
FAST = {"n_features": 32, "tau": 1.0, "n_pcs": 3}


def action(run: Path) -> bytes:
    return (run / "action.safetensors").read_bytes()


def test_one_call_writes_the_run_of_the_command_and_makes_it_the_current_one(
    call: Call, here: Path
) -> None:
    before = (here / "small.h5ad").read_bytes()
    flags = ("--n-features", 32, "--tau", 1, "--n-pcs", 3)
    assert call("fit", "small.h5ad", *flags, "--name", "typed").code == 0
    run = cellam.fit_run("small.h5ad", **FAST)
    assert run.path == Path(RUNS) / "small"
    assert action(run.path) == action(here / RUNS / "typed")
    assert cellam.open_run().path.name == "small"
    assert run.data() == here / "small.h5ad"
    assert run.fates().to_frame().shape[0] > 0
    again = cellam.fit_run(here / "small.h5ad", options=cellam.Options(**FAST), seed=1)
    assert again.path.name == "small-2" and again.model.options.seed == 1
    assert action(again.path) != action(run.path)
    assert (here / "small.h5ad").read_bytes() == before


def test_it_prints_nothing(
    here: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        cellam.fit_run("small.h5ad", "runs/mine", **FAST)
    assert capfd.readouterr() == ("", "")
    assert any(line.startswith("path ") for line in caplog.messages)  # for those who ask
    assert sorted(p.name for p in (here / "runs").iterdir()) == ["current", "mine"]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"n_feature": 3}, cellam.ConfigError, "n_feature"),
        ({"method": "am", "sigma": 0.3}, cellam.ConfigError, "sigma"),
        ({"time_key": "dya"}, cellam.DataError, "Did you mean 'day'"),
        ({"place": "small.h5ad"}, cellam.OutputError, "is not a cellam run"),
        ({"resume": True}, cellam.RunError, "no stopped fit"),
        ({"data": "nowhere.h5ad"}, cellam.DataError, "nowhere.h5ad"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    here: Path, given: dict[str, Any], error: type[cellam.CellamError], says: str
) -> None:
    with pytest.raises(error) as caught:
        cellam.fit_run(**{"data": "small.h5ad", **given})
    assert says in f"{caught.value.message} {caught.value.hint}"
    assert [p.name for p in here.iterdir()] == ["small.h5ad"]


def test_cells_in_memory_are_told_another_way(here: Path) -> None:
    with pytest.raises(cellam.ConfigError, match="AnnData") as caught:
        cellam.fit_run(anndata.read_h5ad("small.h5ad"))
    assert "cellam.save(" in caught.value.hint


def test_a_taken_place_is_replaced_only_when_asked(here: Path) -> None:
    first = cellam.fit_run("small.h5ad", "mine", **FAST)
    with pytest.raises(cellam.OutputError, match="exists already"):
        cellam.fit_run("small.h5ad", "mine", **FAST, seed=1)
    assert cellam.open_run("mine").model.options.seed == 0
    cellam.fit_run("small.h5ad", "mine", **FAST, seed=1, overwrite=True)
    assert cellam.open_run("mine").model.options.seed == 1
    assert first.path.exists()


def test_a_stopped_fit_goes_on_and_ends_in_the_same_bytes(here: Path) -> None:
    @contextmanager
    def stopping(place: Claim, cells: cellam.Cells) -> Iterator[OnProgress]:
        assert len(cells) == 160
        place.checkpoint.signal = 15  # as a signal does
        yield silent

    whole = cellam.fit_run("small.h5ad", "whole", **FAST)
    with pytest.raises(Stopped) as caught:
        cellam.fit_run("small.h5ad", **FAST, watch=stopping)
    assert caught.value.hint == "Resume with `resume=True`."
    assert is_stopped(Path(RUNS) / "small")
    with pytest.raises(cellam.RunError, match="had a different n_features"):
        cellam.fit_run("small.h5ad", **{**FAST, "n_features": 16}, resume=True)
    resumed = cellam.fit_run("small.h5ad", **FAST, resume=True)
    assert resumed.path.name == "small"
    assert action(resumed.path) == action(whole.path)
