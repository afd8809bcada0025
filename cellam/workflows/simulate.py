"""Simulate: follow the cells of one day, and say what they have become."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellam.analysis.composition import composition
from cellam.analysis.uncertainty import Followed, follow
from cellam.checks.caveat import Caveat
from cellam.checks.score_caveats import beyond_last
from cellam.display import enumerated
from cellam.errors import ConfigError
from cellam.export.files import check_file
from cellam.export.h5ad import cell_table, genes_of, to_anndata, write_simulation
from cellam.modelling.cohort import Cohort
from cellam.modelling.model import Model, Simulation
from cellam.reading.memory import show_bytes
from cellam.reading.queries import Query
from cellam.reading.time_labels import named
from cellam.result import Result
from cellam.runs.claims import SIMULATIONS
from cellam.runs.run import StoredRun
from cellam.storage import as_text, sha256
from cellam.workflows.annotation import Annotation
from cellam.workflows.given import Day, Names
from cellam.workflows.starters import NewCells, file_of, starters

if TYPE_CHECKING:
    from anndata import AnnData


MOST_DECODED = 1_000_000_000  # bytes of expression that are computed without being asked for


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
    followed : Followed or None
        How sure they are; None without an ensemble.
    types : pandas.Series or None
        Cell type of every cell of the data, or of all new cells; None where none is known.
    composition : pandas.DataFrame
        Mass and shares of types on every observed day; see `analysis.composition`.
    cells : pandas.DataFrame
        A row for each cell and saved time: cellam_time, origin, trajectory, weight, remoteness,
        off_manifold, and with an ensemble their uncertainty.
    written : pathlib.Path or None
        File of the cells, if one was asked for.
    notes : tuple of str
        What could not be found.
    caveats : tuple of Caveat or None
        Reasons to doubt the fit, and times beyond its days; None where they were not looked for.
    """

    run: Path
    start: str
    new: str | None
    simulation: Simulation
    followed: Followed | None
    types: pd.Series[Any] | None
    composition: pd.DataFrame
    cells: pd.DataFrame
    written: Path | None
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
            **self.simulation.facts,
            "types": enumerated(self._types()) or "unknown",
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
        adata = to_anndata(
            self._model,
            self.simulation,
            list(self._names),
            list(self._genes),
            self.followed,
            self.cells,
        )
        adata.uns["cellam"] = self._record
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
            self.simulation,
            list(self._genes),
            self.followed,
            self.cells,
            self._record,
        )

    def to_dict(self) -> dict[str, Any]:
        """Masses and shares on every observed day, and how many cells lie outside the data."""
        times = self.simulation.times
        low, high = self.followed.mass.interval() if self.followed else (None, None)
        away = self.cells.groupby("cellam_time")["off_manifold"].mean()
        days = []
        for row in self.composition.to_dict("records"):
            day = {**row, "off_manifold": float(away[row["time"]])}
            if low is not None and high is not None:
                k = int(np.flatnonzero(times == row["time"])[0])
                day["mass_interval"] = [float(low[k]), float(high[k])]
            days.append(day)
        return {
            "run": str(self.run),
            "from": self.start,
            "new_cells": self.new,
            "cells": len(self.simulation.rows),
            "times": [float(t) for t in times],
            "types": str(self.types.name) if self.types is not None else None,
            "days": days,
            "caveats": None if self.caveats is None else [vars(c) for c in self.caveats],
            "written": str(self.written) if self.written else None,
        }

    def _types(self) -> list[str]:
        known = self.composition.get("simulated", pd.Series(dtype=object))
        return list(dict.fromkeys(name for shares in known for name in shares))


