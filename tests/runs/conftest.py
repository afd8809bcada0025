from __future__ import annotations

from pathlib import Path

import pytest

import cellam
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.runs.places import RUNS
from cellam.workflows.run import Run


@pytest.fixture
def run(model: Model, cells: Cells, small_path: Path, tmp_path: Path) -> Run:
    return cellam.save(model, cells, tmp_path / RUNS / "small", data=small_path)


@pytest.fixture
def no_run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CELLAM_RUN", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path
