"""`cellam report`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, progress, say_run, warn
from .options import (
    BasisOption,
    DataOption,
    GroupbyOption,
    OverwriteOption,
    RunOption,
)

if TYPE_CHECKING:
    from cellam.runs.run import Run
    from cellam.trust.caveats import Caveat


def report(
    groupby: GroupbyOption = None,
    basis: BasisOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write. [default: report.html in the run, replaced]"
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Write one HTML page: what went in, how good it is, what it found, and how it was done."""
    from cellam.errors import ConfigError, DataError
    from cellam.output.report import write_report
    from cellam.runs.run import open_run
    from cellam.trust.caveats import caveats

    opened = open_run(run)
    say_run(opened.path)
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out {out}: a report is an .html file.", f"Use --out {out.stem}.html.")
    path = free_path(out, default_path(opened), overwrite=overwrite)
    try:
        place = opened.data(data)
    except DataError as error:
        if data is not None:
            raise
        warn(f"{error.message} The report has no cell types and no caveats. {error.hint}")
        doubts = None
    else:
        cells = opened.read(place)
        scored = [label for label in cells.timeline.labels if opened.evaluation(label) is not None]
        doubts = caveats(opened.model, cells, holdout=scored)
    write_report(opened, path, data=data, groupby=groupby, basis=basis, caveats=doubts)
    give("written", str(path))


def default_path(run: Run) -> Path:
    """The place in the run that is ours to replace."""
    from cellam.runs.claims import REPORT

    return run.path / REPORT


def add_report(run: Run, doubts: Sequence[Caveat], *, data: Path | None = None) -> Path:
    """Write the report of a run that is there already; where that fails, the run stays.

    Returns
    -------
    Path
        Of the report.
    """
    from cellam.dynamics.fitting import Progress
    from cellam.errors import CellamError
    from cellam.output.report import write_report

    path = default_path(run)
    try:
        with progress() as on_progress:
            on_progress(Progress("write the report", 0, 1))
            write_report(run, path, data=data, caveats=doubts)
            on_progress(Progress("write the report", 1, 1))
    except CellamError as error:
        error.hint = (
            f"{error.hint} The run is there all the same; once this is mended: cellam report --run "
            f"{shlex.quote(str(run.path))}"
        ).strip()
        raise
    return path


def free_path(given: Path | None, default: Path, *, overwrite: bool) -> Path:
    """Where to write: as given, if nothing is lost there; else a name that is ours to replace."""
    from cellam.errors import OutputError

    path = given or default
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", "Give the name of a file with --out.")
    if given is not None and path.exists() and not overwrite:
        raise OutputError(f"{path} exists already.", "Choose another --out, or add --overwrite.")
    return path
