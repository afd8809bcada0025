"""`cellam eval`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from .console import progress, say, table, warn
from .options import DataOption, JsonOption, RunOption

if TYPE_CHECKING:
    import pandas as pd


def evaluate(
    holdout: Annotated[
        list[str],
        typer.Option(help="Day to predict, or all (every inner day); may be given again."),
    ],
    metrics: Annotated[
        str, typer.Option(help="Some of W1, W2, energy, MMD2, with commas between them.")
    ] = "W1,W2,energy,MMD2",
    run: RunOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refit without a day, predict it, and score the prediction beside simple baselines."""
    from cellam.cells import read
    from cellam.evaluation import Evaluation, check_metrics, resolve_holdout
    from cellam.evaluation import evaluate as evaluate_model
    from cellam.run import open_run

    chosen = check_metrics(m.strip() for m in metrics.split(","))
    opened = open_run(run)
    (warn if as_json else print)(f"{'run':<9} {opened.path}")
    options = opened.model.options
    cells = read(
        opened.data(data),
        time_key=options.time_key,
        time_map=options.time_map,
        use_rep=options.use_rep,
        layer=options.layer,
    )
    opened.check_same(cells)
    labels = resolve_holdout(cells, tuple(holdout), options)
    missing = [label for label in labels if opened.evaluation(label) is None]
    if missing:
        with progress() as on_progress:
            opened.keep(
                evaluate_model(
                    cells, missing, options, fitted=opened.model, on_progress=on_progress
                )
            )
    result = Evaluation.join([opened.evaluation(label) for label in labels], cells)
    result = result.only(chosen)
    if as_json:
        rows = {"run": str(opened.path), "holdout": list(labels), "rows": result.rows()}
        print(json.dumps({**rows, "notes": list(result.notes)}, ensure_ascii=False))
        return
    for label in labels:
        cached = "" if label in missing else ", from the run: scored before"
        _print_day(result.table[result.table["label"] == label], label, cached)
    for note in result.notes:
        say("note", note)


def _print_day(frame: pd.DataFrame, label: str, cached: str) -> None:
    """Methods by rows, metrics by columns, best first; the floor last."""
    from cellam.evaluation import METHODS, verdict

    first = frame.iloc[0]
    print()
    print(
        f"{label} held out{' (extrapolation)' if first['extrapolation'] else ''}: "
        f"{first['n']:,} cells in each cloud, mean of {first['draws']} draws{cached}"
    )
    wide = frame.pivot(index="method", columns="metric", values="value")
    metrics = list(dict.fromkeys(frame["metric"]))
    order = [*wide.drop(index="floor").sort_values(metrics[0]).index, "floor"]
    meaning = dict(METHODS)
    if "previous" not in wide.index:
        meaning["cellam"] = "the day after, pulled back by the fit"
    elif "next" not in wide.index:
        meaning["cellam"] = "the day before, pushed forward by the fit"
    rows = [[m, *(f"{wide.loc[m, k]:.4g}" for k in metrics), f"  {meaning[m]}"] for m in order]
    width = max(len(row[-1]) for row in rows)
    table(["", *metrics, ""], [[*row[:-1], row[-1].ljust(width)] for row in rows])
    print(verdict(frame, metrics[0]))
