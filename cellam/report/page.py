"""Report: one page that says what went in, how good it is, and what was found.

`page.html.j2` is the page, without a script and without anything outside the file: figures are
embedded, twice, for light and for dark screens. The same run gives the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellam.analysis.assignment import reference_of
from cellam.analysis.basis import find_basis
from cellam.analysis.composition import composition
from cellam.analysis.fates import predict_fates
from cellam.analysis.uncertainty import follow
from cellam.dynamics.fitting import Solved
from cellam.errors import DataError
from cellam.evaluation.heldout import predict_day
from cellam.evaluation.scores import Scores
from cellam.evaluation.scoring import METHODS
from cellam.evaluation.skill import skills
from cellam.flags import as_flags
from cellam.modelling.model import Model, Simulation
from cellam.modelling.observed import growth_rates
from cellam.plots import maps, populations, scores
from cellam.reading.cell_types import offer_types, resolve_types
from cellam.reading.cells import read_annotation
from cellam.reading.labels import named, variables
from cellam.reading.palette import find_palette
from cellam.report.findings import growth_by_type, shares, thinned_out, unsure_by_type
from cellam.report.images import Picture, picture
from cellam.report.methods import describe
from cellam.report.wording import explain
from cellam.runs.run import StoredRun
from cellam.storage import write_atomically, writing

if TYPE_CHECKING:
    from anndata import AnnData

    from cellam.analysis.division import Division

FOLLOWED = 1_000  # cells of the first day that are simulated
MOST_FOLLOWED = 10_000  # of them for the table of fates, in which rare types have rows
DRAWN = 30  # of them, whose ways are drawn
SAVED = 40  # times of a way
TEMPLATE = "page.html.j2"


def write_report(
    run: StoredRun,
    path: Path | str,
    *,
    data: Path | str | None = None,
    groupby: str | None = None,
    basis: str | None = None,
    caveats: Sequence[Any] | None = None,
    division: Division | None = None,
    refits: Sequence[Model] = (),
) -> None:
    """Write the report of a run.

    Parameters
    ----------
    run : StoredRun
    path : path
        File to write, replaced if it is there.
    data : path, optional
        The data of the run, if they have moved. Without them the page has no cell types.
    groupby : str, optional
        Column of `obs` with the cell types; found by its name without it.
    basis : str, optional
        Of the maps; see `analysis.basis.find_basis`.
    caveats : sequence, optional
        Reasons for doubt: objects with a `finding` and an `advice`. Without it the page says that
        none were looked for.
    division : Division, optional
        How growth goes with the genes of division.
    refits : sequence of Model
        Fitted without some days, which are then drawn as predicted and as measured.

    Raises
    ------
    ConfigError
        For an unknown column or basis.
    DataError
        If the data are not those of the fit, or were asked for and are not there.
    OutputError
        If the file cannot be written.
    """
    page = render_report(
        run,
        data=data,
        groupby=groupby,
        basis=basis,
        caveats=caveats,
        division=division,
        refits=refits,
    )
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page.encode())


def check_names(run: StoredRun, data: Path, groupby: str | None, basis: str | None) -> None:
    """Refuse a column or a basis that there is not, before anything is worked out.

    Raises
    ------
    ConfigError, DataError
        As `write_report`.
    """
    adata, _ = _annotated(run, data, needed=True)
    _check(run.model, adata, groupby, basis)


def _check(model: Model, adata: AnnData | None, groupby: str | None, basis: str | None) -> None:
    if adata is not None:
        resolve_types(adata.obs, model.snapshots.codes, groupby)
    find_basis(model, adata, basis)


def render_report(
    run: StoredRun,
    *,
    data: Path | str | None = None,
    groupby: str | None = None,
    basis: str | None = None,
    caveats: Sequence[Any] | None = None,
    division: Division | None = None,
    refits: Sequence[Model] = (),
) -> str:
    """The page as a string; parameters and errors as for `write_report`."""
    import jinja2

    adata, missing = _annotated(run, data, needed=bool(data or groupby or basis))
    _check(run.model, adata, groupby, basis)  # before the work
    scored = run.scores()
    table = None if scored is None else scored.table
    findings = _findings(run.model, adata, groupby, basis)
    where = find_basis(run.model, adata, basis)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda shown: as_flags(shown) if type(shown) is str else shown,
    )
    own = [run.model] if run.model.options.exclude else []
    return environment.get_template(TEMPLATE).render(
        run=run,
        model=run.model,
        seen=run.provenance,
        days=_days(run.model),
        missing=missing,
        history=picture(
            lambda: scores.history(run.model),
            "Loss on held-out cells "
            + ("for each ridge." if run.model.options.action == "kernel" else "during training.")
            + f" {_taken(run.model)}",
            "Selection of the fit. The loss has no unit and only ranks fits to the same data; "
            "the fit with the lowest loss was used.",
        ),
        scored=_score_tables(scored, run.model.options.seed),
        score_pictures=_score_pictures(table),
        heldout=_heldout_pictures([*own, *refits], adata, basis),
        score_notes=_score_notes(run.model, table),
        chosen=explain(run.model),
        caveats=caveats,
        rotates=run.model.rotation.rotates and caveats is None,  # else it is among them
        found=findings,
        division=division,
        space_of=variables(run.model.space.genes),
        methods=describe(run, table, projected="" if where.own else where.name),
        commands=_commands(run, table),
    )


# --------------------------------------------------------------------------------- what went in


def _annotated(
    run: StoredRun, data: Path | str | None, *, needed: bool
) -> tuple[AnnData | None, str]:
    """The data without their expression, or why there are none."""
    try:
        source = run.data(Path(data) if data is not None else None)
    except DataError as error:
        if needed:
            raise
        return None, f"{error.message} {error.hint}"
    adata = read_annotation(source)
    run.check_cells(adata.obs)
    return adata, ""


def _days(model: Model) -> list[dict[str, Any]]:
    days = model.snapshots
    return [
        {
            "label": label,
            "time": time,
            "cells": len(x),
            "gap": time - days.times[k - 1] if k else None,
            "mass": mass,
            "used": label not in model.options.exclude,
        }
        for k, (label, time, x, mass) in enumerate(
            zip(days.labels, days.times, days.points, days.masses, strict=True)
        )
    ]


def _taken(model: Model) -> str:
    record = model.fit.record
    if isinstance(record, Solved):
        ridge, least = min(record.losses.items(), key=lambda pair: pair[1])
        return f"The lowest, {least:.4g}, is that of ridge {ridge:g}."
    best = min(record.history, key=lambda row: row["held_out_loss"])
    return f"The lowest, {best['held_out_loss']:.4g}, is that of step {best['step']:g}."


# --------------------------------------------------------------------------------- how good it is


def _score_tables(scored: Scores | None, seed: int) -> list[dict[str, Any]]:
    """Of each held-out day: the verdict, and methods by metrics, best first and the floor last."""
    if scored is None:
        return []
    days = []
    for label in scored.labels:
        frame = scored.of(label).table
        metrics = list(dict.fromkeys(frame["metric"]))
        wide = frame.pivot(index="method", columns="metric", values="value")
        order = wide.drop(index="floor").sort_values(metrics[0]).index
        spread = frame.set_index(["method", "metric"])
        found = skills(scored.of(label), seed=seed)
        days.append(
            {
                "named": named(label),
                "extrapolation": bool(frame["extrapolation"].iloc[0]),
                "n": int(frame["n"].iloc[0]),
                "draws": int(frame["draws"].iloc[0]),
                "verdict": found[0].says if found else "No baseline was scored.",
                "skills": found,
                "metrics": metrics,
                "rows": [
                    {
                        "method": method,
                        "meaning": METHODS[method].description,
                        "values": [
                            _with_spread(spread.loc[(method, metric)])
                            if (method, metric) in spread.index
                            else "–"
                            for metric in metrics
                        ],
                    }
                    for method in [*order, "floor"]
                ],
            }
        )
    return days


def _with_spread(row: pd.Series[Any]) -> str:
    return f"{row['value']:.3g}\n{row['low']:.3g} to {row['high']:.3g}"


def _score_pictures(table: pd.DataFrame | None) -> list[Picture]:
    if table is None:
        return []
    pictures = []
    for metric in [m for m in ("energy", "W1") if m in set(table["metric"])]:
        rows = table[table["metric"] == metric]
        said = [
            f"{label}: " + ", ".join(f"{r['method']} {r['value']:.3g}" for _, r in frame.iterrows())
            for label, frame in rows.groupby("label", sort=False)
        ]
        pictures.append(
            picture(
                lambda metric=metric: scores.evaluation(table, metric=metric),  # type: ignore[misc]
                f"Bars of {metric} for each held-out day. {'; '.join(said)}.",
                f"{metric} between predicted and observed cells on held-out days. Lower is "
                "better; the dashed line is the floor: the score of one half of the observed "
                "cells against the other.",
            )
        )
    return pictures


def _heldout_pictures(
    refits: Sequence[Model], adata: AnnData | None, basis: str | None
) -> list[Picture]:
    days = [
        (model, predict_day(model, label)) for model in refits for label in model.options.exclude
    ]
    return [
        picture(
            lambda model=model, day=day: maps.heldout(model, day, adata, basis=basis)[0],  # type: ignore[misc]
            f"Three maps of {named(day.label)}: observed cells, cells predicted by cellam, and "
            "cells of the best baseline, each on top of the observed cells in grey.",
            f"{named(day.label)} was held out of this fit. Each map shows as many predicted "
            "cells as were observed.",
        )
        for model, day in days
    ]


def _score_notes(model: Model, table: pd.DataFrame | None) -> list[str]:
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


# ----------------------------------------------------------------------------- what was found


def _findings(
    model: Model, adata: AnnData | None, groupby: str | None, basis: str | None
) -> dict[str, Any]:
    codes = model.snapshots.codes
    types = resolve_types(adata.obs, codes, groupby) if adata is not None else None
    key = str(types.name) if types is not None else None
    colours = find_palette(adata, key) if adata is not None and key is not None else None
    days = model.training
    start, end = named(days.labels[0]), named(days.labels[-1])
    step = (days.times[-1] - days.times[0]) / SAVED
    n = min(FOLLOWED, len(days.points[0]))

    def move(m: Model) -> Simulation:
        return m.simulate(days.labels[0], n_cells=n, save_every=step, seed=model.options.seed)

    followed = follow(model, move) if model.ensemble else None
    moved = followed.simulation if followed is not None else move(model)
    frame = composition(model, moved, types)
    rate = growth_rates(model)
    where = find_basis(model, adata, basis)
    n_first = len(days.points[0])
    who = (
        f"All {n:,} cells of {start}"
        if n == n_first
        else f"{n:,} of the {n_first:,} cells of {start}, drawn at random"
    )
    return {
        "key": key,
        "unannotated": int(types.isna().sum()) if types is not None else 0,
        "annotated": adata is not None,
        "columns": [] if adata is None else offer_types(adata.obs, codes),
        "start": start,
        "end": end,
        "who": who,
        "per_time": model.timeline.per_time,
        "velocity": picture(
            lambda: maps.velocity(model, adata, basis=basis, color=key),
            f"Map of all cells in {where.axes[0]} and {where.axes[1]}, coloured by "
            f"{key or 'time'}, with streamlines of the velocity.",
            "Velocity of each cell on its own day."
            + (
                ""
                if where.own
                else f" In {where.name} it shows the mean direction towards neighbours, not speed."
            ),
        ),
        "trajectories": picture(
            lambda: maps.trajectories(model, thinned_out(moved, DRAWN), adata, basis=basis),
            f"Trajectories of {min(DRAWN, n)} cells from {start} to {end} on a map of all cells.",
            f"Trajectories of {min(DRAWN, n)} cells of {start}, from ring to dot. Colour shows "
            "time; a wider line means more descendants (weight).",
        ),
        "growth": picture(
            lambda: maps.growth(model, adata, basis=basis),
            f"Map of all cells coloured by growth rate: median {np.median(rate):.2g}, from "
            f"{np.quantile(rate, 0.02):.2g} to {np.quantile(rate, 0.98):.2g} "
            f"{model.timeline.per_time} for 96 % of them.",
            "Growth rate of each cell on its own day. Upward triangles grow, downward triangles "
            "shrink"
            + (
                ", relative to the population."
                if model.options.population is None
                else ", in absolute numbers."
            ),
        )
        if not model.conserves_mass
        else None,
        "growth_by_type": growth_by_type(model, rate, types),
        "unsure": unsure_by_type(model, types),
        "mass": picture(
            lambda: populations.mass(model, moved, followed.mass if followed else None),
            "Mass over time: "
            + ", ".join(f"{r['label']} {r['mass']:.2f}" for _, r in frame.iterrows())
            + f" times that of {start}.",
            f"{who}: their simulated mass, and the masses of the days.",
        )
        if not model.conserves_mass
        else None,
        "composition": picture(
            lambda: populations.composition(frame, colours=colours),
            f"Shares of {key} on each day, observed and simulated; the table below has the "
            "numbers.",
            f"{who}: their simulated types, by weight, and the observed shares. At the start, "
            "cells keep their own types; later, types are those of the ten nearest annotated "
            "cells of the day.",
        )
        if types is not None
        else None,
        "shares": shares(frame, types),
        "fates": _fates(model, types),
    }


def _fates(model: Model, types: pd.Series[Any] | None) -> dict[str, Any] | None:
    """What the cells of each type of the first day become by the last one, if that has types."""
    days = model.training
    if types is None or types.iloc[days.rows[-1]].isna().all():
        return None
    start, end = days.labels[0], days.labels[-1]
    few = _thinned(model.without_ensemble(), start)
    found = predict_fates(few, start, types, seed=model.options.seed)
    n, N = len(found.rows), len(days.points[0])
    return {
        "drawn": f"Based on {n:,} of {N:,} cells, drawn at random." if n < N else "",
        "states": found.states,
        "rows": [*found.by_type(types), {"type": "all", **found.together()}],
        "mixed_up": reference_of(model, end, types).mixed_up(),
    }


def _thinned(model: Model, label: str) -> Model:
    """The same model with at most `MOST_FOLLOWED` cells on one day; the others stay whole."""
    days, k = model.snapshots, model.snapshots.index(label)
    few = days.thinned(MOST_FOLLOWED, np.random.default_rng(model.options.seed))
    points, rows = list(days.points), list(days.rows)
    points[k], rows[k] = few.points[k], few.rows[k]
    return replace(model, snapshots=replace(days, points=tuple(points), rows=tuple(rows)))


# --------------------------------------------------------------------------- how to do it again


def _commands(run: StoredRun, table: pd.DataFrame | None) -> list[str]:
    where = f"--run {shlex.quote(str(run.path))}"
    commands = [run.provenance["command"]] if run.provenance["command"] else []
    if table is not None:
        days = " ".join(f"--holdout {shlex.quote(str(d))}" for d in dict.fromkeys(table["label"]))
        commands.append(f"cellam eval {days} {where}")
    first = shlex.quote(run.model.training.labels[0])
    return [*commands, f"cellam simulate --from {first} {where}", f"cellam report {where}"]
