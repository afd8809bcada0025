"""Times: from when to when a simulation goes, and which times on the way are saved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellam.errors import ConfigError
from cellam.reading.snapshots import Snapshots
from cellam.reading.timeline import Timeline

Array = NDArray[np.float64]

FARTHEST = 10  # times the span of the training days, beyond which no simulation goes
MOST_SAVED = 10_000  # steps


def end_of(
    timeline: Timeline, training: Snapshots, begin: float, to: str | float | None, *, backward: bool
) -> float:
    """Time at which a simulation ends: `to`, or the last training day (the first if `backward`).

    Raises
    ------
    ConfigError
        If it is the start, or cannot be reached from it in that direction.
    """
    first, last = training.times[0], training.times[-1]
    end = timeline.position(to) if to is not None else first if backward else last
    if end == begin:
        raise ConfigError(
            f"Start and end of the simulation are both {begin:g}.",
            "Choose another `to`."
            if to is not None
            else f"Set `to`{' or `backward=True`' * (not backward)}.",
        )
    if backward and end > begin:
        raise ConfigError(f"`backward` from {begin:g} cannot reach {end:g}, which is later.")
    return end


def check_reach(training: Snapshots, begin: float, end: float, *, extrapolate: bool) -> None:
    """Refuse times outside the training days unless asked for, and such as nothing is known of.

    Raises
    ------
    ConfigError
    """
    first, last = training.times[0], training.times[-1]
    outside = [t for t in (begin, end) if not first <= t <= last]
    if outside and not extrapolate:
        raise ConfigError(
            f"Time {outside[0]:g} lies outside the training days ({first:g} to {last:g}).",
            "Add `extrapolate=True` to use the dynamics of the nearest training day there.",
        )
    far = max(first - min(begin, end), max(begin, end) - last)
    if far > FARTHEST * (last - first):
        raise ConfigError(
            f"The simulation from {begin:g} to {end:g} leaves the training days by {far:g}, "
            f"and they span {last - first:g}: nothing is known of such times.",
            f"Stay within {FARTHEST} times that span.",
        )


def saved_times(snapshots: Snapshots, begin: float, end: float, every: float | None) -> Array:
    """Times (T,) from `begin` to `end`: these, the days between, and steps of length `every`.

    Raises
    ------
    ConfigError
        If the step is none, or so short that too many times would be saved.
    """
    sign = 1.0 if end > begin else -1.0
    saved = {begin, end, *(t for t in snapshots.times if (t - begin) * (end - t) > 0)}
    if every is not None:
        if not 0 < every < float("inf"):
            raise ConfigError(f"`save_every={every:g}` is not a positive time step.")
        n = int(abs(end - begin) / every + 1e-9)
        if n > MOST_SAVED:
            raise ConfigError(
                f"`save_every={every:g}` would save {n:,} times.",
                f"Give a longer step: at most {MOST_SAVED:,} times are saved.",
            )
        steps = [begin + sign * j * every for j in range(n + 1)]
        near = 1e-9 * max(1.0, abs(begin), abs(end))
        saved |= {t for t in steps if all(abs(t - other) > near for other in saved)}
    return np.array(sorted(saved, reverse=sign < 0))
