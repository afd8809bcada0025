"""Fit: from a file to a run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from cellam.checks.check import refuse_too_large
from cellam.dynamics.fitting import OnProgress, silent
from cellam.errors import ConfigError, OutputError, Stopped
from cellam.modelling import pipeline
from cellam.options import Options
from cellam.reading.cells import Cells, read
from cellam.reading.samples import replicates_of
from cellam.report.wording import explain
from cellam.runs.claims import Claim, check_free, claim
from cellam.runs.places import RUNS, new_place, point_to
from cellam.workflows.run import Run, save

log = logging.getLogger("cellam")  # said to nobody who has not asked for it

BYTES = 1_000  # of a run, for every cell: coordinates, pairs, and a copy of both

# Entered while the model is fitted; what it yields is told of the progress.
Watch: TypeAlias = Callable[[Claim, Cells], AbstractContextManager[OnProgress]]


@contextmanager
def unwatched(place: Claim, cells: Cells) -> Iterator[OnProgress]:
    """Fit without a word."""
    yield silent


def fit_run(
    data: Path | str,
    place: Path | str | None = None,
    options: Options | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    command: str = "",
    watch: Watch = unwatched,
    **changes: Any,
) -> Run:
    """Read a file, learn how its cells move and grow, and write a run.

    It becomes the current run of its folder, which `open_run()` and the commands find. A fit that
    is interrupted keeps what it has worked out, for the same call with ``resume=True``. The report
    of the command is `run.report()`.

    Parameters
    ----------
    data : path
        Cells of several days: an .h5ad file or a .zarr folder.
    place : path, optional
        Folder of the run; without it a new one in ./cellam_runs, named after the data.
    options : Options, optional
    overwrite : bool
        Replace a run that is there already.
    resume : bool
        Go on with a fit that was stopped.
    command : str
        What the user typed, for the record.
    watch : callable
        Given the claimed place and the cells, a context manager for the time of the fit. It
        yields a function that is told of every step.
    **changes
        Any field of `Options`, e.g. ``time_key="day", exclude=("day4",), seed=1``.

    Raises
    ------
    ConfigError
        If the options contradict each other or the data.
    DataError
        If the data cannot be read as cells of several days, or are too large for the memory.
    OutputError
        If the place is taken or cannot be written.
    RunInUse
        If another process is writing it.
    RunError
        If there is no stopped fit to go on with, or it is another one.
    TrainingError
        If the fit fails.

    Examples
    --------
    >>> run = cellam.fit_run("data.h5ad", seed=1)  # doctest: +SKIP
    >>> run.evaluate("day4").skills[0].says  # doctest: +SKIP
    """
    if not isinstance(data, (str, os.PathLike)):
        raise ConfigError(
            f"A run is fitted to a file, and `data` is {type(data).__name__}.",
            "For cells in memory: cells = cellam.read(adata), then "
            "cellam.save(cellam.fit(cells), cells, place).",
        )
    data = Path(data)
    options = Options(**{**(options or Options()).model_dump(), **changes})
    folder = Path(place) if place is not None else new_place(data, Path(RUNS), resume=resume)
    check_free(folder, overwrite=overwrite)
    refuse_too_large(data, options)
    cells = read(data, options.reading)
    replicates_of(cells)  # a column that cannot be used is refused before anything is written
    with claim(
        folder,
        start={"data": cells.digest, **options.model_dump(mode="json")},
        command=command,
        size=BYTES * len(cells),
        overwrite=overwrite,
        resume=resume,
    ) as claimed:
        try:
            with watch(claimed, cells) as on_progress:
                model = pipeline.fit(
                    cells, options, checkpoint=claimed.checkpoint, on_progress=on_progress
                )
                for line in explain(model):
                    log.info("%s", line)
            run = save(model, cells, claimed, data=data, command=command)
        except (Stopped, OutputError) as error:
            if claimed.checkpoint.started:
                error.hint = "Resume with `resume=True`."
            elif isinstance(error, Stopped):
                error.hint = "Nothing had been computed yet, so nothing was saved."
            raise
    point_to(folder)
    return run
