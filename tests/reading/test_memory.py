from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cellam.reading import memory


def test_the_least_of_machine_container_and_own_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.available_memory() <= memory._machine()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUPS", (str(tmp_path / "none"), str(limit)))
    limit.write_text("max\n")
    assert memory.available_memory() > 123_456
    limit.write_text("123456\n")
    assert memory.available_memory() == 123_456


def test_a_limit_of_the_process_counts_less_what_is_taken() -> None:
    resource = pytest.importorskip("resource")
    code = (
        "import resource; "
        f"resource.setrlimit(resource.RLIMIT_AS, ({2**30}, {resource.RLIM_INFINITY})); "
        "from cellam.reading.memory import available_memory; print(available_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.2 * 2**30 < int(done.stdout) < 2**30
