"""`cellam drivers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, give_json, plural, say, say_run, table
from .options import DataOption, FromCellsOption, GroupbyOption, JsonOption, RunOption
from .outputs import check_csv, shown
from .simulate import rows_of

if TYPE_CHECKING:
    import pandas as pd


def drivers(
    of: Annotated[str, typer.Option(help="Correlate genes with growth, speed or fate:TYPE.")],
    top: Annotated[
        int, typer.Option("--top", "-n", min=1, help="Genes to print, of each sign.")
    ] = 10,
    day: Annotated[
        list[str] | None,
        typer.Option(help="Only cells of this day; may be given again. [default: all that count]"),
    ] = None,
    from_cells: FromCellsOption = None,
    groupby: GroupbyOption = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="File to write the table of all genes to.")
    ] = None,
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option(min=0, help="For noise, where the fit has it.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace --csv if it is there.")
    ] = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """List the genes that go with growth, speed or a fate, within days."""
    import numpy as np
    import pandas as pd

    from cellam.answers import drivers as library
    from cellam.answers.division import compare_division
    from cellam.errors import ConfigError
    from cellam.reading.cell_types import resolve_types
    from cellam.reading.cells import read_obs
    from cellam.reading.labels import named
    from cellam.runs.run import open_run
    from cellam.storage import write_atomically, writing

    opened = open_run(run)
    model = opened.model
    say_run(opened.path, as_json=as_json)
    source = opened.data(data)
    check_csv(csv, overwrite, source)
    days = [model.timeline.index(label) for label in day or ()]
    obs = read_obs(source)
    opened.check_cells(obs)
    types = resolve_types(obs, model.snapshots.codes, groupby)
    library.check_quantity(model, of, types)
    rows = rows_of(obs, from_cells) if from_cells is not None else None
    cells = opened.read_expression(source)
    y, keep = library.quantity(model, of, types, seed=seed)
    if rows is not None:
        keep &= np.isin(np.arange(len(cells)), rows)
    if days:
        keep &= np.isin(cells.codes, days)
    if not keep.any():
        raise ConfigError(
            "None of the cells asked for count"
            + (": fates are open only before the last day." if of.startswith("fate:") else "."),
            "Take other cells with --day or --from-cells.",
        )
    frame = library.drivers(cells, y, keep)
    if csv is not None:
        with writing(csv):
            write_atomically(csv, frame.to_csv(index=False).encode())
    used = [
        label for k, label in enumerate(cells.timeline.labels) if (cells.codes[keep] == k).any()
    ]
    if as_json:
        give_json(
            {
                "of": of,
                "run": str(opened.path),
                "cells": int(keep.sum()),
                "days": used,
                "genes": len(frame),
                "drivers": pd.concat(_strongest(frame, top)).to_dict("records"),
            }
        )
        return
    of_days = ", ".join(map(named, used))
    say("", f"{plural(int(keep.sum()), 'cell')} of {of_days}; {plural(len(frame), 'gene')}.")
    _print_top(frame, of, top)
    print()
    print("Correlation within days; q: false discovery rate over all genes. The model reads its")
    print("quantities from expression: this ranks genes, and does not show causes.")
    if of == "growth":
        division = compare_division(model, cells)
        if division is not None:
            say("division" if division.contradicts else "", str(division))
    if csv is not None:
        give("written", shown(csv))


def _print_top(frame: pd.DataFrame, of: str, top: int) -> None:
    """The genes of both signs, the strongest of each first."""
    for sign, part in zip(("with more", "with less"), _strongest(frame, top), strict=True):
        print()
        rows = [
            [gene, f"{r:+.3f}", _small(q), f"{100 * share:.0f} %"]
            for gene, r, q, share in zip(
                *(part[name] for name in ("gene", "correlation", "q_value", "share_of_cells")),
                strict=True,
            )
        ]
        table([f"{sign} {of}", "correlation", "q", "cells"], rows)


def _strongest(frame: pd.DataFrame, top: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """At most `top` genes of each sign, the strongest first."""
    return (
        frame[frame["correlation"] > 0].head(top),
        frame[frame["correlation"] < 0].iloc[::-1].head(top),
    )


def _small(q: float) -> str:
    return f"{q:.1e}" if q > 0 else "<1e-300"
