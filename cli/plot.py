"""`cellam plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import give, progress, say_run, warn
from .options import (
    BasisOption,
    DataOption,
    FromCellsOption,
    GroupbyOption,
    OverwriteOption,
    RunOption,
    TerminalOption,
)
from .outputs import check_file, shown
from .simulate import rows_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from cellam.answers.fates import Fates
    from cellam.modelling.model import Model, Simulation
    from cellam.runs.run import Run

# What each kind of picture shows, and the options that it listens to.
KINDS = {
    "velocity": ("streams of velocity over a map of the cells", ("basis", "color")),
    "trajectories": (
        "ways of single cells, with their weights",
        ("basis", "from", "from-cells", "n-cells", "seed"),
    ),
    "growth": ("growth rates on a map of the cells", ("basis",)),
    "composition": (
        "cell types over time, observed and simulated",
        ("groupby", "from", "from-cells", "n-cells", "seed"),
    ),
    "fates": (
        "what cells become, on a map; --color STATE for one probability",
        ("basis", "color", "from", "terminal", "seed"),
    ),
    "flow": ("mass between the types of two days, as bands", ("from", "terminal", "seed")),
    "mass": ("mass over time", ("from", "n-cells", "seed")),
    "trends": (
        "decoded expression of genes along simulated trajectories",
        ("genes", "by", "groupby", "from", "from-cells", "n-cells", "seed"),
    ),
    "heldout": (
        "a day that was held out: measured, predicted, best baseline",
        ("basis", "holdout", "metric"),
    ),
    "eval": ("scores of held-out days beside baselines and the floor", ("metric",)),
    "history": ("how the fit came about", ()),
}
WAYS, POPULATION = 30, 1_000  # cells that are followed, unless --n-cells says otherwise
SAVED = 60  # times of a way
MOST_GENES = 24  # panels of trends


def plot(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="; ".join(f"{name}: {what}" for name, (what, _) in KINDS.items()) + ".",
        ),
    ],
    basis: BasisOption = None,
    color: Annotated[
        str | None,
        typer.Option(
            help="Column of obs, or time, growth or speed, or a gene; for fates a state. "
            "[default: cell types, else time; for fates all states]"
        ),
    ] = None,
    groupby: GroupbyOption = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Day whose cells are followed. [default: the first]"),
    ] = None,
    from_cells: FromCellsOption = None,
    n_cells: Annotated[
        int | None,
        typer.Option(min=1, help="Cells to follow at most. [default: 30 ways, 1000 otherwise]"),
    ] = None,
    terminal: TerminalOption = None,
    genes: Annotated[str | None, typer.Option(help="Genes to draw, with commas: A,B.")] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Group by fate or by start: a cell's last or first type. [default: fate]"
        ),
    ] = None,
    holdout: Annotated[
        str | None,
        typer.Option(help="Day to predict; fits again, unless the run was fitted without it."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="W1, W2, energy or MMD2. [default: W1]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For drawn cells. [default: 0]")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write: .png, .svg or .pdf. [default: ./<run>_<kind>.png, replaced]",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Draw one picture of a run."""
    given = {
        "basis": basis,
        "color": color,
        "groupby": groupby,
        "from": start,
        "from-cells": from_cells,
        "n-cells": n_cells,
        "terminal": terminal,
        "genes": genes,
        "by": by,
        "holdout": holdout,
        "metric": metric,
        "seed": seed,
    }
    _check(kind, {name for name, value in given.items() if value is not None})
    from cellam import plots
    from cellam.answers.projection import find_basis
    from cellam.answers.uncertainty import follow
    from cellam.plots.style import FORMATS
    from cellam.runs.run import open_run

    metric, by = _check_values(kind, metric, by)
    if out is not None:
        check_file(out, "--out", FORMATS, overwrite=overwrite, noun="a picture")
    opened = open_run(run)
    model = opened.model
    say_run(opened.path)
    path = out or Path(f"{opened.path.name}_{kind}.png")
    if out is None:  # replaced, as nobody else gives it that name
        check_file(path, "--out", FORMATS, overwrite=True)
    names = _genes(model, genes) if kind == "trends" else []
    lineages = kind in ("fates", "flow")
    needed = bool(data or basis or groupby or from_cells or color or lineages)
    adata = _annotated(opened, data, needed=needed)
    if "basis" in KINDS[kind][1]:
        find_basis(model, adata, basis)
    if kind == "velocity" and color is not None and adata is not None:
        adata = _with_gene(opened, adata, data, color)
    types = None
    if "groupby" in KINDS[kind][1]:
        needy = kind == "composition" or given["by"] is not None
        types = _types(model, adata, groupby, needed=needy)
    if kind in ("trajectories", "composition", "mass", "trends"):
        ways = kind == "trajectories"
        n = n_cells or (WAYS if ways else POPULATION)
        often = kind != "composition"

        def move(m: Model) -> Simulation:
            return _followed(m, adata, start, from_cells, n, seed or 0, often=often)

        spread = follow(model, move) if kind == "mass" and model.ensemble else None
        moved = spread.simulation if spread is not None else move(model)
    if kind == "velocity":
        plots.velocity(model, adata, basis=basis, color=color, save=path)
    elif kind == "trajectories":
        plots.trajectories(model, moved, adata, basis=basis, save=path)
    elif kind == "growth":
        plots.growth(model, adata, basis=basis, save=path)
    elif kind == "fates":
        plots.fates(
            model, _fates(model, adata, start, terminal, seed or 0, color), adata,
            basis=basis, color=color, save=path,
        )  # fmt: skip
    elif kind == "flow":
        from cellam.answers.fates import flow
        from cellam.reading.labels import named

        assert adata is not None
        found = _fates(model, adata, start or model.training.labels[0], terminal, seed or 0)[0]
        frame = flow(model, found, adata.obs[found.terminal.key])
        plots.flow(frame, (named(found.start), named(found.terminal.label)), save=path)
    elif kind == "composition":
        from cellam.answers.composition import composition

        plots.composition(composition(model, moved, types), save=path)
    elif kind == "mass":
        plots.mass(model, moved, spread.mass if spread is not None else None, save=path)
    elif kind == "trends":
        from cellam.answers.trends import groups, trends

        group = groups(model, moved, types, by=by or "fate") if types is not None else None
        plots.trends(trends(model, moved, names, group), save=path)
    elif kind == "heldout":
        assert holdout is not None
        from cellam.trust.heldout import predict_day

        without = _without(opened, holdout, data)
        plots.heldout(
            without, predict_day(without, holdout, metric=metric), adata, basis=basis, save=path
        )
    elif kind == "eval":
        plots.evaluation(_scores(opened), metric=metric, save=path)
    else:
        plots.history(model, save=path)
    give("written", shown(path))


