"""Rows of the table, and what they measure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cellam.dynamics.distances import energy

KEPT = Path(__file__).parents[3] / ".bench" / "paper"
TIMES = np.linspace(0, 1, 11)


class Row(NamedTuple):
    """One line of the table: what was measured, beside what it should be."""

    experiment: str
    setting: str
    measure: str
    found: str
    reference: str
    seconds: float = float("nan")
    cpu: float = float("nan")
    note: str = ""


class Clock:
    """Wall and CPU seconds."""

    wall = cpu = float("nan")


@contextmanager
def timed() -> Iterator[Clock]:
    """Measure what is done within."""
    clock, wall, cpu = Clock(), time.perf_counter(), time.process_time()
    yield clock
    clock.wall, clock.cpu = time.perf_counter() - wall, time.process_time() - cpu


def even(x: np.ndarray) -> np.ndarray:
    """Equal weights."""
    return np.full(len(x), 1 / len(x))


def distance(x: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> float:
    """Unbiased energy distance of x (weights w) and y."""
    return energy(x, even(x) if w is None else w / w.sum(), y, even(y))


def relative(found: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square of the error over that of the truth."""
    return float(np.sqrt(((found - truth) ** 2).mean() / (truth**2).mean()))
