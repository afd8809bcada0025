"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion

CellsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Cells of several days: an .h5ad file, a .zarr folder, or a modality of an .h5mu "
        "file, e.g. data.h5mu/rna.",
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option(
        help="Run to use. [default: $CELLAM_RUN, or the latest run here]",
        autocompletion=completion.runs,
    ),
]
DataOption = Annotated[
    Path | None, typer.Option(help="The data of the run, if the file has moved.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
ReportOption = Annotated[
    bool,
    typer.Option(
        "--report/--no-report",
        help="Also write report.html into the run, as `cellam report` does.",
        rich_help_panel="Run",
    ),
]
BasisOption = Annotated[
    str | None,
    typer.Option(help="Coordinates to draw in: pca, or a key of obsm. [default: X_umap, else pca]"),
]
GroupbyOption = Annotated[
    str | None,
    typer.Option(help="Column of obs with the cell types. [default: found by its name]"),
]
FromCellsOption = Annotated[
    str | None,
    typer.Option(help="Use only cells that match a query on obs, e.g. 'cell_type == \"HSC\"'."),
]
NewCellsOption = Annotated[
    Path | None,
    typer.Option(
        "--cells",
        help="Start from the cells of this file (.h5ad or .zarr), which were not in the fit: genes "
        "are matched by name, and values are normalised as for the fit.",
    ),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        help="Day or time of all cells of --cells. [default: read from their time column]",
    ),
]
NewBatchOption = Annotated[
    bool,
    typer.Option(
        "--new-batch",
        help="Take cells of --cells that are of batches which the fit does not know, without a "
        "shift. [default: refused]",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file of --out if it exists.")
]
TerminalOption = Annotated[
    str | None,
    typer.Option(
        metavar="DAY:COLUMN",
        help="Terminal day, column of obs whose values are the fates, or both. [default: the "
        "last day and the column of cell types]",
    ),
]
StartOption = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        help="Day to start from; repeatable. [default: every earlier day]",
        autocompletion=completion.days,
    ),
]
CsvOverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file of --csv if it exists.")
]
