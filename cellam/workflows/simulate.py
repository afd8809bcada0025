"""Simulate: follow the cells of one day, and say what they have become."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellam.analysis.composition import composition
from cellam.analysis.growth_range import has_range
from cellam.analysis.uncertainty import Followed, follow
from cellam.checks.caveat import Caveat
from cellam.checks.score_caveats import beyond_last
from cellam.days.time_labels import named
from cellam.display import enumerated
from cellam.errors import ConfigError
from cellam.export.files import check_file
from cellam.export.h5ad import cell_table, genes_of, to_anndata, tree_table, write_simulation
from cellam.files.memory import show_bytes
from cellam.modelling.cohort import Cohort
from cellam.modelling.course import Course
from cellam.modelling.families import Families, Moved
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation
from cellam.reading.queries import Query
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
    tree : pandas.DataFrame or None
        Every cell of the families, whether it lives at a saved time or not: `uns["cellam_tree"]`.
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
    families: Families | None
    followed: Followed | None
    types: pd.Series[Any] | None
    composition: pd.DataFrame
    cells: pd.DataFrame
    tree: pd.DataFrame | None
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
            **self._moved.facts,
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
        away = self.cells.groupby("cellam_time")["off_manifold"].mean()
        days = []
        for row in self.composition.to_dict("records"):
            day = {**row, "off_manifold": float(away.get(row["time"], 0.0))}
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
            "types": str(self.types.name) if self.types is not None else None,
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

    def _types(self) -> list[str]:
        known = self.composition.get("simulated", pd.Series(dtype=object))
        return list(dict.fromkeys(name for shares in known for name in shares))


def _numbers(families: Families) -> dict[str, Any]:
    """How many cells live at each saved time, were to be expected, divided and died."""
    return {
        "cells": families.counts.tolist(),
        "expected": families.expected.tolist(),
        "families": families.surviving.tolist(),
        "divisions": families.divisions,
        "deaths": families.deaths,
    }


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
    discrete: bool = False,
    turnover: float | None = None,
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
    discrete : bool
        Cells divide and die at random, instead of carrying a weight; as `Model.branch`.
    turnover : float, optional
        As for `Model.branch`: rate added to divisions and to deaths. 0 without it.
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
    if turnover is not None and not discrete:
        raise ConfigError(
            "`turnover` is the rate of divisions and deaths, and cells carry weights.",
            "Add `discrete=True`.",
        )
    asked = genes if isinstance(genes, str | None) else ",".join(genes) or "none"
    named_genes = genes_of(model, asked) if asked else []
    needed = data is not None or (from_cells is not None and cells is None)
    known = Annotation.of(run, data, needed=needed)
    if out is not None:
        for source in (known.source, file_of(cells)):
            check_file(Path(out), "out", [".h5ad"], overwrite=overwrite, data=source)
    begin = starters(run, cells, at, known.obs, new_batch=new_batch)
    course = Course(to, backward, None, n_cells, save_every, extrapolate, seed)
    cohort = begin.among(begin.one(start), from_cells)
    families, followed, tree = None, None, None
    if discrete:
        families = model.families(cohort, course, turnover or 0.0)
        simulation = families.weighted
    elif model.ensemble:
        followed = follow(model, lambda member: member.trajectories(cohort, course))
        simulation = followed.simulation
    else:
        simulation = model.trajectories(cohort, course)
    moved: Moved = simulation if families is None else families
    usual, left_away = _usual_genes(model, moved)
    decoded = named_genes if asked else genes_of(model, usual)
    path = Path(out) if out is not None else None
    if path is None and keep:
        settings: dict[str, object] = {
            "cells": _which(from_cells, moved),
            "n_cells": n_cells,
            "save_every": save_every,
            "genes": asked if asked != usual else None,
            "extrapolate": extrapolate or None,
            "seed": seed or None,
            "turnover": (turnover or 0.0) if discrete else None,
            "new": None if begin.new is None else begin.new.digest,
        }
        path = run.path / SIMULATIONS / _file_name(cohort.label, moved, settings)
    known_types, names = known.types(model), list(map(str, begin.names))
    more = {"data": str(known.source or ""), "seed": str(seed), "command": command}
    more |= {} if begin.source is None else {"new_cells": begin.source}
    own = begin.types(known_types)
    chosen = from_cells is not None or begin.new is not None
    if families is not None:
        tree = tree_table(families, names)
    result = SimulationResult(
        run.path,
        cohort.label,
        begin.source,
        simulation,
        families,
        followed,
        own,
        composition(model, moved, known_types, own=own, chosen=chosen),
        cell_table(model, moved, names, followed),
        tree,
        path,
        (
            *known.notes,
            *begin.notes,
            *begin.assigned(known_types),
            *_drawn_again(cohort, n_cells),
            *(() if asked else left_away),
            *(() if families is None else _of_families(model)),
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


def _drawn_again(cohort: Cohort, n_cells: int | None) -> tuple[str, ...]:
    """What it means to follow more cells than there are."""
    if n_cells is None or n_cells <= len(cohort):
        return ()
    return (
        f"{n_cells:,} cells are drawn from the {len(cohort):,} of {named(cohort.label)}, with "
        "replacement: copies of a cell say nothing more (intervals count each cell once), unless "
        "noise or chance sets them apart.",
    )


def _of_families(model: Model) -> tuple[str, ...]:
    """What divisions and deaths rest on that the days do not tell."""
    said = [
        "The days tell the growth rate, not its parts: cells divide at the rate max(growth, 0) and "
        "die at max(-growth, 0), the least turnover that explains it (`turnover` adds to both)."
    ]
    if model.options.population is None:
        said.append(
            "Growth is relative to the average cell, as no population sizes were given: divisions "
            "and deaths that all cells share are left out."
        )
    if has_range(model):
        said.append(
            "The days leave growth open within a range (`cellam info`). Cells divide and die at "
            "the growth rate of the fit itself, as the weights have it."
        )
    if not model.fit.objective.sigma > 0:
        said.append(
            "The fit has no noise: all descendants of a cell stay together until the end (with "
            "`method='ueam'` each would move by chance)."
        )
    if model.ensemble:
        said.append(
            "Cells follow the fit alone, not its ensemble: for intervals, simulate without "
            "`discrete`."
        )
    return tuple(said)


def _usual_genes(model: Model, moved: Moved) -> tuple[str, tuple[str, ...]]:
    """The genes that are decoded unless the user says so, and a note where they are too many."""
    if model.space.rep:
        return "none", ()
    rows = len(moved.when)
    size = 4 * rows * len(model.space.genes)
    if size <= MOST_DECODED:
        return "all", ()
    return "none", (
        f"No expression is computed: that of {len(model.space.genes):,} genes in {rows:,} rows "
        f"would take {show_bytes(size)}. To get it, add `genes='all'`, or name genes: "
        f"`genes={','.join(model.space.genes[:2])!r}`.",
    )


def _doubts(run: StoredRun, moved: Moved) -> tuple[Caveat, ...] | None:
    """Reasons to doubt the fit, and what lies beyond its last day."""
    known, days = run.caveats(), run.model.training
    if moved.times.max() <= days.times[-1]:
        return known
    return (beyond_last(run.evaluation(days.labels[-1]), days.labels[-1]), *(known or ()))


def _which(query: Query | None, moved: Moved) -> object:
    """A query, as it tells one file from another: None for all cells."""
    return query if isinstance(query, str | None) else tuple(moved.rows.tolist())


def _file_name(label: str, moved: Moved, settings: dict[str, object]) -> str:
    """A legal name of a file: the same call replaces its file, another one has a name of its own.

    `settings` are None where they are as usual.
    """
    plain = "".join(c if c.isalnum() or c in ".-" else "_" for c in label)[:100]
    name = f"{plain}_to_{moved.times[-1]:.10g}"
    special = {key: value for key, value in settings.items() if value is not None}
    if special:
        name += f"_{sha256(repr(special).encode(errors='backslashreplace'))[:8]}"
    return f"{name}.h5ad"
