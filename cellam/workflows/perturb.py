"""Perturb: change the expression of cells, and see what becomes of their fates and growth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.perturbation import Changes, Perturbation, parse_changes, perturb
from cellam.analysis.states import FoundStates
from cellam.checks.caveat import Caveat
from cellam.checks.range_caveats import unseen_change
from cellam.days.time_labels import named
from cellam.display import enumerated
from cellam.export.files import check_csv, write_csv
from cellam.reading.queries import Query
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.workflows.given import Day
from cellam.workflows.starters import NewCells, file_of, starters
from cellam.workflows.terminal_states import doubts, terminal_states

TOO_MANY = 0.1  # of the cells off the data, beyond those that were before


@dataclass(frozen=True, repr=False)
class PerturbationResult(Result):
    """Effect of a change of expression on the fates and the growth of cells.

    Parameters
    ----------
    run : pathlib.Path
    perturbation : Perturbation
        The effects, cell by cell and on the mean.
    names : pandas.Index
        Names of all cells of the data, or of all new cells.
    written : pathlib.Path or None
        File of the table, if one was asked for.
    new : str or None
        File or object of the new cells that were changed; None for those of the data.
    outside : (n,) bool array or None
        Which of the new cells lie outside the observed data, unchanged; None for those of the data.
    notes : tuple of str
        What was assumed of new cells, and of states that were found; where cells go on as observed
        ones.
    caveats : tuple of Caveat
        What the fit cannot know of a perturbation, and its reasons for doubt.
    looked : bool
        Whether this version has looked for reasons to doubt the fit.
    found : FoundStates or None
        The states of the terminal day, where no column names them.
    """

    run: Path
    perturbation: Perturbation
    names: pd.Index[Any]
    written: Path | None
    new: str | None = None
    outside: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    looked: bool = True
    found: FoundStates | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What was changed in which cells, and the effect on each fate."""
        found = self.perturbation
        points = [
            f"{state} {100 * effect:+.2f} points"
            for state, effect in zip(found.states, found.effects[0], strict=False)
        ]
        return {
            "changed": enumerated([str(change) for change in found.changes]),
            "cells": f"{len(found.rows):,} of {self.whose}",
            "fates": enumerated(points),
            "log mass": f"{found.effects[0, -1]:+.3f}",
            "ensemble": str(len(found.effects) - 1 or "none"),
        }

    @property
    def whose(self) -> str:
        """Which cells were changed, in words."""
        day = named(self.perturbation.start)
        return day if self.new is None else f"{self.new} at {day}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the effect may say little."""
        found, said = self.perturbation, list(self.notes)
        if found.silent:
            said.append(
                f"None of these cells was measured to express {' or '.join(found.silent)}: the "
                "effect is extrapolated from similar cells, and is not reliable."
            )
        elif not found.visible:
            said.append(
                "No effect is visible: the perturbation moves these cells too little "
                f"({self.expressing}). Choose cells that express more of it with `start` or "
                "`from_cells`, or change more genes."
            )
        if self.strayed:
            said.append(
                f"{self.outlying}, so no data support their prediction. Use a smaller shift, or "
                "fewer genes."
            )
        return tuple(said)

    @property
    def strayed(self) -> bool:
        """Whether the change takes so many cells out of the data that none support it."""
        before, after = self.perturbation.remote
        return after > before + TOO_MANY

    @property
    def outlying(self) -> str:
        """How many of the cells lie outside the observed data, with the change and without it."""
        before, after = self.perturbation.remote
        return (
            f"{100 * after:.0f} % of the perturbed cells lie outside the observed data "
            f"(unperturbed: {100 * before:.0f} %)"
        )

    @property
    def expressing(self) -> str:
        """How many of the cells express each of the genes, in words."""
        found = self.perturbation
        return ", ".join(
            f"{n:,} express{'es' * (n == 1)} {change.gene}"
            for change, n in zip(found.changes, found.expressing, strict=True)
        )

    def to_frame(self) -> pd.DataFrame:
        """A row for each cell: its name, day, and its change in growth and in each fate.

        New cells also have off_manifold: whether they lie outside the observed data, unchanged.
        """
        table = self.perturbation.table(self.names)
        return table if self.outside is None else table.assign(off_manifold=self.outside)

    def to_dict(self) -> dict[str, Any]:
        """The mean effects; without an ensemble there are no intervals."""
        found = self.perturbation
        effects = []
        for k, name in enumerate([*found.states, None]):
            effect: dict[str, object] = {"change": float(found.effects[0, k])}
            if name is not None:
                effect = {
                    "state": name,
                    "before": float(found.shares[0][k]),
                    "after": float(found.shares[1][k]),
                    **effect,
                }
            if found.spread is not None:
                low, high = found.spread.interval()
                effect |= {
                    "interval": [float(low[k]), float(high[k])],
                    "agreeing": int(found.agreeing[k]),
                }
            effects.append(effect)
        return {
            "changes": [
                {"gene": c.gene, "z": c.z, "cells_expressing": n}
                for c, n in zip(found.changes, found.expressing, strict=True)
            ],
            "from": found.start,
            "new_cells": self.new,
            "cells": len(found.rows),
            "terminal": {
                "day": found.terminal.label,
                "column": found.terminal.key if self.found is None else None,
            },
            "members": len(found.effects) - 1,
            "fates": effects[:-1],
            "log_mass": effects[-1],
            "off_manifold": {"before": found.remote[0], "after": found.remote[1]},
            "notes": list(self.warnings),
            "caveats": [vars(caveat) for caveat in self.caveats],
        }


