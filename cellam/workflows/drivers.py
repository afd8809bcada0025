"""Drivers: genes that go with growth, speed or a fate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.division import Division, compare_division
from cellam.analysis.drivers import FATE, Quantity, check_quantity, drivers, measure
from cellam.analysis.leads import leads, likeness
from cellam.analysis.regulators import Regulators, regulators
from cellam.checks.caveat import Caveat
from cellam.checks.day_caveats import lacks_states
from cellam.checks.range_caveats import open_fate, open_growth
from cellam.days.time_labels import named
from cellam.display import enumerated
from cellam.export.files import check_csv, write_csv
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import read_obs
from cellam.reading.factors import read_factors
from cellam.reading.queries import Query
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.workflows.chosen import check_any, chosen_cells
from cellam.workflows.given import Days

TOP = 10
OF_FACTORS = ["before", "after", "lead", "above", "lead_p_value", "lead_q_value"]


@dataclass(frozen=True, repr=False)
class DriversResult(Result):
    """Genes, and how they go with a quantity within days.

    Parameters
    ----------
    run : pathlib.Path
    of : str
        "growth", "speed" or "fate:TYPE".
    cells : int
        Cells that count.
    days : tuple of str
        Labels of their days.
    table : pandas.DataFrame
        A row for each gene; see `analysis.drivers.drivers`. With transcription factors also before,
        after and lead (see `analysis.leads`), and for each factor above, lead_p_value and
        lead_q_value.
    top : int
        Genes of each sign in the JSON and in print, and factors.
    division : Division or None
        How growth goes with the genes of division, if `of` is growth.
    regulators : Regulators or None
        Transcription factors that lead, if they were asked for.
    written : pathlib.Path or None
        File of the table, if one was asked for.
    caveats : tuple of Caveat
        States that the day lacks on which the fate is read (see `cellam fates`), and growth or a
        fate that the days leave open.
    """

    run: Path
    of: str
    cells: int
    days: tuple[str, ...]
    table: pd.DataFrame
    top: int
    division: Division | None
    regulators: Regulators | None
    written: Path | None
    caveats: tuple[Caveat, ...] = ()

    @property
    def facts(self) -> dict[str, str]:
        """Quantity, cells, and the strongest genes of both signs."""
        more, less = (list(part["gene"].head(3)) for part in self.strongest)
        facts = {
            "of": self.of,
            "cells": f"{self.cells:,} of {enumerated(list(self.days))}",
            "genes": f"{len(self.table):,}",
            "with more": ", ".join(more) or "none",
            "with less": ", ".join(less) or "none",
        }
        if self.regulators is not None:
            facts["leading"] = self.regulators.says
        return facts

    @property
    def strongest(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """At most `top` genes of each sign, the strongest first."""
        r = self.table["correlation"]
        return self.table[r > 0].head(self.top), self.table[r < 0].iloc[::-1].head(self.top)

    def to_frame(self) -> pd.DataFrame:
        """A row for each gene, the highest correlation first."""
        return self.table

    def to_dict(self) -> dict[str, Any]:
        """The strongest genes of both signs."""
        return {
            "of": self.of,
            "run": str(self.run),
            "cells": self.cells,
            "days": list(self.days),
            "genes": len(self.table),
            "drivers": self._drivers(),
            "regulators": self._regulators(),
            "caveats": [vars(caveat) for caveat in self.caveats],
        }

    def _drivers(self) -> list[dict[str, Any]]:
        rows = pd.concat(self.strongest)
        if self.regulators is not None:
            rows = rows.drop(columns=OF_FACTORS)
        return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]

    def _regulators(self) -> dict[str, Any] | None:
        found = self.regulators
        if found is None:
            return None
        more = {
            "factors": len(found.table),
            "leading": found.leading,
            "notes": list(found.notes),
        }
        rows = found.table.head(self.top).to_dict("records")
        return asdict(found) | more | {"table": rows}


def find_drivers(
    run: StoredRun,
    of: str,
    *,
    top: int = TOP,
    day: Days = (),
    from_cells: Query | None = None,
    groupby: str | None = None,
    tf: str | Path | Iterable[str] | None = None,
    seed: int = 0,
    csv: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
) -> DriversResult:
    """Genes that go with growth, speed or a fate, within days.

    Parameters
    ----------
    run : StoredRun
    of : str
        "growth", "speed" or "fate:TYPE".
    top : int
        Genes of each sign in the JSON.
    day : day or several
        Only cells of these days.
    from_cells : str or (n,) bool array, optional
        Only cells that fit a query on `obs`, or are marked.
    groupby : str, optional
        Column of `obs` with the cell types; found by its name without it.
    tf : str, path or several str, optional
        Also rank transcription factors by how much their expression comes before growth, speed or
        the looks of a fate: those of "human" or "mouse" (needs the extra `factors`), of a text file
        with one name a line, or of a list. See `analysis.regulators` for what that means.
    seed : int
        For noise, where the fit has it.
    csv : path, optional
        File for the table of all genes.
    overwrite : bool
        Whether `csv` may be replaced.
    data : path, optional
        The data of the run, if they have moved.

    Raises
    ------
    ConfigError
        For a quantity, days, columns or cells that do not fit together, or a list of factors that
        cannot be read.
    DataError
        If the data are not those of the fit, too few cells are left, or too few genes to compare
        factors with.
    OutputError
        If the file is there, or cannot be written.
    """
    model = run.model
    path = Path(csv) if csv is not None else None
    source = run.data(data)
    check_csv(path, overwrite, source)
    obs = read_obs(source)
    run.check_cells(obs)
    types = resolve_types(obs, model.snapshots.codes, groupby)
    check_quantity(model, of, types)
    factors = read_factors(tf) if tf is not None else None
    chosen = chosen_cells(model, obs, day, from_cells)
    cells = run.read_expression(source)
    measured = measure(model, of, types, seed=seed)
    y, keep = measured.values, measured.meant & chosen
    check_any(keep, ": fates are defined only before the last day" * of.startswith(FATE))
    labels = cells.timeline.labels
    used = tuple(label for k, label in enumerate(labels) if (cells.codes[keep] == k).any())
    frame, found = drivers(cells, y, keep), None
    if factors is not None:
        if of.startswith(FATE):
            assert types is not None
            y = likeness(model, types, of.removeprefix(FATE))
        lags = leads(model, cells, y, keep, seed=seed)
        found = regulators(frame, lags.table, factors, cells=int(keep.sum()), gaps=lags.gaps)
        frame = found.with_all(frame, lags.table)
    if path is not None:
        write_csv(frame, path)
    division = compare_division(model, cells) if of == "growth" else None
    doubts: tuple[Caveat, ...] = ()
    if of.startswith(FATE) and types is not None:  # cells of a state it lacks have other fates
        last = model.training.labels[-1]  # drivers of no other day can be asked for
        advice = f"Fit again without {named(last)} (`exclude={last!r}`)."
        doubts = tuple(replace(c, advice=advice) for c in lacks_states(model, types, last))
    doubts = (*doubts, *_open(measured, keep))
    return DriversResult(
        run.path, of, int(keep.sum()), used, frame, top, division, found, path, doubts
    )


def _open(measured: Quantity, keep: NDArray[np.bool_]) -> Iterator[Caveat]:
    """A caveat where other explanations of the days would rank other genes."""
    ends = measured.ends()
    if ends is None:
        return
    low, high = (end[keep] for end in ends)
    if measured.of == "growth":
        yield from open_growth(low, high)
    else:
        name = measured.of.removeprefix(FATE)
        yield from open_fate(name, measured.values[keep], low, high)
