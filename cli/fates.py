"""`cellam fates`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import give, give_json, plural, say, say_run, table
from .options import (
    CsvOverwriteOption,
    DataOption,
    JsonOption,
    RunOption,
    StartOption,
    TerminalOption,
)
from .outputs import check_csv, shown

if TYPE_CHECKING:
    import pandas as pd

    from cellam.answers.fates import Fates

MOST_STATES = 8  # columns of the table


def fates(
    start: StartOption = None,
    terminal: TerminalOption = None,
    ancestors: Annotated[
        bool,
        typer.Option(
            "--ancestors",
            "--backward",
            help="Follow later cells backward: which states of an earlier day they came from. "
            "[default day: the first]",
        ),
    ] = False,
    flow: Annotated[
        bool,
        typer.Option("--flow", help="Also print the mass that goes from each type to each state."),
    ] = False,
    draws: Annotated[
        int, typer.Option(min=1, max=10_000, help="Trajectories per cell, if the fit has noise.")
    ] = 16,
    seed: Annotated[int, typer.Option(min=0, help="For noise.")] = 0,
    run: RunOption = None,
    data: DataOption = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="File for the table of all cells. [default: in the run]"),
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Probability of each terminal state for every earlier cell; table, flow and ancestors."""
    import pandas as pd

    from cellam.answers.fates import flow as flow_of
    from cellam.answers.fates import predict_fates
    from cellam.answers.terminal import days_before, parse_terminal
    from cellam.errors import ConfigError
    from cellam.reading.cell_types import read_types
    from cellam.reading.cells import read_obs
    from cellam.reading.labels import named
    from cellam.runs.claims import FATES
    from cellam.runs.run import open_run
    from cellam.storage import sha256, write_atomically, writing

    check_csv(csv, overwrite)
    if flow and ancestors:
        raise ConfigError("--flow goes forward, and --ancestors backward.", "Give one of the two.")
    opened = open_run(run)
    model = opened.model
    say_run(opened.path, as_json=as_json)
    obs = read_obs(opened.data(data))
    opened.check_cells(obs)
    end = parse_terminal(model, obs, terminal, backward=ancestors)
    possible = days_before(model, end.label, backward=ancestors)
    labels = [model.timeline.labels[model.timeline.index(label)] for label in start or possible]
    wrong = [label for label in labels if label not in possible]
    if wrong or not possible:
        side = "after" if ancestors else "before"
        raise ConfigError(
            f"--from {wrong[0]} is not a day {side} {end.label} among those fitted on."
            if wrong
            else f"There is no day {side} {end.label} to follow.",
            f"Days {side} it are: {', '.join(possible) or 'none'}."
            + ("" if ancestors else " Add --ancestors to follow later cells backward."),
        )
    types = read_types(obs[end.key])
    found = [
        predict_fates(model, label, types, terminal=end.label, draws=draws, seed=seed)
        for label in labels
    ]
    flows = [] if ancestors else [flow_of(model, f, types) for f in found]
    cells = pd.concat([f.table(obs.index, types) for f in found], ignore_index=True)
    if csv is None:
        call = sha256(repr((tuple(labels), tuple(end), draws, seed)).encode(errors="replace"))
        csv = opened.path / FATES / f"{'ancestors' if ancestors else 'fates'}-{call[:8]}.csv"
    with writing(csv):
        csv.parent.mkdir(exist_ok=True)
        write_atomically(csv, cells.to_csv(index=False).encode(errors="backslashreplace"))
    if as_json:
        what = {
            "run": str(opened.path),
            "terminal": {"day": end.label, "column": end.key},
            "ancestors": ancestors,
            "members": len(model.ensemble),
            "days": [
                {
                    "day": f.start,
                    "cells": len(f.rows),
                    "states": list(f.states),
                    "types": f.by_type(types),
                    **({"flow": flows[k].to_dict("records")} if flows else {}),
                }
                for k, f in enumerate(found)
            ],
            "written": str(csv),
        }
        give_json(what)
        return
    noun = "ancestors" if ancestors else "fates"
    for k, f in enumerate(found):
        print()
        say(noun, f"of {plural(len(f.rows), 'cell')} of {named(f.start)} on {named(end.label)}")
        _print_fates(f, types)
        if flow:
            print()
            _print_flow(flows[k], f)
    print()
    spread = (
        f"; ±: standard deviation, by {len(model.ensemble)} members of the ensemble"
        if model.ensemble
        else ""
    )
    print(
        f"Mean probability of obs[{end.key!r}] on {named(end.label)}, by the cells observed "
        f"nearest to where cells {'came from' if ancestors else 'arrive'}{spread}.\nMass: of their "
        f"{'ancestors' if ancestors else 'descendants'}, for each cell. Entropy in bits: 0 is "
        "certain, 1 even between two."
    )
    if n := int(types.isna().sum()):
        print(
            f"{n:,} of {plural(len(types), 'cell')} {'is' if n == 1 else 'are'} unannotated; fates "
            "are read from annotated cells alone."
        )
    print()
    give("written", shown(csv))


def _most(found: Fates) -> list[str]:
    """The most probable states, as many as fit on a line."""
    mean = found.probability.mean(0)
    return [found.states[k] for k in (-mean).argsort(kind="stable")[:MOST_STATES]]


def _print_fates(found: Fates, types: pd.Series[Any]) -> None:
    states = _most(found)
    rows = []
    for row in found.by_type(types):
        sd = row.get("sd", {})
        shares = [
            f"{100 * row['fate'][s]:.0f} %" + (f" ± {100 * sd[s]:.0f}" if sd else "")
            for s in states
        ]
        numbers = [f"{row['cells']:,}", f"{row['mass']:.2f}", f"{row['entropy']:.2f}"]
        rows.append([row["type"], *numbers, *shares])
    table([found.start, "cells", "mass", "entropy", *states], rows)
    left = len(found.states) - len(states)
    if left:
        print(f"{plural(left, 'rarer state')} not shown.")


def _print_flow(frame: pd.DataFrame, found: Fates) -> None:
    """Types by states: mass before and after growth, with sums."""
    states = _most(found)
    before, after = (
        frame.pivot(index="source", columns="target", values=side) for side in ("before", "after")
    )
    rows = [
        [
            str(name),
            *(f"{before.loc[name, s]:.3f} > {after.loc[name, s]:.3f}" for s in states),
            f"{before.loc[name].to_numpy().sum():.3f} > {after.loc[name].to_numpy().sum():.3f}",
        ]
        for name in before.sum(axis=1).sort_values(ascending=False).index
    ]
    sums = [f"{before[s].sum():.3f} > {after[s].sum():.3f}" for s in states]
    total = f"{before.to_numpy().sum():.3f} > {after.to_numpy().sum():.3f}"
    corner = f"{found.start} > {found.terminal.label}"
    table([corner, *states, "all"], [*rows, ["all", *sums, total]])
    print("Mass of the cells of a type that become a state, before > after growth.")
