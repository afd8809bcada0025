"""Validate: score predicted fates by where sisters of the same clone were found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cellam.analysis.terminal import parse_terminal
from cellam.display import enumerated
from cellam.dynamics.fitting import OnProgress, Progress, silent
from cellam.evaluation.clones import OURS, Validation, validate, verdict
from cellam.evaluation.reliability import verdict as of_reliability
from cellam.evaluation.scores import check_n_boot
from cellam.export.files import check_csv, write_csv
from cellam.modelling.model import Model
from cellam.modelling.pipeline import fit_beside
from cellam.options import Options
from cellam.reading.cells import read_obs
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.workflows.clone_column import clone_column
from cellam.workflows.days import start_days
from cellam.workflows.given import Day, Days, day_text


@dataclass(frozen=True, repr=False)
class ValidationResult(Result):
    """Scores of predicted fates against the fates of sisters.

    Parameters
    ----------
    run : pathlib.Path
    clones : str
        Column of `obs` with the lineage barcodes.
    start : tuple of str
        Labels of the early days.
    validation : Validation
        Scores, and what they rest on.
    written : pathlib.Path or None
        File of the table, if one was asked for.
    """

    run: Path
    clones: str
    start: tuple[str, ...]
    validation: Validation
    written: Path | None

    @property
    def verdict(self) -> str:
        """What the gains over the other methods allow to say, and how reliable the fates are."""
        found = self.validation
        return f"{verdict(found.table)}\n{of_reliability(found.reliability)}"

    @property
    def facts(self) -> dict[str, str]:
        """Clones, cells, states, and the scores of the model."""
        found = self.validation
        ours = found.table[(found.table["state"] == "all") & (found.table["method"] == OURS)]
        scores = [f"{s} {v:.3f}" for s, v in zip(ours["score"], ours["value"], strict=True)]
        return {
            "scores": ", ".join(scores),
            "clones": f"{found.clones:,} of obs[{self.clones!r}]",
            "cells": f"{found.cells:,} of {enumerated(list(self.start))}",
            "sisters": f"{found.sisters:,} of {found.terminal.label}",
            "states": enumerated(list(found.states)),
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each method, state and score."""
        return self.validation.table

    def to_dict(self) -> dict[str, Any]:
        """All scores, what they rest on, and the verdict."""
        found = self.validation
        return {
            "run": str(self.run),
            "clones": self.clones,
            "from": list(self.start),
            "terminal": {"day": found.terminal.label, "column": found.terminal.key},
            "cells": found.cells,
            "sisters": found.sisters,
            "shared_clones": found.clones,
            "states": list(found.states),
            "verdict": self.verdict,
            "rows": found.table.to_dict("records"),
            "reliability": found.reliability.to_dict("records"),
        }


def validate_run(
    run: StoredRun,
    clones: str,
    *,
    start: Days | None = None,
    terminal: Day | None = None,
    n_boot: int = 1_000,
    seed: int = 0,
    csv: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
    on_progress: OnProgress = silent,
) -> ValidationResult:
    """Score predicted fates by lineage barcodes, beside baselines.

    A run that was fitted with barcodes is asked of each clone without its barcodes, and the same
    fit without any is made for comparison.

    Parameters
    ----------
    run : StoredRun
    clones : str
        Column of `obs` with the lineage barcodes, or key of `obsm` in CoSpar's form.
    start : day or several, optional
        Labels or numbers of early days; every day before the terminal one without it.
    terminal : str, optional
        DAY:COLUMN or one of them; the last training day and the cell types without it.
    n_boot, seed
        Draws of the clones, for the intervals.
    csv : path, optional
        File for the table of every state.
    overwrite : bool
        Whether `csv` may be replaced.
    data : path, optional
        The data of the run, if they have moved.
    on_progress : callable
        Told of the fit without barcodes, if there is one.

    Raises
    ------
    ConfigError
        For columns, days or files that do not fit together.
    DataError
        If the data are not those of the fit, or hardly any clone is on both days.
    OutputError
        If the file is there, or cannot be written.
    """
    model = run.model
    path = Path(csv) if csv is not None else None
    check_csv(path, overwrite)
    source = run.data(data)
    check_csv(path, overwrite, source)
    obs = read_obs(source, clones)
    run.check_cells(obs)
    end = parse_terminal(model, obs, day_text(terminal) if terminal is not None else None)
    days = start_days(model, end.label, start)
    check_n_boot(n_boot)
    barcodes = clone_column(obs, clones, end.key)
    found = validate(
        model,
        obs[end.key],
        barcodes,
        start=days,
        terminal=end.label,
        n_boot=n_boot,
        seed=seed,
        plain=_without_clones(run, source, on_progress) if model.relies_on_clones else None,
    )
    if path is not None:
        write_csv(found.table, path)
    return ValidationResult(run.path, clones, days, found, path)


def _without_clones(run: StoredRun, source: Path, on_progress: OnProgress) -> Model:
    """The fit of a run made again without barcodes, in the same space."""
    on_progress(Progress("fit without barcodes", 0, 1))
    options = Options(**run.model.options.model_dump() | {"clones": None, "ensemble": None})
    fitted = fit_beside(run.model, run.read(source).without_clones(), options)
    on_progress(Progress("fit without barcodes", 1, 1))
    return fitted
