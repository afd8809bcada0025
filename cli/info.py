"""`cellam info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellam.limits import FEW

from .console import give_json, results, say, say_run, table, warn
from .options import DataOption, JsonOption, RunOption
from .outputs import shown
from .summary import few_cells, largest_first, marked, over_replicates, say_model, unannotated

if TYPE_CHECKING:
    from cellam.workflows.info import InfoResult
    from cellam.workflows.run import Run


def info(
    run: RunOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run: its data, the choices made, growth by cell type, and scores."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    found = opened.info(data=data)
    for note in found.notes:
        warn(note)
    say_run(opened.path, as_json=as_json)
    if as_json:
        give_json(found.to_dict())
        return
    with results():
        _print(opened, found)


def _print(opened: Run, found: InfoResult) -> None:
    from cellam.evaluation.baselines import BASELINES
    from cellam.evaluation.metrics import LEAD
    from cellam.report.wording import explain_growth

    model, seen, types, growth = opened.model, opened.provenance, found.types, found.growth
    place = shown(seen["data"]["path"]) if seen["data"]["path"] else "location unknown"
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
        relative = "relative " if model.options.population is None else ""
        growth = largest_first(growth)
        print()
        what = f"{relative}growth {model.timeline.per_time} by {types.name}"
        over = [] if not found.over else ["over replicates"]
        table(
            [what, "cells", "mean", "range", *over, "sd", "growing"],
            [
                [marked(row), f"{row['cells']:,}", f"{row['mean']:+.3f}",
                 f"{row['low']:+.3f} to {row['high']:+.3f}",
                 *[over_replicates(row, "+.3f") for _ in over], f"{row['sd']:.3f}",
                 f"{100 * row['growing']:.0f} %"]
                for row in growth
            ],
        )  # fmt: skip
        print(
            "mean: of the fit; range: what explains these days as well; sd: over cells; growing: "
            "share of the cells with a rate above 0 in the fit."
        )
        if growth[-1]["cells"] < FEW:
            print(few_cells())
        if found.over:
            print(f"over replicates: {found.over}, as measured by fits without each of them.")
        if rest := unannotated(types).strip():
            print(rest)
        print(explain_growth(growth, model))
    rows = []
    for day in [scores.of(label) for label in scores.labels] if scores is not None else []:
        frame, (label,) = day.table, day.labels
        value = frame[frame["metric"] == LEAD].set_index("method")["value"]
        best = value[value.index.isin(BASELINES)]
        rows.append(
            [label, f"{value['cellam']:.4g}", f"{best.min():.4g} ({best.idxmin()})",
             f"{value['floor']:.4g}"]
        )  # fmt: skip
    if rows:
        print()
        table(["held out", LEAD, "best baseline", "floor"], rows)
