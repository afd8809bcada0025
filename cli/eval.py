"""`cellam eval`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cellam.trust.baselines import BASELINES, check_baselines
from cellam.trust.metrics import METRICS, check_metrics

from .console import give, give_json, progress, say, say_run, table
from .options import CsvOverwriteOption, DataOption, JsonOption, ReportOption, RunOption
from .outputs import check_csv, shown
from .report import add_report, check_report

if TYPE_CHECKING:
    import pandas as pd

    from cellam.trust.skill import Skill


def evaluate(
    holdout: Annotated[
        list[str],
        typer.Option(help="Day to predict, or all (every inner day); may be given again."),
    ],
    metrics: Annotated[
        str | None,
        typer.Option(
            help=f"Some of {', '.join(METRICS)}, with commas between them. "
            "[default: all that the data allow]"
        ),
    ] = None,
    baselines: Annotated[
        str,
        typer.Option(help=f"Some of {', '.join(BASELINES)}: what skill is measured against."),
    ] = ",".join(BASELINES),
    n_boot: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="Draws of the bootstrap of the skill.")
    ] = 4_000,
    counterpart: Annotated[
        bool,
        typer.Option(
            "--counterpart/--no-counterpart",
            help="Also score the same fit with growth switched off (or on, if it is off), and "
            "without --growth-prior, if it had one.",
        ),
    ] = True,
    refits: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Refits on half of the cells, so that the intervals include how far scores move "
            "with the cells that were fitted on: 4 or more, or 0 for none.",
        ),
    ] = 8,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that refit side by side. [default: one for each core]"),
    ] = None,
    run: RunOption = None,
    data: DataOption = None,
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this file.")] = None,
    overwrite: CsvOverwriteOption = False,
    report: ReportOption = True,
    as_json: JsonOption = False,
) -> None:
    """Refit without a day, predict it, and score the prediction beside simple baselines."""
    from cellam.modelling.refits import check_refits, possible
    from cellam.runs.run import open_run
    from cellam.trust.caveats import caveats
    from cellam.trust.counterparts import counterparts_of
    from cellam.trust.evaluation import (
        Evaluation,
        available_metrics,
        is_complete,
        resolve_holdout,
    )
    from cellam.trust.evaluation import evaluate as evaluate_model
    from cellam.trust.skill import skills
    from cellam.workers import cores

    asked = check_metrics(m.strip() for m in metrics.split(",")) if metrics is not None else None
    rivals = check_baselines(name.strip() for name in baselines.split(","))
    check_refits(refits)
    check_csv(csv, overwrite)
    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    options = opened.model.options
    place = opened.data(data)
    check_csv(csv, overwrite, place)
    if report:
        check_report(place)
    cells = opened.read(place)
    labels = resolve_holdout(cells, tuple(holdout), options)
    chosen = available_metrics(cells, options, asked, holdout=labels if asked else ())
    again = possible(options, refits)
    others = counterparts_of(options) if counterpart else ()
    scored = {label: opened.evaluation(label) for label in labels}
    missing = [
        label
        for label, known in scored.items()
        if known is None
        or not is_complete(
            known,
            available_metrics(cells, options, holdout=(label,)),
            counterparts=others,
            refits=again,
        )
    ]
    if missing:
        with progress() as on_progress:
            opened.keep(
                evaluate_model(
                    cells,
                    missing,
                    options,
                    counterpart=counterpart,
                    refits=again,
                    fitted=opened.model,
                    workers=workers or cores(),
                    on_progress=on_progress,
                )
            )
    kept = {label: opened.evaluation(label) for label in labels}
    scores = {label: scores for label, scores in kept.items() if scores is not None}
    for label, known in scores.items():  # what is kept says how the interval was drawn
        if (known.table["n_boot"] != n_boot).any():
            scores[label] = replace(known, table=known.table.assign(n_boot=n_boot))
            opened.keep(Evaluation(scores[label]))
    result = Evaluation.join(scores.values(), cells)
    result = result.only(chosen, baselines=rivals, counterpart=counterpart)
    found = skills(result.scores, seed=options.seed)
    doubts = caveats(opened.model, cells, holdout=labels)
    # The page has the scores of earlier calls too.
    every = opened.scores()
    page = caveats(opened.model, cells, holdout=every.labels if every else ()) if report else ()
    if csv is not None:
        _write_csv(csv, result.table, found)
    if as_json:
        what = {
            "run": str(opened.path),
            "holdout": list(labels),
            "rows": result.rows(),
            "skill": [asdict(skill) for skill in found],
            "notes": list(result.notes),
            "caveats": [asdict(caveat) for caveat in doubts],
        }
        give_json(what)
        if report:
            add_report(opened, cells, page, data=data)
        return
    for label in labels:
        cached = "" if label in missing else ", from the run: scored before"
        ours = [skill for skill in found if skill.label == label and skill.method == "cellam"]
        _print_day(result.table[result.table["label"] == label], ours, label, cached)
    print()
    for note in result.notes:
        say("note", note)
    for caveat in doubts:
        say("caveat", f"{caveat.finding} {caveat.advice}")
    if report:
        written = add_report(opened, cells, page, data=data)
        if written is not None:
            give("report", shown(written))


def _print_day(frame: pd.DataFrame, skills: list[Skill], label: str, cached: str) -> None:
    """Methods by rows, metrics by columns, best first; the floor and the skill last."""
    from cellam.reading.labels import named
    from cellam.trust.scoring import METHODS

    first = frame.iloc[0]
    marks = [
        *(["extrapolation"] if first["extrapolation"] else []),
        *(["in a representation that may have seen it"] if first["seen"] else []),
    ]
    marked = f" ({'; '.join(marks)})" if marks else ""
    print()
    print(
        f"{named(label)} held out{marked}: {first['n']:,} cells in each cloud, mean of "
        f"{first['draws']} draws{cached}"
    )
    wide = frame.pivot(index="method", columns="metric", values="value")
    metrics = list(dict.fromkeys(frame["metric"]))
    bounds = frame[frame["metric"] == metrics[0]].set_index("method")
    order = [*wide.drop(index="floor").sort_values(metrics[0]).index, "floor"]
    meaning = {name: METHODS[name].description for name in order}
    if "previous" not in frame["method"].to_numpy() and first["extrapolation"]:
        meaning["cellam"] = "the day after, followed backward by the fit"
    elif "next" not in frame["method"].to_numpy() and first["extrapolation"]:
        meaning["cellam"] = "the day before, followed forward by the fit"
    rows = [
        [
            name,
            *_with_interval(
                [_number(wide.loc[name, metric]) for metric in metrics],
                bounds.loc[name, "low"],
                bounds.loc[name, "high"],
            ),
            f"  {meaning[name]}",
        ]
        for name in order
    ]
    if skills:  # none without a baseline
        of = {skill.metric: skill for skill in skills}
        lead = of[metrics[0]]
        shares = [f"{of[metric].value:.2f}" for metric in metrics]
        shares.insert(1, f"{lead.low:.2f} to {lead.high:.2f}")
        rows.append(["skill", *shares, "  share of what can be gained over the best baseline"])
    width = max(len(row[-1]) for row in rows)
    columns = ["", metrics[0], "95 %", *metrics[1:], ""]
    table(columns, [[*row[:-1], row[-1].ljust(width)] for row in rows])
    for skill in skills[:1]:
        print(skill.says)


def _with_interval(values: list[str], low: float, high: float) -> list[str]:
    return [values[0], f"{low:.3g} to {high:.3g}", *values[1:]]


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.4g}"  # a balanced fit predicts no mass


def _write_csv(path: Path, frame: pd.DataFrame, skills: list[Skill]) -> None:
    """The table as it is, and the skill beside the rows of the methods that have one."""
    import pandas as pd

    from cellam.storage import write_atomically, writing

    keys = ["label", "metric", "method"]
    columns = [*keys, "value", "low", "high", "best"]
    names = {"value": "skill", "low": "skill_low", "high": "skill_high", "best": "best_baseline"}
    beside = pd.DataFrame([asdict(s) for s in skills])[columns].rename(columns=names)
    joined = frame.merge(beside, on=keys, how="left")
    with writing(path):
        write_atomically(path, joined.to_csv(index=False).encode())
