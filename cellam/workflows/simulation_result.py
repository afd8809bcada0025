"""The result of a simulation: the cells that were followed, and what they have become."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellam.analysis.composition import present
from cellam.analysis.uncertainty import Followed
from cellam.checks.caveat import Caveat
from cellam.days.time_labels import named
from cellam.display import enumerated
from cellam.export.h5ad import to_anndata, write_simulation
from cellam.modelling.families import Families, Moved
from cellam.modelling.model import Model
from cellam.modelling.outside import Outside
from cellam.modelling.simulated import Simulation
from cellam.result import Result

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, repr=False)
class SimulationResult(Result):
    """Simulated cells, and what they have become.

    Parameters
    ----------
    run : pathlib.Path
    start : str
        Label of the day or time that they start from.
    new : str or None
        File or object of the new cells that start; None where they are those of the data.
    simulation : Simulation
        Positions and weights.
    families : Families or None
        Cells that divide and die; None where each is followed with a weight. `composition` and
        `cells` are then theirs.
    followed : Followed or None
        How sure they are; None without an ensemble.
    types : pandas.Series or None
        Cell type of every cell of the data, or of all new cells; None where none is known.
    composition : pandas.DataFrame
        Mass and shares of types on every observed day; see `analysis.composition`.
    cells : pandas.DataFrame
        A row for each cell and saved time: cellam_time, origin, trajectory, weight, remoteness,
        off_manifold, and with an ensemble their uncertainty; of families also cell, parent,
        generation, born, ended and ending.
    outside : tuple of Outside
        How many of them lie outside the observed data at every saved time, beside how many
        observed cells do.
    tree : pandas.DataFrame or None
        Every cell of the families, whether it lives at a saved time or not: `uns["cellam_tree"]`.
    written : pathlib.Path or None
        File of the cells, if one was asked for.
    over : str
        What the intervals of shares over replicates are over; empty where there are none.
    notes : tuple of str
        What could not be found, and what was assumed.
    caveats : tuple of Caveat or None
        Reasons to doubt the fit, and times beyond its days; None where they were not looked for.
    """

    run: Path
    start: str
    new: str | None
    simulation: Simulation
    families: Families | None
    followed: Followed | None
    types: pd.Series[Any] | None
    composition: pd.DataFrame
    cells: pd.DataFrame
    outside: tuple[Outside, ...]
    tree: pd.DataFrame | None
    written: Path | None
    over: str
    notes: tuple[str, ...]
    caveats: tuple[Caveat, ...] | None
    _model: Model = field(compare=False)
    _names: tuple[str, ...]
    _genes: tuple[str, ...]
    _record: dict[str, str]

    @property
    def facts(self) -> dict[str, str]:
        """From where, to when, how many, and their mass at the end."""
        return {
            "from": self.who,
            **self._moved.facts,
            "types": enumerated(present(self.composition)) or "unknown",
            "written": str(self.written or "nowhere"),
        }

    @property
    def who(self) -> str:
        """Which cells were followed, in words."""
        return named(self.start) if self.new is None else f"{self.new} at {named(self.start)}"

    def to_frame(self) -> pd.DataFrame:
        """A row for each cell and saved time: `obs` of the file."""
        return self.cells

    def to_anndata(self) -> AnnData:
        """The simulated cells as the command writes them, decoded genes in `X`."""
        names, genes = list(self._names), list(self._genes)
        adata = to_anndata(self._model, self._moved, names, genes, self.followed, self.cells)
        adata.uns.update(self._uns)
        return adata

    def write(self, path: Path | str) -> None:
        """Write what `to_anndata` returns to an .h5ad, expression a part at a time.

        Raises
        ------
        OutputError
            If it cannot be written; what was there is then as it was.
        """
        write_simulation(
            Path(path),
            self._model,
            self._moved,
            list(self._genes),
            self.followed,
            self.cells,
            self._uns,
        )

    def to_dict(self) -> dict[str, Any]:
        """Masses and shares on every observed day, and how many cells lie outside the data."""
        times = self.simulation.times
        low, high = self.followed.mass.interval() if self.followed else (None, None)
        away = {each.time: each for each in self.outside}
        days = []
        for row in self.composition.to_dict("records"):
            far = away[row["time"]]
            day = {
                **row,
                "off_manifold": far.share,
                "off_manifold_by_weight": far.weight,
                "off_manifold_observed": far.observed,
            }
            if low is not None and high is not None:
                k = int(np.flatnonzero(times == row["time"])[0])
                day["mass_interval"] = [float(low[k]), float(high[k])]
            days.append(day)
        return {
            "run": str(self.run),
            "from": self.start,
            "new_cells": self.new,
            "cells": len(self.simulation.rows),
            "discrete": None if self.families is None else _numbers(self.families),
            "times": [float(t) for t in times],
            "stops": list(self.simulation.stops),
            "types": str(self.types.name) if self.types is not None else None,
            "over": self.over or None,
            "days": days,
            "notes": list(self.notes),
            "caveats": None if self.caveats is None else [vars(c) for c in self.caveats],
            "written": str(self.written) if self.written else None,
        }

    @property
    def _moved(self) -> Moved:
        return self.simulation if self.families is None else self.families

    @property
    def _uns(self) -> dict[str, Any]:
        return {"cellam": self._record} | ({} if self.tree is None else {"cellam_tree": self.tree})


def _numbers(families: Families) -> dict[str, Any]:
    """How many cells live at each saved time, were to be expected, divided and died."""
    return {
        "cells": families.counts.tolist(),
        "expected": families.expected.tolist(),
        "families": families.surviving.tolist(),
        "divisions": families.divisions,
        "deaths": families.deaths,
    }