def perturb_run(
    run: StoredRun,
    changes: Changes,
    *,
    start: Day | None = None,
    cells: NewCells | None = None,
    at: Day | None = None,
    new_batch: bool = False,
    from_cells: Query | None = None,
    terminal: Day | None = None,
    seed: int = 0,
    csv: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
) -> PerturbationResult:
    """Change the expression of cells of a day, and follow them beside themselves unchanged.

    Parameters
    ----------
    run : StoredRun
    changes : mapping, iterable, str or Change
        As for `analysis.perturbation.parse_changes`: "Gata1=ko", ["Gata1=-3"] or {"Gata1": -3}.
    start : day, optional
        Day whose cells are changed; the first training day without it.
    cells : path, AnnData or Cells, optional
        Change these cells, that were not in the fit.
    at : day or time, optional
        When the new cells were sampled; without it by the time column of the fit.
    new_batch : bool
        Take new cells of batches that the fit does not know without a shift.
    from_cells : str or (n,) bool array, optional
        Only cells that fit a query on `obs`, or are marked.
    terminal : str, optional
        DAY:COLUMN or one of them; the last training day and the cell types without it. Where no
        column is named or recognised, states are found among the cells of that day, as for fates.
    seed : int
        For noise, and for `analysis.states.find_states`.
    csv : path, optional
        File for a row for each cell.
    overwrite : bool
        Whether `csv` may be replaced.
    data : path, optional
        The data of the run, if they have moved.

    Raises
    ------
    ConfigError
        For genes, days, columns or cells that do not fit together.
    DataError
        If the data are not those of the fit, or have no states.
    OutputError
        If the file is there, or cannot be written.
    """
    changes, model = parse_changes(changes), run.model
    path = Path(csv) if csv is not None else None
    check_csv(path, overwrite)
    source = run.data(data)
    for file in (source, file_of(cells)):
        check_csv(path, overwrite, file)
    read = run.read(source)
    ends = terminal_states(run, read.obs, terminal, seed=seed)
    begin = starters(run, cells, at, read.obs, new_batch=new_batch)
    first = model.training.labels[0] if begin.new is None else None
    cohort = begin.among(begin.one(start if start is not None else first), from_cells)
    found = perturb(model, read, changes, cohort, ends.states, terminal=ends.end.label, seed=seed)
    known = doubts(run, ends)
    result = PerturbationResult(
        run.path,
        found,
        begin.names,
        path,
        begin.source,
        None if begin.new is None else begin.outside(cohort),
        (
            *begin.notes,
            *model.stages.says([cohort.time], model.timeline.position(ends.end.label), drawn=False),
            *(ends.found.notes if ends.found is not None else ()),
        ),
        (*unseen_change(model), *(known or ())),
        known is not None,
        ends.found,
    )
    if path is not None:
        write_csv(result.to_frame(), path)
    return result
