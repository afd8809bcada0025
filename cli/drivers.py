"""`cellam drivers`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, plural, say, table
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
    from cellam.answers.results import cell_types
    from cellam.errors import ConfigError
    from cellam.reading.cells import read_obs
    from cellam.reading.labels import named
    from cellam.runs.run import open_run
    from cellam.storage import write_atomically, writing

    opened = open_run(run)
    model = opened.model
    if not as_json:
        say("run", shown(opened.path))
    source = opened.data(data)
    check_csv(csv, overwrite, source)
    days = [model.timeline.index(label) for label in day or ()]
    obs = read_obs(source)
    opened.check_cells(obs)
    types = cell_types(obs, groupby)
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
        print(
            json.dumps(
                {
                    "of": of,
                    "run": str(opened.path),
                    "cells": int(keep.sum()),
                    "days": used,
                    "genes": len(frame),
                    "drivers": pd.concat(_strongest(frame, top)).to_dict("records"),
                },
                ensure_ascii=False,
            )
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
            [
                row.gene,
                f"{row.correlation:+.3f}",
                _small(row.q_value),
                f"{100 * row.share_of_cells:.0f} %",
            ]
            for row in part.itertuples()
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
