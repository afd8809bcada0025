"""Report: one page that says what went in, how good it is, and what was found.

`page.html.j2` is the page, without a script and without anything outside the file: figures are
embedded, on light paper for every screen. The same run gives the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cellam.analysis.basis import find_basis
from cellam.checks.designs import find_design
from cellam.days.time_labels import variables
from cellam.errors import DataError
from cellam.modelling.model import Model
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import read_annotation
from cellam.report import quality
from cellam.report.answers import answer
from cellam.report.methods import describe
from cellam.report.outcome import describe_outcome
from cellam.report.templates import template
from cellam.report.wording import explain
from cellam.runs.run import StoredRun
from cellam.runs.samples import annotated, left_out
from cellam.storage import write_atomically, writing

if TYPE_CHECKING:
    from anndata import AnnData

    from cellam.analysis.division import Division
    from cellam.analysis.growth_range import GrowthRange
    from cellam.modelling.left_out import LeftOut

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
    growth: GrowthRange | None = None,
    left: LeftOut | None = None,
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
    growth : GrowthRange, optional
        That of all cells, if it is known already.
    left : LeftOut, optional
        Fits without each replicate, if they are there already.
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
        growth=growth,
        left=left,
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
    growth: GrowthRange | None = None,
    left: LeftOut | None = None,
    refits: Sequence[Model] = (),
) -> str:
    """The page as a string; parameters and errors as for `write_report`."""
    adata, missing = _annotated(run, data, needed=bool(data or groupby or basis))
    _check(run.model, adata, groupby, basis)  # before the work
    scored = run.scores()
    table = None if scored is None else scored.table
    where = find_basis(run.model, adata, basis)
    own = [run.model] if run.model.options.exclude else []
    tables = quality.score_tables(scored, run.controls(), run.model.options.seed)
    left = left or _left_out(run, adata)
    found = describe_outcome(run.model, adata, groupby, basis, growth, left)
    return template(TEMPLATE).render(
        run=run,
        model=run.model,
        seen=run.provenance,
        days=_days(run.model),
        design=_design(run, adata),
        missing=missing,
        history=quality.history(run.model),
        answers=answer(run.model, found, tables, caveats, run.sensitivity()),
        scored=tables,
        score_pictures=quality.score_pictures(scored),
        heldout=quality.heldout_pictures([*own, *refits], adata, basis),
        score_notes=quality.score_notes(run.model, table),
        chosen=explain(run.model),
        caveats=caveats,
        rotates=run.model.rotation.rotates and caveats is None,  # else it is among them
        found=found,
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


def _design(run: StoredRun, adata: AnnData | None) -> list[list[str]]:
    """Rows of the table of cells by day, condition and replicate, its head first; or none."""
    if adata is None:
        return []
    try:
        design = find_design(annotated(run, adata.obs))
    except DataError:  # the column of the fit was changed since
        return []
    return design.rows() if design is not None else []


def _left_out(run: StoredRun, adata: AnnData | None) -> LeftOut | None:
    """Fits without each replicate; none where the data are not there."""
    try:
        return left_out(run, adata.obs) if adata is not None else None
    except DataError:  # the column of the fit was changed since
        return None


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


# --------------------------------------------------------------------------- how to do it again


def _commands(run: StoredRun, table: pd.DataFrame | None) -> list[str]:
    where = f"--run {shlex.quote(str(run.path))}"
    commands = [run.provenance["command"]] if run.provenance["command"] else []
    if table is not None:
        days = " ".join(f"--holdout {shlex.quote(str(d))}" for d in dict.fromkeys(table["label"]))
        commands.append(f"cellam eval {days} {where}")
    first = shlex.quote(run.model.training.labels[0])
    return [*commands, f"cellam simulate --from {first} {where}", f"cellam report {where}"]
