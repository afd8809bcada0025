"""Jobs for `test_executors`, found by name in other processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from cellam.errors import ConfigError


def product(shared: np.ndarray, seed: int) -> bytes:
    x = np.random.default_rng(seed).standard_normal((300, 300))
    return (x @ shared).tobytes()


def refuse(shared: object, item: int) -> None:
    raise ConfigError(f"Not {item}.", "Another.")


def die(shared: object, item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(shared: tuple[Path, int], item: int) -> int:
    """The square; the worker of one item is killed the first time that it is asked for it."""
    mark, victim = shared
    if item == victim and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item**2


def sleep(shared: object, item: int) -> None:
    os.write(1, f"{os.getpid()}\n".encode())  # at once: others write there too
    time.sleep(60)
