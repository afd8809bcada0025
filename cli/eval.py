"""`cellam eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import completion
from .console import give, give_json, plural, progress, say, say_caveats, say_run, table, warn
from .options import CsvOverwriteOption, DataOption, JsonOption, ReportOption, RunOption
from .outputs import shown
from .pages import add_report, check_report
from .workers import with_workers

if TYPE_CHECKING:
    from cellam.evaluation.scores import Scores
    from cellam.evaluation.sensitivity import Sensitivity
    from cellam.evaluation.skill import Skill
    from cellam.modelling.model import Model
    from cellam.workflows.evaluate import EvaluationResult


def _workers(holdout: list[str], *, sweep: bool = False, **_: object) -> int | None:
    return None if sweep or len(holdout) > 1 or holdout == ["all"] else 1


@with_workers(
    default=_workers, told="one per core if several days are held out or with --sweep, else 1"
)
def evaluate(
    holdout: Annotated[
        list[str],
        typer.Option(
            help="Day to hold out and predict, or all (all but the first and last); repeatable.",
            autocompletion=completion.held_out,
        ),
    ],
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics, separated by commas: {metrics}. [default: all that the data allow]"
        ),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            help="Baselines for the skill, separated by commas: {baselines}. [default: all]"
        ),
    ] = None,
    n_boot: Annotated[
        int,
        typer.Option(
            min=100, max=1_000_000, help="Number of bootstrap draws for the skill interval."
        ),
    ] = 4_000,
    counterpart: Annotated[
        bool,
        typer.Option(
            "--counterpart/--no-counterpart",
            help="Also score the same fit with growth switched off (or on, if it is off), and "
            "without --growth-prior, --clones or --velocity if it had one.",
        ),
    ] = True,
    refits: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Number of refits to random halves of the training cells, which add the "
            "uncertainty of the fit to the intervals: at least 4, or 0 for none.",
        ),
    ] = 8,
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Also score what ought to predict nothing (days permuted over the cells), or less "
            "(cells paired at random).",
        ),
    ] = False,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep",
            help="Also fit with other settings, one at a time (components, genes, tau, curvature, "
            "seed), and show which answers stay the same.",
        ),
    ] = False,
    run: RunOption = None,
    data: DataOption = None,
    csv: Annotated[Path | None, typer.Option(help="Also write the table to this CSV file.")] = None,
    overwrite: CsvOverwriteOption = False,
    report: ReportOption = True,
    as_json: JsonOption = False,
) -> None:
    """Refit without a day, predict it, and score the prediction against simple baselines."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    if report:
        check_report(opened.data(data))
    if sweep:
        (_to_stderr if as_json else say)("sweep", _cost(opened.model, holdout))
    with progress() as on_progress:
        found = opened.evaluate(
            holdout,
            metrics=metrics,
            baselines=baselines,
            n_boot=n_boot,
            counterpart=counterpart,
            refits=refits,
            controls=controls,
            sweep=sweep,
            csv=csv,
            overwrite=overwrite,
            data=data,
            on_progress=on_progress,
        )
    if as_json:
        give_json(found.to_dict())
    else:
        _print(found)
    written = add_report(opened, found.cells, found.all_caveats, data=data) if report else None
    if written is not None and not as_json:
        give("report", shown(written))


def _to_stderr(label: str, text: str) -> None:
    warn(f"{label:<9} {text}")


def _cost(model: Model, holdout: list[str]) -> str:
    """How many fits other settings are, and about how long they take."""
    from cellam.evaluation.sensitivity import settings

    n = len(settings(model, len(model.space.genes) and 2 * len(model.space.genes)))
    days = len(model.training) - 2 if holdout == ["all"] else len(holdout)
    minutes = n * (1 + days) * model.seconds / 60
    return (
        f"about {n} other settings, each fitted to all days and without {plural(days, 'day')}: "
        f"about {max(minutes, 1):.0f} min of one core, as this fit took {model.seconds:.0f} s, "
        "unless the run has them already; --workers shares them"
    )


def _print(found: EvaluationResult) -> None:
    """The scores of each day, then what has to be known of them."""
    from cellam.days.time_labels import named

    for label in found.holdout:
        cached = "; saved scores of an earlier evaluation" if label in found.earlier else ""
        ours = found.skills_on(label)
        _print_day(found.evaluation.scores.of(label), ours, label, cached)
    print()
    for control in found.controls:
        give("control", f"{named(control.label)}: {control.says}")
    for note in found.evaluation.notes:
        say("note", note)
    if found.sensitivity is not None:
        _print_sweep(found.sensitivity)
    say_caveats(found.caveats)


