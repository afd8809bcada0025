"""`cellam perturb`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, give_json, plural, say, say_run, table, warn
from .options import (
    CsvOverwriteOption,
    DataOption,
    FromCellsOption,
    JsonOption,
    RunOption,
    TerminalOption,
)
from .outputs import check_csv, shown
from .simulate import rows_of

if TYPE_CHECKING:
    from cellam.answers.perturbation import Perturbation

TOO_MANY = 0.1  # of the cells off the data, beyond those that were before


def perturb(
    gene: Annotated[
        list[str],
        typer.Option(
            "--gene",
            "-g",
            metavar="GENE=SHIFT",
            help="Shift a gene by standard deviations, e.g. Gata1=-3, or knock it out: Gata1=ko. "
            "May be given again: all are changed at once.",
        ),
    ],
    start: Annotated[
        str | None,
        typer.Option("--from", help="Day whose cells are changed. [default: the first]"),
    ] = None,
    from_cells: FromCellsOption = None,
    terminal: TerminalOption = None,
    seed: Annotated[int, typer.Option(min=0, help="For noise.")] = 0,
    csv: Annotated[
        Path | None, typer.Option(help="Also write a row for each cell to this file.")
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Change the expression of cells, and see what becomes of their fates and their growth."""
    from cellam.answers.perturbation import parse_changes
    from cellam.answers.perturbation import perturb as perturb_cells
    from cellam.answers.terminal import parse_terminal
    from cellam.reading.labels import named
    from cellam.runs.run import open_run
    from cellam.storage import write_atomically, writing

    changes = parse_changes(gene)
    check_csv(csv, overwrite)
    opened = open_run(run)
    model = opened.model
    say_run(opened.path, as_json=as_json)
    cells = opened.read(opened.data(data))
    end = parse_terminal(model, cells.obs, terminal)
    found = perturb_cells(
        model,
        cells,
        changes,
        start or model.training.labels[0],
        cells.obs[end.key],
        terminal=end.label,
        rows=rows_of(cells.obs, from_cells) if from_cells is not None else None,
        seed=seed,
    )
    if csv is not None:
        content = found.table(cells.obs.index).to_csv(index=False)
        with writing(csv):
            write_atomically(csv, content.encode(errors="backslashreplace"))
    if as_json:
        give_json(_described(found))
    else:
        say(
            "changed",
            f"{', '.join(map(str, found.changes))} in {plural(len(found.rows), 'cell')} of "
            f"{named(found.start)}; of these, {_expressing(found)}",
        )
        print()
        _print(found)
        print()
    if found.silent:
        warn(
            f"None of these cells was measured to express {' or '.join(found.silent)}: what "
            "changes is what the model ascribes to them from cells like them, and says little."
        )
    elif not found.visible:
        warn(
            "No effect is visible, as the change moves these cells too little "
            f"({_expressing(found)}). Choose cells that express more of it with --from or "
            "--from-cells, or change more genes."
        )
    if found.remote[1] > found.remote[0] + TOO_MANY:
        warn(
            f"{100 * found.remote[1]:.0f} % of the changed cells are where hardly any cells were "
            f"observed (unchanged: {100 * found.remote[0]:.0f} %), so no data support what is said "
            "of them. Use a smaller shift, or fewer genes."
        )
    if csv is not None and not as_json:
        give("written", shown(csv))


def _expressing(found: Perturbation) -> str:
    """How many of the cells express each of the genes."""
    return ", ".join(
        f"{n:,} express{'es' * (n == 1)} {change.gene}"
        for change, n in zip(found.changes, found.expressing, strict=True)
    )


def _described(found: Perturbation) -> dict[str, object]:
    """The effects as plain values; without an ensemble there are no intervals."""
    effects = []
    for k, name in enumerate([*found.states, None]):
        effect: dict[str, object] = {"change": float(found.effects[0, k])}
        if name is not None:
            effect = {
                "state": name,
                "before": float(found.before[:, k].mean()),
                "after": float(found.after[:, k].mean()),
                **effect,
            }
        if found.spread is not None:
            low, high = found.spread.interval()
            effect |= {
                "interval": [float(low[k]), float(high[k])],
                "agreeing": int(found.agreeing[k]),
            }
        effects.append(effect)
    return {
        "changes": [
            {"gene": c.gene, "z": c.z, "cells_expressing": n}
            for c, n in zip(found.changes, found.expressing, strict=True)
        ],
        "from": found.start,
        "cells": len(found.rows),
        "terminal": {"day": found.terminal.label, "column": found.terminal.key},
        "members": len(found.effects) - 1,
        "fates": effects[:-1],
        "log_mass": effects[-1],
        "off_manifold": {"before": found.remote[0], "after": found.remote[1]},
    }


def _print(found: Perturbation) -> None:
    """A row for each fate and one for growth: before, after, and the change with its interval."""
    from cellam.reading.labels import named

    S, K = len(found.states), len(found.effects) - 1
    rows = []
    for k in [*(-abs(found.effects[0, :S])).argsort(kind="stable"), S]:
        row, unit, form = ["log mass", "", ""], 1, "+.3f"
        if k < S:
            shares = (100 * side[:, k].mean() for side in (found.before, found.after))
            row, unit, form = [found.states[k], *(f"{p:.1f} %" for p in shares)], 100, "+.2f"
        row.append(format(unit * found.effects[0, k], form))
        if found.spread is not None:
            low, high = (format(unit * limit[k], form) for limit in found.spread.interval())
            row += [f"{low} to {high}", f"{found.agreeing[k]} of {K}"]
        rows.append(row)
    sure = ["90 %", "same sign"] if K else []
    table([found.terminal.key, "before", "after", "change", *sure], rows)
    print(
        f"Mean probability of obs[{found.terminal.key!r}] on {named(found.terminal.label)}; "
        "changes in percentage points.\nLog mass: of the descendants of each cell; above 0 they "
        "are more."
    )
    print(
        "Same sign: members of the ensemble that say so too."
        if K
        else "No intervals: the run has no ensemble (`cellam fit --ensemble 8`)."
    )
