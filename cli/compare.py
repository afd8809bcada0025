"""`cellam compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellam.options import Options

from ._from_model import from_model
from .console import give, give_json, plural, progress, results, say, table
from .options import CellsArgument, GroupbyOption, JsonOption
from .outputs import shown
from .summary import say_cells, say_model
from .workers import with_workers

if TYPE_CHECKING:
    import pandas as pd

    from cellam.comparison.compare import Comparison

DESIGN, OUTPUT = "Design", "Output"  # headings in the help
ROWS = 12  # of a family, the largest
# Options of a fit that a comparison, which is in closed form, refuses.
NOT_COMPARED = ("ensemble", "velocity", "action", "steps", "growth", "growth_scale")


@with_workers()
@from_model(*NOT_COMPARED)
def compare(
    data: CellsArgument,
    condition: Annotated[
        str,
        typer.Option(help="Column of obs that holds the condition.", rich_help_panel=DESIGN),
    ],
    options: Options,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Condition to compare with. [default: the one with the name of a control]",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Condition to compare; needed if there are more than two.", rich_help_panel=DESIGN
        ),
    ] = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DAY",
            help="Day whose cells belong to both conditions, as before a treatment; repeatable.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    block: Annotated[
        str | None,
        typer.Option(
            help="Column of obs, e.g. the batch: samples are exchanged within it only.",
            rich_help_panel=DESIGN,
        ),
    ] = None,
    permutations: Annotated[
        int,
        typer.Option(
            min=1,
            max=10_000,
            help="Labellings of the samples to try; all of them, if there are no more.",
            rich_help_panel=DESIGN,
        ),
    ] = 99,
    groupby: GroupbyOption = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Also write the table of effects to this CSV file.", rich_help_panel=OUTPUT
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Also write a copy of the data with the differences at every cell to this .h5ad.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Also write a page to this .html file.", rich_help_panel=OUTPUT),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace these files if they exist.", rich_help_panel=OUTPUT
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare how cells move and grow in two conditions, with the sample as the unit."""
    from cellam.comparison.table import reading
    from cellam.workflows.compare import compare_file

    with progress() as on_progress:
        result = compare_file(
            data,
            condition,
            options,
            reference=reference,
            against=against,
            shared=shared or (),
            block=block,
            permutations=permutations,
            groupby=groupby,
            csv=csv,
            out=out,
            report=report,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    found = result.comparison
    if as_json:
        give_json(result.to_dict())
        return
    say_cells(result.cells)
    say_model(found.model)
    first, second = found.samples.conditions
    say("compared", f"obs[{condition!r}]: {second} less {first}")
    say("unit", found.unit)
    if left := len(result.cells) - len(found.rows) - found.samples.thinned:
        say("", f"{plural(left, 'cell')} of other conditions or of none take no part")
    print()
    with results():
        table(found.samples.design.rows()[0], found.samples.design.rows()[1:])
    print()
    print(found.verdict)
    for family in found.scale.items():
        _print(found, family)
    if says := reading(found.effects, found.n_labellings, first):
        print()
        print(says)
    _print_transfer(found.transfer)
    for name, path in result.written.items():
        give(name, shown(path))


def _print(found: Comparison, name: str) -> None:
    """The largest effects of a family."""
    from cellam.comparison.table import shown as effects_shown

    family = found.scale.family(name)
    columns, rows, left = effects_shown(found.effects, name, ROWS)
    if not rows:
        return
    print()
    table(columns, rows)
    more = f"; {plural(left, 'smaller one')} not shown" if left else ""
    unit = f" ({family.shown_unit})" if family.shown_unit else ""
    print(f"{family.what[0].upper()}{family.what[1:]}{unit}{more}.")


def _print_transfer(frame: pd.DataFrame) -> None:
    """How far followed cells arrive from those of the next day, by whose dynamics."""
    print()
    columns = ["transfer", *frame.columns[1:]]
    rows = [
        [str(row["condition"]), str(row["day"])]
        + ["–" if row[c] != row[c] else f"{row[c]:.3g}" for c in frame.columns[2:]]
        for _, row in frame.iterrows()
    ]
    table(columns, rows)
    print(
        "Energy distance of simulated to observed cells of the day, with the dynamics of the same "
        "condition (own), of the other one and of both; replicates: of two samples of that day. Of "
        "clouds that are alike it scatters about 0."
    )
