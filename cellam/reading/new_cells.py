"""New cells: cells that were not in the fit, read as those of the fit were.

A file of them may hold one time or several. A label that the fit knows has its time there, with its
time map too; any other is read as a day of the fit is when it is named in a command. Or the time of
all cells is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.days.time_labels import MISSING, count_cells, list_labels, spell, tally
from cellam.days.timeline import SAME, Timeline
from cellam.errors import ConfigError, DataError
from cellam.files.sources import Source, opened
from cellam.matrix.absent import Days
from cellam.matrix.expression import Expression, layers_of, read_expression
from cellam.matrix.matrices import check_names, read_representation
from cellam.matrix.parts import COUNTS
from cellam.options import Kind, ReadOptions
from cellam.reading.cells import Cells, annotation

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST, FEW = 5, 50  # cells that show logs; that tell normalised values from fractional counts


def read_new(
    data: str | Path | AnnData,
    reading: ReadOptions,
    timeline: Timeline,
    at: str | float | None = None,
    *,
    kind: Kind | None = None,
) -> Cells:
    """Read cells that were not in the fit.

    Parameters
    ----------
    data : path or AnnData
    reading : ReadOptions
        How the cells of the fit were read, with their time column.
    timeline : Timeline
        That of the fit.
    at : str or number, optional
        Day or time of all cells; without it each cell has that of the time column.
    kind : {"counts", "normalised", "log", "scaled"}, optional
        What the values of the fit are: few cells do not tell what theirs are.

    Returns
    -------
    Cells
        Its timeline holds the times of these cells alone, one or several.

    Raises
    ------
    DataError
        If the file lacks what the fit was read from, or has no times.
    ConfigError
        If `at` is no time.
    """
    with opened(data) as source:
        obs = annotation(source)
        check_names(obs.index, "cell", "obs_names", source.name)
        times = (
            np.full(len(obs), timeline.position(at))
            if at is not None
            else _times(obs, reading.time_key, timeline, source.name)
        )
        line, codes = _own_timeline(times, timeline)
        genes: tuple[str, ...] = ()
        form = None
        notes: tuple[str, ...] = ()
        if reading.use_rep is not None:
            _check_there(source, "obsm", reading.use_rep, source.keys("obsm"))
            matrix = read_representation(source, reading.use_rep, len(obs))
        else:
            if reading.layer is not None:
                _check_there(source, "layers", reading.layer, layers_of(source))
            found = _expression(source, reading, kind, len(obs))
            matrix, genes, form, notes = found.rows, found.genes, found.form, found.notes
    return Cells(
        source=source.name,
        obs=obs,
        reading=reading.model_copy(
            update={
                "time_key": None if at is not None else reading.time_key,
                "growth_prior": None,
                "clones": None,
                "velocity": None,
            }
        ),
        timeline=line,
        codes=codes,
        matrix=matrix,
        form=form,
        genes=genes,
        notes=notes,
    ).digested()


def _expression(source: Source, reading: ReadOptions, kind: Kind | None, n: int) -> Expression:
    """The expression of n cells, judged over all of them at once."""
    if reading.layer is None and 0 in getattr(source.element("X"), "shape", (0,)):
        raise DataError(
            f"{source.name} has no expression matrix in X, from which the fit was read.",
            "Save the new cells with the expression in X.",
        )
    together = Days(np.zeros(n, dtype=np.int64), ("these cells",))
    found = None
    try:
        found = read_expression(source, reading.layer, together, reading.values)
    except DataError:
        if kind is None or n >= FEWEST or reading.values is not None:
            raise
    if found is not None:
        other = found.form.kind
        linear = {other, kind} == {"counts", "normalised"}
        sure = found.form.words == COUNTS or n >= (FEW if linear else FEWEST)
        if reading.values is not None or sure or kind is None or (kind == other != "counts"):
            return found
    told = read_expression(source, reading.layer, together, kind)
    show = "does not show" if n == 1 else "do not show"
    note = f"{count_cells(n)} {show} what the values are: taken to be {kind}, as in the fit"
    return told._replace(notes=(*told.notes, note))


def _times(
    obs: pd.DataFrame, key: str | None, timeline: Timeline, name: str
) -> NDArray[np.float64]:
    """Time of every cell, by the column that holds those of the fit."""
    days = f"Days of the fit: {timeline.describe(at_most=8)}."
    if key is None or key not in obs:
        raise DataError(
            f"{name} has no column {key!r}, which holds the times of the fit.",
            f"Say when these cells were sampled, e.g. `at={timeline.labels[0]!r}`. {days}",
        )
    spelt, inverse, cells = tally(obs[key])
    missing = {
        s: n for s, n in cells.items() if MISSING.fullmatch(s) and s not in timeline.spellings
    }
    if missing:
        raise DataError(
            f"obs[{key!r}] of {name} gives {count_cells(sum(missing.values()))} no time: "
            f"{list_labels(missing)}.",
            f"Fill them in, or say when all cells were sampled, e.g. `at={timeline.labels[0]!r}`.",
        )
    found = {}
    for label, n in cells.items():
        try:
            known = timeline.spellings.get(label)
            found[label] = timeline.position(label) if known is None else known
        except ConfigError as error:
            raise DataError(
                f"obs[{key!r}] of {name} has {label!r} in {count_cells(n)}, which cannot be "
                f"placed among the times of the fit. {error.message}",
                "Use the labels of the fit, or say when all cells were sampled, e.g. "
                f"`at={timeline.labels[0]!r}`. {days}",
            ) from None
    times: NDArray[np.float64] = np.array([found[label] for label in spelt])[inverse]
    return times


def _own_timeline(
    times: NDArray[np.float64], timeline: Timeline
) -> tuple[Timeline, NDArray[np.int64]]:
    """The timeline of the cells alone, and the position of each in it, (n,)."""
    known = np.array(timeline.times)
    near = np.abs(times[:, None] - known).argmin(1)
    times = np.where(np.abs(times - known[near]) <= SAME, known[near], times)
    distinct, codes = np.unique(times, return_inverse=True)
    labels = tuple(
        timeline.labels[timeline.times.index(t)] if t in timeline.times else spell(t)
        for t in distinct.tolist()
    )
    spellings = dict(zip(labels, distinct.tolist(), strict=True))
    own = Timeline(labels, tuple(distinct.tolist()), timeline.unit, spellings, ())
    return own, codes.ravel().astype(np.int64)


def _check_there(source: Source, place: str, key: str, known: tuple[str, ...] | list[str]) -> None:
    """Refuse a file that lacks what the fit was read from."""
    if key in known:
        return
    what = f"{place}[{key!r}]" if key != "raw" else "raw"
    raise DataError(
        f"The fit was read from {what}, and {source.name} has no {what}; its {place}: "
        f"{', '.join(known) or 'none'}.",
        f"Save the new cells with the same in adata.{what}"
        + (", in the coordinates of the fit." if place == "obsm" else "."),
    )
