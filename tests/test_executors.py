"""Jobs here, in processes and on a cluster: the same bytes, also if workers are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from jobs import die, die_once, product, refuse

import cellam
from cellam.coordinates.embedding import fit_space
from cellam.dynamics import couplings
from cellam.dynamics.branching import branch
from cellam.dynamics.simulation import simulate
from cellam.errors import ConfigError, DataError, TrainingError
from cellam.executors.executor import as_done, cores, executing, in_order
from cellam.matrix import rows
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

ON_A_CLUSTER = pytest.param("cluster", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["processes", "cluster"])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[None]:
    """Jobs are done by two others."""
    if request.param == "processes":
        with executing(2):
            yield
        return
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        executing(cluster=cluster.scheduler_address),
    ):
        yield


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(9).standard_normal((300, 300))


@pytest.mark.usefixtures("elsewhere")
def test_results_have_the_same_bytes_wherever_they_are_made(matrix: np.ndarray) -> None:
    there = dict(as_done(product, matrix, [1, 2, 3]))
    assert sorted(there) == [0, 1, 2]
    assert list(in_order(product, matrix, [1, 2, 3])) == [there[k] for k in range(3)]
    with executing(1):
        assert dict(as_done(product, matrix, [1, 2, 3])) == there


@pytest.mark.usefixtures("elsewhere")
def test_an_error_of_a_job_arrives_with_its_hint_and_the_next_jobs_are_done(
    matrix: np.ndarray,
) -> None:
    with pytest.raises(ConfigError, match=r"Not [12]\.") as caught:
        list(as_done(refuse, None, [1, 2]))
    assert caught.value.hint == "Another."
    assert len(list(as_done(product, matrix, [1, 2]))) == 2


def test_an_error_here_arrives_too() -> None:
    with executing(1), pytest.raises(ConfigError, match=r"Not 1\."):
        list(as_done(refuse, None, [1, 2]))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "victim", [pytest.param(0, marks=pytest.mark.slow), 4, pytest.param(8, marks=pytest.mark.slow)]
)
def test_the_job_of_a_killed_worker_is_done_again(victim: int, tmp_path: Path) -> None:
    """Early, half-way and late."""
    mark = tmp_path / "killed"
    assert list(in_order(die_once, (mark, victim), range(9))) == [k**2 for k in range(9)]
    assert mark.exists()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("elsewhere", ["cluster"], indirect=True)
def test_a_result_that_is_lost_before_it_is_fetched_is_made_again(
    matrix: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pytest.importorskip("distributed.client", reason="Dask is not installed")
    fetch, lost = client.Future.result, []

    def result(self: Any) -> Any:
        if not lost:
            lost.append(self.key)
            raise client.FutureCancelledError(self.key, "lost", "")
        return fetch(self)

    monkeypatch.setattr(client.Future, "result", result)
    there = list(in_order(product, matrix, [1, 2, 3]))
    assert there == [product(matrix, k) for k in (1, 2, 3)]
    assert lost


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_a_job_that_kills_each_worker_is_an_error_and_not_a_wait() -> None:
    with pytest.raises(TrainingError, match=r"killed|lost"):
        list(as_done(die, None, [1, 2]))


# On a cluster as in processes, but for four more imports of everything.
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("elsewhere", ["processes", ON_A_CLUSTER], indirect=True)
@pytest.mark.parametrize("method", [pytest.param("uam", marks=pytest.mark.slow), "eam"])
def test_a_fit_has_the_same_bytes_wherever_it_is_made(
    method: str, cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Couplings in blocks, sums over parts, an ensemble, and cells that are followed."""
    monkeypatch.setattr(couplings, "BLOCK", 15)
    options = {"n_features": 32, "n_pcs": 3, "method": method, "path": "uot", "tau": 1.0}
    if method == "uam":
        options["ensemble"] = 8

    def made() -> tuple[Model, np.ndarray]:
        model = cellam.fit(cells, **options)
        x = model.snapshots.points[0]
        rng = np.random.default_rng(0)
        moved = simulate(model.fit.dynamics, x, np.array([0.0, 0.5]), rng=rng, chunk=16)
        grown = branch(model.fit.dynamics, x, moved.times, turnover=1.0, rng=rng, chunk=16)
        return model, np.concatenate([moved.points[-1], *grown.points])

    there, moved = made()
    with executing(1):
        here, also = made()
    fits = zip(there.members or (there,), here.members or (here,), strict=True)
    for one, other in fits:
        assert one.fit.action.theta.numpy().tobytes() == other.fit.action.theta.numpy().tobytes()
    assert there.fit.action.theta.numpy().tobytes() == here.fit.action.theta.numpy().tobytes()
    assert moved.tobytes() == also.tobytes()


