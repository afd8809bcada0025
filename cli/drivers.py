"""`cellam drivers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, give_json, plural, say, say_run, table
from .options import DataOption, FromCellsOption, GroupbyOption, JsonOption, RunOption
from .outputs import written

if TYPE_CHECKING:
    from cellam.workflows.drivers import DriversResult


def drivers(
    of: Annotated[
        str,
        typer.Option(
            help="Quantity to correlate with gene expression: growth, speed or fate:TYPE."
        ),
    ],
    top: Annotated[
        int,
        typer.Option(
            "--top",
            "-n",
            min=1,
            help="Number of genes to print with positive, and with negative, correlation.",
        ),
    ] = 10,
    day: Annotated[
        list[str] | None,
        typer.Option(help="Use only cells of this day; repeatable. [default: all eligible days]"),
    ] = None,
    from_cells: FromCellsOption = None,
    groupby: GroupbyOption = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the table of all genes to this CSV file.")
    ] = None,
    as_json: JsonOption = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for the noise, if the fit has any.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --csv if it exists.")
    ] = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """List the genes that correlate with growth, speed or a fate, within days."""
    from cellam.days.time_labels import named
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    found = opened.drivers(
        of,
        top=top,
        day=day or (),
        from_cells=from_cells,
        groupby=groupby,
        seed=seed,
        csv=csv,
        overwrite=overwrite,
        data=data,
    )
    if as_json:
        give_json(found.to_dict())
        return
    of_days = ", ".join(map(named, found.days))
    say("", f"{plural(found.cells, 'cell')} of {of_days}; {plural(len(found.table), 'gene')}.")
    _print_top(found)
    print()
    print(
        "Correlation within days; q: false discovery rate over all genes; expressing: share of "
        "these cells\nthat express the gene (of scaled expression: more than its mean). Growth, "
        "speed and fates are\ncomputed from expression, so this ranks genes; it does not identify "
        "causes."
    )
    if found.division is not None:
        say("division" if found.division.contradicts else "", str(found.division))
    if found.written is not None:
        give("written", written(found.written))


def _print_top(found: DriversResult) -> None:
    """The genes of both signs, the strongest of each first."""
    for sign, part in zip(("with more", "with less"), found.strongest, strict=True):
        print()
        rows = [
            [gene, f"{r:+.3f}", _small(q), f"{100 * share:.0f} %"]
            for gene, r, q, share in zip(
                *(part[name] for name in ("gene", "correlation", "q_value", "share_of_cells")),
                strict=True,
            )
        ]
        table([f"{sign} {found.of}", "correlation", "q", "expressing"], rows)


def _small(q: float) -> str:
    return f"{q:.1e}" if q > 0 else "<1e-300"
