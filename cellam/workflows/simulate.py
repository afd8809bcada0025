"""Simulate: follow the cells of one day, and say what they have become."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cellam.analysis.composition import composition
from cellam.analysis.over_replicates import composition_over_replicates
from cellam.analysis.uncertainty import Followed, follow
from cellam.checks.caveat import Caveat
from cellam.checks.family_caveats import family_caveats
from cellam.checks.outside_caveats import OFF_DATA, outside_caveat
from cellam.checks.score_caveats import beyond_last
from cellam.days.time_labels import named
from cellam.errors import ConfigError, DataError
from cellam.export.files import check_file
from cellam.export.h5ad import cell_table, genes_of, tree_table
from cellam.files.memory import show_bytes
from cellam.modelling.cohort import Cohort, day_cohort
from cellam.modelling.course import Course
from cellam.modelling.families import Families, Moved
from cellam.modelling.model import Model
from cellam.modelling.outside import Outside, outside, worst
from cellam.modelling.simulated import Simulation
from cellam.reading.queries import Query
from cellam.runs.claims import SIMULATIONS
from cellam.runs.run import StoredRun
from cellam.runs.samples import left_out
from cellam.storage import as_text, sha256
from cellam.workflows.annotation import Annotation
from cellam.workflows.given import Day, Names
from cellam.workflows.simulation_result import SimulationResult
from cellam.workflows.starters import NewCells, file_of, starters

MOST_DECODED = 1_000_000_000  # bytes of expression that are computed without being asked for


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
        Insist on random trajectories: an error for a fit without noise. One with noise makes them
        without this, too.
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
    _check(model, stochastic=stochastic, discrete=discrete, turnover=turnover)
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
    families = model.families(cohort, course, turnover or 0.0) if discrete else None
    followed = None if discrete else _followed(model, cohort, course)
    if families is not None:
        simulation = families.weighted
    else:
        simulation = followed.simulation if followed else model.trajectories(cohort, course)
    moved: Moved = families or simulation
    usual, left_away = _usual_genes(model, moved)
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
    types, names = known.types(model), list(map(str, begin.names))
    more = {"data": str(known.source or ""), "seed": str(seed), "command": command}
    more |= {} if begin.source is None else {"new_cells": begin.source}
    more["stops"] = json.dumps(simulation.stops)
    own = begin.types(types)
    chosen = from_cells is not None or begin.new is not None
    frame = composition(model, moved, types, own=own, chosen=chosen)
    over, lacking = "", ""
    if families is None and not chosen:
        frame, over, lacking = _over_replicates(run, known, frame, cohort, course)
    table = cell_table(model, moved, names, followed)
    far = outside(model.training, model.support, moved, table["off_manifold"].to_numpy(dtype=bool))
    who = f"{len(moved.rows):,} cells of {named(cohort.label)}"
    result = SimulationResult(
        run=run.path,
        start=cohort.label,
        new=begin.source,
        simulation=simulation,
        families=families,
        followed=followed,
        types=own,
        composition=frame,
        cells=table,
        outside=far,
        tree=None if families is None else tree_table(families, names),
        written=path,
        over=over,
        notes=(
            *known.notes,
            *begin.notes,
            *begin.assigned(types),
            *_backward(cohort, moved),
            *model.stages.says(moved.times[:1], moved.times[-1], drawn=True),
            *_drawn_again(cohort, n_cells),
            *(() if asked else left_away),
            *([lacking] if lacking else []),
        ),
        caveats=_doubts(run, moved, far, who),
        _model=model,
        _names=tuple(names),
        _genes=tuple(named_genes if asked else genes_of(model, usual)),
        _record=as_text({**run.record(), **more}),
    )
    if path is not None:
        result.write(path)
    return result


def _check(model: Model, *, stochastic: bool, discrete: bool, turnover: float | None) -> None:
    """Refuse options that this fit, or the others, do not allow."""
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


def _followed(model: Model, cohort: Cohort, course: Course) -> Followed | None:
    """The cells by every member of the ensemble; None without one."""
    if not model.ensemble:
        return None
    return follow(model, lambda member: member.trajectories(cohort, course))


def _drawn_again(cohort: Cohort, n_cells: int | None) -> tuple[str, ...]:
    """What it means to follow more cells than there are."""
    if n_cells is None or n_cells <= len(cohort):
        return ()
    return (
        f"`n_cells={n_cells}` is more than the {len(cohort):,} cells of {named(cohort.label)}, so "
        "some are followed several times. Copies of a cell go the same way and tell nothing more "
        "(intervals count each cell once), unless the fit has noise, they divide and die "
        "(`discrete`), or they go on as observed cells on the way.",
    )


def _backward(cohort: Cohort, moved: Moved) -> tuple[str, ...]:
    """What the cells and their weights are where time runs backward."""
    if moved.times[-1] > moved.times[0]:
        return ()
    day = named(cohort.label)
    return (
        f"Time runs backward, from {moved.times[0]:g} to {moved.times[-1]:g}: these cells are the "
        f"ancestors of those of {day}. A weight is the number of ancestors for each cell of "
        f"{day}: below 1 where they have divided since. Cells that died before {day} are not "
        "among them, so shares of types need not be those observed.",
    )


def _over_replicates(
    run: StoredRun, known: Annotation, frame: pd.DataFrame, cohort: Cohort, course: Course
) -> tuple[pd.DataFrame, str, str]:
    """A composition with intervals over replicates, what they are over, and why there are none."""
    types, rest = known.types(run.model), replace(course, n_cells=None, save_every=None)
    if types is None or known.obs is None:
        return frame, "", ""
    try:
        left = left_out(run, known.obs)
    except DataError as error:  # the column of the fit was changed since
        note = f"{error.message} There are no intervals over replicates. {error.hint}"
        return frame, "", note

    def follow(m: Model) -> Simulation:
        return m.trajectories(day_cohort(m.timeline, m.snapshots, cohort.label), rest)

    found = composition_over_replicates(frame, types, left, follow)
    if left is None or "simulated_replicates" not in found:
        return frame, "", ""
    return found, left.says, ""


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


def _doubts(
    run: StoredRun, moved: Moved, far: tuple[Outside, ...], who: str
) -> tuple[Caveat, ...] | None:
    """Reasons to doubt the fit, families of cells, and what lies beyond its last day.

    Which cells leave the data is that of the cells followed here, not of those of the fit.
    """
    known, days = run.caveats(), run.model.training
    known = None if known is None else tuple(c for c in known if c.name != OFF_DATA)
    own = list(family_caveats(run.model)) if isinstance(moved, Families) else []
    found = worst(far)
    own.extend(outside_caveat(found, who, named(run.model.timeline.label_at(found.time))))
    if moved.times.max() > days.times[-1]:
        own.append(beyond_last(run.evaluation(days.labels[-1]), days.labels[-1]))
    return (*own, *(known or ())) if own else known


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
