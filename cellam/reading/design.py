"""Design: how many cells of each day are in each level of one or two columns of `obs`.

Replicates, batches and conditions are such columns. Whether a batch can be told from time, whether
two conditions have a day in common, and how many mice stand behind a number: all of that is read
off this table, and a refusal prints it.

Levels are text, as they are spelt in the data, sorted so that m2 comes before m10. A missing value
is no level (`cell_types` lists what counts as missing); such cells have a row of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import list_labels
from cellam.errors import DataError
from cellam.names import offer
from cellam.reading.cell_types import count_levels, split_levels

if TYPE_CHECKING:
    import pandas as pd

    from cellam.reading.cells import Cells

NONE = "(none)"  # in the table: cells without a level
MOST_ROWS, MOST_DAYS = 24, 12  # of the text

Group = tuple[str | None, ...]  # a level of every column; None is none


@dataclass(frozen=True)
class Design:
    """Cells by day and level.

    Parameters
    ----------
    keys : tuple of str
        One or two columns of `obs`.
    days : tuple of str
        Labels of the days, in order.
    groups : tuple of tuple
        The combinations of levels that occur, each with a level of every key.
    counts : (G, K) int array
        Cells of every group on every day.
    of_cells : (n,) int array
        Group of every cell; −1 for cells of days that are not part of it.

    Examples
    --------
    >>> import numpy as np
    >>> groups, counts = (("m1",), ("m10",), (None,)), np.array([[90, 84], [0, 71], [3, 0]])
    >>> design = Design(("mouse",), ("day0", "day2"), groups, counts, np.zeros(0, dtype=int))
    >>> print(design.text())
    mouse   day0  day2
    m1        90    84
    m10        –    71
    (none)     3     –
    >>> design.in_several_days(), design.few(72), design.missing()
    (('m1',), {('m10', 'day2'): 71}, {'day0': 3})
    """

    keys: tuple[str, ...]
    days: tuple[str, ...]
    groups: tuple[Group, ...]
    counts: NDArray[np.int64]
    of_cells: NDArray[np.int64]

    @staticmethod
    def of(cells: Cells, *keys: str, days: Collection[str] | None = None) -> Design:
        """The design of cells.

        Parameters
        ----------
        cells : Cells
        *keys : str
            One or two columns of `obs`, the coarser first where one is part of the other.
        days : collection of str, optional
            Labels of the days that count; all without it.

        Raises
        ------
        DataError
            If there is no such column, it is that of the time, it has no level, or too many, or
            levels that differ by case or blanks only.
        """
        labels = cells.timeline.labels
        kept = [k for k, label in enumerate(labels) if days is None or label in days]
        rows = np.isin(cells.codes, kept)
        on = np.searchsorted(kept, cells.codes[rows])
        split = [_levels(cells, key, rows) for key in dict.fromkeys(keys)]
        distinct, group = np.unique(
            np.stack([codes for codes, _ in split]), axis=1, return_inverse=True
        )
        named = [
            tuple(names[j] if j >= 0 else None for j, (_, names) in zip(of, split, strict=True))
            for of in distinct.T
        ]
        # Cells without a level come last, not first.
        order = sorted(range(len(named)), key=lambda g: [_sorted(name) for name in named[g]])
        place = np.argsort(order)
        of_cells = np.full(len(cells), -1, dtype=np.int64)
        of_cells[rows] = place[group.reshape(-1)]
        return Design(
            tuple(dict.fromkeys(keys)),
            tuple(labels[k] for k in kept),
            tuple(named[g] for g in order),
            count_levels(of_cells[rows], len(named), on).T,
            of_cells,
        )

    def levels(self, key: str | None = None) -> tuple[str, ...]:
        """The levels of a column, of the first one without it."""
        column = self._column(key)
        found = {level for g in self.groups if (level := g[column]) is not None}
        return tuple(sorted(found, key=_sorted))

    def by_day(self, key: str | None = None) -> dict[str, dict[str, int]]:
        """Cells of every level of a column on every day that it is on."""
        column, found = self._column(key), {}
        for level in self.levels(key):
            total = self.counts[[g[column] == level for g in self.groups]].sum(0)
            found[level] = {d: int(n) for d, n in zip(self.days, total, strict=True) if n}
        return found

    def on(self, day: str, key: str | None = None, *, least: int = 1) -> dict[str, int]:
        """The levels with at least so many cells on a day, and how many they have."""
        found = {level: n.get(day, 0) for level, n in self.by_day(key).items()}
        return {level: n for level, n in found.items() if n >= least}

    def in_one_day(self, key: str | None = None) -> tuple[str, ...]:
        """The levels that are on one day only."""
        return tuple(level for level, n in self.by_day(key).items() if len(n) == 1)

    def in_several_days(self, key: str | None = None) -> tuple[str, ...]:
        """The levels that are on several days."""
        return tuple(level for level, n in self.by_day(key).items() if len(n) > 1)

    def few(self, least: int, key: str | None = None) -> dict[tuple[str, str], int]:
        """By level and day: fewer cells than `least`, but some."""
        by_day = self.by_day(key).items()
        return {(level, d): k for level, n in by_day for d, k in n.items() if k < least}

    def missing(self, key: str | None = None) -> dict[str, int]:
        """Cells without a level, on every day that has some."""
        column = self._column(key)
        total = self.counts[[g[column] is None for g in self.groups]].sum(0)
        return {d: int(n) for d, n in zip(self.days, total, strict=True) if n}

    def is_within(self, inner: str, outer: str) -> bool:
        """Whether every level of one is in a single level of the other, as mice in a treatment."""
        i, o = self._column(inner), self._column(outer)
        pairs = {(g[i], g[o]) for g in self.groups if g[i] is not None and g[o] is not None}
        return len({level for level, _ in pairs}) == len(pairs)

    def codes(self, key: str | None = None) -> NDArray[np.int64]:
        """Level of every cell, (n,): its position in `levels`, −1 for none."""
        column = self._column(key)
        place = {level: k for k, level in enumerate(self.levels(key))}
        of_group = np.array([*(place.get(g[column] or "", -1) for g in self.groups), -1])
        codes: NDArray[np.int64] = of_group[self.of_cells]
        return codes

    def to_frame(self) -> pd.DataFrame:
        """A row for every group: its levels (None for none), then its cells on every day."""
        import pandas as pd

        levels = pd.DataFrame(list(self.groups), columns=list(self.keys), dtype=object)
        return pd.concat([levels, pd.DataFrame(self.counts, columns=list(self.days))], axis=1)

    def rows(self) -> list[list[str]]:
        """The table as text, its head first; of many groups or days the middle is left out."""
        days, groups = _ends(len(self.days), MOST_DAYS), _ends(len(self.groups), MOST_ROWS)
        head = [*self.keys, *("…" if k is None else self.days[k] for k in days)]
        found = [head]
        for g in groups:
            if g is None:
                found.append(["…" for _ in head])
                continue
            sizes = ["…" if k is None else f"{self.counts[g, k]:,}" for k in days]
            levels = [NONE if level is None else level for level in self.groups[g]]
            found.append([*levels, *("–" if size == "0" else size for size in sizes)])
        return found

    def text(self) -> str:
        """The table as lines of text: groups by rows, days by columns."""
        rows, n = self.rows(), len(self.keys)
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if k < n else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _column(self, key: str | None) -> int:
        return 0 if key is None else self.keys.index(key)


def _levels(cells: Cells, key: str, rows: NDArray[np.bool_]) -> tuple[NDArray[np.int64], list[str]]:
    """Level of every cell of some rows, −1 for none, and the names of the levels."""
    if key not in cells.obs:
        raise DataError(
            f"There is no column {key!r} in obs of {cells.source}.",
            offer(key, map(str, cells.obs.columns)),
        )
    if key == cells.time_key and not _names_samples(cells, key):
        raise DataError(
            f"obs[{key!r}] holds the time of {cells.source}, so it has no samples of one day.",
            "Name the column with the sample, batch or condition of every cell.",
        )
    codes, names = split_levels(cells.obs[key].iloc[rows])
    if not names:
        raise DataError(f"No cell has a value in obs[{key!r}].", "Name another column.")
    if 2 * len(names) > len(codes):
        raise DataError(
            f"obs[{key!r}] has {len(names):,} levels in {len(codes):,} cells, so they are not "
            "samples, batches or conditions.",
            "Name another column.",
        )
    _refuse_spellings(key, names, np.bincount(codes[codes >= 0], minlength=len(names)))
    return codes, names


def _names_samples(cells: Cells, key: str) -> bool:
    """Whether labels of the time tell samples of a day apart, as "D0_rep1" and "D0_rep2" do."""
    labels = cells.obs[key].astype(str).to_numpy()
    return len(np.unique(labels)) > len(np.unique(cells.codes))


def _refuse_spellings(key: str, names: list[str], sizes: NDArray[np.int64]) -> None:
    """Refuse levels that differ by case or blanks only: one of them is most likely a slip.

    Raises
    ------
    DataError
        With what to type, to make them one.
    """
    spelt: dict[str, dict[str, int]] = {}
    for name, n in zip(names, sizes.tolist(), strict=True):
        spelt.setdefault(_folded(name), {})[name] = n
    twice = [found for found in spelt.values() if len(found) > 1]
    if not twice:
        return
    renamed: dict[str, str] = {}
    for found in twice:
        best = max(found, key=lambda name: found[name])
        renamed |= {name: best for name in found if name != best}
    listed = "; ".join(list_labels(found) for found in twice)
    raise DataError(
        f"obs[{key!r}] has levels that differ by case or blanks only: {listed}.",
        f"Make them one in Python: adata.obs[{key!r}] = adata.obs[{key!r}].astype(str)"
        f".str.strip().replace({renamed!r}). If they are different, give them different names.",
    )


def _folded(name: str) -> str:
    """A level without what is easily mistyped; "1 1" and "11" stay apart.

    Examples
    --------
    >>> _folded("Wild  Type"), _folded("wildtype"), _folded("plate 1 1")
    ('wildtype', 'wildtype', 'plate1 1')
    """
    return re.sub(r"(?<![0-9])\s+|\s+(?![0-9])", "", name).casefold()


def _sorted(name: str | None) -> tuple[bool, list[tuple[int, int, str]]]:
    """Sorts numbers in names by their value, and cells without a level last."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name or "")
    return name is None, [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts]


def _ends(n: int, at_most: int) -> list[int | None]:
    """Numbers below n; of many the middle is left out, and None stands for it."""
    if n <= at_most:
        return list(range(n))
    return [*range(at_most - 2), None, n - 1]
