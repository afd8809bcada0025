"""Jobs in processes of their own: the same results, and nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cellam.errors import ConfigError, TrainingError
from cellam.workers import cores, parallel_map


def product(shared: np.ndarray, seed: int) -> bytes:
    x = np.random.default_rng(seed).standard_normal((300, 300))
    return (x @ shared).tobytes()


def refuse(shared: object, item: int) -> None:
    raise ConfigError(f"Not {item}.", "Another.")


def die(shared: object, item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(shared: object, item: int) -> None:
    print(os.getpid(), flush=True)
    time.sleep(60)


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(9).standard_normal((300, 300))


def test_results_do_not_depend_on_the_number_of_workers(matrix):
    one, two = (dict(parallel_map(product, matrix, [1, 2, 3], workers=n)) for n in (1, 2))
    assert one == two
    assert sorted(one) == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_job_arrives_with_its_hint(workers):
    with pytest.raises(ConfigError, match=r"Not [12]\.") as caught:
        list(parallel_map(refuse, None, [1, 2], workers=workers))
    assert caught.value.hint == "Another."


def test_a_killed_worker_is_an_error_and_not_a_wait():
    with pytest.raises(TrainingError, match="killed") as caught:
        list(parallel_map(die, None, [1, 2], workers=2))
    assert "`workers=1`" in caught.value.hint


def test_there_is_a_core():
    assert 1 <= cores() <= (os.cpu_count() or 1)


SCRIPT = """
from cellam.workers import parallel_map
from test_workers import sleep
if __name__ == "__main__":
    list(parallel_map(sleep, None, [1, 2], workers=2))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(how, tmp_path):
    """Ctrl-C reaches the whole group; SIGKILL the parent alone."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
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