def _check(kind: str, given: set[str]) -> None:
    """Refuse unknown kinds, and options that the kind would not listen to."""
    from cellam.errors import ConfigError
    from cellam.reading.labels import offer

    if kind not in KINDS:
        raise ConfigError(f"There is no picture {kind!r}.", offer(kind, KINDS))
    heard = KINDS[kind][1]
    deaf = sorted(given - set(heard))
    if deaf:
        raise ConfigError(
            f"--{deaf[0]} has no meaning for cellam plot {kind}.",
            f"Its options are: {', '.join(f'--{name}' for name in heard)}."
            if heard
            else "Leave it out.",
        )
    if kind == "heldout" and "holdout" not in given:
        raise ConfigError("Which day is held out?", "Give it: --holdout day4.")
    if kind == "trends" and "genes" not in given:
        raise ConfigError(
            "Which genes?", "Give them: --genes A,B. `cellam drivers` finds those that matter."
        )


def _check_values(kind: str, metric: str | None, by: str | None) -> tuple[str, str]:
    """The metric and the grouping as they are spelt, or those that are taken without them."""
    from cellam.answers.trends import check_by
    from cellam.trust.metrics import DISTANCES, METRICS, check_metrics

    # A picture of a refit has no types and no sizes of a population to score by.
    known = DISTANCES if kind == "heldout" else METRICS
    return check_metrics([metric or "W1"], known)[0], check_by(by or "fate")


def _annotated(run: Run, data: Path | None, *, needed: bool) -> AnnData | None:
    from cellam.errors import DataError
    from cellam.reading.cells import read_annotation

    try:
        source = run.data(data)
    except DataError as error:
        if needed:
            raise
        warn(f"{error.message} No names or types of cells. {error.hint}")
        return None
    adata = read_annotation(source)
    run.check_cells(adata.obs)
    return adata


