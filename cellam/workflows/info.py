"""Info: what went into a run, what was chosen, how types of cells grow, what was scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cellam.analysis.growth_range import GrowthRange
from cellam.analysis.over_replicates import HIGH, LOW, growth_over_replicates, says_over
from cellam.errors import DataError
from cellam.modelling.left_out import LeftOut
from cellam.modelling.model import Model
from cellam.modelling.recipe import choice_to_json
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import read_obs
from cellam.report.findings import growth_by_type
from cellam.report.wording import explain, explain_growth
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.runs.samples import left_out


@dataclass(frozen=True, repr=False)
class InfoResult(Result):
    """A run in short.

    Parameters
    ----------
    run : pathlib.Path
    types : pandas.Series or None
        Cell type of every cell of the data; None where none is known.
    growth : tuple of dict
        How each type grows, the fastest first.
    over : str
        What the intervals of it are over; empty without three replicates on each training day.
    notes : tuple of str
        What could not be found.
    """

    run: Path
    types: pd.Series[Any] | None
    growth: tuple[dict[str, Any], ...]
    over: str
    notes: tuple[str, ...]
    _run: StoredRun = field(compare=False)

    @property
    def facts(self) -> dict[str, str]:
        """Those of the run."""
        return self._run.facts

    def to_frame(self) -> pd.DataFrame:
        """A row for each cell type: cells, mean growth and its range, sd, share that grows.

        With three replicates on each training day also its interval over replicates.
        """
        columns = ["type", "cells", "mean", "low", "high", "sd", "growing"]
        columns += [LOW, HIGH] if self.over else []
        return pd.DataFrame(list(self.growth), columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Options, days, what was chosen, growth by type, and where it all came from."""
        model, types = self._run.model, self.types
        days = zip(model.timeline.labels, model.snapshots.points, strict=True)
        return {
            "run": str(self.run),
            "options": model.options.model_dump(mode="json"),
            "times": dict(zip(model.timeline.labels, model.timeline.times, strict=True)),
            "unit": model.timeline.unit,
            "cells": {label: len(x) for label, x in days},
            "space": {
                "representation": model.space.rep,
                "genes": len(model.space.genes),
                "components": model.space.n_dims,
                "whitened": model.space.whitened,
            },
            "population": self._population(),
            "choice": choice_to_json(model.choice),
            "chosen": explain(model),
            "motion": {"landscape": model.rotation.gradient, "circular": model.rotation.free},
            "growth": {
                "relative": model.options.population is None,
                "types": types.name if types is not None else None,
                "unannotated": int(types.isna().sum()) if types is not None else None,
                "by_type": list(self.growth),
                "over": self.over or None,
                "says": explain_growth(self.growth, model),
            },
            "provenance": self._run.provenance,
        }

    def _population(self) -> dict[str, float] | None:
        """Mass of each day relative to the first; None where growth is relative."""
        model = self._run.model
        if model.options.population is None:
            return None
        return dict(zip(model.snapshots.labels, model.snapshots.masses, strict=True))


def describe_run(run: StoredRun, *, data: Path | str | None = None) -> InfoResult:
    """What went into a run, what was chosen, and how types of cells grow.

    Parameters
    ----------
    run : StoredRun
    data : path, optional
        The data of the run, if they have moved.

    Raises
    ------
    DataError
        If the data are not those of the fit, or were given and are not there.
    """
    try:
        obs = read_obs(run.data(data))
        run.check_cells(obs)
        return describe_with(run, obs, left=left_out(run, obs))
    except DataError as error:
        if data is not None:
            raise
        note = f"{error.message} Growth by cell type is not available. {error.hint}"
        return InfoResult(run.path, None, (), "", (note,), run)


def describe_with(
    run: StoredRun,
    obs: pd.DataFrame,
    found: GrowthRange | None = None,
    left: LeftOut | None = None,
) -> InfoResult:
    """As `describe_run`, with the annotation of the cells and what a fit has computed already."""
    types, growth = growth_of_types(run.model, obs, found)
    over = ""
    if types is not None and growth:
        growth = tuple(growth_over_replicates(run.model, growth, types, left))
        over = says_over(growth, left)
    return InfoResult(run.path, types, growth, over, (), run)


def growth_of_types(
    model: Model, obs: pd.DataFrame, found: GrowthRange | None = None
) -> tuple[pd.Series[Any] | None, tuple[dict[str, Any], ...]]:
    """The types of all cells, and how each type grows; as for `report.findings.growth_by_type`."""
    types = resolve_types(obs, model.snapshots.codes)
    if types is None:
        return types, ()
    return types, tuple(growth_by_type(model, types, found))