def _print_sweep(found: Sensitivity) -> None:
    """A row for each setting, and which answers stay the same."""
    frame = found.table
    days = [str(column) for column in frame if str(column).startswith("skill ")]
    rows = [
        [
            str(row["setting"]),
            *(f"{row[day]:.2f}" for day in days),
            *(
                ("–" if row[k] != row[k] else f"{row[k]:.2g}")
                for k in ("growth_moved", "fates_moved")
            ),
        ]
        for row in frame.to_dict("records")
    ]
    print()
    table(["setting", *days, "growth moved", "fates moved"], rows)
    print("Moved: by the largest change of a type, in a rate per unit of time and in a share.")
    give("sweep", found.says)


def _print_day(scores: Scores, skills: list[Skill], label: str, cached: str) -> None:
    """Methods by rows, metrics by columns, best first; the floor and the skill last."""
    from cellam.days.time_labels import named
    from cellam.evaluation.contest import descriptions, variants
    from cellam.evaluation.scoring import CLOUDS
    from cellam.evaluation.skill import verdict

    frame = scores.table
    first = frame.iloc[0]
    marks = [
        *(["extrapolation"] if first["extrapolation"] else []),
        *(["in a representation that may have been computed with it"] if first["seen"] else []),
    ]
    marked = f" ({'; '.join(marks)})" if marks else ""
    print()
    print(
        f"{named(label)} held out{marked}: {first['n']:,} cells in each cloud ({CLOUDS}), mean of "
        f"{first['draws']} draws{cached}"
    )
    wide = frame.pivot(index="method", columns="metric", values="value")
    metrics = list(dict.fromkeys(frame["metric"]))
    bounds = frame[frame["metric"] == metrics[0]].set_index("method")
    order = [*wide.drop(index="floor").sort_values(metrics[0]).index, "floor"]
    meaning = descriptions(frame)
    ranges = _ranges(scores, label, metrics[0])
    rows = [
        [
            name,
            *_with_interval(
                [_number(wide.loc[name, metric]) for metric in metrics],
                *(ranges[name] if name in ranges else bounds.loc[name, ["low", "high"]]),
            ),
            f"  {meaning[name]}",
        ]
        for name in order
    ]
    rows += _replicate_rows(scores, label, metrics)
    if skills:  # none without a baseline
        rows += _skill_rows(skills, metrics)
    width = max(len(row[-1]) for row in rows)
    columns = ["", metrics[0], "on each" if ranges else "95 %", *metrics[1:], ""]
    table(columns, [[*row[:-1], row[-1].ljust(width)] for row in rows])
    if says := variants(frame):
        print(says)
    if skills:
        print(verdict(skills))


def _ranges(scores: Scores, label: str, metric: str) -> dict[str, tuple[float, float]]:
    """The least and largest score against one of two replicates, of which there is no interval."""
    wide = scores.against_each(label, metric)
    if wide.shape[1] != 2:
        return {}
    return {str(name): (row.min(), row.max()) for name, row in wide.iterrows()}


def _replicate_rows(scores: Scores, label: str, metrics: list[str]) -> list[list[str]]:
    """Replicates against each other, and the prediction against each of them."""
    none = (float("nan"),) * 3
    return [
        [
            row.name,
            *_with_interval(
                [_number(row.values.get(metric, none)[0]) for metric in metrics],
                *row.values.get(metrics[0], none)[1:],
            ),
            f"  {row.description}",
        ]
        for row in scores.ranges(label, "cellam")
    ]


def _skill_rows(skills: list[Skill], metrics: list[str]) -> list[list[str]]:
    of = {skill.metric: skill for skill in skills}
    lead = of[metrics[0]]
    ends = (lead.least, lead.most) if lead.low != lead.low else (lead.low, lead.high)
    shares = [of[metric].shown for metric in metrics]
    shares.insert(1, f"{ends[0]:.2f} to {ends[1]:.2f}" if lead.possible > 0 else "–")
    none = "; –: it is at the floor, nothing to gain" * ("–" in shares)
    rows = [["skill", *shares, f"  share of the possible gain over the best baseline{none}"]]
    if lead.replicates:
        within = [of[metric].to_replicates for metric in metrics]
        shares = ["–" if share != share else f"{share:.2f}" for share in within]
        shares.insert(1, "")
        rows.append(["", *shares, "  the same with replicates in place of the floor"])
    return rows


def _with_interval(values: list[str], low: float, high: float) -> list[str]:
    shown = "–" if low != low else f"{low:.3g} to {high:.3g}"
    return [values[0], shown, *values[1:]]


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.4g}"  # a balanced fit predicts no mass