@pytest.mark.usefixtures("elsewhere")
def test_counts_of_a_file_give_the_same_bytes_whoever_reads_them(
    small: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of cells: what values show, means and variances, products of genes, coordinates."""
    monkeypatch.setattr("cellam.matrix.expression.HELD", 0)
    monkeypatch.setattr(rows, "PART", 50)
    small.write_h5ad(tmp_path / "small.h5ad")

    def made() -> tuple[bytes, bytes, tuple[str, ...], bytes]:
        cells = cellam.read(tmp_path / "small.h5ad")
        assert isinstance(cells.matrix.place, rows.Stored)
        assert len(cells.matrix.parts()) > 2
        prints, totals = cells.matrix.prints, cells.matrix.totals
        assert prints is not None
        assert totals is not None
        space = fit_space(cells, cells.codes != 1, n_top_genes=20, n_pcs=3)
        return prints.tobytes(), totals.tobytes(), space.genes, space.embed(cells).tobytes()

    there = made()
    with executing(1):
        assert made() == there


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("elsewhere", ["processes"], indirect=True)
def test_values_that_cannot_be_used_are_counted_whoever_reads_them(
    small: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellam.matrix.expression.HELD", 0)
    monkeypatch.setattr(rows, "PART", 50)
    small.X[[60, 130], 3] = np.inf
    small.write_h5ad(tmp_path / "small.h5ad")
    with pytest.raises(DataError, match=r"in 2 of \S+ cells \(the first is adata\[60\]\)"):
        cellam.read(tmp_path / "small.h5ad")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("elsewhere", ["processes", ON_A_CLUSTER], indirect=True)
def test_an_evaluation_has_the_same_bytes_wherever_it_is_made(cells: Cells) -> None:
    quick = {"metrics": ["energy"], "counterpart": False, "refits": 0}
    options = {"n_features": 32, "n_pcs": 3, "tau": 1.0, **quick}
    there = cellam.evaluate(cells, "all", **options)
    with executing(1):
        here = cellam.evaluate(cells, "all", **options)
    took = ["fit_seconds"]
    assert there.scores.table.drop(columns=took).equals(here.scores.table.drop(columns=took))


def test_without_a_scheduler_or_dask_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError) as caught, executing(cluster="tcp://127.0.0.1:1"):
        pass
    assert "In a clone of cellam: pip install '.[cluster]'" in caught.value.hint


@pytest.mark.parametrize("place", ["127.0.0.1", "nonsense://x"])
def test_an_address_at_which_nobody_answers_is_refused(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed")
    monkeypatch.setattr("cellam.executors.cluster.REACHED", "1s")
    with pytest.raises(ConfigError, match="No Dask scheduler"), executing(cluster=place):
        pass


# Torch takes seconds to load; here is one for the workers of jobs that do not compute.
TORCH = """
def get_num_threads(): return 1
def set_num_threads(n): pass
"""


def test_workers_end_without_a_word(
    capfd: pytest.CaptureFixture[str],
    matrix: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.syspath_prepend(tmp_path)
    with executing(2):
        list(as_done(product, matrix, [1, 2]))
        with pytest.raises(ConfigError):
            list(as_done(refuse, None, [1, 2]))
    assert capfd.readouterr().err == ""


def test_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match="workers=0"), executing(0):
        pass


def test_there_is_a_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


SCRIPT = """
from cellam.executors.executor import as_done, executing
from jobs import sleep
if __name__ == "__main__":
    with executing(2):
        list(as_done(sleep, None, [1, 2]))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(how: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group; SIGKILL the parent alone."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (tmp_path / "torch.py").write_text(TORCH)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        # A shell that has started the tests in the background had it ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    if how == signal.SIGINT:
        os.killpg(parent.pid, how)
    else:
        parent.kill()
    # The pipe closes when the last process that could write to it has gone.
    assert parent.stdout.read() == ""
    assert parent.wait(timeout=30) != 0
    assert len(set(children)) == 2
