"""Small data and fitted models, shared by all tests; the command line in this process.

One conftest for `tests/cli` too: pytest collects doctests of both, and two of one name clash.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import numpy as np
import pytest
import typer
from typer.testing import CliRunner
from warm import Result, Warm

import cellam
from cellam_cli import funnel
from cellam_cli.app import app
from cellam_cli.console import flags
from cellam_cli.schemas import schema

# What takes seconds to load is loaded by fixtures: under xdist a process that only hands out the
# tests loads this file too, and the others wait for it.
if TYPE_CHECKING:
    import anndata

    from cellam.modelling.model import Model
    from cellam.reading.cells import Cells

ROOT = Path(__file__).parents[1]
PROVENANCE, MANIFEST = "provenance.json", "manifest.json"
N_DAY, N_GENES = 40, 50  # enough for PCA, transport and a verdict; a fit takes about a second


def pytest_collection_finish() -> None:
    """Never look for garbage in the libraries, half a million objects that stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session")
def demo_path() -> Path:
    return ROOT / "data" / "demo.h5ad"


@pytest.fixture(scope="session")
def _small(demo_path: Path) -> anndata.AnnData:
    import anndata

    adata = anndata.read_h5ad(demo_path)
    rng = np.random.default_rng(0)
    days = adata.obs["day"].to_numpy()
    rows = [rng.choice(np.flatnonzero(days == d), N_DAY, replace=False) for d in np.unique(days)]
    small = adata[np.sort(np.concatenate(rows)), :N_GENES].copy()
    small.layers["counts"] = small.X.copy()
    return small


@pytest.fixture
def small(_small: anndata.AnnData) -> anndata.AnnData:
    """160 cells of four days, 50 genes, counts; a copy, free to be damaged."""
    return _small.copy()


