"""Samples: which column of `obs` tells them apart, and which samples are replicates.

A column of `obs` is taken for samples or batches for one of three reasons.

- Its name says so ("orig.ident", "sample_id", "lane", "mouse", "HTO_maxID").
- Its values say so ("lane3", "Sample_2", "GSM1599494").
- Its structure says so: every level is in one day only and most days have several. This is what
  replicates, plates or embryos look like. Cell types and clusters come back on other days, with
  hardly an exception, and columns with a name of those are left out. Structure cannot tell a
  column with one level a day, which may as well be a stage or a medium, or one whose levels
  cross days, which may be anything: for these it takes a name or values.

Replicates are the samples of one day: a score of that day, or an interval, can be told for them
rather than for single cells, which are no independent repeats of an experiment [1]_. Of several
such columns the one is taken whose name says replicate, else animal or embryo, else sample, else
the one whose structure is that of samples, else orig.ident; among equals the one with the
fewest levels, as libraries of one mouse are no more than one mouse. A batch, library or lane says
what was processed together, which may be cells of one mouse or of many: it is taken only if asked
for.

References
----------
.. [1] Squair et al., Confronting false discoveries in single-cell differential expression, Nature
   Communications 12 (2021).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.days.columns import time_columns
from cellam.days.time_labels import count_cells, named
from cellam.errors import DataError
from cellam.names import plural
from cellam.reading.cell_types import count_levels, follows_time, split_levels
from cellam.reading.cells import Cells
from cellam.reading.design import Design

OFF = "none"  # as an option: cells are the units
LEAST = 10  # cells with which a sample stands for a replicate of its day
ENOUGH = 3  # replicates of a day, from which an interval can be made
MOST_NOTES = 4


def _set(words: str) -> set[str]:
    return set(words.split())


# What cells go through together. Beside it, samples that are each in one day are no problem.
PROCESSED = _set("""
    batch library lib lane plate chip run seqrun channel flowcell pool experiment gem gemgroup
    gemwell dataset prep capture cartridge array slide chemistry
    study project cohort lab laboratory center centre institute operator technician
    assay platform technology tech protocol kit instrument sequencer
""")
# Values of a condition that is none.
CONTROLS = _set("""
    ctrl ctl control controls wt wildtype mock vehicle dmso pbs untreated unstim unstimulated
    scramble scrambled ntc uninfected noninfected
""")
_REPLICATES = _set("replicate rep biorep")
_INDIVIDUALS = _set("""
    donor patient individual animal mouse mice embryo subject participant litter organoid fish rat
    pup specimen cellline
""")
_SAMPLES = (
    _REPLICATES
    | _INDIVIDUALS
    | _set("""
    sample techrep hto hashtag hash multi demux gsm srr srx srs err accession
