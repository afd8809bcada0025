"""Baselines: what needs no model, as clouds of cells that compete with the prediction of one.

A contender remembers which measured cells each of its points is made of, so that the chance in
measuring them can be followed into its scores.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.couplings import Balanced, couple
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.labels import offer
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

BASELINES = {
    "previous": "the day before, unchanged",
    "next": "the day after, unchanged",
    "mixture": "both, weighted by nearness in time",
    "ot": "straight lines between both, along exact optimal transport",
}
NOUNS = {
    "previous": "the unchanged day before",
    "next": "the unchanged day after",
    "mixture": "the mixture of both days",
    "ot": "optimal-transport interpolation",
}


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


def followed(model: Model, time: float) -> Contender:
    """The prediction of a model for a day that it was not fitted on."""
    before, after = neighbours(model.training, time)
    x, weights = model.predict(time, seed=model.options.seed)
    sizes = [len(model.training.points[k]) for k in (before, after) if k is not None]
    if len(x) < sum(sizes):  # noise cannot be run backward, so that only one side is followed
        sizes = sizes[:1]
    return Contender(
        x,
        weights,
        np.arange(len(x))[:, None],
        np.ones(1),
        np.repeat(np.arange(len(sizes)), sizes),
        float(weights.sum()) if model.options.population is not None else None,
    )


def baselines(training: Snapshots, time: float, rng: np.random.Generator) -> dict[str, Contender]:
    """Every baseline that the days around a time allow.

    The masses are those of the day before and after, their linear interpolation for the mixture,
    and the log-linear one, which is constant growth, for transport.
    """
    before, after = neighbours(training, time)
    found: dict[str, Contender] = {}
    start, one = 0, np.ones(1)
    for name, k in (("previous", before), ("next", after)):
        if k is not None:
            n = len(training.points[k])
            cells = np.arange(start, start + n)[:, None]
            still = np.zeros(n, dtype=np.int64)
            found[name] = Contender(
                training.points[k], training.weights[k], cells, one, still, training.masses[k]
            )
            start += n
    if before is None or after is None:
        return found
    (x_0, a), (x_1, b) = ((c.x, c.weights) for c in found.values())
    first, last = training.times[before], training.times[after]
    alpha = (time - first) / (last - first)
    m_0, m_1 = training.masses[before], training.masses[after]
    found["mixture"] = Contender(
        np.concatenate([x_0, x_1]),
        np.concatenate([(1 - alpha) * a / a.sum(), alpha * b / b.sum()]),
        np.arange(start)[:, None],
        one,
        np.repeat([0, 1], [len(x_0), len(x_1)]),
        (1 - alpha) * m_0 + alpha * m_1,
    )
    pairs = couple(Balanced(), x_0, x_1, a, b, rng)
    found["ot"] = Contender(
        (1 - alpha) * x_0[pairs.i] + alpha * x_1[pairs.j],
        pairs.mass_0,
        np.column_stack([pairs.i, len(x_0) + pairs.j]),
        np.array([1 - alpha, alpha]),
        np.zeros(len(pairs), dtype=np.int64),
        float(m_0 ** (1 - alpha) * m_1**alpha),
    )
    return found


def neighbours(training: Snapshots, time: float) -> tuple[int | None, int | None]:
    """Positions of the last day before a time and of the first one after it."""
    before = [k for k, t in enumerate(training.times) if t < time]
    after = [k for k, t in enumerate(training.times) if t > time]
    return (before[-1] if before else None), (after[0] if after else None)


def check_baselines(names: Iterable[str]) -> tuple[str, ...]:
    """Names of baselines as they are spelt here, in any case.

    Raises
    ------
    ConfigError
        For names that there are not, or none at all.
    """
    asked = [name.lower() for name in names if name]
    unknown = [name for name in asked if name not in BASELINES]
    if unknown or not asked:
        raise ConfigError(
            f"There is no baseline {unknown[0]!r}." if unknown else "No baseline is given.",
            offer("".join(unknown[:1]), BASELINES),
        )
    return tuple(dict.fromkeys(asked))