@pytest.fixture(scope="session")
def small_path(_small: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file, that no test writes to."""
    path = tmp_path_factory.mktemp("data") / "small.h5ad"
    _small.write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def cells(small_path: Path) -> Cells:
    return cellam.read(small_path)


@pytest.fixture(scope="session")
def model(cells: Cells) -> Model:
    return cellam.fit(cells, n_features=64, tau=1.0, n_pcs=5)


@pytest.fixture(scope="session")
def unsure_model(cells: Cells) -> Model:
    """With an ensemble."""
    return cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3, ensemble=8)


@pytest.fixture(scope="session")
def noisy_model(cells: Cells) -> Model:
    return cellam.fit(cells, n_features=64, method="eam", n_pcs=5)


@pytest.fixture(scope="session")
def rep_cells(small_path: Path) -> Cells:
    return cellam.read(small_path, use_rep="X_latent")


@pytest.fixture(scope="session")
def rep_model(rep_cells: Cells) -> Model:
    return cellam.fit(rep_cells, n_features=64, tau=1.0, use_rep="X_latent")


@pytest.fixture
def shared_data() -> Path:
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data: the real data are not part of the repository")
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without figures, which are drawn and looked at in tests/report/test_page.py."""
    from cellam.report.images import Picture

    monkeypatch.setattr(
        "cellam.report.images.picture",
        lambda draw, alt, caption: Picture("data:,", 1, 1, alt, caption),
    )


# The command line ---------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _built_once() -> Iterator[None]:
    """The command line takes a tenth of a second to build, and hundreds of tests call it.

    Nor do they wait for the disk, fifteen times in each save: no test cuts the power.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr("typer.testing._get_command", functools.cache(typer.main.get_command))
        yield


SMALL = ("--n-features", "32", "--curvature", "1", "--n-pcs", "3")


@pytest.fixture
def fast() -> tuple[str, ...]:
    """Options of a fit without growth, which is most of the work of one."""
    return (*SMALL, "--method", "am")


@pytest.fixture
def growing() -> tuple[str, ...]:
    """Options of a fit with growth, for what hangs on it."""
    return (*SMALL, "--tau", "1")


@pytest.fixture
def call() -> Callable[..., Result]:
    """Run a command in this process; whatever it prints, there must be no traceback.

    Without the report, the refits and other processes, which take longer than a small fit, unless
    the test asks for them.
    """

    def run(*args: object) -> Result:
        funnel.debug = False
        if args[:1] in (("fit",), ("eval",)) and "--report" not in args:
            args = (args[0], "--no-report", *args[1:])
        if args[:1] == ("eval",) and "--help" not in args:
            for option, value in (("--refits", "0"), ("--workers", "1")):
                if option not in args:
                    args = (args[0], option, value, *args[1:])
        result = CliRunner().invoke(app, [str(arg) for arg in args], prog_name="cellam")
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.stdout + result.stderr
        if "--json" in args and result.exit_code == 0:
            command = next(str(arg) for arg in args if not str(arg).startswith("-"))
            jsonschema.validate(json.loads(result.stdout), schema(command))
        # Parameters are said as flags, but for JSON, and for pages, which are of Python, too.
        if "--json" not in args and "guide" not in args[:2]:
            assert flags(result.stdout + result.stderr) == result.stdout + result.stderr
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """What processes of `cellam` are forked from."""
    process = Warm()
    yield process
    process.close()


@pytest.fixture
def spawn(warm: Warm) -> Callable[..., Result]:
    """Run a command in a process of its own."""

    def run(*args: object) -> Result:
        result = warm.run(*args)
        assert "Traceback" not in result.out + result.err
        return result

    return run


@pytest.fixture
def here(tmp_path: Path, small_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with small.h5ad and no run."""
    monkeypatch.delenv("CELLAM_RUN", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(small_path, tmp_path / "small.h5ad")
    return tmp_path


@pytest.fixture(scope="session")
def keep(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Model, Cells], Path]:
    """Put a run of small.h5ad into a working directory, as `fit` leaves it.

    Each model is saved once and copied: hundreds of tests have a run, and begin with a new one.
    """
    saved: dict[int, Path] = {}

    def put(here: Path, model: Model, cells: Cells) -> Path:
        from cellam.runs.places import RUNS, point_to

        if id(model) not in saved:
            saved[id(model)] = tmp_path_factory.mktemp("saved") / "small"
            data, command = here / "small.h5ad", "cellam fit small.h5ad"
            cellam.save(model, cells, saved[id(model)], data=data, command=command)
        path = here / RUNS / "small"
        shutil.copytree(saved[id(model)], path)
        _of_data(path, here / "small.h5ad")
        point_to(path)
        return path

    return put


def _of_data(run: Path, data: Path) -> None:
    """Say where the data of a copied run are."""
    from cellam.storage import sha256, to_json

    found = {name: json.loads((run / name).read_bytes()) for name in (PROVENANCE, MANIFEST)}
    found[PROVENANCE]["data"]["path"] = str(data)
    (run / PROVENANCE).write_bytes(to_json(found[PROVENANCE]))
    found[MANIFEST]["files"][PROVENANCE] = sha256((run / PROVENANCE).read_bytes())
    (run / MANIFEST).write_bytes(to_json(found[MANIFEST]))


@pytest.fixture
def run(here: Path, model: Model, cells: Cells, keep: Callable[..., Path]) -> Path:
    """A run of small.h5ad in the working directory, as `fit` leaves it."""
    return keep(here, model, cells)


@pytest.fixture
def unsure_run(here: Path, unsure_model: Model, cells: Cells, keep: Callable[..., Path]) -> Path:
    return keep(here, unsure_model, cells)


@pytest.fixture
def noisy_run(here: Path, noisy_model: Model, cells: Cells, keep: Callable[..., Path]) -> Path:
    return keep(here, noisy_model, cells)


@pytest.fixture
def rep_run(here: Path, rep_model: Model, rep_cells: Cells, keep: Callable[..., Path]) -> Path:
    return keep(here, rep_model, rep_cells)
