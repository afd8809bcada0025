"""`cellam fit`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellam.options import Options

from ._from_model import from_model
from .console import give, progress, say
from .logs import log, written_to
from .options import ReportOption
from .outputs import shown
from .pages import add_report, check_report
from .signals import pausing
from .summary import say_cells, say_growth, say_model

if TYPE_CHECKING:
    from cellam.dynamics.fitting import Progress

RUN = "Run"  # heading in the help
BYTES = 1_000  # of a run, for every cell: coordinates, pairs, and a copy of both
LONGEST = 200  # bytes in the name of a run, which file systems limit to 255


@from_model
def fit(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Cells of several days: an .h5ad file or a .zarr folder."
        ),
    ],
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
    """Learn how the cells move and grow, and write a run."""
    from cellam.checks.caveats import caveats
    from cellam.checks.check import lacking_memory
    from cellam.errors import DataError, OutputError, Stopped
    from cellam.modelling.pipeline import fit as fit_model
    from cellam.reading.cells import read
    from cellam.report.wording import explain
    from cellam.runs.claims import check_free, claim
    from cellam.runs.run import point_to, save

    folder = _folder(data, name, out, resume=resume)
    check_free(folder, overwrite=overwrite)
    if report:
        check_report(data)
    cells = read(data, options.reading)
    if (lacking := lacking_memory(cells)) is not None:
        raise DataError(f"{cells.source}: {lacking.finding}", lacking.advice)
    command = shlex.join(["cellam", *sys.argv[1:]])
    with claim(
        folder,
        start={"data": cells.digest, **options.model_dump(mode="json")},
        command=command,
        size=BYTES * len(cells),
        overwrite=overwrite,
        resume=resume,
    ) as place:
        try:
            with written_to(place.log), pausing(place.checkpoint), progress() as on_progress:
                log.info("%s", command)
                say_cells(cells)

                def watch(step: Progress) -> None:
                    on_progress(step)
                    place.checkpoint.pause()

                model = fit_model(cells, options, checkpoint=place.checkpoint, on_progress=watch)
                for line in explain(model):
                    log.info("%s", line)
            saved = save(model, cells, place, data=data, command=command)
        except (Stopped, OutputError) as error:
            if place.checkpoint.started:
                error.hint = f"Resume with: {_again(folder)}"
            elif isinstance(error, Stopped):
                error.hint = "Nothing had been computed yet, so nothing was saved."
            raise
    point_to(folder)
    say_model(model)
    say_growth(model, cells)
    doubts = caveats(model, cells)
    for caveat in doubts:
        say("caveat", f"{caveat.finding} {caveat.advice}")
    give("run", shown(folder))
    if report:
        page = add_report(saved, cells, doubts)
        if page is not None:
            give("report", shown(page))
    labels = model.training.labels
    where = "" if out is None else f" --run {shlex.quote(str(folder))}"
    say("next", f"cellam simulate --from {shlex.quote(labels[0])}{where}")
    if len(labels) > 2:
        say("", f"cellam eval --holdout {shlex.quote(labels[len(labels) // 2])}{where}")


def _again(folder: Path) -> str:
    """The command that resumes this fit."""
    words = [w for w in sys.argv[1:] if w not in ("--resume", "--overwrite")]
    if "--name" not in words:
        words += ["--name", folder.name]
    return shlex.join(["cellam", *words, "--resume"])


def _folder(data: Path, name: str | None, out: Path | None, *, resume: bool) -> Path:
    """Where the run goes; a default name is numbered rather than taken twice."""
    from cellam.errors import ConfigError
    from cellam.runs.claims import is_stopped
    from cellam.runs.run import RUNS

    runs = out or Path(RUNS)
    if name is not None:
        plain = Path(name).name == name and name == name.strip() and not name.startswith(".")
        if not plain or name in ("", "current") or len(name.encode()) > LONGEST or "\n" in name:
            raise ConfigError(
                f"--name {name[:80]!r} cannot be the name of a run.",
                "Use a short, plain name; --out sets the folder in which runs are kept.",
            )
        return runs / name
    stem = data.name.removesuffix(".h5ad").removesuffix(".zarr").replace("\n", " ").strip(" .")
    stem = os.fsencode(stem)[:LONGEST].decode(sys.getfilesystemencoding(), "ignore").strip()
    stem = "run" if stem in ("", "current") else stem
    folder, number = runs / stem, 1
    while os.path.lexists(folder) or is_stopped(folder):
        if is_stopped(folder):
            if resume:
                break
            say(
                "note",
                f"{folder} was stopped before it finished; resume it with --name "
                f"{folder.name} --resume",
            )
        number += 1
        folder = runs / f"{stem}-{number}"
    return folder
