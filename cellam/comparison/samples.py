"""Samples: the units of a comparison, each of one condition, and which of them could be exchanged.

A sample is what was treated, grown or taken as one: a mouse, a well, a dish. Cells of one sample
share its fate, so they are no independent evidence, and the number of samples decides what can be
told [1]_. Where a replicate has cells of both conditions it is a sample in each.

Without a treatment any sample could as well have been of the other condition; it is exchanged with
those of the same days and the same block only. Days that are shared belong to both conditions, as
the cells before a treatment do, and their samples are never exchanged.

Labellings are alike without a treatment only if samples are alike but for chance. Those of ten
cells are not like those of sixty: what is worked out from few cells is off in a way of its own. So
samples of the condition that has larger ones are thinned to the middle size of the other's.

References
----------
.. [1] Squair et al., Confronting false discoveries in single-cell differential expression, Nature
   Communications 12 (2021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.reading.design import Design

LEAST = 10  # cells of a sample on a day
ENOUGH = 3  # samples of each condition, for a p-value
PARTS = 4  # into which the cells of a sample are dealt where samples are too few to be left out

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Samples:
    """The samples of two conditions.

    Parameters
    ----------
    key : str
        Column of `obs` with the condition.
    conditions : (str, str)
        The reference, and what is compared with it.
    replicate : str or None
        Column of `obs` with the samples; None where none was named, and cells are dealt.
    names : tuple of str
        Of the S samples.
    of : (S,) int array
        Condition of each, 0 or 1; −1 for samples of a shared day.
    stratum : (S,) int array
        Samples of one stratum can be exchanged.
    of_cells : (n,) int array
        Sample of every cell; −1 for cells that take no part.
    days : tuple of str
        Labels of the K days.
    day_of_cells : (n,) int array
        Day of every cell, as a position in `days`; −1 for other days.
    on : (S, K) bool array
        Days on which a sample has cells.
    design : Design
        Cells by day, condition and replicate.
    parts : bool
        Whether the samples are parts of real ones: their scatter is that of cells.
    thinned : int
        Cells of large samples that take no part.
    """

    key: str
    conditions: tuple[str, str]
    replicate: str | None
    names: tuple[str, ...]
    of: Codes
    stratum: Codes
    of_cells: Codes
    days: tuple[str, ...]
    day_of_cells: Codes
    on: NDArray[np.bool_]
    design: Design
    parts: bool = False
    thinned: int = 0

    @property
    def shared(self) -> NDArray[np.bool_]:
        """Whether each sample belongs to both conditions, (S,)."""
        return np.asarray(self.of < 0)

    def count(self) -> tuple[int, int]:
        """Samples of each condition: the least number on a day that is not shared."""
        days = self.on[~self.shared].any(0)
        least = (self.on[self.of == c][:, days].sum(0).min() for c in (0, 1))
        first, second = map(int, least)
        return first, second

    @property
    def enough(self) -> bool:
        """Whether there are enough samples for a p-value."""
        return not self.parts and min(self.count()) >= ENOUGH

    @property
    def parent(self) -> Codes:
        """The real sample that each is, or is a part of, (S,)."""
        return np.arange(len(self.names)) // (PARTS if self.parts else 1)

    def group(self, c: int, of: Codes | None = None) -> Codes:
        """Samples of condition c, or of both where shared, under a labelling `of` (S,)."""
        labels = self.of if of is None else of
        return np.flatnonzero((labels == c) | (self.of < 0))

    def only(self, rows: NDArray[np.bool_]) -> Samples:
        """The same of some cells, (n,) bool, which hold all of the samples."""
        return replace(self, of_cells=self.of_cells[rows], day_of_cells=self.day_of_cells[rows])

    def evened(self) -> Samples:
        """The same with large samples thinned, on each day, to what those of either condition have.

        That is the lesser of the median sizes of the samples of each condition.
        """
        rng, of_cells = np.random.default_rng(0), self.of_cells.copy()
        for k in range(len(self.days)):
            rows = [
                np.flatnonzero((self.of_cells == s) & (self.day_of_cells == k))
                for s in range(len(self.names))
            ]
            sizes, there = np.array([len(mine) for mine in rows]), self.on[:, k]
            own = [sizes[there & (self.of == c)] for c in (0, 1)]
            if not all(map(len, own)):  # a shared day
                continue
            most = int(min(map(np.median, own)))
            for s in np.flatnonzero((sizes > most) & ~self.shared):
                of_cells[rng.permutation(rows[s])[most:]] = -1
        thinned = int(((of_cells < 0) & (self.of_cells >= 0)).sum())
        return replace(self, of_cells=of_cells, thinned=thinned)

    def dealt(self, rng: np.random.Generator) -> Samples:
        """The same with the cells of every sample dealt into parts, which stand for samples."""
        n, parts = len(self.names), np.full(len(self.of_cells), -1, dtype=np.int64)
        for s in range(n):
            for k in np.flatnonzero(self.on[s]):
                mine = np.flatnonzero((self.of_cells == s) & (self.day_of_cells == k))
                parts[mine] = PARTS * s + rng.permutation(len(mine)) % PARTS
        again = np.repeat(np.arange(n), PARTS)
        return replace(
            self,
            names=tuple(f"{self.names[s]}.{j % PARTS + 1}" for j, s in enumerate(again)),
            of=self.of[again],
            stratum=np.zeros(len(again), dtype=np.int64),
            of_cells=parts,
            on=self.on[again],
            parts=True,
        )
