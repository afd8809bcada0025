"""`cellam validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, give_json, plural, progress, say, say_run, table
from .options import (
    CsvOverwriteOption,
    DataOption,
    JsonOption,
    RunOption,
    StartOption,
    TerminalOption,
)
from .outputs import written

if TYPE_CHECKING:
    import pandas as pd


def validate(
    clones: Annotated[str, typer.Option(help="Column of obs with the lineage barcodes.")],
    start: StartOption = None,
    terminal: TerminalOption = None,
    n_boot: Annotated[
        int,
        typer.Option(
            min=100, max=100_000, help="Number of bootstrap draws of the clones, for the intervals."
        ),
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for these draws.")] = 0,
    run: RunOption = None,
    data: DataOption = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write the table, with every state, to this CSV file.")
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score predicted fates with lineage barcodes, and compare them with baselines."""
    from cellam.days.time_labels import named
    from cellam.evaluation.clones import SCORES
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    with progress() as on_progress:
        found = opened.validate(
            clones,
            start=start,
            terminal=terminal,
            n_boot=n_boot,
            seed=seed,
            csv=csv,
            overwrite=overwrite,
            data=data,
            on_progress=on_progress,
        )
    if as_json:
        give_json(found.to_dict())
        return
    scores = found.validation
    say(
        "clones",
        f"{plural(scores.clones, 'clone')} of obs[{clones!r}] with {plural(scores.cells, 'cell')} "
        f"on {' or '.join(map(named, found.start))} and {plural(scores.sisters, 'sister')} on "
        f"{named(scores.terminal.label)}",
    )
    rare = "; other states are too rare to score"
    say("states", f"{', '.join(scores.states)} of obs[{scores.terminal.key!r}]{rare}")
    print()
    _print_scores(scores.table)
    print()
    print(found.verdict)
    print()
    _print_reliability(scores.reliability)
    print()
    for score, meaning in SCORES.items():
        say(score, meaning)
    if found.written is not None:
        give("written", written(found.written))


def _print_scores(frame: pd.DataFrame) -> None:
    """Methods by rows, scores by columns; then what cellam gains on each of them."""
    from cellam.evaluation.clones import HIGHER, OURS, SCORES, described

    whole = frame[frame["state"] == "all"].set_index(["method", "score"])
    methods = list(dict.fromkeys(frame["method"]))
    told = described(methods)
    headings = [f"{score} {'↑' if score in HIGHER else '↓'}" for score in SCORES]
    for title, (value, low, high), names in (
        ("", ("value", "low", "high"), methods),
        (f"gain of {OURS} over", ("gain", "gain_low", "gain_high"), methods[1:]),
    ):
        rows = [
            [
                name,
                *(
                    _interval(*(float(whole[c][name, score]) for c in (value, low, high)))
                    for score in SCORES
                ),
                f"  {told[name]}" if not title else "",
            ]
            for name in names
        ]
        width = max(len(row[-1]) for row in rows)
        table([title, *headings, ""], [[*row[:-1], row[-1].ljust(width)] for row in rows])
        print()
    print(
        f"In brackets: 95 % intervals over clones. A gain above 0 means that {OURS} is better, "
        "also where lower scores are better.\nScored are the fates of `cellam fates` without "
        "--clones: no barcode has calibrated them."
    )


def _print_reliability(frame: pd.DataFrame) -> None:
    """Predicted and found shares in ten bins of the predicted probability."""
    from cellam.evaluation.clones import OURS

    table(
        [f"reliability of {OURS}", "cells × states", "predicted", "found in sisters", "95 %"],
        [
            [
                f"{100 * row['from']:.0f} to {100 * row['to']:.0f} %",
                f"{row['pairs']:,}",
                f"{100 * row['predicted']:.0f} %",
                f"{100 * row['observed']:.0f} %",
                f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %",
            ]
            for row in frame.to_dict("records")
        ],
    )
    print(
        "If they were calibrated, probabilities would be found as often as predicted, in every "
        "row. 95 %: over clones."
    )


def _interval(value: float, low: float, high: float) -> str:
    return "–" if value != value else f"{value:.3f} ({low:.3f} to {high:.3f})"