def _with_gene(run: Run, adata: AnnData, data: Path | None, color: str) -> AnnData:
    """The annotation, and the logged expression of a gene if that is what the colour means."""
    import anndata
    import pandas as pd

    from cellam.plots.scatter import QUANTITIES, no_colour
    from cellam.reading.embedding import log_normalised

    if color in adata.obs or color in QUANTITIES:
        return adata
    cells = run.read_expression(run.data(data))
    if color not in cells.genes:
        raise no_colour(color, adata.obs, cells.genes)
    column = log_normalised(cells)[:, [cells.genes.index(color)]]
    gene = pd.DataFrame(index=[color])
    return anndata.AnnData(column, adata.obs, gene, obsm=dict(adata.obsm))


def _followed(
    model: Model,
    adata: AnnData | None,
    start: str | None,
    from_cells: str | None,
    n: int,
    seed: int,
    *,
    often: bool,
) -> Simulation:
    """Cells of a day, at most `n` of them, followed to the last day."""
    import numpy as np

    days = model.training
    k = model.timeline.index(start or days.labels[0])
    rows = model.snapshots.rows[k]
    if from_cells is not None:
        assert adata is not None
        rows = rows[np.isin(rows, rows_of(adata.obs, from_cells))]
    return model.simulate(
        model.timeline.labels[k],
        rows=rows,
        n_cells=min(n, len(rows)) or None,
        save_every=(days.times[-1] - days.times[0]) / SAVED if often else None,
        seed=seed,
    )


def _fates(
    model: Model,
    adata: AnnData | None,
    start: str | None,
    terminal: str | None,
    seed: int,
    color: str | None = None,
) -> list[Fates]:
    """Fates of the cells of a day, or of all days before the terminal one."""
    from cellam.answers.fates import memberships, predict_fates
    from cellam.answers.terminal import days_before, parse_terminal
    from cellam.plots.lineages import check_state

    assert adata is not None
    end = parse_terminal(model, adata.obs, terminal)
    labels = [start] if start is not None else days_before(model, end.label)
    types = adata.obs[end.key]
    if color is not None:
        check_state(color, memberships(model, end.label, types)[1], end.label)
    return [predict_fates(model, label, types, terminal=end.label, seed=seed) for label in labels]


def _types(
    model: Model, adata: AnnData | None, groupby: str | None, *, needed: bool
) -> pd.Series[Any] | None:
    """Cell types, which some pictures cannot do without."""
    from cellam.errors import ConfigError
    from cellam.reading.cell_types import list_offers, resolve_types

    codes = model.snapshots.codes
    types = resolve_types(adata.obs, codes, groupby) if adata is not None else None
    if types is None and needed:
        raise ConfigError(
            "No column of obs has the usual name of a cell type.",
            f"{list_offers(adata.obs, codes)} Choose one: --groupby COLUMN."
            if adata is not None
            else "Say where the data are with --data.",
        )
    return types


def _genes(model: Model, genes: str | None) -> list[str]:
    from cellam.errors import ConfigError
    from cellam.output.export import genes_of

    names = genes_of(model, genes or "")
    if not 0 < len(names) <= MOST_GENES:
        raise ConfigError(
            f"--genes {genes}: {len(names):,} genes cannot be drawn.",
            f"Give 1 to {MOST_GENES}, with commas between them.",
        )
    return names


def _scores(run: Run) -> Any:
    from cellam.errors import ConfigError

    scores = run.scores()
    if scores is None:
        raise ConfigError(
            f"Nothing was scored yet in the run {run.path.name}.",
            "Score it first: cellam eval --holdout all.",
        )
    return scores.table


def _without(run: Run, holdout: str, data: Path | None) -> Model:
    """A model that has not seen the day: that of the run, or a new fit."""
    from cellam.modelling.pipeline import fit

    options, timeline = run.model.options, run.model.timeline
    label = timeline.labels[timeline.index(holdout)]
    if label in options.exclude:
        return run.model
    cells = run.read(run.data(data))
    without = options.model_copy(update={"exclude": (*options.exclude, label), "ensemble": None})
    with progress() as on_progress:
        return fit(cells, without, on_progress=on_progress)
