"""Every bad or odd input of `faults`, given to `cellam fit`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import pytest
from faults import FAULTS, Fault, names

Call = Callable[..., Any]
FAST = ("--n-features", "32", "--tau", "1", "--curvature", "0")


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every name with its content and its time of change."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (path.lstat().st_mtime_ns, hashlib.sha256(content).hexdigest())
    return found


def test_there_are_many_and_each_has_its_own_name() -> None:
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_ends_in_a_message_and_leaves_nothing_behind(
    fault: Fault, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Old versions of numcodecs unpickle without asking.
    monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    folder, here = tmp_path / "in", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    path = fault.make(folder)
    monkeypatch.chdir(here)
    before = state(folder)
    result = call("fit", path, *FAST, *fault.args)
    said = result.out if fault.code == 0 else result.err
    assert (result.code, fault.phrase in said) == (fault.code, True), result.out + result.err
    assert state(folder) == before
    if fault.code:
        assert result.err.startswith("cellam: ")
        assert not list(here.iterdir())


def test_the_trap_of_the_zarr_store_is_a_real_one(tmp_path: Path) -> None:
    trap = next(fault for fault in FAULTS if fault.name == "zarr-pickle")
    chunk = (names(trap.make(tmp_path)) / "0").read_bytes()
    codec = numcodecs.get_codec({"id": "pickle"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
        codec.decode(chunk)
    assert (tmp_path / "TRAPPED").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no permissions to take away")
def test_a_file_that_may_not_be_read_is_refused(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = next(fault for fault in FAULTS if fault.name == "read-only")
    path = sound.make(tmp_path)
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything, so be somebody else

        def denied(*args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("h5py.File", denied)
    result = call("fit", path)
    assert result.code == 1
    assert "no permission to read it" in result.err