def simulate_run(
    run: StoredRun,
    start: Day | None = None,
    *,
    cells: NewCells | None = None,
    at: Day | None = None,
    new_batch: bool = False,
    to: str | float | None = None,
    backward: bool = False,
    from_cells: Query | None = None,
    n_cells: int | None = None,
    stochastic: bool = False,
    save_every: float | None = None,
    genes: Names | None = None,
    extrapolate: bool = False,
    seed: int = 0,
    out: Path | str | None = None,
    keep: bool = False,
    overwrite: bool = False,
    data: Path | str | None = None,
    command: str = "",
) -> SimulationResult:
    """Follow the cells of one day, or new ones, through time.

    Parameters
    ----------
    run : StoredRun
    start : day, optional
        Label or number of the day whose cells are followed; of new cells, only those of that day.
    cells : path, AnnData or Cells, optional
        Follow these cells, that were not in the fit.
    at : day or time, optional
        When the new cells were sampled; without it by the time column of the fit.
    new_batch : bool
        Take new cells of batches that the fit does not know without a shift.
    to, backward, n_cells, save_every, extrapolate, seed
        As for `Model.simulate`.
    from_cells : str or (n,) bool array, optional
        Only cells that fit a query on `obs`, or are marked.
    stochastic : bool
        Insist on noise.
    genes : str or iterable of str, optional
        Genes to decode: "all", "none", or names. Without it all, if the space is our PCA and
        they take at most 1 GB.
    out : path, optional
        File (.h5ad) to write the cells to.
    keep : bool
        Without `out`: write them into the run, as the command does.
    overwrite : bool
        Whether `out` may be replaced.
    data : path, optional
        The data of the run, if they have moved.
    command : str
        What the user typed, for the file.

    Raises
    ------
    ConfigError
        For times, cells, genes or options that do not fit together.
    DataError
        If the data are not those of the fit, or were asked for and are not there.
    OutputError
        If the file is there, or cannot be written.
    """
    model = run.model
    if stochastic and not model.fit.objective.sigma > 0:
        raise ConfigError(
            f"`stochastic`: this run was fitted without noise (method {model.options.method}).",
            "Fit with `method='eam'` or `method='ueam'`.",
        )
    asked = genes if isinstance(genes, str | None) else ",".join(genes) or "none"
    named_genes = genes_of(model, asked) if asked else []
    needed = data is not None or (from_cells is not None and cells is None)
    known = Annotation.of(run, data, needed=needed)
    if out is not None:
        for source in (known.source, file_of(cells)):
            check_file(Path(out), "out", [".h5ad"], overwrite=overwrite, data=source)
    begin = starters(run, cells, at, known.obs, new_batch=new_batch)
    course = _Course(to, backward, n_cells, save_every, extrapolate, seed)
    cohort = begin.among(begin.one(start), from_cells)
    moved, followed = course.run(model, cohort)
    usual, left_away = _usual_genes(model, moved)
    decoded = named_genes if asked else genes_of(model, usual)
    path = Path(out) if out is not None else None
    if path is None and keep:
        # The same call replaces its file, another one has a name of its own.
        query = from_cells if isinstance(from_cells, str | None) else tuple(moved.rows.tolist())
        which = asked or usual
        special: tuple[object, ...] = (query, n_cells, save_every, which, extrapolate, seed)
        plain = special == (None, None, None, usual, False, 0)
        if begin.new is not None:
            special, plain = (*special, begin.new.digest), False
        path = run.path / SIMULATIONS / _file_name(cohort.label, moved, None if plain else special)
    known_types, names = known.types(model), list(map(str, begin.names))
    more = {"data": str(known.source or ""), "seed": str(seed), "command": command}
    more |= {} if begin.source is None else {"new_cells": begin.source}
    own = begin.types(known_types)
    chosen = from_cells is not None or begin.new is not None
    result = SimulationResult(
        run.path,
        cohort.label,
        begin.source,
        moved,
        followed,
        own,
        composition(model, moved, known_types, own=own, chosen=chosen),
        cell_table(model, moved, names, followed),
        path,
        (
            *known.notes,
            *begin.notes,
            *begin.assigned(known_types),
            *(() if asked else left_away),
        ),
        _doubts(run, moved),
        model,
        tuple(names),
        tuple(decoded),
        as_text({**run.record(), **more}),
    )
    if path is not None:
        result.write(path)
    return result


def _usual_genes(model: Model, moved: Simulation) -> tuple[str, tuple[str, ...]]:
    """The genes that are decoded unless the user says so, and a note where they are too many."""
    if model.space.rep:
        return "none", ()
    T, N = moved.log_weights.shape
    size = 4 * T * N * len(model.space.genes)
    if size <= MOST_DECODED:
        return "all", ()
    return "none", (
        f"No expression is computed: that of {len(model.space.genes):,} genes in {T * N:,} rows "
        f"would take {show_bytes(size)}. To get it, add `genes='all'`, or name genes: "
        f"`genes={','.join(model.space.genes[:2])!r}`.",
    )


@dataclass(frozen=True)
class _Course:
    """From where to where cells are followed, and how; see `Model.simulate`."""

    to: str | float | None
    backward: bool
    n_cells: int | None
    save_every: float | None
    extrapolate: bool
    seed: int

    def run(self, model: Model, cohort: Cohort) -> tuple[Simulation, Followed | None]:
        """Follow cells by the model, and by each member of its ensemble if it has one."""

        def move(model: Model) -> Simulation:
            return model.simulate(
                cohort,
                to=self.to,
                backward=self.backward,
                n_cells=self.n_cells,
                save_every=self.save_every,
                extrapolate=self.extrapolate,
                seed=self.seed,
            )

        if not model.ensemble:
            return move(model), None
        followed = follow(model, move)
        return followed.simulation, followed


def _doubts(run: StoredRun, moved: Simulation) -> tuple[Caveat, ...] | None:
    """Reasons to doubt the fit, and what lies beyond its last day."""
    known, days = run.caveats(), run.model.training
    if moved.times.max() <= days.times[-1]:
        return known
    return (beyond_last(run.evaluation(days.labels[-1]), days.labels[-1]), *(known or ()))


def _file_name(label: str, moved: Simulation, special: tuple[object, ...] | None) -> str:
    """A file's name that is legal, and that says what is special about the call."""
    plain = "".join(c if c.isalnum() or c in ".-" else "_" for c in label)[:100]
    name = f"{plain}_to_{moved.times[-1]:.10g}"
    if special is not None:
        name += f"_{sha256(repr(special).encode(errors='backslashreplace'))[:8]}"
    return f"{name}.h5ad"
