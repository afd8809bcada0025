"""`cellam fit`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellam.options import Options

from ._from_model import from_model
from .console import aside, give, give_json, progress, say, say_caveats, say_run
from .logs import log, written_to
from .options import CellsArgument, JsonOption, ReportOption
from .outputs import shown
from .pages import add_report, check_report
from .signals import pausing
from .summary import say_cells, say_growth, say_model, say_replicates
from .workers import with_workers

if TYPE_CHECKING:
    from cellam.analysis.growth_range import GrowthRange
    from cellam.checks.caveat import Caveat
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
    as_json: JsonOption = False,
) -> None:
    """Learn how the cells move and grow; write a run."""
    from cellam.runs.claims import check_free

    place = _place(data, name, out, resume=resume)
    check_free(place, overwrite=overwrite)
    if report:
        check_report(data)
    with aside(as_json):
        run, cells = _fitted(data, place, options, overwrite=overwrite, resume=resume)
    if as_json:
        say_run(place, as_json=True)
    else:
        say_model(run.model)
    found = _Found.of(run, cells)
    if not as_json:
        say_growth(run.model, cells, found.growth, found.left)
        say_caveats(found.doubts)
        give("run", shown(place))
    page = found.report(run, cells) if report else None
    if as_json:
        give_json(found.to_dict(run, cells, page))
        return
    if page is not None:
        give("report", shown(page))
    labels = run.model.training.labels
    where = "" if out is None else f" --run {shlex.quote(str(place))}"
    say("next", f"cellam simulate --from {shlex.quote(labels[0])}{where}")
    if len(labels) > 2:
        say("", f"cellam eval --holdout {shlex.quote(labels[len(labels) // 2])}{where}")


def _fitted(
    data: Path, place: Path, options: Options, *, overwrite: bool, resume: bool
) -> tuple[Run, Cells]:
    """Fit, shown while it goes on; the run and its cells."""
    from cellam.errors import OutputError, Stopped
    from cellam.runs.claims import is_stopped
    from cellam.workflows.fit import fit_run

    shown_fit = _Shown(shlex.join(["cellam", *sys.argv[1:]]))
    try:
        run = fit_run(
            data,
            place,
            options,
            overwrite=overwrite,
            resume=resume,
            command=shown_fit.command,
            watch=shown_fit.watch,
        )
    except (Stopped, OutputError) as error:
        if shown_fit.cells and is_stopped(place):
            error.hint = f"Resume with: {_again(place)}"
        raise
    (cells,) = shown_fit.cells
    return run, cells


@dataclass(frozen=True)
class _Found:
    """What is computed of a fit once it is there, for what is printed and for the report."""

    growth: GrowthRange | None
    left: LeftOut | None
    doubts: tuple[Caveat, ...]

    @staticmethod
    def of(run: Run, cells: Cells) -> _Found:
        """Of a new run, in which the reasons to doubt it are kept."""
        from cellam.analysis.growth_range import growth_range, has_range
        from cellam.checks.caveats import caveats

        growth = growth_range(run.model) if has_range(run.model) else None
        left = _left_out(run, cells)
        doubts = caveats(run.model, cells)
        run.keep_caveats(doubts)
        return _Found(growth, left, doubts)

    def report(self, run: Run, cells: Cells) -> Path | None:
        """Write the report; its place, if that was possible."""
        return add_report(run, cells, self.doubts, growth=self.growth, left=self.left)

    def to_dict(self, run: Run, cells: Cells, page: Path | None) -> dict[str, Any]:
        """What `cellam info` says of the run, and what is known right after the fit."""
        from cellam.analysis.division import compare_division
        from cellam.workflows.info import describe_with

        division = compare_division(run.model, cells)
        return {
            **describe_with(run, cells.obs, self.growth, self.left).to_dict(),
            "run": str(run.path.resolve()),
            "notes": [*cells.notes, *cells.timeline.notes],
            "division": None if division is None else asdict(division),
            "caveats": [asdict(caveat) for caveat in self.doubts],
            "report": None if page is None else str(page.resolve()),
        }


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
