"""Memory: how much of it there is, so that what cannot fit is refused before it is read."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_memory() -> int:
    """Bytes that this process may still take: of the machine, its container and its limits.

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    return min(limit for limit in (_machine(), _container(), _own_limit()) if limit is not None)


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


def _machine() -> int:
    """What Linux calls available (free or easily freed); elsewhere all memory there is."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container() -> int | None:
    for path in _CGROUPS:
        try:
            return int(Path(path).read_text())  # "max" is no number: no limit
        except (OSError, ValueError):
            continue
    return None


def _own_limit() -> int | None:
    """What `ulimit -v` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        taken = 0
    return max(limit - taken, 0)