""")
)
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


@dataclass(frozen=True)
class Replicates:
    """Samples that are replicates of their day.

    Parameters
    ----------
    design : Design
        Cells by day and replicate; a replicate may be on one day or on several.
    """

    design: Design

    @property
    def key(self) -> str:
        """Column of `obs`."""
        return self.design.keys[0]

    def on(self, day: str) -> dict[str, int]:
        """The replicates of a day with their cells; those of fewer than ten are left out."""
        return self.design.on(day, least=LEAST)

    @property
    def small(self) -> dict[tuple[str, str], int]:
        """By replicate and day: those that are left out."""
        return self.design.few(LEAST)

    def describe(self) -> str:
        """How many there are on each day."""
        n = {day: len(self.on(day)) for day in self.design.days}
        if len(set(n.values())) == 1:
            return f"obs[{self.key!r}]: {plural(next(iter(n.values())), 'replicate')} on every day"
        first, *rest = ((day, k) for day, k in n.items())
        listed = [f"{plural(first[1], 'replicate')} on {named(first[0])}"]
        listed += [f"{k} on {named(day)}" for day, k in rest]
        return f"obs[{self.key!r}]: {', '.join(listed)}"

    def notes(self) -> list[str]:
        """What is left out of them, in sentences."""
        small = [
            f"{level} has {count_cells(n)} on {named(day)}, too few to stand for a replicate of "
            f"that day ({LEAST} are needed)."
            for (level, day), n in self.small.items()
        ]
        more = f"{len(small) - MOST_NOTES} more replicates have too few cells on a day."
        return [
            *small[:MOST_NOTES],
            *([more] if len(small) > MOST_NOTES else []),
            *(
                f"{count_cells(n)} of {named(day)} {'has' if n == 1 else 'have'} no value in "
                f"obs[{self.key!r}]."
                for day, n in self.design.missing().items()
            ),
        ]


def replicates_of(cells: Cells) -> Replicates | None:
    """The replicates that the cells were read with: as asked for, else as found.

    Raises
    ------
    DataError
        If a column was asked for that is no design (`Design.of`), or in which no day has two
        replicates.
    """
    asked = cells.reading.replicate
    if asked == OFF:
        return None
    if asked is None:
        return find_replicates(cells)
    found = Replicates(Design.of(cells, asked))
    if not _has_several(found.design):
        raise DataError(
            f"No day has two replicates of at least {LEAST} cells in obs[{asked!r}] of "
            f"{cells.source}:\n{found.design.text()}",
            f"Name another column, or go without: `replicate={OFF!r}`.",
        )
    return found


def unnamed_replicates(cells: Cells) -> tuple[str, ...]:
    """How replicates in labels of the time, as "D0_rep1", become known; nothing if they are."""
    labels = [*cells.timeline.replicates]
    if not labels or cells.reading.replicate == OFF or replicates_of(cells) is not None:
        return ()
    key = cells.time_key
    return (
        f"If {labels[0]!r} and the like are replicates, and no conditions, scores and intervals "
        f"can take them as their unit: `replicate={key!r}`.",
    )


def find_replicates(cells: Cells) -> Replicates | None:
    """The replicates that a column of `obs` tells of; None where none does.

    A column whose levels are spelt in several ways is not taken, nor one of batches.
    """
    obs, codes = cells.obs, cells.codes
    times = {cells.time_key, *time_columns(obs, codes)}
    ranked = []
    for place, key in enumerate(map(str, obs.columns)):
        if key in times or words_of_sample(key) & PROCESSED or not is_sample(obs[key], codes):
            continue
        try:
            design = Design.of(cells, key)
        except DataError:
            continue
        if _has_several(design):
            ranked.append((_rank(key), len(design.levels()), place, design))
    return Replicates(min(ranked, key=lambda each: each[:3])[-1]) if ranked else None


def _has_several(design: Design) -> bool:
    return any(len(design.on(day, least=LEAST)) > 1 for day in design.days)


def _rank(key: str) -> int:
    """How likely a column of samples is that of replicates: 0 is the most."""
    words = words_of_sample(key)
    if _plain(key) == "origident":
        return 4
    for rank, known in enumerate((_REPLICATES, _INDIVIDUALS, _SAMPLES)):
        if words & known:
            return rank
    return 3


def is_sample(values: pd.Series, days: NDArray[np.int64]) -> bool:
    """Whether a column of `obs` says who or what was processed together."""
    if values.dtype.kind in "bmM" or values.nunique() > len(values) / 2:
        return False
    if values.dtype.kind == "f" and (values.dropna() % 1 != 0).any():
        return False
    words = words_of_sample(str(values.name))
    levels, names = split_levels(values)
    # A single batch says something only where other cells are in none.
    if len(names) < 2 and not (names and (levels < 0).any()):
        return False
    if words & _OTHERWISE:
        return False
    if words & _TIME and values.dtype.kind in "iuf":  # a time that was estimated
        return False
    if words & (PROCESSED | _SAMPLES) or _plain(str(values.name)) == "origident":
        return True
    counts = count_levels(levels, len(names), days) > 0
    if "date" in words:  # of processing, where it is not that of the day
        return bool((counts.sum(0) > 1).any())
    # Numbers that rise with the days may be a batch if the name says so, else they are a time.
    if not 1 < len(names) <= len(values) / 20 or follows_time(values, days):
        return False
    if all(_names_sample(name) for name in names):
        return True
    if words & _UNSURE:
        return False
    several = (counts.sum(1) > 1).sum()  # days with more than one level
    return bool((counts.sum(0) == 1).all()) and 2 * several > len(counts)


def _names_sample(name: str) -> bool:
    """Whether a value reads as a sample or batch: "lane3", "Sample_2", "GSM1599494"."""
    words = words_of_sample(name)
    return bool(_ACCESSION.fullmatch(name)) or (
        bool(words & (PROCESSED | _SAMPLES)) and any(c.isdigit() for c in name)
    )


def words_of_sample(name: str) -> set[str]:
    """Words of a name, also without an ending: "SampleID" has sample, "mice" is left as it is."""
    split = re.findall("[a-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", name).lower())
    return {*split, *(_ENDINGS.sub("", word) for word in split), _plain(name)}


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
