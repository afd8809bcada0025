"""Suggestion: at which time between the days the explanations left open disagree most.

Measuring a day splits its gap, and settles what is open within it. So a time counts by how far the
explanations disagree there (the mean energy distance of their predictions) times the length of its
gap. Whether a number of new cells would tell which is right is another question, of `telling`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.explanations import Explanation, Open, left_open
from cellam.analysis.growth_range import growth_range, has_range
from cellam.analysis.telling import RIGHT, Clouds
from cellam.devices import threads
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

PLACES = (0.25, 0.5, 0.75)  # of a gap, at which times are tried
FEW = 12  # gaps up to which all of these are; of more, only the middle
COMMON = 10  # cells of a type whose growth is said
SAME = 1e-3  # of the log of a mass over all days: less is no difference
HARDLY = 0.1  # of the range of growth: a day that settles less hardly narrows it


@dataclass(frozen=True)
class Suggestion:
    """Times that could be measured, and what they would tell.

    Parameters
    ----------
    n_cells : int
        That would be measured.
    left : Open
        The explanations left open, and the cells that they were made of.
    table : pandas.DataFrame
        A row for each time: time, after and before (labels of the days around it), gap (its
        length), place (the share of it that lies before), disagreement (mean energy distance over
        all pairs of explanations), score (that times the gap, as a share of the largest), first and
        second (the two that are best told apart), settles (in what they differ: growth, course or
        both, "growth and course"), noise (their distance in units of sampling noise
        of these cells), right (the probability that the cells are nearer to the one that is right),
        needed (cells for a probability of 95 %; missing where no number is enough).
    """

    n_cells: int
    left: Open
    table: pd.DataFrame

    @property
    def names(self) -> tuple[str, ...]:
        """Of the explanations; that of the fit is the first."""
        return tuple(explanation.name for explanation in self.left.explanations)

    @property
    def best(self) -> int:
        """Place in the table of the largest score."""
        return int(self.table["score"].to_numpy().argmax())

    @property
    def largest(self) -> list[int]:
        """Positions of the training days before the largest gaps, of one length."""
        gaps = np.diff(self.left.days.times)
        return np.flatnonzero(gaps > gaps.max() * (1 - 1e-9)).tolist()

    @property
    def middle(self) -> int | None:
        """Place of the time nearest to the middle of the largest gap: the choice without a fit.

        None where several gaps are the largest, or no time of the table lies in it.
        """
        largest = self.largest
        after = self.table["after"].to_numpy() == self.left.days.labels[largest[0]]
        if len(largest) > 1 or not after.any():
            return None
        off = np.abs(self.table["place"].to_numpy(dtype=float) - 0.5)
        return int(np.where(after, off, np.inf).argmin())

    @property
    def told(self) -> bool:
        """Whether these cells would tell at the best time."""
        return bool(self.table["right"].iloc[self.best] >= RIGHT)


def suggest(model: Model, n_cells: int, times: Iterable[float] | None = None) -> Suggestion:
    """Where explanations disagree between the training days, and whether n new cells would tell.

    Parameters
    ----------
    model : Model
    n_cells : int
        Cells that would be measured, 2 or more.
    times : iterable of float, optional
        That could be measured, between the first and the last training day; without them three of
        each gap (of more than 12 gaps, the middles).

    Raises
    ------
    ConfigError
        If nothing is left open, or a time is not between the training days.
    """
    if n_cells < 2:
        raise ConfigError(f"`n_cells={n_cells}`: of one cell nothing is told.", "Use 2 or more.")
    chosen = _usual(model.training) if times is None else sorted(set(times))
    for time in chosen:
        _check_between(model.training, time)
    with threads(model.options.threads):
        left = left_open(model)
        if len(left.explanations) < 2:
            raise ConfigError(
                "The fit leaves no other path open: path and curvature are those that you gave.",
                "Fit without `path`, `tau` and `curvature`, and ask again.",
            )
        table = pd.DataFrame([_row(model, left.explanations, time, n_cells) for time in chosen])
    worth = table["disagreement"] * table["gap"]
    table["score"] = worth / max(float(worth.max()), 1e-300)
    return Suggestion(n_cells, left, table)


@dataclass(frozen=True)
class GrowthTold:
    """What the explanations say of the growth of a type around the suggested time.

    Parameters
    ----------
    type : str
        The one on which they differ most.
    low, high : float
        The least and the largest rate of its cells of the day before, in the gap after it, per unit
        of the user's time. Cells that become fewer may as well have changed their type, at random
        times: that share is left out, as no snapshot tells it (`growth_range`).
    whole : (float, float) or None
        The range of its growth over all days by all that explains these, conversion included: the
        one that a fit prints. None if the fit has none.
    """

    type: str
    low: float
    high: float
    whole: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """By how much the explanations differ: what a new day can settle."""
        return self.high - self.low

    @property
    def hardly(self) -> bool:
        """Whether that is next to nothing of the whole range."""
        return self.whole is not None and self.difference < HARDLY * (self.whole[1] - self.whole[0])


def growth_told(model: Model, found: Suggestion, types: NDArray[np.object_]) -> GrowthTold | None:
    """The type on whose growth around the suggested time the explanations differ most, and how far.

    Parameters
    ----------
    model : Model
    found : Suggestion
        Of that model.
    types : (n,) object array
        Type of every cell of the data; None where it has none.

    Returns
    -------
    GrowthTold or None
        None where no type has ten cells on the day before, or none differs.
    """
    days = found.left.days
    k = days.index(str(found.table["after"].iloc[found.best]))
    of_cell = types[days.rows[k]]
    span = days.times[-1] - days.times[0]
    ranges = []
    for name in sorted({t for t in of_cell if isinstance(t, str)}):
        mine = of_cell == name
        if mine.sum() >= COMMON:
            rates = [e.growth_of(k, mine) / span for e in found.left.explanations]
            ranges.append((name, min(rates), max(rates)))
    widest = max(ranges, key=lambda row: row[2] - row[1], default=None)
    if widest is None or not widest[2] - widest[1] > SAME / span:
        return None
    whole = None
    if has_range(model):
        of_type = types[model.snapshots.data_rows] == widest[0]
        _, *ends = growth_range(model).mean(of_type)
        whole = (ends[0], ends[1])
    return GrowthTold(*widest, whole)


def _usual(days: Snapshots) -> list[float]:
    gaps = list(itertools.pairwise(days.times))
    places = PLACES if len(gaps) <= FEW else (0.5,)
    return [a + place * (b - a) for a, b in gaps for place in places]


def _check_between(days: Snapshots, time: float) -> None:
    first, last = days.times[0], days.times[-1]
    if time in days.times:
        label = days.labels[days.times.index(time)]
        raise ConfigError(
            f"{label} is a training day: all explanations agree there.", "Choose another time."
        )
    if not first < time < last:
        raise ConfigError(
            f"Time {time:g} does not lie between the training days ({first:g} to {last:g}), and "
            "what lies beyond them no explanation knows.",
            "Choose times between them.",
        )


def _row(
    model: Model, explanations: tuple[Explanation, ...], time: float, n_cells: int
) -> dict[str, object]:
    """What a snapshot of one time would tell."""
    days = model.training
    k = int(np.searchsorted(days.times, time)) - 1
    begin, end = days.times[k], days.times[k + 1]
    unit = days.unit_time(time)
    points, weights = zip(*(e.cloud(unit) for e in explanations), strict=True)
    alpha = (time - begin) / (end - begin)
    n_0, n_1 = len(model.training.points[k]), len(model.training.points[k + 1])
    known = 1 / ((1 - alpha) ** 2 / n_0 + alpha**2 / n_1)
    pairs = Clouds(points, weights, known).tellings()
    a, b = max(pairs, key=lambda pair: pairs[pair].noise(n_cells))
    best = pairs[a, b]
    return {
        "time": time,
        "after": days.labels[k],
        "before": days.labels[k + 1],
        "gap": end - begin,
        "place": alpha,
        "disagreement": float(np.mean([each.distance for each in pairs.values()])),
        "score": 0.0,
        "first": explanations[a].name,
        "second": explanations[b].name,
        "settles": _settles(explanations[a], explanations[b]),
        "noise": best.noise(n_cells),
        "right": best.right(n_cells),
        "needed": best.cells(),
    }


def _settles(one: Explanation, other: Explanation) -> str:
    growth = ["growth"] * (one.coupling != other.coupling)
    return " and ".join([*growth, *["course"] * (one.curvature != other.curvature)])
