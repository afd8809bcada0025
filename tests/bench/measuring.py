"""What a command of cellam costs, and what it printed.

Each runs in a process of its own, on one thread, and dies before it takes the machine's memory.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

CELLAM = Path(sys.executable).with_name("cellam")
LIMIT = 16 * 2**30  # bytes of address space


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds, peak memory (MB), and what was printed to each stream."""

    cpu: float
    wall: float
    peak: float
    out: str
    err: str


def measured(*words: object, folder: Path | None = None) -> Cost:
    """That of `cellam` with these words, in a folder; ends this program where it fails."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))

    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [str(CELLAM), *map(str, words)],
            cwd=folder,
            stdout=out,
            stderr=err,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=limited,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream in (out, err):
            stream.seek(0)
        printed = out.read(), err.read()
    if process.returncode:
        raise SystemExit(
            f"cellam {' '.join(map(str, words))} ended with {process.returncode}\n{printed[1]}"
        )
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(cpu, time.monotonic() - began, usage.ru_maxrss / 1024, *printed)
