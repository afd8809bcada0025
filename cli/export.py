"""`cellam export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, plural, say, say_run
from .options import DataOption, GroupbyOption, RunOption
from .outputs import shown

if TYPE_CHECKING:
    from cellam.answers.results import Results


def export(
    into: Annotated[
        Path | None,
        typer.Option(
            help="New .h5ad or .zarr: a copy of the data with velocities, growth and fates."
        ),
    ] = None,
    cellrank: Annotated[
        bool,
        typer.Option(
            "--cellrank",
            help="Also what CellRank reads: a transition matrix and lineages in the copy, and "
            "couplings in <into>_couplings.",
        ),
    ] = False,
    tables: Annotated[
        Path | None,
        typer.Option(
            help="New folder for velocities, growth, fates and couplings in long form, as CSV "
            "and Parquet."
        ),
    ] = None,
    groupby: GroupbyOption = None,
    seed: Annotated[int, typer.Option(min=0, help="For noise, where the fit has it.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier exports of these names.")
    ] = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Write the results for scanpy, scVelo, CellRank, R or a spreadsheet."""
    from cellam.answers.transitions import gaps
    from cellam.errors import ConfigError, OutputError
    from cellam.output.export import (
        COUPLING,
        STORE,
        TABLE,
        check_output,
        read_all,
        write_anndata,
        write_couplings,
        write_tables,
    )
    from cellam.output.tables import tables as all_tables
    from cellam.reading.cell_types import resolve_types
    from cellam.reading.cells import read_obs
    from cellam.runs.run import open_run

    if into is None and tables is None:
        raise ConfigError(
            "Export to where?", "Give --into results.h5ad, or --tables FOLDER, or both."
        )
    if cellrank and into is None:
        raise ConfigError(
            "--cellrank adds keys to a copy of the data.", "Give it: --into results.h5ad."
        )
    if into is not None and into.suffix not in (".h5ad", ".zarr"):
        raise ConfigError(
            f"--into {into}: the copy is an .h5ad or a .zarr.", f"Use --into {into.stem}.h5ad."
        )
    opened = open_run(run)
    model = opened.model
    say_run(opened.path)
    source = opened.data(data)
    couplings = into.with_name(f"{into.stem}_couplings") if into is not None and cellrank else None
    for option, path, ours in (
        ("--into", into, STORE if into is not None and into.suffix == ".zarr" else None),
        ("--cellrank", couplings, COUPLING),
        ("--tables", tables, TABLE),
    ):
        if path is None:
            continue
        if path.exists() and path.samefile(source):
            raise OutputError(f"{option} {path} is the input; it is never written to.")
        check_output(path, option=option, overwrite=overwrite, ours=ours)
    obs = read_obs(source)
    opened.check_cells(obs)
    types = resolve_types(obs, model.snapshots.codes, groupby)
    if types is None:
        say("", "No column of obs has the usual name of a cell type: no fates (see --groupby).")
    elif n := int(types.isna().sum()):
        say(
            "",
            f"{n:,} of {plural(len(types), 'cell')} {'is' if n == 1 else 'are'} unannotated; fates "
            "are read from annotated cells alone.",
        )
    if model.conserves_mass:
        say("", f"No growth: {model.without_growth[0]}.")
    if into is not None:
        adata = read_all(source)
        results = opened.export(adata, groupby=groupby, cellrank=cellrank, seed=seed)
        write_anndata(adata, into)
        give("written", shown(into))
        _print_keys(results)
    if couplings is not None:
        write_couplings(couplings, model, obs.index, gaps(model, seed=seed))
        give("written", f"{shown(couplings)}/")
    if tables is not None:
        rows = write_tables(tables, all_tables(model, obs.index, types, seed=seed))
        give("written", f"{shown(tables)}/")
        for name, n in rows.items():
            print(f"  {name}.csv, {name}.parquet: {plural(n, 'row')}")


def _print_keys(results: Results) -> None:
    """A line for each place of the AnnData."""
    for place, found in vars(results).items():
        if found:
            print(f"  {place}: {', '.join(found)}")
