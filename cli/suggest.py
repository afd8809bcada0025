"""`cellam suggest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, give_json, say_caveats, say_run, table, warn
from .options import CsvOverwriteOption, DataOption, JsonOption, RunOption
from .outputs import written

if TYPE_CHECKING:
    from cellam.analysis.suggestion import Suggestion


MOST = 24  # rows of the table


def suggest(
    n_cells: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Number of cells of the new snapshot. [default: the median of the training days]",
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="Time that could be measured; repeatable. [default: a quarter, half and three "
            "quarters of each gap]"
        ),
    ] = None,
    run: RunOption = None,
    data: DataOption = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table, with every time, to this CSV file.")
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Suggest which day to measure next: where the explanations left open disagree most."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    found = opened.suggest(n_cells=n_cells, at=at, data=data, csv=csv, overwrite=overwrite)
    for note in found.notes:
        warn(note)
    if as_json:
        give_json(found.to_dict())
        return
    give("open", f"{len(found.suggestion.names)} explanations: {'; '.join(found.suggestion.names)}")
    print()
    _print_times(found.suggestion)
    print()
    for sentence in found.says:
        print(sentence)
    say_caveats(found.caveats)
    if found.written is not None:
        print()
        give("written", written(found.written))


def _print_times(found: Suggestion) -> None:
    """A row for each time, in their order; of very many those where most is open."""
    from cellam.workflows.suggest import SURE, percent

    alike = bool((found.table["right"] > SURE).all())  # the column would say the same of each
    best = found.table["score"].iloc[found.best]
    shown = found.table.nlargest(MOST, "score").sort_values("time")
    rows = [
        [
            f"{row['time']:g}{' *' if row['score'] == best else ''}",
            f"{row['after']} to {row['before']}",
            f"{100 * row['score']:.0f} %",
            f"{row['noise']:.1f}",
            *[percent(row["right"])] * (not alike),
            "–" if row["needed"] != row["needed"] else f"{row['needed']:,.0f}",
        ]
        for _, row in shown.iterrows()
    ]
    table(["time", "between", "open", "noise", *["right"] * (not alike), "needed"], rows)
    right = "right: how often these would name the right one of the two"
    if alike:
        right = f"At every time these would name the right one of the two in {percent(1)} of cases"
    more = len(found.table) - len(shown)
    print(
        f"open: how far the explanations disagree, times the length of the gap, as a share of the "
        f"largest (*). noise: distance of the two that are told apart best, in units of sampling "
        f"noise of {found.n_cells:,} new cells. {right}, if one is right and cells differ by "
        "chance alone: animals and batches add to that. needed: cells to be right in 95 % of "
        "cases; – where no number is enough."
        f"{f' {more:,} more times are in --csv and --json.' if more else ''}"
    )
