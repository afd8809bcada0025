"""Fates: which states the cells of earlier days become, or came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cellam.analysis.assignment import reference_of
from cellam.analysis.descendants import DRAWS
from cellam.analysis.fates import fates_by_day
from cellam.analysis.flows import flow
from cellam.analysis.over_replicates import fates_over_replicates, rows_of, says_over
from cellam.display import enumerated
from cellam.errors import ConfigError, DataError
from cellam.evaluation.calibration import Calibration, calibrate
from cellam.export.files import check_csv, write_csv
from cellam.modelling.cohort import Cohort
from cellam.modelling.model import Model
from cellam.reading.cells import read_obs
from cellam.runs.claims import FATES
from cellam.runs.run import StoredRun
from cellam.runs.samples import left_out
from cellam.storage import sha256
from cellam.workflows.clone_column import clone_column
from cellam.workflows.days import start_days
from cellam.workflows.fates_result import FatesResult
from cellam.workflows.given import Day, Days
from cellam.workflows.starters import NewCells, Starters, file_of, starters
from cellam.workflows.terminal_states import TerminalStates, doubts, markers, terminal_states


def predict_run_fates(
    run: StoredRun,
    start: Days | None = None,
    *,
    cells: NewCells | None = None,
    at: Day | None = None,
    new_batch: bool = False,
    terminal: Day | None = None,
    find_states: bool = False,
    ancestors: bool = False,
    clones: str | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    csv: Path | str | None = None,
    keep: bool = False,
    overwrite: bool = False,
    data: Path | str | None = None,
) -> FatesResult:
    """Probability of each terminal state for every cell of the days before it.

    Parameters
    ----------
    run : StoredRun
    start : day or several, optional
        Labels or numbers of the days to follow; every day before the terminal one without it.
    cells : path, AnnData or Cells, optional
        The fates of these cells, that were not in the fit, at times of observed days.
    at : day, optional
        When the new cells were sampled; without it by the time column of the fit.
    new_batch : bool
        Take new cells of batches that the fit does not know without a shift.
    terminal : str, optional
        DAY:COLUMN or one of them; the last training day and the cell types without it. Where no
        column is named or recognised, states are found among the cells of that day.
    find_states : bool
        Find them although there is a column; see `analysis.states`.
    ancestors : bool
        Follow later cells backward: which states of an earlier day they came from.
    clones : str, optional
        Column of `obs` with lineage barcodes (or key of `obsm`), which tell how far single fates
        are to be believed; see `evaluation.calibration`.
    draws, seed
        As for `analysis.descendants.transitions`. The seed also splits the clones, and is that of
        `analysis.states.find_states`.
    csv : path, optional
        File for the table of all cells.
    keep : bool
        Without `csv`: write it into the run, as the command does.
    overwrite : bool
        Whether `csv` may be replaced.
    data : path, optional
        The data of the run, if they have moved.

    Raises
    ------
    ConfigError
        For days, columns or files that do not fit together.
    DataError
        If the data are not those of the fit, or have no states.
    OutputError
        If the file is there, or cannot be written.
    """
    path = Path(csv) if csv is not None else None
    check_csv(path, overwrite)
    source = run.data(data)
    for file in (source, file_of(cells)):
        check_csv(path, overwrite, file)
    obs = read_obs(source, clones)
    run.check_cells(obs)
    if clones is not None and ancestors:
        raise ConfigError(
            "Clones tell what cells become, not what they came from: `clones` does not apply to "
            "`ancestors`.",
            "Use only one of them.",
        )
    ends = terminal_states(run, obs, terminal, ancestors=ancestors, find=find_states, seed=seed)
    check_csv(_beside(path, ends), overwrite)
    begin = starters(run, cells, at, obs, new_batch=new_batch)
    labels = _labels(begin, start, ends, ancestors=ancestors)
    cohorts = begin.on(labels)
    how: dict[str, Any] = {"terminal": ends.end.label, "draws": draws, "seed": seed}
    calibration = None if clones is None else _calibration(run, obs, clones, labels, ends, how)
    kept = None if calibration is None else calibration.used
    found = tuple(fates_by_day(run.model, cohorts, ends.states, kept=kept, **how))
    own = begin.types(ends.types)
    if own is None:
        own = pd.Series(None, index=begin.names, dtype=object)
    # Of new cells it is not known which replicates they are.
    left = left_out(run, obs) if begin.new is None else None
    rows = tuple(
        fates_over_replicates(f, rows_of(f, own), ends.states, left, draws=draws, seed=seed)
        for f in found
    )
    highest, notes = _markers(run, source, ends)
    states = reference_of(run.model, ends.end.label, ends.states)
    if path is None and keep:
        digest = None if begin.new is None else begin.new.digest
        more = clones, digest, None if ends.found is None else "found"
        asked = (labels, tuple(ends.end), draws, seed, *(x for x in more if x is not None))
        call = sha256(repr(asked).encode(errors="replace"))
        path = run.path / FATES / f"{'ancestors' if ancestors else 'fates'}-{call[:8]}.csv"
    result = FatesResult(
        run=run.path,
        terminal=ends.end,
        ancestors=ancestors,
        members=len(run.model.ensemble),
        days=found,
        flows=() if ancestors else tuple(flow(run.model, f, own) for f in found),
        types=own,
        names=begin.names,
        recognised=dict(zip(states.names, map(float, states.recognised()), strict=True)),
        mixed_up=states.mixed_up(),
        rare=states.rare,
        calibration=calibration,
        caveats=doubts(run, ends, ancestors=ancestors),
        written=path,
        rows=rows,
        over=says_over([row for of_day in rows for row in of_day], left),
        new=begin.source,
        outside=() if begin.new is None else tuple(begin.outside(cohort) for cohort in cohorts),
        notes=(
            *begin.notes,
            *begin.assigned(ends.types),
            *_stops(run.model, cohorts, ends.end.label),
            *_left_out(begin, labels),
            *notes,
            *(ends.found.notes if ends.found is not None else ()),
        ),
        found=ends.found,
        markers=highest,
        states_written=_beside(path, ends),
    )
    if path is not None:
        write_csv(result.to_frame(), path)
    if result.states_written is not None:
        named = ends.states.dropna()
        write_csv(pd.DataFrame({"cell": named.index, "state": named}), result.states_written)
    return result


def _labels(
    begin: Starters, start: Days | None, ends: TerminalStates, *, ancestors: bool
) -> tuple[str, ...]:
    """Labels of the days whose cells are followed: those asked for, or all that can be."""
    if begin.new is not None:
        there = begin.before(ends.end.label, backward=ancestors)
        start = there if start is None else start
    more = "" if ancestors else "Add `ancestors=True` to follow later cells backward."
    return start_days(begin.model, ends.end.label, start, backward=ancestors, more=more)


def _calibration(
    run: StoredRun,
    obs: pd.DataFrame,
    clones: str,
    labels: tuple[str, ...],
    ends: TerminalStates,
    how: dict[str, Any],
) -> Calibration:
    """How far single fates are to be believed, by the cells of the data that have clones."""
    barcodes = clone_column(obs, clones, ends.end.key)
    alone = run.model.without_ensemble()
    found = tuple(fates_by_day(alone, labels, ends.states, **how))
    return calibrate(run.model, ends.states, barcodes, found, seed=how["seed"])


def _markers(
    run: StoredRun, source: Path, ends: TerminalStates
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The highest genes of states that were found, or why there are none."""
    if ends.found is None:
        return {}, ()
    try:
        return markers(run, source, ends.states), ()
    except DataError as error:
        return {}, (f"The states have no marker genes: {error.message}",)


def _beside(path: Path | None, ends: TerminalStates) -> Path | None:
    """Where states that were found are written: beside the table of fates."""
    if path is None or ends.found is None:
        return None
    return path.with_name(f"{path.stem}-states.csv")


def _stops(model: Model, cohorts: tuple[Cohort, ...], end: str) -> tuple[str, ...]:
    """Where cells go on as observed ones; fates by barcodes follow pairs of cells instead."""
    if model.relies_on_clones:
        return ()
    starts = [cohort.time for cohort in cohorts]
    return model.stages.says(starts, model.timeline.position(end), drawn=False)


def _left_out(begin: Starters, labels: tuple[str, ...]) -> tuple[str, ...]:
    """A note on new cells of days that are not followed."""
    left = [cohort for cohort in begin.cohorts if cohort.label not in labels]
    if begin.new is None or not left:
        return ()
    listed = enumerated([f"{cohort.label} ({len(cohort):,})" for cohort in left])
    return (f"Cells of {begin.source} that are not followed: {listed}.",)
