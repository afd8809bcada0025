"""Estimates: the seconds and the memory that a fit and its evaluation take, found without fitting.

The constants were measured on one core of an x86_64 server with other work on it. Those of a fit on
2026-11-23, over fits on default options of 781 to 100,000 cells on 3 to 11 days
(tests/bench/SCALING.md has the large ones): the formula met the seconds of each within a third. Its
memory, for expression that is read in chunks, on 2026-11-30: klein took 730 MB for 914 estimated,
worm 728 for 968, and 30,000 cells of 20,000 genes 1,313 for 1,360; a million of these took 315 s.
Those of an evaluation on 2026-11-30, over one day of five sets of 1,000 to 66,000 cells: seconds
were met within a fifth. Eleven days of 200 cells took 0.6 of the estimate. Other machines may
differ more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellam.coordinates.extent import Extent
from cellam.evaluation.baselines import BASELINES
from cellam.limits import DRAWS, INNER, MOST_FOLLOWED, N_MAX, REFITS, REFITTED
from cellam.matrix.matrices import HELD
from cellam.matrix.rows import VALUES
from cellam.options import N_PCS, N_TOP_GENES, Options

if TYPE_CHECKING:
    from cellam.reading.cells import Cells

IMPORT = 5.0  # seconds: of starting
SOLVE = 3.3  # of solving for the action
AN_INNER_DAY = 1.4  # of choosing the path on one
A_CELL = 3e-4  # of pairing one that is fitted to
A_VALUE = 2.2e-7  # of reading, normalising and projecting one stored value

# Of these the constants are not known.
UNCOUNTED = (
    "method", "path", "tau", "clones", "velocity", "growth_prior", "action", "steps", "n_features",
    "ensemble", "device", "threads",
)  # fmt: skip

FITS = 1.5  # the fit without a day, and its counterpart, which has less to choose
A_REFIT = 1.0
A_GAP = 0.3  # of a refit
FOLLOWERS = REFITS + 2.5  # the fit, its counterpart, the refits, and forward half of the cells
A_FOLLOWED = 4e-4  # cell, by one of them
# The fit, forward too, its counterpart, baselines and the floor; the refits are drawn once.
CLOUDS = (len(BASELINES) + 4) * DRAWS + REFITS
A_CLOUD = 0.34  # of N_MAX cells, compared in all metrics

BASE = 600e6  # bytes: of the libraries and the features
OF_PCA = 250e6  # bytes: of the libraries that it needs
OF_OBS = 400  # bytes: of a cell without its matrix
OF_A_VALUE = 60  # bytes: of expression that is read at once
OF_A_PAIR = 16  # bytes: of two genes of the PCA
OF_VALUES = 300  # bytes: of a cell, of what its values show
EMBEDDED = 40  # bytes: of a cell in one coordinate, with all its copies
FEATURED = 4e4  # bytes: of a cell that is followed, with its features


@dataclass(frozen=True)
class Estimate:
    """What a fit and an evaluation take: seconds of one core, and bytes.

    Parameters
    ----------
    seconds, memory : float
        Of a fit.
    day_seconds : float
        Of an evaluation of one inner day, on average; nan where there is none.
    all_seconds : float
        Of an evaluation of all inner days.
    inner : int
        How many there are.
    eval_memory : float
        Of an evaluation, in each of its processes.
    uncounted : tuple of str
        Options that were given and that the estimate takes for their defaults.
    """

    seconds: float
    memory: float
    day_seconds: float
    all_seconds: float
    inner: int
    eval_memory: float
    uncounted: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Rounded, with null for an evaluation where no day can be held out."""
        held_out = {
            "day_seconds": round(self.day_seconds, 1),
            "all_seconds": round(self.all_seconds, 1),
            "bytes": round(self.eval_memory),
        }
        return {
            "seconds": round(self.seconds, 1),
            "bytes": round(self.memory),
            "eval": held_out if self.inner else None,
            "uncounted": list(self.uncounted),
        }


