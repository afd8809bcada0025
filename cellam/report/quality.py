"""Quality: how a fit came about, and what held-out days say of it, for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from cellam.days.time_labels import named
from cellam.dynamics.fitting import Solved
from cellam.evaluation.contenders import FIT
from cellam.evaluation.contest import descriptions, variants
from cellam.evaluation.controls import Controlled
from cellam.evaluation.heldout import predict_day
from cellam.evaluation.scores import Scores
from cellam.evaluation.scoring import CLOUDS
from cellam.evaluation.skill import Skill, skills, verdict
from cellam.modelling.model import Model
from cellam.plots import maps, scores
from cellam.reading.samples import ENOUGH
from cellam.report import images
from cellam.report.images import Picture

if TYPE_CHECKING:
    from anndata import AnnData

DRAWN = ("energy", "W1")  # metrics that have bars


def history(model: Model) -> Picture:
    """The loss on held-out cells: for each ridge, or during training."""
    over = "for each ridge" if isinstance(model.fit.record, Solved) else "during training"
    return images.picture(
        lambda: scores.history(model),
        f"Loss on held-out cells {over}. {_taken(model)}",
        "Selection of the fit. The loss has no unit and only ranks fits to the same data; the "
        "fit with the lowest loss was used.",
    )


def _taken(model: Model) -> str:
    record = model.fit.record
    if isinstance(record, Solved):
        ridge, least = min(record.losses.items(), key=lambda pair: pair[1])
        return f"The lowest, {least:.4g}, is that of ridge {ridge:g}."
    best = min(record.history, key=lambda row: row["held_out_loss"])
    return f"The lowest, {best['held_out_loss']:.4g}, is that of step {best['step']:g}."


def score_tables(
    scored: Scores | None, controls: Iterable[Controlled], seed: int
) -> list[dict[str, Any]]:
    """Of each held-out day: the verdict, and methods by metrics, best first and the floor last.

    And what its controls say, where they were asked for.
    """
    controls = list(controls)
    if scored is None:
        return []
    days = []
    for label in scored.labels:
        day = scored.of(label)
        found = skills(day, seed=seed)
        ours = [each for each in found if each.method == FIT.name]
        days.append(
            {
                "named": named(label),
                "extrapolation": bool(day.table["extrapolation"].iloc[0]),
                "clouds": CLOUDS,
                "variants": variants(day.table),
                "n": int(day.table["n"].iloc[0]),
                "draws": int(day.table["draws"].iloc[0]),
                "verdict": verdict(ours) if ours else "No baseline was scored.",
                "skills": found,
                "metrics": list(dict.fromkeys(day.table["metric"])),
                "over": _over(day.table),
                "rows": [*_method_rows(day.table), *_ranges(day, label)],
                "controls": [
                    {"says": control.says, "failed": _failed(control, found)}
                    for control in controls
                    if control.label == label
                ],
            }
        )
    return days


def _failed(control: Controlled, found: Iterable[Skill]) -> bool:
    """Whether a control did better than it ought to, by the skill of the fit."""
    ours = [s for s in found if (s.method, s.metric) == (FIT.name, control.skill.metric)]
    return any(control.failed(skill) for skill in ours)


def _method_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Of one day: each method and its value in each metric."""
    metrics = list(dict.fromkeys(table["metric"]))
    wide = table.pivot(index="method", columns="metric", values="value")
    order = wide.drop(index="floor").sort_values(metrics[0]).index
    meaning = descriptions(table)
    cells = {(row["method"], row["metric"]): _with_spread(row) for _, row in table.iterrows()}
    return [
        {
            "method": method,
            "meaning": meaning[method],
            "values": [cells.get((method, metric), "–") for metric in metrics],
        }
        for method in [*order, "floor"]
    ]


def _ranges(day: Scores, label: str) -> list[dict[str, Any]]:
    """Rows of replicates against each other, and of the fit against each of them."""
    metrics = list(dict.fromkeys(day.table["metric"]))
    return [
        {
            "method": row.name,
            "meaning": row.description,
            "values": [
                "{:.3g}\n{:.3g} to {:.3g}".format(*row.values[metric])
                if metric in row.values
                else "–"
                for metric in metrics
            ],
        }
        for row in day.ranges(label, FIT.name)
    ]


def _over(table: pd.DataFrame) -> str:
    """What the intervals of a day are over."""
    n = int(table["replicates"].iloc[0]) if "replicates" in table else 0
    if n and n < ENOUGH:
        return f"{n} replicates, of which no interval can be made"
    return f"95 % interval over {f'{n} replicates' if n else 'cells'}"


def _with_spread(row: pd.Series[Any]) -> str:
    if pd.isna(row["low"]):
        return f"{row['value']:.3g}"
    return f"{row['value']:.3g}\n{row['low']:.3g} to {row['high']:.3g}"


def score_pictures(scored: Scores | None) -> list[Picture]:
    """Bars of each metric, of all held-out days."""
    if scored is None:
        return []
    table = scored.table
    pictures = []
    for metric in [m for m in DRAWN if m in set(table["metric"])]:
        rows = table[table["metric"] == metric]
        said = [
            f"{label}: " + ", ".join(f"{r['method']} {r['value']:.3g}" for _, r in frame.iterrows())
            for label, frame in rows.groupby("label", sort=False)
        ]
        pictures.append(
            images.picture(
                lambda metric=metric: scores.evaluation(  # type: ignore[misc]
                    table, metric=metric, replicates=scored.replicates
                ),
                f"Bars of {metric} for each held-out day. {'; '.join(said)}.",
                f"{metric} between predicted and observed cells on held-out days. Lower is "
                "better; the dashed line is the floor: the score of one half of the observed "
                "cells against the other."
                + " The dotted line is the mean distance between replicates."
                * bool(len(scored.replicates)),
            )
        )
    return pictures


def heldout_pictures(
    models: Sequence[Model], adata: AnnData | None, basis: str | None
) -> list[Picture]:
    """Maps of each day that a model has not seen: measured, and predicted."""
    days = [
        (model, predict_day(model, label)) for model in models for label in model.options.exclude
    ]
    return [
        images.picture(
            lambda model=model, day=day: maps.heldout(model, day, adata, basis=basis)[0],  # type: ignore[misc]
            f"Three maps of {named(day.label)}: observed cells, cells predicted by cellam, and "
            "cells of the best baseline, each on top of the observed cells in grey.",
            f"{named(day.label)} was held out of this fit. Each map shows as many predicted "
            "cells as were observed.",
        )
        for model, day in days
    ]


def score_notes(model: Model, table: pd.DataFrame | None) -> list[str]:
    """What makes scores harder or easier than they look."""
    if table is None:
        return []
    beyond = dict.fromkeys(table.loc[table["extrapolation"], "label"])
    notes = [
        f"{named(label)} lies outside the training days: its prediction is an extrapolation."
        for label in beyond
    ]
    seen = dict.fromkeys(table.loc[table["seen"], "label"])
    if seen:
        notes.append(
            f"The representation {model.space.rep} may have been computed with "
            f"{' and '.join(seen)}, so all scores may be too good. Without `use_rep`, a PCA is "
            "fitted on the other days only."
        )
    return notes
