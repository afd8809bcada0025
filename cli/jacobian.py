"""`cellam jacobian`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import give, give_json, plural, say, say_doubt, say_run, table
from .options import CsvOverwriteOption, DataOption, FromCellsOption, JsonOption, RunOption
from .outputs import written


def jacobian(
    gene: Annotated[
        list[str],
        typer.Option(
            "--gene", "-g", help="Gene of the fit; repeatable (maximum number of genes: 50)."
        ),
    ],
    day: Annotated[
        list[str] | None,
        typer.Option(help="Use only cells of this day; repeatable. [default: all days]"),
    ] = None,
    from_cells: FromCellsOption = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table of all pairs to this CSV file.")
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Show which genes raise or lower each other along the motion: the Jacobian of the velocity."""
    from cellam.days.time_labels import named
    from cellam.workflows.jacobian import WARNING
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    found = opened.jacobian(
        gene, day=day or (), from_cells=from_cells, csv=csv, overwrite=overwrite, data=data
    )
    if as_json:
        give_json(found.to_dict())
        return
    drawn = f"{found.jacobian.cells:,} of " * (found.jacobian.cells < found.cells)
    say("", f"{drawn}{plural(found.cells, 'cell')} of {', '.join(map(named, found.days))}.")
    print()
    members = found.jacobian.spread is not None
    rows = [
        [
            f"{row['gene']} – {row['other']}" if row["gene"] != row["other"] else row["gene"],
            f"{row['effect']:+.3g}",
            *([f"{row['low']:+.3g} to {row['high']:+.3g}"] if members else []),
            f"{row['cells_low']:+.3g} to {row['cells_high']:+.3g}",
            f"{100 * row['same_sign']:.0f} %",
            f"{100 * row['above']:.1f} %",
        ]
        for row in found.to_frame().to_dict("records")
    ]
    sure = ["90 %"] if members else []
    table(["genes", "effect", *sure, "cells", "same sign", "above"], rows)
    print()
    print(
        "effect: by how much more a gene rises per unit of time where the other is one higher\n"
        "(log expression; below 0: it falls), mean over the cells; of a single gene: on itself.\n"
        + ("90 %: interval of the effect over the ensemble.\n" if members else "")
        + "cells: 5 to 95 % of the cells; same sign: share of them with that of the mean; above:\n"
        "share of all pairs of genes of the fit with a smaller effect."
    )
    if found.unclear:
        print(
            "None of these effects has the same sign in three quarters of the cells: nothing is to "
            "be read\nfrom their means. Choose cells that are alike with --from-cells."
        )
    if not members:
        print("No interval of the effect: this run has no ensemble (`cellam fit --ensemble 8`).")
    say_doubt("warning", WARNING)
    if found.written is not None:
        give("written", written(found.written))