def estimate(cells: Cells, options: Options) -> Estimate:
    """What a fit of cells, and an evaluation of it, take.

    Parameters
    ----------
    cells : Cells
    options : Options
        Of the fit; `UNCOUNTED` are those that are not looked at.
    """
    inner = list(_counts(cells, options))[1:-1]
    each = [eval_seconds(cells, [label], options) for label in inner]
    return Estimate(
        fit_seconds(cells, options),
        memory_of(Extent.of(cells), options),
        float(np.mean(each)) if inner else float("nan"),
        eval_seconds(cells, inner, options),
        len(inner),
        eval_memory(cells, options),
        tuple(
            name
            for name in UNCOUNTED
            if getattr(options, name) != Options.model_fields[name].default
        ),
    )


def fit_seconds(cells: Cells, options: Options) -> float:
    """Seconds of one core for a fit."""
    counts = list(_counts(cells, options).values())
    return IMPORT + A_VALUE * _values(cells) + _solving(counts, options)


def eval_seconds(cells: Cells, labels: Collection[str], options: Options) -> float:
    """Seconds of one core for an evaluation of these days, on default options of eval."""
    places = list(_counts(cells, options))
    days = (_day_seconds(cells, places.index(label), options) for label in labels)
    return IMPORT + A_VALUE * _values(cells) + sum(days)


def memory_of(extent: Extent, options: Options) -> float:
    """Bytes that a fit of so many cells takes at most."""
    n, p, stored = extent
    if not stored:
        return float(BASE + n * (OF_OBS + EMBEDDED * min(p, options.n_pcs or p)))
    held = stored if stored <= HELD else 0
    embedded = n * (OF_OBS + OF_VALUES + EMBEDDED * min(p, options.n_pcs or N_PCS))
    pairs = OF_A_PAIR * min(p, options.n_top_genes or N_TOP_GENES) ** 2
    chunk = OF_A_VALUE * min(VALUES, stored // 8)
    return float(BASE + OF_PCA + chunk + pairs + held + embedded)


def eval_memory(cells: Cells, options: Options) -> float:
    """Bytes that an evaluation takes at most, in each of its processes."""
    counts = list(_counts(cells, options).values())
    followed = [sum(_beside(counts, k)) for k in range(1, len(counts) - 1)]
    return memory_of(Extent.of(cells), options) + FEATURED * max(followed, default=0)


def _counts(cells: Cells, options: Options) -> dict[str, int]:
    """Cells of the training days."""
    return {label: n for label, n in cells.counts.items() if label not in options.exclude}


def _beside(counts: list[int], k: int) -> list[int]:
    """Cells of the days beside day k that are followed to it."""
    return [min(n, MOST_FOLLOWED) for n in counts[max(k - 1, 0) : k] + counts[k + 1 : k + 2]]


def _values(cells: Cells) -> int:
    return int(cells.matrix.size) if cells.rep is not None else int(cells.matrix.n_values)


def _solving(counts: list[int], options: Options) -> float:
    """Of a fit to days of so many cells, once they are embedded."""
    inner = min(len(counts) - 2, INNER)
    fitted = sum(min(n, options.max_cells) for n in counts)
    return SOLVE + AN_INNER_DAY * max(inner, 0) + A_CELL * fitted


def _day_seconds(cells: Cells, k: int, options: Options) -> float:
    """Of training day k, held out and scored."""
    counts = list(_counts(cells, options).values())
    held, others = counts[k], counts[:k] + counts[k + 1 :]
    beside = _beside(counts, k)
    fits = FITS * (_solving(others, options) + A_VALUE * _values(cells))
    halves = sum(min(n // 2, REFITTED) for n in others)
    refits = REFITS * (A_REFIT + A_GAP * (len(others) - 1) + A_CELL * halves)
    n = min(N_MAX, held // 2, *beside)
    scored = FOLLOWERS * A_FOLLOWED * sum(beside) + CLOUDS * A_CLOUD * (n / N_MAX) ** 2
    return fits + refits + scored
