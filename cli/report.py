"""`cellam report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import give, say_run, warn
from .options import (
    BasisOption,
    DataOption,
    GroupbyOption,
    OverwriteOption,
    RunOption,
)
from .outputs import written


def report(
    groupby: GroupbyOption = None,
    basis: BasisOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="HTML file to write. [default: report.html in the run, replaced if it exists]",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Write one HTML page with data, scores, results, caveats and methods of a run."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path)
    page = opened.report(out, groupby=groupby, basis=basis, overwrite=overwrite, data=data)
    for note in page.notes:
        warn(note)
    give("written", written(page.written))
