"""Baselines: what needs no model, as clouds of cells that compete with the prediction of one.

A baseline is a function and its line in `BASELINES`. Scores, skill, the help of the command line
and the methods of a report read that line. This module loads neither torch nor pandas, as the help
of the command line lists the baselines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from cellam.days.time_labels import known_names
from cellam.dynamics.couplings import Balanced, couple
from cellam.evaluation.contenders import Contender, Sides

if TYPE_CHECKING:
    from cellam.reading.snapshots import Snapshots


@final
@dataclass(frozen=True)
class Baseline:
    """A prediction without a model.

    Parameters
    ----------
    name : str
    noun : str
        In a sentence; ``{day}`` is the word for a time point.
    description : str
        In a table of scores.
    stream : int
        See `contenders.Method`.
    predict : callable
        `predict(sides, rng)` gives the cloud, or None where it needs a day that is not there. The
        generator is that of `ot`, which shares it with the draws of the measured cells: another
        baseline that needs chance makes a generator of its own stream.
    """

    name: str
    noun: str
    description: str
    stream: int
    predict: Callable[[Sides, np.random.Generator], Contender | None]


def _previous(sides: Sides, rng: np.random.Generator) -> Contender | None:
    return None if sides.before is None else _unchanged(sides.training, sides.before, 0)


def _next(sides: Sides, rng: np.random.Generator) -> Contender | None:
    if sides.after is None:
        return None
    return _unchanged(sides.training, sides.after, sum(sides.sizes[:-1]))


def _unchanged(training: Snapshots, k: int, start: int) -> Contender:
    """The cells of day k, which count from `start`."""
    n = len(training.points[k])
    return Contender(
        training.points[k],
        training.weights[k],
        np.arange(start, start + n)[:, None],
        np.ones(1),
        np.zeros(n, dtype=np.int64),
        training.masses[k],
    )


def _mixture(sides: Sides, rng: np.random.Generator) -> Contender | None:
    """Both days; the mass is interpolated linearly."""
    first, last = _previous(sides, rng), _next(sides, rng)
    if first is None or last is None:
        return None
    alpha, (m_0, m_1) = sides.fraction, sides.masses
    a, b = first.weights, last.weights
    return Contender(
        np.concatenate([first.x, last.x]),
        np.concatenate([(1 - alpha) * a / a.sum(), alpha * b / b.sum()]),
        np.concatenate([first.cells, last.cells]),
        np.ones(1),
        np.repeat([0, 1], sides.sizes),
        (1 - alpha) * m_0 + alpha * m_1,
    )


def _transport(sides: Sides, rng: np.random.Generator) -> Contender | None:
    """Straight lines; the mass is interpolated log-linearly, which is constant growth."""
    first, last = _previous(sides, rng), _next(sides, rng)
    if first is None or last is None:
        return None
    alpha, (m_0, m_1) = sides.fraction, sides.masses
    pairs = couple(Balanced(), first.x, last.x, first.weights, last.weights, rng)
    return Contender(
        (1 - alpha) * first.x[pairs.i] + alpha * last.x[pairs.j],
        pairs.mass_0,
        np.column_stack([pairs.i, len(first.x) + pairs.j]),
        np.array([1 - alpha, alpha]),
        np.zeros(len(pairs), dtype=np.int64),
        float(m_0 ** (1 - alpha) * m_1**alpha),
    )


# fmt: off
BASELINES = {baseline.name: baseline for baseline in (
    Baseline("previous", "the unchanged {day} before", "the day before, unchanged", 3, _previous),
    Baseline("next", "the unchanged {day} after", "the day after, unchanged", 4, _next),
    Baseline("mixture", "the mixture of both {day}s",
             "the days on both sides, unchanged, weighted by nearness in time", 5, _mixture),
    Baseline("ot", "optimal-transport interpolation",
             "straight lines between the days on both sides, along exact optimal transport", 6,
             _transport),
)}
# fmt: on


def baselines(training: Snapshots, time: float, rng: np.random.Generator) -> dict[str, Contender]:
    """Every baseline that the days around a time allow."""
    sides = Sides.of(training, time)
    found = {name: baseline.predict(sides, rng) for name, baseline in BASELINES.items()}
    return {name: cloud for name, cloud in found.items() if cloud is not None}


def check_baselines(names: Iterable[str]) -> tuple[str, ...]:
    """Names of baselines as they are spelt here, in any case.

    Raises
    ------
    ConfigError
        For names that there are not, or none at all.
    """
    return known_names(names, BASELINES, "baseline")
