"""Batches: which cells were processed together, and which days no batch links.

Which columns of `obs` tell them apart is judged in `reading.samples`. Where there is none, what
stands beside the barcode in the names of cells ("…-1", "…-2") stands for the runs of a droplet
instrument.

Days are linked by a batch that has enough cells on both of them, and then what is technical can be
told from what is not. Links are followed from day to day.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.days.columns import time_columns
from cellam.days.time_labels import parse_label
from cellam.reading.cell_types import count_levels, split_levels
from cellam.reading.cells import Cells
from cellam.reading.samples import PROCESSED, is_sample, words_of_sample

_BARCODE = re.compile(r"^(.*?)[ACGT]{10,}(.*)$")
LINK = 10  # cells that a batch has on both of two days which it links


@dataclass(frozen=True)
class Batch:
    """A column of `obs` that says who or what was processed together.

    Parameters
    ----------
    key : str
        Its name; "barcode tags" for what cell names have beside their barcodes.
    levels : int
        Number of batches.
    confounded : bool
        Whether each batch is in one day only, so batches and days cannot be told apart.
    everywhere : bool
        Whether each batch is on every day.
    groups : tuple of tuple of str
        Labels of days, in groups that no batch links to one another; a single one where all are
        linked.
    within : str or None
        Another column, of fewer batches, in which each of these is part of one. What is technical
        is judged by that one.
    """

    key: str
    levels: int
    confounded: bool
    everywhere: bool
    groups: tuple[tuple[str, ...], ...]
    within: str | None = None

    @property
    def where(self) -> str:
        """How it is called in a sentence."""
        return f"obs[{self.key!r}]" if self.key != NAMES else f"the {NAMES} in the cell names"


NAMES = "barcode tags"


def find_batches(cells: Cells, labels: Collection[str] | None = None) -> list[Batch]:
    """The columns of samples and batches, and what stands beside barcodes where there are none.

    Parameters
    ----------
    cells : Cells
    labels : collection of str, optional
        Only these days count; all without it.
    """
    kept = [k for k, x in enumerate(cells.timeline.labels) if labels is None or x in labels]
    rows = np.isin(cells.codes, kept)
    obs = cells.obs[rows]
    days = np.searchsorted(kept, cells.codes[rows])
    times = {cells.time_key, *time_columns(obs, days)}
    columns = {
        key: obs[key]
        for key in map(str, obs.columns)
        if key not in times and is_sample(obs[key], days)
    }
    if not columns:
        tags = _beside_barcodes(obs.index)
        columns = {NAMES: tags} if tags is not None else {}
    split = {key: split_levels(column) for key, column in columns.items()}
    found = []
    for key, (levels, names) in split.items():
        counts = count_levels(levels, len(names), days)
        parts = _linked(counts, np.bincount(days, minlength=len(kept)))
        coarser = [
            other
            for other, (above, more) in split.items()
            if words_of_sample(other) & PROCESSED
            and len(more) < len(names)
            and _is_within(levels, above, len(names), len(more))
        ]
        found.append(
            Batch(
                key,
                len(names),
                bool(((counts > 0).sum(0) == 1).all()),
                len(kept) > 1 and bool((counts > 0).all()),
                tuple(tuple(cells.timeline.labels[kept[k]] for k in part) for part in parts),
                min(coarser, key=lambda other: len(split[other][1])) if coarser else None,
            )
        )
    return found


def _beside_barcodes(names: pd.Index) -> pd.Series | None:
    """What the names of cells have beside their barcodes, where it is neither one nor the time.

    Names are read one after the other, as a table of the parts of a million takes 0.3 GB.
    """
    kinds: dict[tuple[str, str], int] = {}
    codes = np.empty(len(names), dtype=np.int64)
    for k, name in enumerate(names):
        if (match := _BARCODE.search(str(name))) is None:
            return None
        codes[k] = kinds.setdefault((match[1], match[2]), len(kinds))
        if len(kinds) > len(names) / 20:
            return None
    telling = [part for part in zip(*kinds, strict=True) if len(set(part)) > 1]
    tags = [" ".join(side.strip("-_.: ") for side in sides) for sides in zip(*telling, strict=True)]
    levels = list(dict.fromkeys(tags))
    if len(levels) < 2:
        return None
    read = [parse_label(level) for level in levels]
    if all(reading is not None and reading.unit for reading in read):
        return None
    of_kind = np.array([levels.index(tag) for tag in tags])
    return pd.Series(np.array(levels, dtype=object)[of_kind[codes]], names, name=NAMES)


def _linked(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> list[list[int]]:
    """Days in groups that batches link, from the cells of each day in each batch (K, L)."""
    from scipy.sparse.csgraph import connected_components

    shared = np.array([np.minimum(counts, row).sum(1) for row in counts])  # (K, K)
    needed = np.minimum(LINK, np.ceil(np.minimum.outer(sizes, sizes) / 2))
    _, group = connected_components(shared >= np.maximum(needed, 1), directed=False)
    parts = [np.flatnonzero(group == g).tolist() for g in np.unique(group)]
    return sorted(parts)


def _is_within(levels: NDArray[np.int64], above: NDArray[np.int64], n: int, n_above: int) -> bool:
    """Whether every level is part of one level of another column, in cells that have both."""
    known = (levels >= 0) & (above >= 0)
    pairs = np.zeros((n, n_above), dtype=bool)
    pairs[levels[known], above[known]] = True
    return bool((pairs.sum(1) == 1).all())
