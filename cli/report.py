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
from .outputs import check_file, shown

if TYPE_CHECKING:
    from cellam.reading.cells import Cells
    from cellam.runs.run import Run
    from cellam.trust.caveat import Caveat


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
    from cellam.answers.division import compare_division
    from cellam.errors import DataError
    from cellam.output.report import check_names, write_report
    from cellam.runs.run import open_run
    from cellam.trust.caveats import caveats

    if out is not None:
        check_file(out, "--out", [".html", ".htm"], overwrite=overwrite, noun="a report")
    opened = open_run(run)
    say_run(opened.path)
    path = out or default_path(opened)
    try:
        place = opened.data(data)
    except DataError as error:
        if data is not None:
            raise
        warn(f"{error.message} The report has no cell types and no caveats. {error.hint}")
        doubts = division = None
    else:
        check_names(opened, place, groupby, basis)
        cells = opened.read(place)
        scores = opened.scores()
        scored = scores.labels if scores is not None else ()
        doubts = caveats(opened.model, cells, holdout=scored)
        division = compare_division(opened.model, cells)
    write_report(
        opened,
        path,
        data=data,
        groupby=groupby,
        basis=basis,
        caveats=doubts,
        division=division,
    )
    give("written", shown(path))


def default_path(run: Run) -> Path:
    """The place in the run that is ours to replace."""
    from cellam.runs.claims import REPORT

    return run.path / REPORT


def check_report(data: Path) -> None:
    """Refuse before the work data of which no report could be written.

    Raises
    ------
    DataError
        If a part of `obsm` cannot be read, which only the pictures of a report may need.
    """
    from cellam.errors import DataError
    from cellam.reading.cells import read_annotation

    try:
        read_annotation(data)
    except DataError as error:
        error.hint = f"{error.hint} Or add --no-report, if nothing else needs it.".strip()
        raise


def add_report(
    run: Run, cells: Cells, doubts: Sequence[Caveat], *, data: Path | None = None
) -> Path | None:
    """Write the report of a run that is there already; where that fails, the run is good still.

    Returns
    -------
    Path or None
        Of the report; None where it could not be written, which is a warning.
    """
    from cellam.answers.division import compare_division
    from cellam.dynamics.fitting import Progress
    from cellam.errors import CellamError
    from cellam.output.report import write_report

    path = default_path(run)
    try:
        with progress() as on_progress:
            on_progress(Progress("write the report", 0, 1))
            division = compare_division(run.model, cells)
            write_report(run, path, data=data, caveats=doubts, division=division)
            on_progress(Progress("write the report", 1, 1))
    except CellamError as error:
        warn(f"No report was written: {error.message}")
        warn(
            f"  {error.hint} The run itself is complete; for the report: cellam report --run "
            f"{shlex.quote(shown(run.path))}"
        )
        return None
    return path
