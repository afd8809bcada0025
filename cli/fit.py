"""`cellam fit`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellam.options import Options

from ._from_model import from_model
from .console import give, progress, say, say_caveats
from .logs import log, written_to
from .options import CellsArgument, ReportOption
from .outputs import shown
from .pages import add_report, check_report
from .signals import pausing
from .summary import say_cells, say_growth, say_model, say_replicates
from .workers import with_workers

if TYPE_CHECKING:
    from cellam.dynamics.fitting import OnProgress, Progress
    from cellam.modelling.left_out import LeftOut
    from cellam.reading.cells import Cells
    from cellam.runs.claims import Claim
    from cellam.workflows.run import Run

RUN = "Run"  # heading in the help


@with_workers()
@from_model()
def fit(
    data: CellsArgument,
    options: Options,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the run. [default: the name of the data, numbered if taken]",
            rich_help_panel=RUN,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which runs are kept. [default: ./cellam_runs]", rich_help_panel=RUN
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace an existing run of this name.", rich_help_panel=RUN
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Resume a fit that was stopped.", rich_help_panel=RUN),
    ] = False,
    report: ReportOption = True,
) -> None:
    """Learn how the cells move and grow; write a run."""
    from cellam.analysis.growth_range import growth_range, has_range
    from cellam.checks.caveats import caveats
    from cellam.errors import OutputError, Stopped
    from cellam.runs.claims import check_free, is_stopped
    from cellam.workflows.fit import fit_run

    place = _place(data, name, out, resume=resume)
    check_free(place, overwrite=overwrite)
    if report:
        check_report(data)
    command = shlex.join(["cellam", *sys.argv[1:]])
    shown_fit = _Shown(command)
    try:
        run = fit_run(
            data,
            place,
            options,
            overwrite=overwrite,
            resume=resume,
            command=command,
            watch=shown_fit.watch,
        )
    except (Stopped, OutputError) as error:
        if shown_fit.cells and is_stopped(place):
            error.hint = f"Resume with: {_again(place)}"
        raise
    (cells,) = shown_fit.cells
    say_model(run.model)
    growth = growth_range(run.model) if has_range(run.model) else None
    left = _left_out(run, cells)
    say_growth(run.model, cells, growth, left)
    doubts = caveats(run.model, cells)
    run.keep_caveats(doubts)
    say_caveats(doubts)
    give("run", shown(place))
    if report:
        page = add_report(run, cells, doubts, growth=growth, left=left)
        if page is not None:
            give("report", shown(page))
    labels = run.model.training.labels
    where = "" if out is None else f" --run {shlex.quote(str(place))}"
    say("next", f"cellam simulate --from {shlex.quote(labels[0])}{where}")
    if len(labels) > 2:
        say("", f"cellam eval --holdout {shlex.quote(labels[len(labels) // 2])}{where}")


def _left_out(run: Run, cells: Cells) -> LeftOut | None:
    """Quick fits without each replicate, where there are enough; shown while it goes on."""
    from cellam.dynamics.fitting import Progress
    from cellam.runs.samples import left_out

    with progress() as on_progress:
        on_progress(Progress("fit without each replicate", 0, 1))
        found = left_out(run, cells.obs)
        on_progress(Progress("fit without each replicate", 1, 1))
    return found


class _Shown:
    """A fit that is shown while it goes on: its cells, its progress, and its log in the run."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.cells: list[Cells] = []  # of the fit, once they have been read

    @contextmanager
    def watch(self, place: Claim, cells: Cells) -> Iterator[OnProgress]:
        """Show it; the first signal asks it to stop when its step is kept."""
        self.cells = [cells]
        with written_to(place.log), pausing(place.checkpoint), progress() as on_progress:
            log.info("%s", self.command)
            say_cells(cells)
            say_replicates(cells)

            def tell(step: Progress) -> None:
                on_progress(step)
                place.checkpoint.pause()

            yield tell


def _again(place: Path) -> str:
    """The command that goes on with this fit."""
    words = [w for w in sys.argv[1:] if w not in ("--resume", "--overwrite")]
    if "--name" not in words:
        words += ["--name", place.name]
    return shlex.join(["cellam", *words, "--resume"])


def _place(data: Path, name: str | None, out: Path | None, *, resume: bool) -> Path:
    """Where the run goes; a default name is numbered rather than taken twice."""
    from cellam.runs.places import RUNS, named_place, new_place, stopped_before

    runs = out or Path(RUNS)
    if name is not None:
        return named_place(name, runs)
    place = new_place(data, runs, resume=resume)
    for other in stopped_before(place, data):
        say("note", f"{other} was stopped before it ended: --name {other.name} --resume")
    return place
