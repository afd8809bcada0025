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

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.errors import ConfigError, DataError
from cellam.names import offer, plural
from cellam.reading.cells import Cells
from cellam.reading.design import Design
from cellam.reading.samples import CONTROLS, PROCESSED, is_sample, words_of_sample
from cellam.reading.time_labels import list_labels, named

LEAST = 10  # cells of a sample on a day
ENOUGH = 3  # samples of each condition, for a p-value
PARTS = 4  # into which the cells of a sample are dealt where samples are too few to be left out

Codes = NDArray[np.int64]

_CONTROLS = CONTROLS | {"con", "baseline", "healthy", "normal", "none", "0"}


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


def find_samples(
    cells: Cells,
    condition: str,
    *,
    replicate: str | None = None,
    reference: str | None = None,
    against: str | None = None,
    shared: Collection[str] = (),
    block: str | None = None,
    exclude: Collection[str] = (),
) -> Samples:
    """The samples of two conditions in the data.

    Parameters
    ----------
    cells : Cells
    condition : str
        Column of `obs` with the condition.
    replicate : str, optional
        Column of `obs` with the samples.
    reference, against : str, optional
        The two conditions; without them, the column must have two, and the reference is the one
        with the name of a control, else the first.
    shared : collection of str
        Days whose cells belong to both conditions, whatever `obs` says of them.
    block : str, optional
        Column of `obs`, e.g. the batch: samples are exchanged within a block only.
    exclude : collection of str
        Days that take no part.

    Raises
    ------
    DataError
        If the samples do not make a comparison; the message shows the design.
    ConfigError
        If a day or a condition is not there.
    """
    timeline = cells.timeline
    left_out = {timeline.labels[timeline.index(e)] for e in exclude}
    days = tuple(label for label in timeline.labels if label not in left_out)
    both = {timeline.labels[timeline.index(label)] for label in shared} & set(days)
    day_of_cells = np.array([days.index(d) if d in days else -1 for d in timeline.labels])[
        cells.codes
    ]
    own = [label for label in days if label not in both]
    if not own:
        raise ConfigError("Every day is shared, so the conditions have no cells to compare.", "")
    of_condition = Design.of(cells, condition, days=own)
    conditions = _two(of_condition, cells, condition, reference, against)
    _refuse_batches(cells, condition, conditions, replicate)
    keys = (condition,) if replicate is None else (condition, replicate)
    design = Design.of(cells, *keys, days=days)
    _check_days(design, condition, conditions, own, days)
    of_cells, names, of = _number(cells, design, conditions, day_of_cells, both, replicate)
    on = np.zeros((len(names), len(days)), dtype=bool)
    there = of_cells >= 0
    on[of_cells[there], day_of_cells[there]] = True
    _check_sizes(names, of_cells, day_of_cells, days, design)
    stratum = _strata(cells, of_cells, on, of, block)
    found = Samples(
        condition,
        conditions,
        replicate,
        names,
        of,
        stratum,
        of_cells,
        days,
        day_of_cells,
        on,
        design,
    )
    return found.evened() if found.enough else found


def _refuse_batches(
    cells: Cells, condition: str, conditions: tuple[str, str], replicate: str | None
) -> None:
    """Refuse conditions of which each is one batch: nobody could tell the two apart."""
    for key in map(str, cells.obs.columns):
        named_so = words_of_sample(key) & PROCESSED
        if (
            key in (condition, replicate)
            or not named_so
            or not is_sample(cells.obs[key], cells.codes)
        ):
            continue
        design = Design.of(cells, condition, key)
        of_condition = [{g[1] for g in design.groups if g[0] == name} for name in conditions]
        if all(len(levels) == 1 for levels in of_condition) and of_condition[0] != of_condition[1]:
            raise DataError(
                f"Each value of obs[{condition!r}] is one value of obs[{key!r}], so a difference "
                f"between conditions could be one between batches:\n{design.text()}",
                "Nothing in these data tells the two apart. If the column says no more than the "
                f"condition, drop it: del adata.obs[{key!r}].",
            )


def _two(
    design: Design, cells: Cells, key: str, reference: str | None, against: str | None
) -> tuple[str, str]:
    """The reference and the condition that is compared with it."""
    levels = design.levels()
    for name, level in (("reference", reference), ("against", against)):
        if level is not None and level not in levels:
            raise ConfigError(
                f"`{name}={level!r}`: no cell of {cells.source} has this value in obs[{key!r}].",
                offer(level, levels),
            )
    rest = [level for level in levels if level not in (reference, against)]
    if reference is None:
        usual = [level for level in rest if level.casefold() in _CONTROLS]
        reference = usual[0] if len(usual) == 1 else next(iter(rest), None)
        rest = [level for level in rest if level != reference]
    if against is None and len(rest) == 1:
        against = rest[0]
    if reference is None or against is None or reference == against:
        sizes = {level: sum(n.values()) for level, n in design.by_day().items()}
        example = sorted(levels, key=lambda level: level.casefold() not in _CONTROLS)
        raise DataError(
            f"obs[{key!r}] of {cells.source} has {plural(len(levels), 'value')}, and two are "
            f"compared: {list_labels(sizes)}.\n{design.text()}",
            f"Choose two, e.g. `reference={example[0]!r}` and `against={example[-1]!r}`."
            if len(levels) > 1
            else "Name the column that tells the conditions apart.",
        )
    return reference, against


