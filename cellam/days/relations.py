"""Relations: how the times of one column are to those of another."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from cellam.days.timeline import Timeline

Relation: TypeAlias = Literal["same", "scaled", "order", "nested", "contrary"]

RELATIONS: dict[Relation, str] = {
    "same": "the same times",
    "scaled": "the same order, proportional gaps",
    "order": "the same order, different gaps",
    "nested": "the same order, finer or coarser",
    "contrary": "a different order",
}


def compare(timeline: Timeline, codes: np.ndarray, other: Timeline, theirs: np.ndarray) -> Relation:
    """How times are to the chosen ones, over the cells that have both.

    Parameters
    ----------
    timeline, codes
        The chosen ones, and each cell's time among them, (n,).
    other, theirs
        The same of another column; -1 for a cell without a time.
    """
    both = theirs >= 0
    if not runs_along(np.where(both, theirs, np.nan), codes):
        return "contrary"
    pairs = np.unique(np.stack([codes[both], theirs[both]], axis=1), axis=0)  # (pairs, 2)
    if not is_one_to_one(*pairs.T):
        return "nested"
    t, s = np.array(timeline.times)[pairs[:, 0]], np.array(other.times)[pairs[:, 1]]
    if np.allclose(t, s):
        return "same"
    gaps = np.diff(s) / np.diff(t)
    return "scaled" if np.allclose(gaps, gaps[0]) else "order"


def runs_along(times: np.ndarray, codes: np.ndarray) -> bool:
    """Whether later days never have an earlier time; unknown times do not count."""
    known = np.isfinite(times)
    order = np.lexsort((times[known], codes[known]))
    return bool((np.diff(times[known][order]) >= 0).all()) and len(np.unique(times[known])) > 1


def is_one_to_one(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether each of several values in `a` goes with one in `b`, and the other way round."""
    pairs = np.unique(np.stack([a, b], axis=1), axis=0)
    return len(pairs) == len(np.unique(a)) == len(np.unique(b)) > 1


def are_proportionate(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether times (n,) are the same but for their unit, as 0, 24, 48 hours are 0, 1, 2 days."""
    size = np.nanmax(np.abs(a)), np.nanmax(np.abs(b))
    return min(size) > 0 and np.allclose(a / size[0], b / size[1], equal_nan=True)
