"""The result of following fates: probabilities of cells, and what types become together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.fates import Fates
from cellam.analysis.states import FoundStates
from cellam.analysis.terminal import Terminal
from cellam.checks.caveat import Caveat
from cellam.display import enumerated
from cellam.evaluation.calibration import Calibration
from cellam.result import Result


@dataclass(frozen=True, repr=False)
class FatesResult(Result):
    """Probabilities of the terminal states, for the cells of several days.

    Parameters
    ----------
    run : pathlib.Path
    terminal : Terminal
        Where the states were read.
    ancestors : bool
        Whether cells were followed backward.
    members : int
        Size of the ensemble.
    days : tuple of Fates
        One for each day that was followed.
    flows : tuple of pandas.DataFrame
        Of each day, the mass from types to states; empty for ancestors.
    types : pandas.Series
        State of every cell of the data, or of all new cells.
    names : pandas.Index
        Names of all cells of the data, or of all new cells.
    recognised : dict of str to float
        Share of the observed cells of each state that their neighbours assign to it; see
        `analysis.assignment.Reference.recognised`.
    mixed_up : dict of str to float
        Those of them that are too few to trust; not of the rare.
    rare : tuple of str
        Those of which fewer than ten cells were observed, too few to say how well.
    calibration : Calibration or None
        What clones say of single fates; None where no clones were given.
    caveats : tuple of Caveat or None
        Reasons to doubt the fit and its terminal states; None where they were not looked for.
    written : pathlib.Path or None
        File of the table, if one was asked for.
    rows : tuple of list of dict
        Of each day, what the cells of each type become together, and those of all types last; see
        `analysis.over_replicates.fates_over_replicates`.
    over : str
        What the intervals of these over replicates are over; empty where there are none.
    new : str or None
        File or object of the new cells whose fates these are; None for those of the data.
    outside : tuple of (n,) bool arrays
        Of new cells of each day, which lie outside the observed data; empty for those of the data.
    notes : tuple of str
        What was assumed of new cells, and where cells go on as observed ones.
    found : FoundStates or None
        The states, where they were found among the cells of the terminal day; None where they are
        those of a column of `obs`.
    markers : dict of str to tuple of str
        Genes that are highest in each of these states, against the other cells of the day; empty
        without genes.
    states_written : pathlib.Path or None
        File of the states of the cells of the terminal day, where they were found.
    """

    run: Path
    terminal: Terminal
    ancestors: bool
    members: int
    days: tuple[Fates, ...]
    flows: tuple[pd.DataFrame, ...]
    types: pd.Series[Any]
    names: pd.Index[Any]
    recognised: dict[str, float]
    mixed_up: dict[str, float]
    rare: tuple[str, ...]
    calibration: Calibration | None
    caveats: tuple[Caveat, ...] | None
    written: Path | None
    rows: tuple[list[dict[str, Any]], ...]
    over: str
    new: str | None = None
    outside: tuple[NDArray[np.bool_], ...] = ()
    notes: tuple[str, ...] = ()
    found: FoundStates | None = None
    markers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    states_written: Path | None = None

    @property
    def where(self) -> str:
        """Where the states are from: "obs['cell_type']", or that they were found."""
        return f"obs[{self.terminal.key!r}]" if self.found is None else "found"

    @property
    def facts(self) -> dict[str, str]:
        """States, days and numbers of cells."""
        return {
            "states": enumerated(list(self.days[0].states)),
            "of": f"{self.where} on {self.terminal.label}",
            "days": enumerated([f"{f.start} ({len(f.rows):,} cells)" for f in self.days]),
            "direction": "backward, to ancestors" if self.ancestors else "forward",
            "ensemble": str(self.members or "none"),
        }

    @property
    def few(self) -> bool:
        """Whether a type of one of the days has fewer than ten cells."""
        return any(row["few"] for rows in self.rows for row in rows[:-1])

    def to_frame(self) -> pd.DataFrame:
        """A row for each cell: its name, day, type, mass, entropy and probabilities.

        New cells also have off_manifold: whether they lie outside the observed data.
        """
        tables = [f.table(self.names, self.types) for f in self.days]
        for table, far in zip(tables, self.outside, strict=False):
            table["off_manifold"] = far
        return pd.concat(tables, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """What the cells of each day and type become together, and the flow of mass."""
        days: list[dict[str, Any]] = []
        for k, f in enumerate(self.days):
            day = {
                "day": f.start,
                "cells": len(f.rows),
                "states": list(f.states),
                "types": self.rows[k][:-1],
                "all": {key: v for key, v in self.rows[k][-1].items() if key != "type"},
            }
            if (observed := f.observed) is not None:
                ends = zip(f.states, *(each.tolist() for each in observed), strict=True)
                day["observed"] = {state: list(each) for state, *each in ends}
            days.append(day | ({"flow": self.flows[k].to_dict("records")} if self.flows else {}))
        return {
            "run": str(self.run),
            "terminal": {
                "day": self.terminal.label,
                "column": self.terminal.key if self.found is None else None,
            },
            "found": self._found(),
            "ancestors": self.ancestors,
            "new_cells": self.new,
            "members": self.members,
            "over": self.over or None,
            "days": days,
            "recognised": self.recognised,
            "calibration": self._calibration(),
            "notes": list(self.notes),
            "caveats": None if self.caveats is None else [vars(c) for c in self.caveats],
            "written": str(self.written) if self.written else None,
        }

    def _found(self) -> dict[str, Any] | None:
        found = self.found
        if found is None:
            return None
        states = zip(found.names, found.sizes, found.again.tolist(), strict=True)
        return {
            "agreement": float(found.agreement.mean()),
            "least": float(found.agreement.min()),
            "most": float(found.agreement.max()),
            "states": [
                {
                    "state": name,
                    "cells": n,
                    "found_again": again,
                    "markers": list(self.markers.get(name, ())),
                }
                for name, n, again in states
            ],
            "halves": len(found.agreement),
            "halves_without": found.clouds,
            "written": str(self.states_written) if self.states_written else None,
        }

    def _calibration(self) -> dict[str, Any] | None:
        found = self.calibration
        if found is None:
            return None
        return asdict(found) | {"used": found.helps, "says": found.says}
