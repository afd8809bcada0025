"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunOption = Annotated[
    str | None, typer.Option(help="Run to use. [default: $CELLAM_RUN, or the last one here]")
]
DataOption = Annotated[Path | None, typer.Option(help="The data of the run, if they have moved.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ReportOption = Annotated[
    bool,
    typer.Option(
        "--report/--no-report",
        help="Write report.html into the run, as `cellam report` does.",
        rich_help_panel="Run",
    ),
]
BasisOption = Annotated[
    str | None,
    typer.Option(help="Map to draw on: pca, or a key of obsm. [default: X_umap, else pca]"),
]
GroupbyOption = Annotated[
    str | None,
    typer.Option(help="Column of obs with the cell types. [default: found by its name]"),
]
FromCellsOption = Annotated[
    str | None,
    typer.Option(help="Only cells that fit a query on obs, e.g. 'cell_type == \"HSC\"'."),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace --out if it is there.")]
TerminalOption = Annotated[
    str | None,
    typer.Option(
        metavar="DAY:COLUMN",
        help="Day and column of obs whose states are the fates; or one of the two. "
        "[default: the last day, and the column with the cell types]",
    ),
]
StartOption = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        help="Day whose cells are followed; may be given again. [default: every earlier day]",
    ),
]
CsvOverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace the file of --csv.")]
