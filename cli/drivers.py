"""`cellam drivers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, give_json, plural, say, say_run, table
from .options import DataOption, FromCellsOption, GroupbyOption, JsonOption, RunOption
from .report import free_path
from .simulate import rows_of

if TYPE_CHECKING:
    import pandas as pd


def drivers(
    of: Annotated[str, typer.Option(help="What genes go with: growth, speed, or fate:TYPE.")],
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

    from cellam.answers import drivers as library
    from cellam.errors import ConfigError, OutputError
    from cellam.reading.cell_types import resolve_types
    from cellam.runs.run import open_run
    from cellam.storage import write_atomically, writing

    opened = open_run(run)
    model = opened.model
    say_run(opened.path, as_json=as_json)
    source = opened.data(data)
    if csv is not None:
        if csv.exists() and csv.samefile(source):
            raise OutputError(f"--csv {csv} is the input; it is never written to.")
        free_path(csv, csv, overwrite=overwrite)
    cells = opened.read_expression(source)
    types = resolve_types(cells.obs, model.snapshots.codes, groupby)
    y, keep = library.quantity(model, of, types, seed=seed)
    if from_cells is not None:
        keep &= np.isin(np.arange(len(cells)), rows_of(cells.obs, from_cells))
    if day:
        keep &= np.isin(cells.codes, [model.timeline.index(label) for label in day])
    if not keep.any():
        raise ConfigError(
            "None of the cells asked for count"
            + (": fates are open only before the last day." if of.startswith("fate:") else "."),
            "Take other cells with --day or --from-cells.",
        )
    frame = library.drivers(cells, y, keep)
    if csv is not None:
        with writing(csv):
            csv.parent.mkdir(parents=True, exist_ok=True)
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
                "drivers": frame.to_dict("records"),
            }
        )
        return
    say(
        "", f"{plural(int(keep.sum()), 'cell')} of {', '.join(used)}; {plural(len(frame), 'gene')}."
    )
    _print_top(frame, of, top)
    print()
    print("Correlation within days; q: false discovery rate over all genes. The model reads its")
    print("quantities from expression: this ranks genes, and does not show causes.")
    if csv is not None:
        give("written", str(csv))


def _print_top(frame: pd.DataFrame, of: str, top: int) -> None:
    """The genes of both signs, the strongest of each first."""
    rising = frame[frame["correlation"] > 0].head(top)
    falling = frame[frame["correlation"] < 0].iloc[::-1].head(top)
    for sign, part in (("with more", rising), ("with less", falling)):
        print()
        rows = [
            [gene, f"{r:+.3f}", _small(q), f"{100 * share:.0f} %"]
            for gene, r, q, share in zip(
                *(part[name] for name in ("gene", "correlation", "q_value", "cells")), strict=True
            )
        ]
        table([f"{sign} {of}", "correlation", "q", "cells"], rows)


def _small(q: float) -> str:
    return f"{q:.1e}" if q > 0 else "<1e-300"
