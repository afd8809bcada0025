"""`cellam export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, plural, say, say_run
from .options import DataOption, GroupbyOption, RunOption
from .outputs import written

if TYPE_CHECKING:
    from cellam.analysis.results import Results


def export(
    into: Annotated[
        Path | None,
        typer.Option(
            help="New .h5ad or .zarr for a copy of the data with velocities, growth rates and "
            "fates."
        ),
    ] = None,
    cellrank: Annotated[
        bool,
        typer.Option(
            "--cellrank",
            help="Also write the input of CellRank: a transition matrix and lineages in the "
            "copy, and couplings in <into>_couplings.",
        ),
    ] = False,
    tables: Annotated[
        Path | None,
        typer.Option(
            help="New folder for velocities, growth rates, fates and couplings as long tables "
            "(CSV and Parquet)."
        ),
    ] = None,
    groupby: GroupbyOption = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for the noise, if the fit has any.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier exports with these names.")
    ] = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Export the results for scanpy, scVelo, CellRank, R or a spreadsheet."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path)
    found = opened.export(
        into,
        tables=tables,
        cellrank=cellrank,
        groupby=groupby,
        seed=seed,
        overwrite=overwrite,
        data=data,
    )
    for note in found.notes:
        say("", note)
    if found.into is not None and found.results is not None:
        give("written", written(found.into))
        _print_keys(found.results)
    if found.couplings is not None:
        give("written", written(found.couplings))
    if found.tables is not None:
        give("written", written(found.tables))
        for name, n in found.rows.items():
            print(f"  {name}.csv, {name}.parquet: {plural(n, 'row')}")


def _print_keys(results: Results) -> None:
    """A line for each place of the AnnData."""
    for place, found in vars(results).items():
        if found:
            print(f"  {place}: {', '.join(found)}")
