"""Suggest: which day to measure next, and what it would tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellam.analysis.suggestion import GrowthTold, Suggestion, growth_told, suggest
from cellam.analysis.telling import RIGHT
from cellam.checks.caveat import Caveat
from cellam.days.time_labels import count_cells, named
from cellam.display import enumerated
from cellam.export.files import check_csv, write_csv
from cellam.modelling.model import Model
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.workflows.annotation import Annotation
from cellam.workflows.given import Days, day_texts

NOISE = "The noise of the fit is left out: explanations are paths without it."
HARDLY = (
    "For the prediction of other days, the suggested time did little better than the middle of the "
    "largest gap in tests (`cellam guide next-day`): let what is practical decide between them."
)
CONVERSION = (
    "Where cells become fewer here and more there, no day tells growth and death from cells that "
    "change place at random times: both look the same on every day. Numbers of living cells or "
    "lineage barcodes do."
)
SURE = 0.995  # a probability that is printed as more than 99 %
QUESTIONS = {  # that a new day would settle
    "growth": "how much of the change is motion and how much is cells that become fewer here and "
    "more there",
    "course": "whether cells move straight from day to day or turn gradually",
}


@dataclass(frozen=True, repr=False)
class SuggestionResult(Result):
    """Times that could be measured, and what a snapshot of each would tell.

    Parameters
    ----------
    run : pathlib.Path
    suggestion : Suggestion
    growth : GrowthTold or None
        The cell type on whose growth around the suggested time the explanations differ most, and
        how far; None without cell types, or where growth is not what differs.
    written : pathlib.Path or None
        File of the table, if one was asked for.
    notes : tuple of str
        What could not be found.
    caveats : tuple of Caveat or None
        Reasons to doubt the fit, which it found; None where they were not looked for.
    """

    run: Path
    suggestion: Suggestion
    growth: GrowthTold | None
    written: Path | None
    notes: tuple[str, ...]
    caveats: tuple[Caveat, ...] | None
    _model: Model = field(compare=False)

    @property
    def facts(self) -> dict[str, str]:
        """Explanations, the suggested time, and whether it would tell."""
        row = self._best
        return {
            "open": f"{len(self.suggestion.names)} explanations",
            "suggested": f"{row['time']:g}, {self._where(row)}",
            "right": f"{percent(row['right'])} with {self.suggestion.n_cells:,} cells",
        }

    @property
    def says(self) -> tuple[str, ...]:
        """Whether a day would tell, what it would settle, and the choice without a fit."""
        noisy = self._model.fit.objective.sigma > 0
        return (
            self._verdict(),
            *self._settled(),
            self._baseline(),
            HARDLY,
            CONVERSION,
            *(NOISE,) * noisy,
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each time; see `Suggestion`."""
        return self.suggestion.table

    def to_dict(self) -> dict[str, Any]:
        """All times, the suggested one, the middle of the largest gap, and what they mean."""
        found, table = self.suggestion, self.suggestion.table
        growth = None
        if self.growth is not None:
            whole = self.growth.whole
            growth = {
                "type": self.growth.type,
                "low": self.growth.low,
                "high": self.growth.high,
                "difference": self.growth.difference,
                "range": None if whole is None else list(whole),
            }
        return {
            "run": str(self.run),
            "cells": found.n_cells,
            "explanations": list(found.names),
            "times": [
                {**row, "needed": None if pd.isna(row["needed"]) else int(row["needed"])}
                for row in table.to_dict("records")
            ],
            "suggested": float(table["time"].iloc[found.best]),
            "told": found.told,
            "middle": None if found.middle is None else float(table["time"].iloc[found.middle]),
            "growth": growth,
            "says": list(self.says),
            "caveats": None if self.caveats is None else [vars(c) for c in self.caveats],
        }

    @property
    def _best(self) -> dict[str, Any]:
        return dict(self.suggestion.table.iloc[self.suggestion.best])

    @staticmethod
    def _where(row: dict[str, Any]) -> str:
        return f"between {named(row['after'])} and {named(row['before'])}"

    def _verdict(self) -> str:
        row, n = self._best, self.suggestion.n_cells
        where = f"time {row['time']:g}, {self._where(row)}"
        two = f"{row['first']} from {row['second']}"
        if self.suggestion.told:
            return (
                f"Most is open at {where}. There {n:,} cells would tell {two}: if one of them is "
                f"right, in {percent(row['right'])} of cases."
            )
        enough = (
            f"about {row['needed']:,.0f} cells are needed for 95 %."
            if not pd.isna(row["needed"])
            else "no number of new cells is enough, as the days around it have too few."
        )
        others = self.suggestion.table
        others = others[others["right"] >= RIGHT]
        which = (
            f"The explanations would be told apart at time "
            f"{enumerated([f'{t:g}' for t in others['time']])}, where less is open."
            if len(others)
            else f"No time would tell the explanations apart with {n:,} cells."
        )
        return (
            f"Most is open at {where}, but {n:,} cells would tell {two} in "
            f"{percent(row['right'])} of cases only; {enough} {which}"
        )

    def _settled(self) -> tuple[str, ...]:
        row = self._best
        said = ", and ".join(QUESTIONS[part] for part in row["settles"].split(" and "))
        settles = f"It would settle, {self._where(row)}, {said}."
        if self.growth is None:
            return (settles,)
        found, per = self.growth, self._model.timeline.per_time
        said = (
            f"By these explanations the growth of {found.type} {self._where(row)} differs by "
            f"{found.difference:.2g} {per}, the most of all types."
        )
        if found.whole is not None:
            low, high = found.whole
            said += (
                f" Its range over all days, {low:+.2g} to {high:+.2g} {per}, also holds cells that "
                "change their type at random times"
            )
            said += ": this day would hardly narrow it." if found.hardly else "."
        return (settles, said)

    def _baseline(self) -> str:
        found, days = self.suggestion, self.suggestion.left.days
        if len(found.largest) > 1:
            return (
                f"{len(found.largest)} gaps are the largest, so their length alone does not "
                "choose among them."
            )
        k = found.largest[0]
        gap = f"the largest gap (between {named(days.labels[k])} and {named(days.labels[k + 1])})"
        if found.middle is None:
            return f"None of these times lies in {gap}."
        middle = dict(found.table.iloc[found.middle])
        what = "the middle of" if middle["place"] == 0.5 else "the nearest to the middle of"
        if found.middle == found.best:
            return f"It is also {what} {gap}."
        rank = int((found.table["score"] > middle["score"]).sum()) + 1
        return (
            f"Time {middle['time']:g} is {what} {gap}; by what is open it has rank {rank} of "
            f"{len(found.table)}."
        )


