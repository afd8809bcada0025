"""Growth and fates of populations of known truth: `python tests/bench/populations.py [NAME …]`.

Prints a line of JSON for each draw, of which `fates.py` makes the tables of FATES.md.

Ten draws of each population of `cellam.truths`, of other sizes and speeds, are fitted with default
options. Of each draw: whether the true growth of every state lies in its range, and for the cells
of the first day the squared error of their fates against their true probabilities (summed over
states: the Brier score less the least that is possible), that of the mean fate and of nearest
cells, and the share of cells whose true probability lies in its range.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import cellam
from cellam import truths
from cellam.analysis.assignment import reference_of
from cellam.analysis.fates import Fates, predict_fates
from cellam.analysis.growth_range import growth_range
from cellam.analysis.weighing import probabilities
from cellam.evaluation.clones import CONTENDERS
from cellam.modelling.model import Model
from cellam.truths import Population

DRAWS = 10
SIZES = 150, 250, 400  # cells a day, in turn
SPEEDS = 0.4, 0.5, 0.7  # of the arms of a fork

Make = Callable[..., Population]
POPULATIONS: dict[str, tuple[Make, dict[str, Any]]] = {
    "conversion": (truths.conversion, {}),
    "slow conversion": (truths.conversion, {"hazard": 0.15, "takes": 0.6}),
    "biased day": (truths.biased_day, {}),
    "still, faster 0.2": (truths.still, {}),
    "far and still, faster 0.3": (truths.still, {"gap": 8.0, "faster": 0.3}),
    "many days": (truths.many_days, {}),
    "missing state": (truths.missing_state, {"left": 3}),
    **{
        f"fork {trait}, k {k:g}{', growth 0.2' if grows else ''}": (
            truths.fork,
            {"k": k, "kept": trait == "kept", "growth": 0.2 * grows},
        )
        for trait in ("kept", "opening")
        for k, grows in ((0.0, False), (4.0, False), (20.0, False), (4.0, True))
    },
}


@dataclass(frozen=True)
class Draw:
    """What one draw of a population showed; errors of fates are NaN where it has one state."""

    population: str
    seed: int
    growth_inside: bool
    growth_width: float  # of the range of a state of the last day, the widest, per day
    growth_error: float  # of the rate of the model in such a state, the largest
    least: float  # Brier score of the truth
    ours: float  # more than that
    mean: float
    nearest: float
    cells_inside: float
    means_inside: bool
    predicted: list[float]  # of all cells and states, for the reliability
    true: list[float]


def draw(name: str, seed: int) -> Draw:
    """Fit one draw and compare it with its truth."""
    make, options = POPULATIONS[name]
    varied = {} if make is truths.many_days else {"n_cells": SIZES[seed % 3]}
    if make is truths.fork:
        varied["speed"] = SPEEDS[seed // 3 % 3]
    population = make(np.random.default_rng([seed, 1]), **options, **varied)
    cells = cellam.read(population.to_adata(), use_rep="X_true")
    model = cellam.fit(cells)
    return Draw(name, seed, *_growth(model, population), *_fates(model, population))


def _growth(model: Model, population: Population) -> tuple[bool, float, float]:
    """Whether the truth is in the range of all states, the widest range, the largest error."""
    found, rows = growth_range(model), model.snapshots.data_rows
    days = np.unique(population.day, return_inverse=True)[1]
    level = np.bincount(days, population.growth) / np.bincount(days)
    true, state = (population.growth - level[days])[rows], population.state[rows]
    of = {s: (*found.mean(state == s), true[state == s].mean()) for s in np.unique(state)}
    inside = all(low <= t <= high for _, low, high, t in of.values())
    ends = [row for s, row in of.items() if s in population.ends]
    return (
        bool(inside),
        float(max(high - low for _, low, high, _ in ends)),
        float(max(abs(mean - t) for mean, _, _, t in ends)),
    )


def _fates(
    model: Model, population: Population
) -> tuple[float, float, float, float, float, bool, list[float], list[float]]:
    """Errors of the fates of the first day, how many truths lie in their ranges, and all pairs."""
    types = cellam.read(population.to_adata(), use_rep="X_true").obs["state"]
    start, end = model.snapshots.labels[0], model.snapshots.labels[-1]
    states = reference_of(model, end, types)
    if len(states.names) < 2:
        nan = float("nan")
        return nan, nan, nan, nan, nan, True, [], []
    found = predict_fates(model, start, types)
    true = population.fates[found.rows][:, [population.ends.index(s) for s in found.states]]
    still = CONTENDERS["nearest"][0](model, start, end, types)
    together = np.array(list(found.together()["fate"].values()))
    return (
        float((true * (1 - true)).sum(1).mean()),
        _off(found.probability, true),
        _off(together, true),
        _off(probabilities(still, states.memberships()), true),
        float(((found.low - 1e-9 <= true) & (true <= found.high + 1e-9)).all(1).mean()),
        _means_inside(found, true, population.descendants[found.rows]),
        [float(p) for p in found.probability.ravel().round(4)],
        [float(p) for p in true.ravel().round(4)],
    )


def _off(p: np.ndarray, true: np.ndarray) -> float:
    return float(((p - true) ** 2).sum(1).mean())


def _means_inside(found: Fates, true: np.ndarray, descendants: np.ndarray) -> bool:
    """Whether the true fate of the day, by mass, is in its range, to the error of counting."""
    share = (descendants[:, None] * true).sum(0) / descendants.sum()
    row = found.together()
    error = 1.96 * np.sqrt(share * (1 - share) / len(true))
    low, high = (np.array(list(row[side].values())) for side in ("least", "most"))
    return bool(((low - error <= share) & (share <= high + error)).all())


def main() -> None:
    """Print a line of JSON for each draw."""
    for name in sys.argv[1:] or POPULATIONS:
        for seed in range(DRAWS):
            print(json.dumps(asdict(draw(name, seed))), flush=True)


if __name__ == "__main__":
    main()
