"""`cellam plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion
from .console import give, progress, say_run, warn
from .options import (
    BasisOption,
    DataOption,
    FromCellsOption,
    GroupbyOption,
    OverwriteOption,
    RunOption,
    TerminalOption,
)
from .outputs import written


def plot(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="Kind of figure: {figures}.",
            autocompletion=completion.kinds,
        ),
    ],
    basis: BasisOption = None,
    color: Annotated[
        str | None,
        typer.Option(
            help="What colours show: a column of obs, time, growth, speed or a gene; for fates, "
            "a state. [default: cell types, else time; for fates, all states]"
        ),
    ] = None,
    groupby: GroupbyOption = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Day to start from. [default: the first]",
            autocompletion=completion.days,
        ),
    ] = None,
    from_cells: FromCellsOption = None,
    n_cells: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Maximum number of cells to simulate. [default: 30 in trajectories, otherwise "
            "1000]",
        ),
    ] = None,
    terminal: TerminalOption = None,
    genes: Annotated[
        str | None, typer.Option(help="Genes to draw, separated by commas: A,B.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Group trajectories by the last (fate) or the first (start) cell type. "
            "[default: fate]"
        ),
    ] = None,
    holdout: Annotated[
        str | None,
        typer.Option(
            help="Day to predict; the model is fitted again unless this run was fitted without it.",
            autocompletion=completion.days,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="Metric of the scores: {metrics}. [default: energy]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed for the choice of cells. [default: 0]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write: .png, .svg or .pdf. [default: ./<run>_<kind>.png, replaced]",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Draw one figure of a run."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path)
    with progress() as on_progress:
        picture = opened.plot(
            kind,
            basis=basis,
            color=color,
            groupby=groupby,
            start=start,
            from_cells=from_cells,
            n_cells=n_cells,
            terminal=terminal,
            genes=genes,
            by=by,
            holdout=holdout,
            metric=metric,
            seed=seed,
            out=out or Path(f"{opened.path.name}_{kind}.png"),
            overwrite=overwrite or out is None,  # nobody else gives a file that name
            data=data,
            on_progress=on_progress,
        )
    for note in picture.notes:
        warn(note)
    if picture.written is not None:
        give("written", written(picture.written))
