"""Outside: how many simulated cells have left the observed data, beside how many observed ones do.

By the measure of `support` one observed cell in a hundred is outside as well. So a
share says something only beside that of the observed cells of the day, and what is beyond both
this and the error of counting is what the fit makes of its cells. An average over the cells, such
as the share of a type, can be wrong by as much as the share of those that no data support: from
`TOO_MANY` on, a tenth, it is said. A type whose share is off by that is a caveat, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.modelling.families import Moved
from cellam.modelling.support import Support
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

TOO_MANY = 0.1  # of the cells, or of their weight, beyond what is usual
ERRORS = 2.0  # standard errors that the difference has to be as well


@dataclass(frozen=True)
class Outside:
    """Simulated cells outside the observed data at one time.

    Parameters
    ----------
    time : float
        In the user's unit.
    n, cells : int
        How many are outside, of how many.
    weight : float
        Share of those outside by weight, as averages have them.
    observed : float
        Share of the observed cells of the nearest training day that are outside as well.
    day : str
        Label of this day.
    error : (float, float)
        Standard errors by counting of the differences `share` - `observed` and `weight` -
        `observed`.
    """

    time: float
    n: int
    cells: int
    weight: float
    observed: float
    day: str
    error: tuple[float, float]

    @property
    def share(self) -> float:
        """Of the cells; 0 where none lives."""
        return self.n / max(self.cells, 1)

    @property
    def excess(self) -> float:
        """What is beyond the usual, of the cells or of their weight: the larger of both."""
        return max(self.share, self.weight) - self.observed

    @property
    def too_many(self) -> bool:
        """Whether averages over these cells can be made by those that no data support."""
        beyond = self.share - self.observed, self.weight - self.observed
        return any(
            found > max(TOO_MANY, ERRORS * error)
            for found, error in zip(beyond, self.error, strict=True)
        )


def outside(
    days: Snapshots, support: Support, moved: Moved, far: NDArray[np.bool_]
) -> tuple[Outside, ...]:
    """Cells outside the observed data at every saved time of a simulation.

    Parameters
    ----------
    days : Snapshots
        The training days.
    support : Support
        Of their cells.
    moved : Simulation or Families
    far : (n,) bool array
        Whether each of its cells at each time, in the order of `moved.positions`, is outside.
    """
    when, weights = moved.when, moved.weights
    found = []
    for t, time in enumerate(moved.times):
        there = when == t
        found.append(outside_at(days, support, float(time), far[there], weights[there]))
    return tuple(found)


def outside_at(
    days: Snapshots, support: Support, time: float, far: NDArray[np.bool_], weights: Array
) -> Outside:
    """Cells outside the observed data at one time.

    Parameters
    ----------
    days, support
        As for `outside`.
    time : float
        In the user's unit.
    far : (n,) bool array
        Which of the cells are outside.
    weights : (n,) array
    """
    k = int(np.abs(np.array(days.times) - time).argmin())
    q, N = float(support.outside[k]), len(days.points[k])
    n, total = len(far), float(weights.sum())
    share = float(far.mean()) if n else 0.0
    weight = float(weights[far].sum()) / total if total > 0 else 0.0
    ess = total**2 / float((weights**2).sum()) if total > 0 else 0.0

    def error(p: float, of: float) -> float:
        return float(np.sqrt(p * (1 - p) / max(of, 1.0) + q * (1 - q) / N))

    return Outside(
        time=time,
        n=int(far.sum()),
        cells=n,
        weight=weight,
        observed=q,
        day=days.labels[k],
        error=(error(share, n), error(weight, ess)),
    )


def worst(found: Iterable[Outside]) -> Outside:
    """The one with the most beyond the usual; of equals the last."""
    return max(reversed(tuple(found)), key=lambda each: each.excess)


def percent(share: float) -> str:
    """A share in percent: below 1 % with one digit, so that few are not none."""
    return f"{100 * share:.{0 if share == 0 or share >= 0.0095 else 1}f} %"
