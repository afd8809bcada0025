"""What is free, on made-up trees of control groups and under a real limit of the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cellam.files import memory

GB = 10**9
V1_UNLIMITED = 9223372036854771712


def root_with(folder: Path, cgroup: str, files: dict[str, object]) -> Path:
    """A root folder with /proc/self/cgroup and the files of control groups."""
    for name, content in {"proc/self/cgroup": cgroup, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return folder


def v2(group: str, limit: object, used: int, cached: int = 0) -> dict[str, object]:
    return {
        f"sys/fs/cgroup{group}/memory.max": limit,
        f"sys/fs/cgroup{group}/memory.current": used,
        f"sys/fs/cgroup{group}/memory.stat": f"anon {used - cached}\ninactive_file {cached}",
    }


def v1(group: str, limit: object, used: int, cached: int = 0) -> dict[str, object]:
    return {
        f"sys/fs/cgroup/memory{group}/memory.limit_in_bytes": limit,
        f"sys/fs/cgroup/memory{group}/memory.usage_in_bytes": used,
        f"sys/fs/cgroup/memory{group}/memory.stat": f"rss 1\ntotal_inactive_file {cached}",
    }


@pytest.mark.parametrize(
    ("cgroup", "files", "free"),
    [
        pytest.param("0::/", v2("", 8 * GB, 3 * GB), 5 * GB, id="v2: less what is used"),
        pytest.param("0::/", v2("", 8 * GB, 7 * GB, 4 * GB), 5 * GB, id="v2: cached is free"),
        pytest.param("0::/", v2("", "max", 3 * GB), None, id="v2: no limit"),
        pytest.param("0::/", v2("", 2 * GB, 3 * GB), 0, id="v2: more used than allowed"),
        pytest.param(
            "0::/job/step",
            v2("/job/step", "max", GB) | v2("/job", 4 * GB, 3 * GB) | v2("", 9 * GB, 3 * GB),
            GB,
            id="v2: the limit of a group around it",
        ),
        pytest.param("4:memory:/", v1("", 8 * GB, 3 * GB, GB), 6 * GB, id="v1"),
        pytest.param("4:cpu,memory:/a", v1("/a", 8 * GB, 3 * GB), 5 * GB, id="v1: a group"),
        pytest.param(
            "9:memory:/docker/0123", v1("", 8 * GB, 3 * GB), 5 * GB, id="v1: path on the host"
        ),
        pytest.param("3:cpu:/\n0::/", v2("/unified", GB, GB), None, id="v1 without memory"),
        pytest.param("0::/", {"sys/fs/cgroup/memory.max": GB}, GB, id="v2: a limit alone"),
        pytest.param("", {}, None, id="no groups"),
    ],
)
def test_a_container_leaves_its_limit_less_its_use(
    tmp_path: Path, cgroup: str, files: dict[str, object], free: int | None
) -> None:
    assert memory.container_memory(root_with(tmp_path, cgroup, files)) == free


def test_the_unlimited_group_of_v1_leaves_more_than_any_machine_has(tmp_path: Path) -> None:
    root = root_with(tmp_path, "4:memory:/", v1("", V1_UNLIMITED, GB))
    left = memory.container_memory(root)
    assert left is not None
    assert left > psutil.virtual_memory().total


def test_a_system_without_control_groups_has_no_container(tmp_path: Path) -> None:
    assert memory.container_memory(tmp_path) is None


def test_the_least_of_machine_container_and_own_limit_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 0 < memory.available_memory() <= psutil.virtual_memory().total
    monkeypatch.setattr(memory, "container_memory", lambda: 123_456)
    assert memory.available_memory() == 123_456


def test_a_limit_of_the_process_counts_less_what_is_taken() -> None:
    resource = pytest.importorskip("resource")
    code = (
        "import resource; "
        f"resource.setrlimit(resource.RLIMIT_AS, ({2**30}, {resource.RLIM_INFINITY})); "
        "from cellam.files.memory import available_memory; print(available_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.2 * 2**30 < int(done.stdout) < 2**30
