"""Caveats of a design: what the cells of some days cannot tell, found before any fit.

They need neither a model nor torch, so that a check stays small.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from cellam.checks.batches import LINK, Batch, find_batches
from cellam.checks.caveat import Caveat
from cellam.checks.conditions import Pool, find_pools
from cellam.checks.duplicates import find_duplicates
from cellam.days.time_labels import count_cells, named
from cellam.display import in_words
from cellam.matrix.expression import RAW
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import Cells

FEW = 40  # cells a day; below that its mean alone is off by a sixth of a standard deviation
SHOWN = 5  # conditions and types by name
RARE = 5  # cells of a type
LISTED = 3  # days of few cells with a caveat each; more have one together


def of_design(cells: Cells, labels: Collection[str] | None = None) -> list[Caveat]:
    """Reasons to doubt the cells of some days (all of them without labels), before any fit."""
    used = set(cells.counts if labels is None else labels)
    return [
        *confounded(find_batches(cells, used)),
        *_pooled(find_pools(cells, used)),
        *_duplicates(cells),
        *few_cells({label: n for label, n in cells.counts.items() if label in used}),
        *_rare_types(cells, used),
    ]


def confounded(found: Iterable[Batch]) -> Iterator[Caveat]:
    """A caveat where batches leave days unlinked; one for all columns that leave the same ones."""
    apart: dict[tuple[tuple[str, ...], ...], list[Batch]] = {}
    for batch in found:
        if len(batch.groups) > 1 and batch.within is None:
            apart.setdefault(batch.groups, []).append(batch)
    for groups, batches in apart.items():
        yield Caveat("batch", *_unlinked(groups, batches))


def _unlinked(groups: tuple[tuple[str, ...], ...], batches: list[Batch]) -> tuple[str, str]:
    """What is wrong with days that no batch links, and what can be done."""
    where = in_words([batch.where for batch in batches])
    alone = [group[0] for group in groups if len(group) == 1]
    mend = (
        "Integrate batches on genes that do not change over time, or repeat a day in another batch."
    )
    if len(alone) == len(groups):
        if all(batch.confounded for batch in batches):
            says = f"Each of the {batches[0].levels} levels of {where} occurs on one day only"
        else:
            says = f"No level of {where} has {LINK} cells or more on two days"
        return f"{says}: differences between days may be technical.", mend
    if len(alone) == len(groups) - 1:
        days = " or ".join(named(day) for day in alone)
        them = "it" if len(alone) == 1 else "them"
        leave = f"`exclude={list(alone)!r}`"
        return (
            f"No level of {where} links {days} to another day: differences from other days may "
            "be technical.",
            f"Compare with a fit without {them} ({leave}), or repeat {them} together with another "
            "day.",
        )
    listed = "; ".join(in_words([named(day) for day in group]) for group in groups)
    return (
        f"No level of {where} links these groups of days: {listed}. Differences between them may "
        "be technical.",
        mend,
    )


def _pooled(found: Iterable[Pool]) -> Iterator[Caveat]:
    for pool in found:
        levels = ", ".join(map(str, pool.levels[:SHOWN]))
        more = f" and {len(pool.levels) - SHOWN} more" if len(pool.levels) > SHOWN else ""
        first = pool.levels[0]
        column = f"adata.obs[{pool.key!r}]"
        yield Caveat(
            "pooled",
            f"Cells of {len(pool.levels)} levels of obs[{pool.key!r}] ({levels}{more}) are "
            f"pooled on {in_words([named(day) for day in pool.labels])}: the fit describes their "
            "mixture.",
            f"Compare two (`cellam compare` with `condition={pool.key!r}`), or fit each "
            f"separately. In Python: adata[{column} == {first!r}].write_h5ad('one.h5ad')",
        )


def _duplicates(cells: Cells) -> Iterator[Caveat]:
    cells = cells.looked_at
    found = find_duplicates(cells)
    if found is None:
        return
    p = cells.matrix.shape[1]
    values = f"{p:,} genes" if cells.rep is None else f"{p:,} columns of obsm[{cells.rep!r}]"
    layer = cells.reading.layer
    if cells.rep is not None:
        frame = f"pd.DataFrame(adata.obsm[{cells.rep!r}])"
    elif layer == RAW:
        frame = "adata.raw.to_adata().to_df()"
    else:
        frame = "adata.to_df()" if layer is None else f"adata.to_df(layer={layer!r})"
    stand = "cell occurs" if found.n == 1 else "cells occur"
    across = f", {found.days:,} of them on another day" if found.days else ""
    yield Caveat(
        "duplicates",
        f"{found.n:,} {stand} in the data again under another name{across}: {found.first!r} and "
        f"{found.second!r} have the same values in all {values}.",
        f"Keep one copy of each. In Python: adata = adata[~{frame}.duplicated().to_numpy()].copy()",
    )


def _rare_types(cells: Cells, labels: Collection[str]) -> Iterator[Caveat]:
    types = resolve_types(cells.obs, cells.codes)
    if types is None:
        return
    kept = [k for k, label in enumerate(cells.timeline.labels) if label in labels]
    counts = types[np.isin(cells.codes, kept)].value_counts()
    rare = counts[(counts > 0) & (counts <= RARE)]
    if len(rare):
        listed = ", ".join(f"{name} ({count_cells(int(n))})" for name, n in rare[:SHOWN].items())
        more = f" and {len(rare) - SHOWN} more" if len(rare) > SHOWN else ""
        yield Caveat(
            "rare types",
            f"{'One type has' if len(rare) == 1 else f'{len(rare)} types have'} at most {RARE} "
            f"cells over all days: {listed}{more}. Their growth and fates are anecdotes.",
            f"Join rare types with related ones in obs[{str(types.name)!r}].",
        )


def few_cells(counts: Mapping[str, int]) -> Iterator[Caveat]:
    """A caveat for every day, by label, with too few cells; one for all if they are many."""
    few = {label: n for label, n in counts.items() if n < FEW}
    if len(few) > LISTED:
        least = min(few, key=few.__getitem__)
        yield Caveat(
            "cells",
            f"{len(few)} of {len(counts)} days have fewer than {FEW} cells ({named(least)} has "
            f"{few[least]}): rare types may be missing, and averages are uncertain.",
            "Merge days that are close in time (`time_map`).",
        )
        return
    for label, n in few.items():
        yield Caveat(
            "cells",
            f"{named(label)} has only {count_cells(n)}: rare types may be missing, and averages "
            "are uncertain.",
            f"Leave it out (`exclude={label!r}`), or merge it with a neighbouring day "
            "(`time_map`).",
        )
