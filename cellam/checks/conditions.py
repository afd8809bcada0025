"""Conditions: treatments, genotypes or guides whose cells are pooled on one day.

A column is taken for one by its name ("condition", "genotype", "dose"), or by values that are
usual for a control or what it is compared with ("ctrl", "WT", "KO", "DMSO"). A fit takes all cells
of a day for one population, and describes the mixture.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cellam.reading.cell_types import count_levels, follows_time, split_levels
from cellam.reading.cells import Cells
from cellam.reading.samples import CONTROLS


def _set(words: str) -> set[str]:
    return set(words.split())


_NAMES = _set("""
    condition conditions treatment treatments treated genotype genotypes stim stimulus
    stimulation perturbation perturbations perturbed guide guides sgrna grna dose dosage drug drugs
    compound inhibitor cytokine ligand infection infected disease ko knockout knockdown mutant
    mutation crispr exposure transgene medium media diet
""")
_VALUES = CONTROLS | _set("ko knockout treated stim stimulated mutant mut infected")
# Beside these words such a name says something else: "n_guides", "drug_score".
_OTHERWISE = _set("""
    type types class cluster clusters leiden louvain state annotation phase n num number count
    counts umi umis reads score scores pct percent time day days duration batch sample
""")
_MISSING = re.compile("|nan|<na>", re.IGNORECASE)
MOST = 1_000  # levels: guides of a screen
LEAST = 3  # cells of a level on a day


@dataclass(frozen=True)
class Pool:
    """A column of `obs` with cells of several conditions on one day.

    Parameters
    ----------
    key : str
    levels : tuple
        The conditions that are pooled, as values of the column, the most frequent first.
    labels : tuple of str
        The days on which they are.
    """

    key: str
    levels: tuple[Any, ...]
    labels: tuple[str, ...]


def find_pools(cells: Cells, labels: Collection[str] | None = None) -> list[Pool]:
    """The columns of conditions with several levels on one day.

    Parameters
    ----------
    cells : Cells
    labels : collection of str, optional
        Only these days count; all without it.
    """
    found = []
    for key in cells.obs.columns:
        column = cells.obs[key]
        if key == cells.time_key or not _is_condition(column) or follows_time(column, cells.codes):
            continue
        levels, names = split_levels(column, missing=_MISSING)
        counts = count_levels(levels, len(names), cells.codes) >= LEAST
        days = [
            k
            for k, label in enumerate(cells.timeline.labels)
            if counts[k].sum() > 1 and (labels is None or label in labels)
        ]
        if days:
            there = [names[j] for j in np.flatnonzero(counts[days].any(0))]
            spelt = column.iloc[[int(np.argmax(levels == names.index(name))) for name in there]]
            sizes = [-(levels == names.index(name)).sum() for name in there]
            order = np.argsort(sizes, kind="stable")
            values = [spelt.iloc[j] for j in order]
            found.append(
                Pool(
                    str(key),
                    tuple(v.item() if isinstance(v, np.generic) else v for v in values),
                    tuple(cells.timeline.labels[k] for k in days),
                )
            )
    return found


def _is_condition(column: pd.Series) -> bool:
    n = column.nunique()
    if n > min(MOST, len(column) / LEAST) or (n > 20 and column.dtype.kind == "f"):
        return False
    words = _words(str(column.name))
    if words & _OTHERWISE:
        return False
    if words & _NAMES:
        return n > 1
    if column.dtype.kind in "iufbmM" or not 1 < n <= 20:
        return False
    _, names = split_levels(column, missing=_MISSING)
    # Of most values, as a type of cells may have such a word in its name.
    usual = sum(bool(_words(name) & _VALUES) for name in names)
    return 2 * usual >= len(names)


def _words(name: str) -> set[str]:
    split = re.findall("[a-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", name).lower())
    return {*split, "".join(split)}
