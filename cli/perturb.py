"""`cellam perturb`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import completion
from .console import give, give_json, plural, say, say_caveats, say_run, table, warn
from .options import (
    AtOption,
    CsvOverwriteOption,
    DataOption,
    FromCellsOption,
    JsonOption,
    NewBatchOption,
    NewCellsOption,
    RunOption,
    TerminalOption,
)
from .outputs import written

if TYPE_CHECKING:
    from cellam.workflows.perturb import PerturbationResult


def perturb(
    gene: Annotated[
        list[str],
        typer.Option(
            "--gene",
            "-g",
            metavar="GENE=SHIFT",
            help="Gene to shift by a number of standard deviations, e.g. Gata1=-3, or to knock "
            "out: Gata1=ko. Repeatable; all genes are changed together.",
        ),
    ],
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Day whose cells are perturbed. [default: the first]",
            autocompletion=completion.days,
        ),
    ] = None,
    cells: NewCellsOption = None,
    at: AtOption = None,
    new_batch: NewBatchOption = False,
    from_cells: FromCellsOption = None,
    terminal: TerminalOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the noise.")] = 0,
    csv: Annotated[
        Path | None, typer.Option(help="Also write a table with a row per cell to this CSV file.")
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Change the expression of genes, and predict the effect on fates and growth."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    result = opened.perturb(
        gene,
        start=start,
        cells=cells,
        at=at,
        new_batch=new_batch,
        from_cells=from_cells,
        terminal=terminal,
        seed=seed,
        csv=csv,
        overwrite=overwrite,
        data=data,
    )
    found = result.perturbation
    if as_json:
        give_json(result.to_dict())
    else:
        say(
            "changed",
            f"{', '.join(map(str, found.changes))} in {plural(len(found.rows), 'cell')} of "
            f"{result.whose}; of these, {result.expressing}",
        )
        print()
        _print(result)
        print()
        if not result.strayed:  # which is a warning
            give("off data", result.outlying + ".")
        if not result.looked:
            say_caveats(None)
        say_caveats(result.caveats)
    for warning in result.warnings:
        warn(warning)
    if result.written is not None and not as_json:
        give("written", written(result.written))


def _print(result: PerturbationResult) -> None:
    """A row for each fate and one for growth: before, after, and the change with its interval."""
    from cellam.days.time_labels import named

    found = result.perturbation
    S, K = len(found.states), len(found.effects) - 1
    rows = []
    for k in [*(-abs(found.effects[0, :S])).argsort(kind="stable"), S]:
        row, unit, form = ["log mass", "", ""], 1, "+.3f"
        if k < S:
            shares = (100 * side[k] for side in found.shares)
            row, unit, form = [found.states[k], *(f"{p:.1f} %" for p in shares)], 100, "+.2f"
        row.append(format(unit * found.effects[0, k], form))
        if found.spread is not None:
            low, high = (format(unit * limit[k], form) for limit in found.spread.interval())
            row += [f"{low} to {high}", f"{found.agreeing[k]} of {K}"]
        rows.append(row)
    sure = ["90 %", "same sign"] if K else []
    table([found.terminal.key, "before", "after", "change", *sure], rows)
    what = f"obs[{found.terminal.key!r}]" if result.found is None else "found state"
    print(
        f"Share of each {what} in the descendants on "
        f"{named(found.terminal.label)}, by mass, without the perturbation; then its change, in "
        "percentage points.\nLog mass: that of the descendants of each cell; above 0, the "
        "perturbation increases it.\nBoth sides follow the trajectories of the fit alone, as "
        "`cellam simulate` does. `cellam fates` leaves a part to chance and draws it to what the "
        "terminal day is made of, so its row all may differ from the column before."
    )
    print(
        "Same sign: number of ensemble fits in which the change has the same sign."
        if K
        else "No intervals: this run has no ensemble (`cellam fit --ensemble 8`)."
    )
