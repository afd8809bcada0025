"""Jacobian: which genes raise and lower each other along the fitted motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cellam.analysis.jacobian import Jacobian, find_genes, jacobian
from cellam.display import enumerated
from cellam.export.files import check_csv, write_csv
from cellam.reading.cells import read_obs
from cellam.reading.queries import Query
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.workflows.chosen import check_any, chosen_cells
from cellam.workflows.given import Days

CLEAR = 0.75  # of the cells with the sign of the mean
WARNING = (
    "The velocity is the gradient of one function, so the effect of a gene on another equals that "
    "of the other on it: this cannot tell a regulator from its target, nor either from genes that "
    "a third one moves. Correlation along the motion is not regulation."
)


@dataclass(frozen=True, repr=False)
class JacobianResult(Result):
    """How the velocities of genes change with each other's expression.

    Parameters
    ----------
    run : pathlib.Path
    cells : int
        Cells that were asked for.
    days : tuple of str
        Labels of their days.
    jacobian : Jacobian
        Effects of all pairs, per unit of the user's time.
    written : pathlib.Path or None
        File of the table, if one was asked for.
    """

    run: Path
    cells: int
    days: tuple[str, ...]
    jacobian: Jacobian
    written: Path | None

    @property
    def facts(self) -> dict[str, str]:
        """Genes, cells, and the pair with the largest effect."""
        first = self.to_frame().iloc[0]
        return {
            "genes": enumerated(list(self.jacobian.genes)),
            "cells": f"{self.cells:,} of {enumerated(list(self.days))}",
            "largest": f"{first['gene']} and {first['other']} {first['effect']:+.3g}",
        }

    @property
    def unclear(self) -> bool:
        """Whether none of the effects has the same sign in three quarters of the cells."""
        return bool((self.jacobian.same < CLEAR).all())

    def to_frame(self) -> pd.DataFrame:
        """A row for each pair; see `analysis.jacobian.Jacobian.table`."""
        return self.jacobian.table()

    def to_dict(self) -> dict[str, Any]:
        """All pairs, and what must be known to read them."""
        rows = self.to_frame().to_dict("records")
        pairs = [{str(k): v for k, v in row.items()} for row in rows]
        members = 0 if self.jacobian.spread is None else self.jacobian.spread.members
        return {
            "run": str(self.run),
            "cells": self.cells,
            "drawn": self.jacobian.cells,
            "days": list(self.days),
            "members": members,
            "pairs": pairs,
            "warning": WARNING,
        }


def find_jacobian(
    run: StoredRun,
    genes: Sequence[str] | str,
    *,
    day: Days = (),
    from_cells: Query | None = None,
    csv: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
) -> JacobianResult:
    """How the velocities of genes change with each other's expression.

    Parameters
    ----------
    run : StoredRun
    genes : str or several
        Genes of the fit, 50 at most.
    day : day or several
        Only cells of these days.
    from_cells : str or (n,) bool array, optional
        Only cells that fit a query on `obs`, or are marked.
    csv : path, optional
        File for the table of all pairs.
    overwrite : bool
        Whether `csv` may be replaced.
    data : path, optional
        The data of the run, if they have moved.

    Raises
    ------
    ConfigError
        For genes, days or cells that do not fit together, or a fit that has no genes.
    DataError
        If the data are not those of the fit.
    OutputError
        If the file is there, or cannot be written.
    """
    model = run.model
    path = Path(csv) if csv is not None else None
    source = run.data(data)
    check_csv(path, overwrite, source)
    names = find_genes(model, [genes] if isinstance(genes, str) else genes)
    obs = read_obs(source)
    run.check_cells(obs)
    keep = chosen_cells(model, obs, day, from_cells)
    check_any(keep)
    found = jacobian(model, names, keep)
    days = model.snapshots
    labels = tuple(
        label for label, rows in zip(days.labels, days.rows, strict=True) if keep[rows].any()
    )
    result = JacobianResult(run.path, int(keep.sum()), labels, found, path)
    if path is not None:
        write_csv(result.to_frame(), path)
    return result
