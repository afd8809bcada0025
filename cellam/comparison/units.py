"""Units: which samples of the data are compared, and what no comparison can be made of.

Without a condition, with days or levels that are not there, with samples of too few cells or of one
condition alone it is refused, before anything is fitted.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cellam.comparison.samples import LEAST, Codes, Samples
from cellam.days.time_labels import list_labels, named
from cellam.errors import ConfigError, DataError
from cellam.names import offer, plural
from cellam.reading.cells import Cells
from cellam.reading.design import Design
from cellam.reading.samples import CONTROLS, PROCESSED, is_sample, words_of_sample

_CONTROLS = CONTROLS | {"con", "baseline", "healthy", "normal", "none", "0"}


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
