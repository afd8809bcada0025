"""Memory: how much of it is free, so that what cannot fit is refused before it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# For each version of control groups: where they are mounted, and the files with the limit, the
# use, and the line of memory.stat that counts cached pages of files, which the kernel drops first.
_V1 = (
    "sys/fs/cgroup/memory",
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_V2 = ("sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file"))


def available_memory() -> int:
    """Bytes that this process may still take, of the machine, its container and its limits.

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    import psutil

    limits = (int(psutil.virtual_memory().available), container_memory(), _own_limit())
    return min(limit for limit in limits if limit is not None)


def resident_memory() -> int:
    """Bytes of memory that this process holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def container_memory(root: Path = Path("/")) -> int | None:
    """Bytes that the control groups of this process leave free; None where none has a limit.

    That is the limit less the use, with the cached pages of files that can be dropped at once
    counted as free, in the group of the process and in every group around it: the kernel ends
    the process when any of them is full.

    Parameters
    ----------
    root : pathlib.Path
        Where `proc` and `sys` are mounted.
    """
    found = (_free(group, *names) for group, names in _groups(root))
    return min((free for free in found if free is not None), default=None)


def show_bytes(n: float) -> str:
    """Write a number of bytes in the unit that suits it.

    Examples
    --------
    >>> show_bytes(2_500_000_000), show_bytes(8e13), show_bytes(400_000)
    ('2.5 GB', '80 TB', '0.4 MB')
    """
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)):
        if n >= size:
            return f"{n / size:,.3g} {unit}" if n < 1e18 else f"{n / size:.3g} {unit}"
    return f"{n / 1e6:.3g} MB"


def _groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """Folder of each control group of this process, with the names of its files."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" or "memory" in controllers.split(","):
            mount, names = _V2 if number == "0" else _V1
            # In a container the path may be that on the host, where only the mount itself is seen.
            inner = PurePosixPath(path.lstrip("/"))
            for group in (inner, *inner.parents):
                yield root / mount / group, names


def _free(group: Path, limit: str, use: str, cached: str) -> int | None:
    """Bytes that one control group leaves free; None where it has no limit."""
    most = _number(group / limit)
    if most is None:
        return None
    return max(most - (_number(group / use) or 0) + _cached(group / "memory.stat", cached), 0)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _cached(file: Path, name: str) -> int:
    try:
        return int(dict(line.split() for line in file.read_text().splitlines())[name])
    except (OSError, ValueError, KeyError):
        return 0


def _own_limit() -> int | None:
    """What `ulimit -v` leaves."""
    import resource

    import psutil

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    return max(limit - int(psutil.Process().memory_info().vms), 0)
