"""Verdict: what the samples tell of a difference in dynamics, in sentences.

The p-value is over labellings of the samples, so the smallest that there can be is one in their
number. Where that is no small one, no verdict is given, and what would allow one is said instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cellam.comparison.relabelling import possible, smallest_p
from cellam.comparison.samples import Samples
from cellam.names import plural

LEVEL = 0.05
OPEN = (
    "These days do not tell whether cells move, turn or grow otherwise, as each of them can leave "
    "the same days: a small p of motion, fates or growth may be the doing of another of the three."
)
NO_P = (
    "Too few samples for a p-value (three of each condition are needed). Intervals hold the "
    "scatter of cells alone, and cells are no replicates."
)


@dataclass(frozen=True)
class Verdict:
    """What the samples tell of a difference in dynamics.

    Parameters
    ----------
    samples : Samples
    effects : pandas.DataFrame
        As of `Comparison`: with the family and p of each effect.
    p : float
        Of one dynamics for both conditions.
    n_labellings : int
        Over which it is.
    """

    samples: Samples
    effects: pd.DataFrame
    p: float
    n_labellings: int

    def __str__(self) -> str:
        first, second = self.samples.conditions
        p = f"p = {self.p:.2g} over {plural(self.n_labellings, 'labelling')}"
        least = smallest_p(self.n_labellings)
        largest = self.p <= least * (1 + 1e-9)
        if least > LEVEL:
            than = "larger than under any other" if largest else "no larger than under others"
            return (
                f"The difference between {second} and {first} is {than} labelling of the samples "
                f"({p}). {self._too_few}"
            )
        if self.p > LEVEL:
            return (
                f"One dynamics is enough for {first} and {second} ({p}). A single small p-value in "
                "the tables is then chance, or a difference of the cells that were there before."
            )
        allowed = ", the smallest that they allow" * largest
        return f"The dynamics of {second} and {first} differ ({p}{allowed}). {self._rests} {OPEN}"

    @property
    def _rests(self) -> str:
        """Which of the two families the verdict goes by show it, as their tables do."""
        small = self.effects[self.effects["p"] <= LEVEL]
        motion, arrival = (bool((small["family"] == name).any()) for name in ("motion", "arrival"))
        if motion and arrival:
            return (
                "Cells move otherwise (motion), and the same cells lead to other shares of types "
                "than one dynamics makes of them (arrival)."
            )
        if motion:
            return (
                "This rests on how cells move (motion). No row of arrival is told from chance: to "
                "which other shares of types it leads does not show."
            )
        if arrival:
            return (
                "This rests on which types the same cells lead to (arrival); that of motion is not "
                "told from chance."
            )
        return "This rests on all rows of arrival together; none of them is told from chance alone."

    @property
    def _too_few(self) -> str:
        """Why no p-value can be small, and what would change that."""
        p = f"cannot give p below {smallest_p(self.n_labellings):.2g}"
        if possible(self.samples) > self.n_labellings:
            return f"So few labellings {p}: more permutations can."
        if len(np.unique(self.samples.stratum[~self.samples.shared])) > 1:
            return f"So few samples that could be exchanged {p}: more in a block or on a day can."
        return f"So few samples {p}: four of each condition can."
