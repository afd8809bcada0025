"""Fits that are stopped, by every means, and go on."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warm import Warm, wait_until

from cellam.runs.claims import is_run, is_stopped
from cellam.runs.places import RUNS
from cellam.runs.run import open_run

Call = Callable[..., Any]

FIT = ["fit", "small.h5ad", "--n-features", "32", "--n-pcs", "3", "--threads", "1", "--no-report"]
NETWORK = [*FIT, "--action", "mlp", "--tau", "1", "--steps", "150"]
ENDLESS = [*NETWORK[:-1], "100000"]
MADE = ("action.safetensors", "fit.json", "options.json", "space.json", "space.safetensors",
        "snapshots.json", "snapshots.safetensors", "timeline.json")  # fmt: skip


def kept(here: Path, name: str) -> Callable[[], bool]:
    """Whether the network of an unfinished run was kept, which is at every hundredth step."""
    return lambda: any((here / RUNS).glob(f".{name}.*/checkpoint/network-*"))


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in MADE}


@pytest.fixture(scope="module")
def whole(warm: Warm, small_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the network that nothing stopped."""
    here = tmp_path_factory.mktemp("whole")
    shutil.copy(small_path, here / "small.h5ad")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert warm.run(*NETWORK).code == 0
    return here / RUNS / "small"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),  # as SIGTERM, and so is SIGHUP
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_fit_goes_on_and_ends_in_the_same_bytes(
    warm: Warm, spawn: Call, here: Path, whole: Path, asked: signal.Signals
) -> None:
    process = warm.start(*NETWORK, "--name", "a")
    wait_until(kept(here, "a"), process)
    process.send(asked)
    stopped = process.end()
    assert stopped.code == (-9 if asked == signal.SIGKILL else 128 + asked)
    assert is_stopped(here / RUNS / "a")
    assert not is_run(here / RUNS / "a")
    if asked != signal.SIGKILL:
        command = re.search(r"Resume with: cellam (.*)", stopped.err)[1]
        assert spawn(*shlex.split(command)).code == 0
    else:
        assert spawn(*NETWORK, "--name", "a", "--resume").code == 0
    assert contents(here / RUNS / "a") == contents(whole)
    assert sorted(p.name for p in (here / RUNS).iterdir()) == ["a", "current"]


def test_the_second_signal_leaves_at_once_and_loses_nothing(here: Path, warm: Warm) -> None:
    process = warm.start(*ENDLESS, "--name", "a")
    wait_until(kept(here, "a"), process)
    process.send(signal.SIGSTOP)  # so that both arrive before the next step
    process.send(signal.SIGINT)
    process.send(signal.SIGTERM)
    process.send(signal.SIGCONT)
    stopped = process.end()
    assert stopped.code in (130, 143)
    assert "Traceback" not in stopped.err
    assert is_stopped(here / RUNS / "a")


def test_a_run_that_was_stopped_is_named_and_can_be_forgotten(
    here: Path, warm: Warm, spawn: Call
) -> None:
    process = warm.start(*ENDLESS)
    wait_until(kept(here, "small"), process)
    process.kill()
    other = spawn("info", "--run", "small")
    assert other.code == 4
    assert "--resume" in other.err
    changed = spawn(*NETWORK, "--seed", "1", "--name", "small", "--resume")
    assert changed.code == 4
    assert "a different steps" in changed.err or "another steps" in changed.err
    other = spawn(*FIT, "--method", "am")  # a default name is not taken from it
    assert other.code == 0
    assert "small-2" in other.out
    assert "--name small --resume" in other.out
    taken = spawn(*NETWORK, "--name", "small")
    assert taken.code == 4
    assert "--overwrite" in taken.err
    assert spawn(*FIT, "--method", "am", "--name", "small", "--overwrite").code == 0
    assert sorted(p.name for p in (here / RUNS).iterdir()) == ["current", "small", "small-2"]


def test_two_fits_into_one_run_the_second_is_told(here: Path, warm: Warm, spawn: Call) -> None:
    process = warm.start(*ENDLESS, "--name", "a")
    wait_until(kept(here, "a"), process)
    second = spawn(*FIT, "--name", "a")
    process.kill()
    assert second.code == 5
    assert f"process {process.pid}" in second.err
    assert "--steps 100000" in second.err


def test_overwriting_leaves_the_old_run_until_the_new_one_is_there(
    here: Path, warm: Warm, spawn: Call, run: Path
) -> None:
    before = contents(run)
    process = warm.start(*ENDLESS, "--name", "small", "--overwrite")
    wait_until(kept(here, "small"), process)
    assert contents(run) == before
    assert open_run(run).model.options.action == "kernel"
    process.kill()
    assert contents(run) == before
    assert spawn("info").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kernel", "mlp"])
def test_a_hundred_kills_at_random_moments_leave_clean_states(
    here: Path, warm: Warm, spawn: Call, kind: str
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
        process = warm.start(*args, "--name", path.name)
        time.sleep(rng.uniform(0.3, 1.0) * whole)
        process.kill()
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
