from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from cellam.checkpoints import INDEX, Checkpoint
from cellam.errors import RunError, Stopped

ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "n": np.array([3, 1], dtype=np.int64)}


def kept(folder: Path) -> Checkpoint:
    checkpoint = Checkpoint.open(folder)
    checkpoint.keep("recipe", {"tau": 0.1, "notes": ["é", "b"]})
    checkpoint.keep("pairs", {}, ARRAYS)
    return checkpoint


def test_a_stage_is_found_again_by_another_process(tmp_path: Path) -> None:
    kept(tmp_path / "c")
    again = Checkpoint.open(tmp_path / "c")
    assert again.started
    assert again.recall("recipe").values == {"tau": 0.1, "notes": ["é", "b"]}
    for name, value in again.recall("pairs").arrays.items():
        np.testing.assert_array_equal(value, ARRAYS[name])
        assert value.dtype == ARRAYS[name].dtype
    assert again.recall("kernel") is None


def test_a_stage_kept_again_replaces_what_it_left(tmp_path: Path) -> None:
    checkpoint = kept(tmp_path)
    checkpoint.keep("pairs", {"k": 2}, {"x": np.zeros(1)})
    again = Checkpoint.open(tmp_path)
    assert again.recall("pairs").values == {"k": 2}
    assert len(list(tmp_path.iterdir())) == 3  # the index and two stages


def test_without_a_folder_nothing_is_kept() -> None:
    checkpoint = Checkpoint()
    checkpoint.keep("pairs", {}, ARRAYS)
    assert checkpoint.recall("pairs") is None


def test_a_fit_that_is_asked_to_stop_does_so_after_keeping(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(tmp_path)
    checkpoint.pause()
    assert not checkpoint.due(7)
    checkpoint.signal = signal.SIGTERM
    assert checkpoint.due(7)
    with pytest.raises(Stopped) as caught:
        checkpoint.keep("pairs", {}, ARRAYS)
    assert caught.value.exit_code == 143
    assert Checkpoint.open(tmp_path).recall("pairs") is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": {}}', b"\xff"])
def test_a_damaged_index_is_refused(tmp_path: Path, content: bytes) -> None:
    kept(tmp_path)
    (tmp_path / INDEX).write_bytes(content)
    with pytest.raises(RunError, match=INDEX):
        Checkpoint.open(tmp_path)


def test_a_damaged_stage_is_refused_by_its_name(tmp_path: Path) -> None:
    kept(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(RunError, match=path.name):
            Checkpoint.open(tmp_path).recall(path.name.split("-")[0])


def test_an_index_reads_nothing_outside_its_folder(tmp_path: Path) -> None:
    kept(tmp_path / "c")
    index = tmp_path / "c" / INDEX
    stages = json.loads(index.read_text())
    name = stages["pairs"]["file"]
    (tmp_path / "c" / name).rename(tmp_path / name)
    stages["pairs"]["file"] = f"../{name}"
    index.write_text(json.dumps(stages))
    with pytest.raises(RunError, match="missing or damaged"):
        Checkpoint.open(tmp_path / "c").recall("pairs")
