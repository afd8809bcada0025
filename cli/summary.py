"""What `fit` and `info` say of the data and of the fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cellam.limits import FEW
from cellam.names import variables

from .console import plural, say

if TYPE_CHECKING:
    import pandas as pd

    from cellam.analysis.growth_range import GrowthRange
    from cellam.modelling.left_out import LeftOut
    from cellam.modelling.model import Model
    from cellam.reading.cells import Cells

AT_MOST = 8  # types on one line


def say_cells(cells: Cells) -> None:
    """Print what the data are understood to be."""
    from cellam.days.time_labels import named

    what = (
        f"obsm[{cells.rep!r}], {cells.matrix.shape[1]} columns"
        if cells.form is None
        else f"{variables(cells.genes)}, {cells.form.describe()}"
    )
    say("data", f"{cells.source}: {plural(len(cells), 'cell')}; {what}")
    for note in cells.notes:
        say("", note)
    if cells.sample is not None:
        say(
            "sample",
            f"what the values are, genes that are left out and duplicates are told from "
            f"{len(cells.sample):,} cells, some of each day; all else from all cells",
        )
    say("times", f"obs[{cells.time_key!r}]: {cells.timeline.describe()}")
    if not cells.timeline.unit and all(named(x) != x for x in cells.timeline.labels):
        first = cells.timeline.labels[0]
        say(
            "",
            f"numbers without a unit, whatever the column is called: {first} is said as "
            f"{named(first)}, rates are per unit of time, and labels such as day{first} would name "
            "the unit",
        )
    say("cells", ", ".join(f"{label}: {n:,}" for label, n in cells.counts.items()))
    for note in cells.timeline.notes:
        say("", note)


def say_replicates(cells: Cells) -> None:
    """Print which replicates were found, or were asked for, and what of them is left out."""
    from cellam.reading.samples import replicates_of, unnamed_replicates

    replicates = replicates_of(cells)
    for note in unnamed_replicates(cells):
        say("design", note)
    if replicates is not None:
        say("design", f"{replicates.describe()}; they do not change the fit")
        for note in replicates.notes():
            say("", note)


def say_model(model: Model) -> None:
    """Print what was fitted and what was chosen."""
    from cellam.days.time_labels import named
    from cellam.options import N_PCS
    from cellam.report.wording import explain

    space = model.space
    kind = f"obsm[{space.rep!r}]" if space.rep else _pca(model)
    whitened = ", whitened" if space.whitened else ""
    chosen = space.rep is None and model.options.n_pcs is None and space.n_dims < N_PCS
    why = f", those of {N_PCS} that other cells confirm" if chosen else ""
    say("space", f"{kind}, {plural(space.n_dims, 'component')}{why}{whitened}")
    if space.batches is not None:
        say(
            "batches",
            f"{space.batches.describe()}; a shift of each was taken off, by up to "
            f"{space.farthest_shift:.2g} standard deviations between two of them",
        )
    if model.options.exclude:
        say("excluded", ", ".join(model.options.exclude))
    grown = model.options.has_growth and model.conserves_mass
    lost = f"; without growth: {model.without_growth[0]}" if grown else ""
    say("method", f"{model.options.method}, {model.options.action} action{lost}")
    for k, line in enumerate(explain(model)):
        say("chosen" if k == 0 else "", line)
    if model.fit.objective.grows and not grown:
        sizes = zip(model.snapshots.labels, model.snapshots.masses, strict=True)
        say(
            "",
            "growth is relative: the total mass is 1 on every day"
            if model.options.population is None
            else f"population, relative to {named(model.snapshots.labels[0])}: "
            + ", ".join(f"{label} {size:.4g}" for label, size in sizes),
        )
    if model.ensemble:
        say(
            "",
            f"an ensemble of {len(model.ensemble)} fits: simulate, plot and export give "
            "uncertainties",
        )
    shares = f"{100 * model.rotation.gradient:.0f} %", f"{100 * model.rotation.free:.0f} %"
    say(
        "motion",
        f"a steady landscape explains {shares[0]} of it; allowing circular flow, {shares[1]}",
    )
    say("fitted", f"{plural(model.training.n_cells, 'cell')} in {model.seconds:.1f} s")


def unannotated(types: pd.Series[Any]) -> str:
    """A sentence that says how many cells have no type; empty if all have one."""
    n = int(types.isna().sum())
    if not n:
        return ""
    verb = "is" if n == 1 else "are"
    return f" {n:,} of {plural(len(types), 'cell')} {verb} unannotated and not included."


def largest_first(rows: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Rows of types, the one with most cells first."""
    return tuple(sorted(rows, key=lambda row: -row["cells"]))


def marked(row: Mapping[str, Any]) -> str:
    """The type of a row, with a star where it has few cells."""
    return f"{row['type']}{' *' * (row['cells'] < FEW)}"


def few_cells() -> str:
    """What the star is."""
    return f"*: fewer than {FEW} cells; not reliable."


def rates(rows: Sequence[Mapping[str, Any]]) -> str:
    """The growth of the first types with its range, and how many more there are and where."""
    listed = ", ".join(
        f"{marked(row)} {row['mean']:+.2g} ({row['low']:+.2g} to {row['high']:+.2g})"
        for row in rows[:AT_MOST]
    )
    if not (left := rows[AT_MOST:]):
        return listed
    most = plural(left[0]["cells"], "cell") + " or fewer" * (len(left) > 1)
    return f"{listed} and {len(left)} more with {most} (in the report and `cellam info`)"


def over_replicates(row: Mapping[str, Any], format: str) -> str:
    """The interval of a row over replicates; a dash where there is none."""
    from cellam.analysis.over_replicates import HIGH, LOW

    if row[LOW] is None:
        return "–"
    return f"{row[LOW]:{format}} to {row[HIGH]:{format}}"


def say_growth(model: Model, cells: Cells, found: GrowthRange | None, left: LeftOut | None) -> None:
    """Print the mean growth of each cell type, and its correlation with division genes."""
    from cellam.analysis.division import compare_division
    from cellam.analysis.over_replicates import growth_over_replicates, says_over
    from cellam.report.wording import explain_growth
    from cellam.workflows.info import growth_of_types

    types, rows = growth_of_types(model, cells.obs, found)
    if types is not None and rows:
        rows = largest_first(rows)
        relative = ", relative" if model.options.population is None else ""
        say(
            "growth",
            f"{model.timeline.per_time}{relative}, mean of each {types.name} and its range: "
            f"{rates(rows)}{'.' * bool(rest := unannotated(types))}{rest}",
        )
        if any(row["cells"] < FEW for row in rows[:AT_MOST]):
            say("", few_cells())
        ranged = growth_over_replicates(model, rows, types, left)
        if over := says_over(ranged, left):
            ends = (f"{marked(row)} {over_replicates(row, '+.2g')}" for row in ranged[:AT_MOST])
            say("", f"{over}: {', '.join(ends)}")
        say("", explain_growth(rows, model))
    division = compare_division(model, cells)
    if division is not None:
        say("" if rows else "growth", str(division))


def _pca(model: Model) -> str:
    """Of which genes it is: all that there are, or the most variable ones."""
    from cellam.options import N_TOP_GENES

    genes = model.space.genes
    if len(genes) < (model.options.n_top_genes or N_TOP_GENES):
        return f"PCA of {variables(genes)}"
    return f"PCA of the {len(genes):,} most variable genes"
