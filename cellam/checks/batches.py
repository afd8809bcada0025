"""Batches: which cells were processed together, and which days no batch links.

A column of `obs` is taken for samples or batches for one of three reasons.

- Its name says so ("orig.ident", "sample_id", "lane", "mouse", "HTO_maxID").
- Its values say so ("lane3", "Sample_2", "GSM1599494").
- Its structure says so: every level is in one day only and most days have several. This is what
  replicates, plates or embryos look like. Cell types and clusters come back on other days, with
  hardly an exception, and columns with a name of those are left out. Structure cannot tell a
  column with one level a day, which may as well be a stage or a medium, or one whose levels
  cross days, which may be anything: for these it takes a name or values.

Where there is none, what stands beside the barcode in the names of cells ("…-1", "…-2") stands for
the runs of a droplet instrument.

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

from cellam.reading.cell_types import count_levels, follows_time, split_levels
from cellam.reading.cells import Cells
from cellam.reading.columns import time_columns
from cellam.reading.time_labels import parse_label


def _set(words: str) -> set[str]:
    return set(words.split())


# What cells go through together. Beside it, samples that are each in one day are no problem.
_PROCESSED = _set("""
    batch library lib lane plate chip run seqrun channel flowcell pool experiment gem gemgroup
    gemwell dataset prep capture cartridge array slide chemistry
    study project cohort lab laboratory center centre institute operator technician
    assay platform technology tech protocol kit instrument sequencer
""")
_SAMPLES = _set("""
    sample specimen replicate rep biorep techrep hto hashtag hash multi demux gsm srr srx srs err
    accession donor patient individual animal mouse mice embryo subject participant litter organoid
    fish rat pup cellline
""")
_ENDINGS = re.compile("(id|ids|name|no|num|number|key|code|s|es)$")
# Beside these words such a name says something else: "sample_type", "library_size".
_OTHERWISE = _set("""
    type types class subclass cluster clusters leiden louvain state annotation annotations annot
    phase cycle lineage fate size score scores count counts depth umi umis reads weight age stage
    strain sex pct percent n condition treatment genotype stim
    subtype subtypes celltype celltypes subcluster subclusters
""")
# By structure alone, neither of these is a batch.
_UNSURE = _set("""
    label labels clone clones clonotype branch milestone partition module subset predicted pred
    prediction snn res ident identity group groups
""")
_TIME = _set("time times timepoint day days stage hour hours hpf dpf week weeks age")
_ACCESSION = re.compile(r"GSM\d+|[SED]R[RSX]\d+|SAM[NED][A-Z]?\d+|SI-?G[A-Z]-?\w+|L00\d|S\d+")
_BARCODE = r"^(.*?)[ACGT]{10,}(.*)$"
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
        if key not in times and _is_batch(obs[key], days)
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
            if _words(other) & _PROCESSED
            and len(more) < len(names)
            and _is_within(levels, above, len(names), len(more))
        ]
        found.append(
            Batch(
                key,
                len(names),
                bool(((counts > 0).sum(0) == 1).all()),
                tuple(tuple(cells.timeline.labels[kept[k]] for k in part) for part in parts),
                min(coarser, key=lambda other: len(split[other][1])) if coarser else None,
            )
        )
    return found


def _is_batch(values: pd.Series, days: NDArray[np.int64]) -> bool:
    """Whether a column of `obs` says what was processed together."""
    if values.dtype.kind in "bmM" or values.nunique() > len(values) / 2:
        return False
    if values.dtype.kind == "f" and (values.dropna() % 1 != 0).any():
        return False
    words = _words(str(values.name))
    levels, names = split_levels(values)
    # A single batch says something only where other cells are in none.
    if len(names) < 2 and not (names and (levels < 0).any()):
        return False
    if words & _OTHERWISE:
        return False
    if words & _TIME and values.dtype.kind in "iuf":  # a time that was estimated
        return False
    if words & (_PROCESSED | _SAMPLES) or _plain(str(values.name)) == "origident":
        return True
    counts = count_levels(levels, len(names), days) > 0
    if "date" in words:  # of processing, where it is not that of the day
        return bool((counts.sum(0) > 1).any())
    # Numbers that rise with the days may be a batch if the name says so, else they are a time.
    if not 1 < len(names) <= len(values) / 20 or follows_time(values, days):
        return False
    if all(_names_batch(name) for name in names):
        return True
    if words & _UNSURE:
        return False
    several = (counts.sum(1) > 1).sum()  # days with more than one level
    return bool((counts.sum(0) == 1).all()) and 2 * several > len(counts)


def _names_batch(name: str) -> bool:
    """Whether a value reads as a sample or batch: "lane3", "Sample_2", "GSM1599494"."""
    words = _words(name)
    return bool(_ACCESSION.fullmatch(name)) or (
        bool(words & (_PROCESSED | _SAMPLES)) and any(c.isdigit() for c in name)
    )


def _beside_barcodes(names: pd.Index) -> pd.Series | None:
    """What the names of cells have beside their barcodes, where it is neither one nor the time."""
    text = pd.Series(np.asarray(names, dtype=str), dtype=object)
    parts = text.str.extract(_BARCODE)
    if parts[0].isna().any():
        return None
    tags = pd.Series("", index=text.index, dtype=object)
    for side in (parts[0], parts[1]):
        if side.nunique() > 1:
            tags = tags + " " + side.str.strip("-_.: ")
    levels = tags.unique()
    if not 1 < len(levels) <= len(text) / 20:
        return None
    read = [parse_label(level) for level in levels]
    if all(reading is not None and reading.unit for reading in read):
        return None
    tags.index = names
    return tags.rename(NAMES)


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


def _words(name: str) -> set[str]:
    """Words of a name, also without an ending: "SampleID" has sample, "mice" is left as it is."""
    split = re.findall("[a-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", name).lower())
    return {*split, *(_ENDINGS.sub("", word) for word in split), _plain(name)}


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
