"""Transfer: whether the dynamics of one condition predict the other.

The cells of a condition on a day are followed to the next day by its own dynamics, by those of the
other condition and by the common fit, and held against its cells there in energy distance. Where
the other condition's dynamics do as well as its own, only the cells that were there at the start
differ. All three have seen the day; what counts is how they differ.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.comparison.deviation import Equations
from cellam.comparison.samples import Codes, Samples
from cellam.dynamics.distances import energy
from cellam.modelling.model import Model

Array = NDArray[np.float64]

CELLS = 1_000  # of a condition on a day


def transfer(equations: Equations, samples: Samples) -> pd.DataFrame:
    """How far followed cells arrive from those of the next day, by whose dynamics.

    Returns
    -------
    pandas.DataFrame
        A row for each condition and day but the first: condition, day, own, other, common (energy
        distances by the dynamics of the condition, of the other one and of both), replicates
        (mean between two of its samples; missing where it has one).
    """
    common = equations.model
    own = [equations.model_of(equations.solve(samples.group(c))) for c in (0, 1)]
    days, rng = common.training, np.random.default_rng(0)
    rows = []
    for c, (k, then) in itertools.product((0, 1), itertools.pairwise(range(len(days)))):
        there = _of(samples, days.rows[then], samples.group(c), rng)
        start = _of(samples, days.rows[k], samples.group(c), rng)
        x, y = days.points[k][start], days.points[then][there]
        row: dict[str, str | float] = {"condition": samples.conditions[c], "day": days.labels[then]}
        for name, model in (("own", own[c]), ("other", own[1 - c]), ("common", common)):
            row[name] = _far(model, x, y, days.times[k], days.times[then])
        row["replicates"] = _between(
            common, y, samples.parent[samples.of_cells[days.rows[then][there]]]
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _of(samples: Samples, rows: Codes, group: Codes, rng: np.random.Generator) -> Codes:
    mine = np.flatnonzero(np.isin(samples.of_cells[rows], group))
    return mine if len(mine) <= CELLS else np.sort(rng.choice(mine, CELLS, replace=False))


def _far(model: Model, x: Array, y: Array, start: float, stop: float) -> float:
    arrived, w = model.follow(x, start, stop)
    return model.space.unit * energy(arrived, w / w.sum(), y, np.full(len(y), 1 / len(y)))


def _energy(model: Model, x: Array, y: Array) -> float:
    u, v = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    return model.space.unit * energy(x, u, y, v)


def _between(model: Model, y: Array, sample: Codes) -> float:
    pairs = itertools.combinations(np.unique(sample), 2)
    found = [_energy(model, y[sample == a], y[sample == b]) for a, b in pairs]
    return float(np.mean(found)) if found else float("nan")
