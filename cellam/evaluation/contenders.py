"""Contenders: clouds of cells that predict a held-out day, and the methods that make them.

A contender remembers which measured cells each of its points is made of, so that the chance in
measuring them can be followed into its scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cellam.modelling.model import Model
    from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]


class Method(Protocol):
    """What has a row in the table of scores: the fit, its counterparts, baselines and the floor.

    `stream` is the number of its stream of random numbers, with which its cells are drawn. It is a
    name, not a position: it never changes, and a new method takes one that no other has, so that
    the scores of the others stay what they are. `FORWARD` shares that of the fit: where both are
    the same prediction they have the same score.
    """

    @property
    def name(self) -> str:
        """In the column `method`."""
        ...

    @property
    def description(self) -> str:
        """Beside its scores."""
        ...

    @property
    def stream(self) -> int:
        """Number of its stream of random numbers."""
        ...


@final
@dataclass(frozen=True)
class Own:
    """A method of ours: the fit itself, the fit forward, or the floor."""

    name: str
    description: str
    stream: int


FIT = Own("cellam", "the days on both sides, simulated to the held-out day by the fit", stream=0)
FORWARD = Own("forward", "as cellam, but from the day before alone", stream=0)
FLOOR = Own("floor", "one half of the observed cells, scored against the other half", stream=7)


@final
@dataclass(frozen=True)
class Contender:
    """A cloud that predicts a day.

    Parameters
    ----------
    x : (N, d) array
        Points, in model coordinates.
    weights : (N,) array
        Their masses.
    cells : (N, s) int array
        The measured cells that each point is made of: those of the day before count from 0,
        those of the day after follow them.
    shares : (s,) array
        How much of a point each of its cells makes; sums to 1.
    side : (N,) int array
        Points of one side have a fixed share of the mass, whichever cells were measured.
    mass : float or None
        Total mass that it predicts; None where it predicts none.
    """

    x: Array
    weights: Array
    cells: NDArray[np.int64]
    shares: Array
    side: NDArray[np.int64]
    mass: float | None

    def of_cells(self, rows: NDArray[np.int64], share: Array, influence: Array, n: int) -> Array:
        """Influence of n measured cells on a score, from that of some points.

        Parameters
        ----------
        rows, share : (k,) arrays
            Points that were scored, and their weight.
        influence : (k,) array
            Of their weights on the score.
        n : int
            Measured cells.

        Returns
        -------
        (n,) array
            By how much the score changes when a cell counts double.
        """
        side, total = self.side[rows], np.zeros(n)
        mean = np.bincount(side, share * influence) / np.maximum(np.bincount(side, share), 1e-300)
        change = share * (influence - mean[side])
        for column, part in enumerate(self.shares):
            total += part * np.bincount(self.cells[rows, column], change, n)
        return total


@final
@dataclass(frozen=True)
class Sides:
    """The training days before and after a time.

    Parameters
    ----------
    training : Snapshots
    time : float
    before, after : int or None
        Positions of the last day before the time and of the first one after it.
    """

    training: Snapshots
    time: float
    before: int | None
    after: int | None

    @staticmethod
    def of(training: Snapshots, time: float) -> Sides:
        """The days beside a time."""
        before = [k for k, t in enumerate(training.times) if t < time]
        after = [k for k, t in enumerate(training.times) if t > time]
        return Sides(training, time, before[-1] if before else None, after[0] if after else None)

    @property
    def days(self) -> list[int]:
        """Positions of the days that there are, the one before first."""
        return [k for k in (self.before, self.after) if k is not None]

    @property
    def sizes(self) -> list[int]:
        """Their numbers of cells."""
        return [len(self.training.points[k]) for k in self.days]

    @property
    def masses(self) -> list[float]:
        """Their masses."""
        return [self.training.masses[k] for k in self.days]

    @property
    def fraction(self) -> float:
        """Which part of the gap between two days has passed."""
        first, last = (self.training.times[k] for k in self.days)
        return (self.time - first) / (last - first)


def followed(model: Model, time: float) -> Contender:
    """The prediction of a model for a day that it was not fitted on, from the days beside it."""
    sizes = Sides.of(model.training, time).sizes
    x, weights = model.predict(time, seed=model.options.seed)
    if len(x) < sum(sizes):  # noise cannot be run backward, so that only one side is followed
        sizes = sizes[:1]
    return _contender(model, x, weights, sizes)


def pushed(model: Model, time: float) -> Contender | None:
    """The same from the day before alone, as users follow cells; None where there is none."""
    before, days = Sides.of(model.training, time).before, model.training
    if before is None:
        return None
    x, w = model.follow(days.points[before], days.times[before], time, seed=model.options.seed)
    return _contender(model, x, days.weights[before] * w, [len(x)])


def _contender(model: Model, x: Array, weights: Array, sizes: list[int]) -> Contender:
    """Cells that were followed: those of the day before first, or of one day alone."""
    return Contender(
        x,
        weights,
        np.arange(len(x))[:, None],
        np.ones(1),
        np.repeat(np.arange(len(sizes)), sizes),
        float(weights.sum()) if model.options.population is not None else None,
    )
