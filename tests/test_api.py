"""What can be done in Python with the names of `cellam` alone."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cellam


@pytest.mark.parametrize("name", cellam.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(cellam, name)
    assert name in dir(cellam)
    assert (inspect.getdoc(found) or "").strip()
    for member, value in vars(found).items() if inspect.isclass(found) else ():
        if not member.startswith("_") and callable(value):
            assert (inspect.getdoc(value) or "").strip(), f"{name}.{member}"


def test_the_names_are_those_of_the_stub_and_no_others() -> None:
    stub = Path(cellam.__file__).with_suffix(".pyi").read_text()
    assert set(re.findall(r" as (\w+)$", stub, re.MULTILINE)) == set(cellam.__all__)
    assert {"read", "fit", "fit_run", "check", "Run", "plots", "objectives"} <= set(cellam.__all__)
    assert cellam.objectives.__name__ == "cellam.dynamics.objectives"
    with pytest.raises(AttributeError, match="has no attribute 'fti'"):
        cellam.fti  # noqa: B018


def test_the_guide_names_every_module_in_the_row_of_its_package() -> None:
    root = Path(__file__).parents[1]
    text = (root / "cellam" / "guide" / "develop" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| `?(\(none\)|\w+)`? \| (.*) \|$", text, re.MULTILINE))
    for file in (root / "cellam").rglob("*.py"):
        package = "(none)" if file.parent.name == "cellam" else file.parent.name
        if not file.stem.startswith("_") and (file.parent / "__init__.py").exists():
            assert f"`{file.stem}`" in rows[package], file


def test_importing_cellam_loads_no_library() -> None:
    code = "import sys, cellam; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "pandas", "anndata", "psutil"} & set(done.stdout.split())


def test_windows_is_told_at_once_that_it_is_not_supported() -> None:
    code = "import os; os.name = 'nt'; import cellam"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("cellam runs on Linux and macOS. On Windows, use it in WSL.\n")


def test_all_that_commands_do_can_be_done_in_python(
    model: cellam.Model, cells: cellam.Cells, small_path: Path, tmp_path: Path
) -> None:
    types = cells.obs["cell_type"]
    assert cellam.check(small_path).cells.counts == cells.counts
    assert all(isinstance(c, cellam.Caveat) for c in cellam.caveats(model, cells))
    y, keep = cellam.quantity(model, "speed", types)
    assert len(cellam.drivers(cells, y, keep)) == len(cells.genes)
    moved = model.simulate("day2")
    assert list(cellam.composition(model, moved, types)["label"]) == ["day2", "day4", "day7"]
    cellam.write_h5ad(
        cellam.to_anndata(model, moved, list(cells.obs.index), []), tmp_path / "moved.h5ad"
    )
    cellam.write_tables(tmp_path / "tables", cellam.tables(model, cells.obs.index, types, seed=0))
    cellam.write_couplings(tmp_path / "couplings", model, cells.obs.index, cellam.gaps(model))
    assert (tmp_path / "tables" / "growth.csv").exists()
    assert len(list((tmp_path / "couplings").iterdir())) == 3
    again = cellam.read(tmp_path / "moved.h5ad", time_key="cellam_time", use_rep="X_pca")
    assert list(again.counts.values()) == [40, 40, 40]


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        (["Apaf1=ko"], [("Apaf1", None)]),
        ("Apaf1=ko", [("Apaf1", None)]),
        ({"Apaf1": "ko"}, [("Apaf1", None)]),
        ({"Apaf1": None}, [("Apaf1", None)]),
        ({"Apaf1": -3, "Bax": 1.5}, [("Apaf1", -3.0), ("Bax", 1.5)]),
        ({"Apaf1": np.int64(2)}, [("Apaf1", 2.0)]),
        (["Apaf1=-3", cellam.Change("Bax", 1.5)], [("Apaf1", -3.0), ("Bax", 1.5)]),
        (cellam.Change("Bax", 1.5), [("Bax", 1.5)]),
        ({"A=B": 1}, [("A=B", 1.0)]),
    ],
)
def test_changes_are_given_as_text_mapping_or_objects(
    given: object, changes: list[tuple[str, float | None]]
) -> None:
    found = cellam.parse_changes(given)
    assert found == tuple(cellam.Change(gene, z) for gene, z in changes)


@pytest.mark.parametrize(
    "given",
    [[], {}, "Apaf1", {"Apaf1": 0}, {"Apaf1": float("nan")}, {"": 1}, {"Apaf1": "out"}, [3],
     ["Apaf1=1", cellam.Change("Apaf1", 2.0)]],
)  # fmt: skip
def test_changes_that_say_nothing_are_refused(given: object) -> None:
    with pytest.raises(cellam.ConfigError):
        cellam.parse_changes(given)


def test_a_perturbation_is_the_same_however_it_is_given(
    model: cellam.Model, cells: cellam.Cells
) -> None:
    types = cells.obs["cell_type"]
    effects = [
        cellam.perturb(model, cells, given, "day2", types).effects
        for given in (["Apaf1=-3"], {"Apaf1": -3}, cellam.parse_changes(["Apaf1=-3"]))
    ]
    assert np.abs(effects[0]).max() > 0
    for effect in effects[1:]:
        np.testing.assert_array_equal(effect, effects[0])
