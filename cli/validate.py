"""`cellam validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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


def validate(
    clones: Annotated[str, typer.Option(help="Column of obs with the lineage barcodes.")],
    start: StartOption = None,
    terminal: TerminalOption = None,
    n_boot: Annotated[
        int, typer.Option(min=100, max=100_000, help="Draws of the clones, for the intervals.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="For these draws.")] = 0,
    run: RunOption = None,
    data: DataOption = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table, of every state, to this file.")
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score predicted fates by where sisters of the same clone were found, beside baselines."""
    from cellam.answers.terminal import days_before, parse_terminal
    from cellam.errors import ConfigError
    from cellam.reading.cells import read_obs
    from cellam.reading.labels import did_you_mean, named
    from cellam.runs.run import open_run
    from cellam.storage import write_atomically, writing
    from cellam.trust.validation import SCORES, verdict
    from cellam.trust.validation import validate as validate_model

    check_csv(csv, overwrite)
    opened = open_run(run)
    model = opened.model
    say_run(opened.path, as_json=as_json)
    obs = read_obs(opened.data(data))
    opened.check_cells(obs)
    if clones not in obs:
        columns = list(map(str, obs.columns))
        raise ConfigError(
            f"--clones {clones}: there is no such column in obs.",
            f"{did_you_mean(clones, columns)}The columns are: {', '.join(columns)}.",
        )
    end = parse_terminal(model, obs, terminal)
    possible = days_before(model, end.label)
    asked = [model.timeline.labels[model.timeline.index(label)] for label in start or possible]
    wrong = [label for label in asked if label not in possible]
    if wrong or not asked:
        raise ConfigError(
            f"--from {wrong[0]} is not before {end.label}."
            if wrong
            else f"There is no day before {end.label} to follow.",
            f"Days before it are: {', '.join(possible) or 'none'}.",
        )
    found = validate_model(
        model,
        obs[end.key],
        obs[clones],
        start=tuple(dict.fromkeys(asked)),
        terminal=end.label,
        n_boot=n_boot,
        seed=seed,
    )
    if csv is not None:
        with writing(csv):
            write_atomically(csv, found.table.to_csv(index=False).encode())
    if as_json:
        what = {
            "run": str(opened.path),
            "clones": clones,
            "from": list(asked),
            "terminal": {"day": end.label, "column": end.key},
            "cells": found.cells,
            "sisters": found.sisters,
            "shared_clones": found.clones,
            "states": list(found.states),
            "verdict": verdict(found.table),
            "rows": [
                {k: None if v != v else v for k, v in row.items()}  # JSON has no NaN
                for row in found.table.to_dict("records")
            ],
        }
        give_json(what)
        return
    say(
        "clones",
        f"{plural(found.clones, 'clone')} of obs[{clones!r}] with {plural(found.cells, 'cell')} on "
        f"{' or '.join(map(named, asked))} and {plural(found.sisters, 'sister')} on "
        f"{named(end.label)}",
    )
    rare = "; the others are too rare to score"
    say("states", f"{', '.join(found.states)} of obs[{end.key!r}]{rare}")
    print()
    _print_scores(found.table)
    print()
    print(verdict(found.table))
    print()
    for score, meaning in SCORES.items():
        say(score, meaning)
    if csv is not None:
        give("written", shown(csv))


def _print_scores(frame: pd.DataFrame) -> None:
    """Methods by rows, scores by columns; then what cellam gains on each of them."""
    from cellam.trust.validation import CONTENDERS, HIGHER, OURS, SCORES

    whole = frame[frame["state"] == "all"].set_index(["method", "score"])
    headings = [f"{score} {'↑' if score in HIGHER else '↓'}" for score in SCORES]
    for title, (value, low, high), names in (
        ("", ("value", "low", "high"), list(CONTENDERS)),
        (f"gain of {OURS} over", ("gain", "gain_low", "gain_high"), list(CONTENDERS)[1:]),
    ):
        rows = [
            [
                name,
                *(
                    _interval(*(float(whole[c][name, score]) for c in (value, low, high)))
                    for score in SCORES
                ),
                f"  {CONTENDERS[name][1]}" if not title else "",
            ]
            for name in names
        ]
        width = max(len(row[-1]) for row in rows)
        table([title, *headings, ""], [[*row[:-1], row[-1].ljust(width)] for row in rows])
        print()
    print(
        f"In brackets 95 % over clones. A gain is above 0 where {OURS} is better, whichever way "
        "the score goes."
    )


def _interval(value: float, low: float, high: float) -> str:
    return "–" if value != value else f"{value:.3f} ({low:.3f} to {high:.3f})"
