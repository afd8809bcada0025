"""Explanations: the paths from day to day that the training days leave open.

Each coupling that predicts the training days well enough (`Choice.couplings`) joins them in another
way, with more growth or less, and between two days the cells may go straight or turn gradually. On
the training days all of these agree; between them they do not, and a new day would tell.

Where a path without growth predicted the one day that could be held out as well, and the fit has
growth only as one day cannot rule it out, that path is open too.

The share of growth that may be conversion instead (`growth_range`) is not among them: for every
share the cells are at the same places at all times, which no snapshot tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.couplings import Balanced, Coupling, Unbalanced
from cellam.dynamics.curves import CURVATURE, curve
from cellam.dynamics.paths import Gap, Path, build_path
from cellam.modelling.model import Model
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

CELLS = 250  # a day, of which paths are made
LEAST = 1e-6  # of the largest mass of a cell: less is nothing


@dataclass(frozen=True)
class Explanation:
    """One way from day to day.

    Parameters
    ----------
    coupling : Coupling
    curvature : float
    path : Path
        Over the days of `Open`.
    """

    coupling: Coupling
    curvature: float
    path: Path

    @property
    def growth(self) -> str:
        """How it pairs the days, in words."""
        tau = f" with tau {self.coupling.tau:g}" if isinstance(self.coupling, Unbalanced) else ""
        return f"path {self.coupling.name}{tau}"

    @property
    def name(self) -> str:
        """How it is called."""
        if len(self.path.gaps) == 1 or not self.coupling.moves:  # there is no turn
            return self.growth
        return f"{self.growth}, {'straight' if self.curvature == 0 else 'curved'}"

    def cloud(self, t: float) -> tuple[Array, Array]:
        """Where cells are at a unit time, (n, d), and their shares of the mass, (n,)."""
        gap = self._gap(t)
        alpha = np.full(len(gap.pairs), (t - gap.t_0) / gap.length)
        x, _ = gap.motion(slice(None), alpha)
        w, _ = gap.masses(slice(None), alpha)
        there = w > LEAST * w.max()
        return x[there], w[there] / w[there].sum()

    def growth_of(self, k: int, cells: NDArray[np.bool_]) -> float:
        """Growth rate of the mass of some cells of day k, (n,) bool, in the gap after it.

        Per unit time; these cells make up a mass that is not nothing.
        """
        gap = self.path.gaps[k]
        of_pair = cells[gap.pairs.i]
        before, after = gap.pairs.mass_0[of_pair].sum(), gap.pairs.mass_1[of_pair].sum()
        return float(np.log(after / before) / gap.length)

    def _gap(self, t: float) -> Gap:
        return next((gap for gap in self.path.gaps if t < gap.t_1), self.path.gaps[-1])


@dataclass(frozen=True)
class Open:
    """What is left open.

    Parameters
    ----------
    days : Snapshots
        Training days, of large ones some cells.
    explanations : tuple of Explanation
        That of the fit is the first.
    """

    days: Snapshots
    explanations: tuple[Explanation, ...]


def left_open(model: Model) -> Open:
    """The explanations that the training days, and the user, leave open."""
    rng = np.random.default_rng([model.options.seed, 20])
    recipe = model.choice.recipe
    days = recipe.applied(model.training).thinned(CELLS, rng)
    free = model.options.curvature is None and len(days) > 2
    bends = (
        (recipe.curvature, 0.0 if recipe.curvature else CURVATURE) if free else (recipe.curvature,)
    )
    couplings = [recipe.coupling, *(c for c in model.choice.couplings if c != recipe.coupling)]
    reason = model.choice.reasons.get("coupling")
    if reason is not None and reason.because == "one day":
        couplings.append(Balanced())
    found: list[Explanation] = []
    for coupling in couplings:
        straight = build_path(days, coupling, rng)
        found += [
            Explanation(coupling, bend, curve(straight, bend))
            for bend in (bends if coupling.moves else (0.0,))
        ]
    return Open(days, tuple(found))
