"""`cellam info`."""

from __future__ import annotations

import json

from .console import say, table, warn
from .options import DataOption, JsonOption, RunOption
from .outputs import shown
from .summary import growth_of_types, say_model


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
    from cellam.trust.baselines import BASELINES

    opened = open_run(run)
    model, seen = opened.model, opened.provenance
    key, growth = None, []
    try:
        obs = read_obs(opened.data(data))
        opened.check_cells(obs)
        key, growth = growth_of_types(model, obs)
    except DataError as error:
        if data is not None:
            raise
        warn(f"{error.message} No growth of types of cells. {error.hint}")
    if as_json:
        warn(f"{'run':<9} {shown(opened.path)}")
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
                "types": key,
                "by_type": growth,
            },
            "provenance": seen,
        }
        print(json.dumps(what, ensure_ascii=False))
        return
    say("run", shown(opened.path))
    say(
        "data",
        f"{shown(seen['data']['path']) if seen['data']['path'] else 'unknown place'} ("
        f"{seen['data']['cells']:,} cells)",
    )
    say("times", model.timeline.describe())
    say_model(model)
    say(
        "finished",
        f"{seen['finished']}, cellam {seen['cellam']}, torch {seen['packages']['torch']}",
    )
    if seen["command"]:
        say("command", seen["command"])
    scored = [(label, opened.evaluation(label)) for label in model.timeline.labels]
    if growth:
        from cellam.plots.scatter import per_time

        relative = "relative " if model.options.population is None else ""
        print()
        table(
            [f"{relative}growth {per_time(model)} by {key}", "cells", "mean", "sd", "growing"],
            [
                [row["type"], f"{row['cells']:,}", f"{row['mean']:+.3f}", f"{row['sd']:.3f}",
                 f"{100 * row['growing']:.0f} %"]
                for row in growth
            ],
        )  # fmt: skip
    rows = []
    for label, frame in scored:
        if frame is not None:
            w1 = frame[frame["metric"] == "W1"].set_index("method")["value"]
            best = w1[w1.index.isin(BASELINES)]
            rows.append(
                [label, f"{w1['cellam']:.4g}", f"{best.min():.4g} ({best.idxmin()})",
                 f"{w1['floor']:.4g}"]
            )  # fmt: skip
    if rows:
        print()
        table(["held out", "W1", "best baseline", "floor"], rows)
