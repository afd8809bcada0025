"""Fits that are stopped, by every means, and go on."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cellam.runs.claims import is_run, is_stopped
from cellam.runs.run import RUNS, open_run

Call = Callable[..., Any]

FIT = ["fit", "small.h5ad", "--n-features", "32", "--n-pcs", "3", "--threads", "1", "--no-report"]
NETWORK = [*FIT, "--action", "mlp", "--tau", "1", "--steps", "400"]
MADE = ("action.safetensors", "fit.json", "history.json", "options.json", "space.safetensors",
        "snapshots.safetensors", "timeline.json")  # fmt: skip


def begun(here: Path, args: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cellam", *args],
        cwd=here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def wait_for(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(3_000):
        if found() or process.poll() is not None:
            return
        time.sleep(0.02)


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in MADE}


@pytest.mark.parametrize(
    "asked",
    [
        signal.SIGINT,
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),  # as SIGTERM
        signal.SIGKILL,
    ],
)
def test_a_stopped_fit_goes_on_and_ends_in_the_same_bytes(
    spawn: Call, here: Path, asked: signal.Signals
) -> None:
    process = begun(here, [*NETWORK, "--name", "a"])
    hidden = here / RUNS / ".a.unfinished"
    wait_for(lambda: any(hidden.glob("checkpoint/network-*")), process)
    process.send_signal(asked)
    err = process.communicate()[1]
    assert process.returncode == (-9 if asked == signal.SIGKILL else 128 + asked)
    assert is_stopped(here / RUNS / "a")
    assert not is_run(here / RUNS / "a")
    if asked != signal.SIGKILL:
        command = re.search(r"Go on with: cellam (.*)", err)[1]
        assert spawn(*shlex.split(command)).code == 0
    else:
        assert spawn(*NETWORK, "--name", "a", "--resume").code == 0
    assert spawn(*NETWORK, "--name", "b").code == 0
    assert contents(here / RUNS / "a") == contents(here / RUNS / "b")
    assert sorted(p.name for p in (here / RUNS).iterdir()) == ["a", "b", "current"]


def test_the_second_signal_leaves_at_once_and_loses_nothing(here: Path, spawn: Call) -> None:
    process = begun(here, [*NETWORK, "--steps", "100000", "--name", "a"])
    wait_for(lambda: any((here / RUNS).glob(".a.*/checkpoint/network-*")), process)
    process.send_signal(signal.SIGSTOP)  # so that both arrive before the next step
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    err = process.communicate()[1]
    assert process.returncode in (130, 143)
    assert "Traceback" not in err
    assert is_stopped(here / RUNS / "a")


def test_a_run_that_was_stopped_is_named_and_can_be_forgotten(here: Path, spawn: Call) -> None:
    process = begun(here, [*NETWORK, "--steps", "100000"])
    wait_for(lambda: any((here / RUNS).glob(".small.*/checkpoint/network-*")), process)
    process.kill()
    process.communicate()
    other = spawn("info", "--run", "small")
    assert other.code == 4
    assert "--resume" in other.err
    changed = spawn(*NETWORK, "--seed", "1", "--name", "small", "--resume")
    assert changed.code == 4
    assert "another seed" in changed.err or "another steps" in changed.err
    other = spawn(*FIT, "--tau", "1")  # a default name is not taken from it
    assert other.code == 0
    assert "small-2" in other.out
    assert "--name small --resume" in other.out
    taken = spawn(*NETWORK, "--name", "small")
    assert taken.code == 4
    assert "--overwrite" in taken.err
    assert spawn(*FIT, "--tau", "1", "--name", "small", "--overwrite").code == 0
    assert sorted(p.name for p in (here / RUNS).iterdir()) == ["current", "small", "small-2"]


def test_two_fits_into_one_run_the_second_is_told(here: Path, spawn: Call) -> None:
    process = begun(here, [*NETWORK, "--steps", "100000", "--name", "a"])
    wait_for(lambda: any((here / RUNS).glob(".a.*/checkpoint/network-*")), process)
    second = spawn(*FIT, "--name", "a")
    process.kill()
    process.communicate()
    assert second.code == 5
    assert f"process {process.pid}" in second.err
    assert "--steps 100000" in second.err


def test_overwriting_leaves_the_old_run_until_the_new_one_is_there(
    here: Path, spawn: Call, run: Path
) -> None:
    before = contents(run)
    process = begun(here, [*NETWORK, "--steps", "100000", "--name", "small", "--overwrite"])
    wait_for(lambda: any((here / RUNS).glob(".small.*/checkpoint/network-*")), process)
    assert contents(run) == before
    assert open_run(run).model.options.action == "kernel"
    process.kill()
    process.communicate()
    assert contents(run) == before
    assert spawn("info").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kernel", "mlp"])
def test_a_hundred_kills_at_random_moments_leave_clean_states(
    here: Path, spawn: Call, kind: str
) -> None:
    args = FIT if kind == "kernel" else NETWORK
    began = time.monotonic()
    assert spawn(*args, "--name", "whole").code == 0
    whole = time.monotonic() - began
    expected = contents(here / RUNS / "whole")
    rng = random.Random(0)
    stopped = same = 0
    for k in range(100):
        path = here / RUNS / f"k{k}"
        process = begun(here, [*args, "--name", path.name])
        time.sleep(rng.uniform(0.3, 1.0) * whole)
        process.kill()
        process.communicate()
        assert is_run(path) or not path.exists()
        if is_run(path):
            assert contents(path) == expected
        elif is_stopped(path):
            stopped += 1
            if same < 10:
                assert spawn(*args, "--name", path.name, "--resume").code == 0
                assert contents(path) == expected
                same += 1
    print(f"{kind}: 100 kills, {stopped} stopped fits, {same} resumed to the same bytes")
    assert stopped