def _check_days(
    design: Design,
    key: str,
    conditions: tuple[str, str],
    own: list[str],
    days: tuple[str, ...],
) -> None:
    by_day = design.by_day(key)
    for label in own:
        lacking = [c for c in conditions if label not in by_day[c]]
        if lacking:
            raise DataError(
                f"{named(label)} has no cell of obs[{key!r}] = {lacking[0]!r}, so the conditions "
                f"cannot be compared there.\n{design.text()}",
                f"Leave it out: `exclude={label!r}`. If its cells are those that both conditions "
                f"started from: `shared={label!r}`.",
            )
    if len(days) < 2:
        raise DataError(
            f"One day is left, {named(days[0])}; dynamics need two.\n{design.text()}",
            "Compare data with at least two days.",
        )


def _number(
    cells: Cells,
    design: Design,
    conditions: tuple[str, str],
    day_of_cells: Codes,
    both: Collection[str],
    replicate: str | None,
) -> tuple[Codes, tuple[str, ...], Codes]:
    """Sample of every cell, their names, and the condition of each sample."""
    condition = design.keys[0]
    level = design.codes(condition)
    names_of = np.array([*design.levels(condition), None], dtype=object)[level]
    unit = np.full(len(cells), "", dtype=object)
    if replicate is not None:
        found = design.codes(replicate)
        unit = np.array([*design.levels(replicate), None], dtype=object)[found]
    shared = np.isin(np.array([*design.days, None], dtype=object)[day_of_cells], list(both))
    labels: dict[tuple[int, str], int] = {}
    of_cells = np.full(len(cells), -1, dtype=np.int64)
    for c, rows in (
        (-1, shared),
        *((c, (names_of == name) & ~shared) for c, name in enumerate(conditions)),
    ):
        rows = rows & (day_of_cells >= 0)
        nameless = rows & (unit == None)  # noqa: E711
        if nameless.any() and c >= 0:
            raise DataError(
                f"{plural(int(nameless.sum()), 'cell')} of obs[{condition!r}] = "
                f"{conditions[c]!r} have no value in obs[{replicate!r}], so their sample is not "
                f"known.\n{design.text()}",
                "Name the sample of every cell, or leave these cells out.",
            )
        for r in np.flatnonzero(rows):
            key = (c, str(unit[r] or ""))
            of_cells[r] = labels.setdefault(key, len(labels))
    twice = {name for _, name in labels if sum(name == other for _, other in labels) > 1}
    names = tuple(
        name
        if name and name not in twice
        else f"{conditions[c] if c >= 0 else 'shared'} {name}".strip()
        for c, name in labels
    )
    return of_cells, names, np.array([c for c, _ in labels], dtype=np.int64)


def _check_sizes(
    names: tuple[str, ...],
    of_cells: Codes,
    day_of_cells: Codes,
    days: tuple[str, ...],
    design: Design,
) -> None:
    key = design.keys[-1]
    for s, name in enumerate(names):
        for k, label in enumerate(days):
            n = int(((of_cells == s) & (day_of_cells == k)).sum())
            if 0 < n < LEAST:
                raise DataError(
                    f"{name} of obs[{key!r}] has {plural(n, 'cell')} on {named(label)}; a sample "
                    f"needs {LEAST}.\n{design.text()}",
                    f"Leave out the day, `exclude={label!r}`, or this sample, where it has "
                    f"few cells: {_spelt(np.flatnonzero(of_cells == s)[0], design)}.",
                )


def _spelt(row: int, design: Design) -> str:
    """The levels of a cell, as conditions on `obs`."""
    found = {key: design.codes(key)[row] for key in design.keys}
    return ", ".join(f"obs[{k!r}] = {design.levels(k)[c]!r}" for k, c in found.items() if c >= 0)


def _strata(
    cells: Cells, of_cells: Codes, on: NDArray[np.bool_], of: Codes, block: str | None
) -> Codes:
    """Stratum of every sample: those of the same days, and of the same block."""
    marks = [tuple(map(bool, row)) for row in on]
    blocks = [""] * len(on)
    if block is not None:
        codes = Design.of(cells, block).codes()
        for s in range(len(on)):
            found = np.unique(codes[of_cells == s])
            if len(found) > 1 and of[s] >= 0:
                raise DataError(
                    f"A sample has cells of {len(found)} values of obs[{block!r}], so it is in no "
                    "block of samples.",
                    "Name a column that is the same in all cells of a sample.",
                )
            blocks[s] = str(found[0])
    keys = [(of[s] < 0, marks[s], blocks[s]) for s in range(len(on))]
    order = {key: j for j, key in enumerate(dict.fromkeys(keys))}
    return np.array([order[key] for key in keys], dtype=np.int64)
