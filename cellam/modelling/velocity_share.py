"""Share of velocities: how far given velocities of cells bend the path.

They (`dynamics.velocities`) bend it to the share with which the inner days are predicted best, by
the velocities of the days around them alone. All of it is tried on halves of the cells, drawn
again and again: that scatters as the fit to all cells does about the truth [1]_, and a share
counts only if it predicts better by more than this makes up in one of twenty cases.

References
----------
.. [1] Politis and Romano, Large sample confidence regions based on subsamples under minimal
   assumptions, Annals of Statistics 1994.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.fitting import OnProgress, silent
from cellam.dynamics.objectives import Objective
from cellam.dynamics.velocities import velocities_of
from cellam.modelling.recipe import SURE, Reason, Recipe
from cellam.modelling.trials import CELLS, Trials
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

SHARES = (0.0, 0.5, 1.0)
HALVES, TRIED = 6, 2  # of the cells, on which it is chosen; after which no gain is none


def choose_velocity(
    days: Snapshots,
    recipe: Recipe,
    objective: Objective,
    rng: np.random.Generator,
    on_progress: OnProgress = silent,
) -> tuple[float, Reason]:
    """How far given velocities bend the path, as that predicts inner days better, and the scores.

    Parameters
    ----------
    days : Snapshots
        With velocities.
    recipe : Recipe
        Of the path.
    objective : Objective
    rng : numpy.random.Generator
        Draws cells, halves of them and features.
    """
    if velocities_of(days) is None:
        return 0.0, Reason("no velocities")
    if len(days) < 3:
        return 0.0, Reason("too few days")
    few = days.thinned(2 * CELLS, rng)
    recipes = [replace(recipe, velocity=share) for share in SHARES]
    found: list[Array] = []
    for _ in range(HALVES):
        trials = Trials(few.halved(rng), objective, int(rng.integers(2**63)), on_progress)
        found.append(trials.run("choose the share of velocities", recipes))
        scores = np.array(found)
        means = scores.mean(0)
        best = int(np.argmin(np.where(np.isfinite(means), means, np.inf)))
        if len(found) >= TRIED and best == 0:
            break
    gains = scores[:, 0] - scores[:, best]
    better = gains.mean() > max(SURE * gains.std(ddof=1), trials.least())
    reason = trials.reason(
        "predicts better" if better else "not better", [f"{s:g}" for s in SHARES], means
    )
    return SHARES[best] if better else 0.0, reason
