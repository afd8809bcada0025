"""`cellam info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .console import give_json, results, say, say_run, table, warn
from .options import DataOption, JsonOption, RunOption
from .outputs import shown
from .summary import growth_of_types, say_model, unannotated

if TYPE_CHECKING:
    import pandas as pd

    from cellam.runs.run import Run


def info(
    run: RunOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run: what went in, what was chosen, how types of cells grow, what was scored."""
    from cellam.errors import DataError
    from cellam.modelling.recipe import choice_to_json
    from cellam.output.wording import explain
    from cellam.reading.cells import read_obs
    from cellam.runs.run import open_run

    opened = open_run(run)
    model, seen = opened.model, opened.provenance
    types: pd.Series[Any] | None = None
    growth: list[dict[str, Any]] = []
    try:
        obs = read_obs(opened.data(data))
        opened.check_cells(obs)
        types, growth = growth_of_types(model, obs)
    except DataError as error:
        if data is not None:
            raise
        warn(f"{error.message} No growth of types of cells. {error.hint}")
    if as_json:
        say_run(opened.path, as_json=True)
        what = {
            "run": str(opened.path),
            "options": model.options.model_dump(mode="json"),
            "times": dict(zip(model.timeline.labels, model.timeline.times, strict=True)),
            "unit": model.timeline.unit,
            "cells": {
                label: len(x)
                for label, x in zip(model.timeline.labels, model.snapshots.points, strict=True)
            },
            "choice": choice_to_json(model.choice),
            "chosen": explain(model),
            "growth": {
                "relative": model.options.population is None,
                "types": types.name if types is not None else None,
                "unannotated": int(types.isna().sum()) if types is not None else None,
                "by_type": growth,
            },
            "provenance": seen,
        }
        give_json(what)
        return
    say_run(opened.path)
    with results():
        _print(opened, types, growth)


def _print(opened: Run, types: pd.Series[Any] | None, growth: list[dict[str, Any]]) -> None:
    from cellam.trust.baselines import BASELINES

    model, seen = opened.model, opened.provenance
    place = shown(seen["data"]["path"]) if seen["data"]["path"] else "unknown place"
    say("data", f"{place} ({seen['data']['cells']:,} cells)")
    say("times", model.timeline.describe())
    say_model(model)
    say(
        "finished",
        f"{seen['finished']}, cellam {seen['cellam']}, torch {seen['packages']['torch']}",
    )
    if seen["command"]:
        say("command", seen["command"])
    scores = opened.scores()
    if types is not None and growth:
        from cellam.plots.scatter import per_time

        relative = "relative " if model.options.population is None else ""
        print()
        what = f"{relative}growth {per_time(model)} by {types.name}"
        table(
            [what, "cells", "mean", "sd", "growing"],
            [
                [row["type"], f"{row['cells']:,}", f"{row['mean']:+.3f}", f"{row['sd']:.3f}",
                 f"{100 * row['growing']:.0f} %"]
                for row in growth
            ],
        )  # fmt: skip
        if rest := unannotated(types).strip():
            print(rest)
    rows = []
    for day in [scores.of(label) for label in scores.labels] if scores is not None else []:
        frame, (label,) = day.table, day.labels
        w1 = frame[frame["metric"] == "W1"].set_index("method")["value"]
        best = w1[w1.index.isin(BASELINES)]
        rows.append(
            [label, f"{w1['cellam']:.4g}", f"{best.min():.4g} ({best.idxmin()})",
             f"{w1['floor']:.4g}"]
        )  # fmt: skip
    if rows:
        print()
        table(["held out", "W1", "best baseline", "floor"], rows)