def percent(share: float) -> str:
    """A probability in percent, which is never quite 100.

    Examples
    --------
    >>> percent(0.97), percent(0.9999)
    ('97 %', '>99 %')
    """
    return ">99 %" if share > SURE else f"{100 * share:.0f} %"


def suggest_run(
    run: StoredRun,
    *,
    n_cells: int | None = None,
    at: Days | None = None,
    csv: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
) -> SuggestionResult:
    """At which time between the days the explanations left open disagree most, and who would tell.

    Parameters
    ----------
    run : StoredRun
    n_cells : int, optional
        Cells of the new snapshot; the median of the training days without it.
    at : time or several, optional
        Times that could be measured; without them three in each gap.
    csv : path, optional
        File for the table.
    overwrite : bool
        Whether `csv` may be replaced.
    data : path, optional
        The data of the run, if they have moved.

    Raises
    ------
    ConfigError
        For a time that is not between the training days, or where nothing is left open.
    DataError
        If the data are not those of the fit, or were given and are not there.
    OutputError
        If the file is there, or cannot be written.
    """
    model = run.model
    path = Path(csv) if csv is not None else None
    n = n_cells if n_cells is not None else _usual(model)
    times = None if at is None else [model.timeline.position(day) for day in day_texts(at)]
    known = Annotation.of(run, data, needed=data is not None)
    check_csv(path, overwrite, known.source)
    found = suggest(model, n, times)
    if path is not None:
        write_csv(found.table, path)
    types = known.types(model)
    growth = None
    if types is not None and "growth" in found.table["settles"].iloc[found.best]:
        of_cell = np.array([t if isinstance(t, str) else None for t in types], dtype=object)
        growth = growth_told(model, found, of_cell)
    notes = (*known.notes, *_left_out(model))
    return SuggestionResult(run.path, found, growth, path, notes, run.caveats(), model)


def _left_out(model: Model) -> tuple[str, ...]:
    """A note on days between the training days that were measured, and are not in the fit."""
    days, training = model.snapshots, model.training
    out = [
        f"{named(label)} ({count_cells(len(x))})"
        for label, t, x in zip(days.labels, days.times, days.points, strict=True)
        if label not in training.labels and training.times[0] < t < training.times[-1]
    ]
    if not out:
        return ()
    return (f"Measured already, but left out of this fit: {enumerated(out)}. Fit with it first.",)


def _usual(model: Model) -> int:
    """The median number of cells of a training day."""
    return max(2, int(np.median([len(x) for x in model.training.points])))
