"""Pictures: the kinds that can be drawn of a run.

A figure is a function of a request and its line in `PICTURES`. The help of the command line and
the errors read that line, so everything else is imported when a figure is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

from cellam.evaluation.metrics import DISTANCES, METRICS
from cellam.workflows.plot_request import Request

if TYPE_CHECKING:
    from cellam.modelling.model import Model
    from cellam.modelling.simulated import Simulation

TRAJECTORIES, POPULATION = 30, 1_000  # cells that are followed, unless the user says otherwise
MOST_GENES = 24  # panels of trends


def _velocity(asked: Request) -> Any:
    from cellam import plots

    request = _with_gene(asked)
    return plots.velocity(
        request.model, request.adata, basis=request.basis, color=request.color, save=request.save
    )


def _with_gene(request: Request) -> Request:
    """With the logged expression of a gene in the annotation, if that is what the colour means."""
    import anndata
    import pandas as pd

    from cellam.coordinates.normalisation import log_normalised
    from cellam.plots.scatter import QUANTITIES, no_colour

    adata, color = request.adata, request.color
    if adata is None or color is None or color in adata.obs or color in QUANTITIES:
        return request
    assert request.source is not None
    cells = request.run.read_expression(request.source)
    if color not in cells.genes:
        raise no_colour(color, adata.obs, cells.genes)
    column = log_normalised(cells).columns([cells.genes.index(color)]).read()
    gene = pd.DataFrame(index=[color])
    return replace(request, adata=anndata.AnnData(column, adata.obs, gene, obsm=dict(adata.obsm)))


def _trajectories(request: Request) -> Any:
    from cellam import plots

    moved = request.follow(request.model, TRAJECTORIES)
    return plots.trajectories(
        request.model, moved, request.adata, basis=request.basis, save=request.save
    )


def _growth(request: Request) -> Any:
    from cellam import plots
    from cellam.errors import ConfigError

    if request.model.conserves_mass:  # a map of nothing looks like a map of little
        why, what = request.model.without_growth
        raise ConfigError(f"There is no growth to draw: {why}.", f"{what}.")
    return plots.growth(request.model, request.adata, basis=request.basis, save=request.save)


def _ranges(request: Request) -> Any:
    from cellam import plots
    from cellam.report.findings import growth_by_type

    types = request.types(needed=True)
    return plots.ranges(
        growth_by_type(request.model, types),
        request.model.timeline.per_time,
        colours=request.colours(types),
        save=request.save,
    )


def _composition(request: Request) -> Any:
    from cellam import plots
    from cellam.analysis.composition import composition, roles

    types = request.types(needed=True)
    moved = request.follow(request.model, POPULATION, often=False)
    chosen = request.from_cells is not None
    frame = composition(request.model, moved, types, chosen=chosen)
    frame = frame.assign(said=roles(request.model, frame))
    return plots.composition(frame, colours=request.colours(types), save=request.save)


def _fates(request: Request) -> Any:
    from cellam import plots

    return plots.fates(
        request.model,
        request.fates(request.start),
        request.adata,
        basis=request.basis,
        color=request.color,
        save=request.save,
    )


def _flow(request: Request) -> Any:
    from cellam import plots
    from cellam.analysis.fates import named_types
    from cellam.analysis.flows import flow
    from cellam.days.time_labels import named

    model = request.model
    found = request.fates(request.start or model.training.labels[0])[0]
    types = request.followed_types
    return plots.flow(
        flow(model, found, types),
        (named(found.start), named(found.terminal.label)),
        cells=dict(Counter(named_types(types.iloc[found.rows]).tolist())),
        colours=request.colours(types),
        save=request.save,
    )


def _heatmap(request: Request) -> Any:
    from cellam import plots
    from cellam.analysis.over_replicates import rows_of
    from cellam.days.time_labels import named

    found = request.fates(request.start or request.model.training.labels[0])[0]
    types = request.followed_types
    days = named(found.start), named(found.terminal.label)
    return plots.heatmap(rows_of(found, types), days, save=request.save)


def _landscape(request: Request) -> Any:
    from cellam import plots

    return plots.landscape(request.model, request.adata, basis=request.basis, save=request.save)


def _design(request: Request) -> Any:
    from cellam import plots
    from cellam.checks.designs import counts_of
    from cellam.runs.samples import annotated

    counts = counts_of(annotated(request.run, request.annotated.obs))
    return plots.design(counts, held_out=request.model.options.exclude, save=request.save)


def _mass(request: Request) -> Any:
    from cellam import plots
    from cellam.analysis.uncertainty import follow

    def move(model: Model) -> Simulation:
        return request.follow(model, POPULATION)

    model = request.model
    if not model.ensemble:
        return plots.mass(model, move(model), None, save=request.save)
    spread = follow(model, move)
    return plots.mass(model, spread.simulation, spread.mass, save=request.save)


def _trends(request: Request) -> Any:
    from cellam import plots
    from cellam.analysis.trends import groups, trends

    model, names = request.model, _genes_to_draw(request.model, request.genes)
    types = request.types(needed="by" in request.given)
    moved = request.follow(model, POPULATION)
    group = groups(model, moved, types, by=request.by or "fate") if types is not None else None
    frame = trends(model, moved, names, group)
    return plots.trends(
        frame, time=model.timeline.axis_label, colours=request.colours(types), save=request.save
    )


def _pseudobulk(request: Request) -> Any:
    import pandas as pd

    from cellam import plots
    from cellam.analysis.pseudobulk import pseudobulk
    from cellam.coordinates.normalisation import log_normalised
    from cellam.reading.samples import replicates_of

    model = request.model
    assert request.source is not None
    cells = request.run.read_expression(request.source)
    names = _listed(request.genes, cells.genes)
    values = log_normalised(cells).columns([cells.genes.index(n) for n in names]).toarray()
    found = request.fates(None)
    types = request.followed_types
    replicates = replicates_of(cells)
    codes = replicates.design.codes() if replicates is not None else None
    frame = pseudobulk(model, pd.DataFrame(values, columns=names), found, types, codes)
    return plots.pseudobulk(
        frame, time=model.timeline.axis_label, colours=request.colours(types), save=request.save
    )


def _listed(genes: str | None, there: Sequence[str]) -> list[str]:
    """The genes named, few enough to be drawn, all of them in the data."""
    from cellam.days.time_labels import offer
    from cellam.errors import ConfigError

    names = list(dict.fromkeys(name for part in (genes or "").split(",") if (name := part.strip())))
    for k, name in enumerate(names):
        alike = [gene for gene in there if gene.lower() == name.lower()]
        if name not in there and len(alike) != 1:
            raise ConfigError(f"The data have no gene {name!r}.", offer(name, there, 5))
        names[k] = name if name in there else alike[0]
    _check_number(genes, len(names))
    return list(dict.fromkeys(names))


def _genes_to_draw(model: Model, genes: str | None) -> list[str]:
    """The genes of `trends`, few enough to be drawn."""
    from cellam.export.h5ad import genes_of

    names = genes_of(model, genes or "")
    _check_number(genes, len(names))
    return names


def _check_number(genes: str | None, n: int) -> None:
    """Refuse more panels than can be read, or none."""
    from cellam.errors import ConfigError

    if not 0 < n <= MOST_GENES:
        raise ConfigError(
            f"`genes={genes!r}`: {n:,} genes cannot be drawn at once.",
            f"Name 1 to {MOST_GENES} genes, separated by commas.",
        )


def _heldout(request: Request) -> Any:
    from cellam import plots
    from cellam.evaluation.heldout import predict_day

    assert request.holdout is not None
    model = _without(request, request.holdout)
    predicted = predict_day(model, request.holdout, metric=request.metric)
    return plots.heldout(model, predicted, request.adata, basis=request.basis, save=request.save)


def _without(request: Request, holdout: str) -> Model:
    """A model that has not seen the day: that of the run, or a new fit."""
    from cellam.modelling.pipeline import fit

    run, options, timeline = request.run, request.model.options, request.model.timeline
    label = timeline.labels[timeline.index(holdout)]
    if label in options.exclude:
        return run.model
    cells = run.read(request.source if request.source is not None else run.data())
    without = options.model_copy(update={"exclude": (*options.exclude, label), "ensemble": None})
    return fit(cells, without, on_progress=request.on_progress)


def _eval(request: Request) -> Any:
    from cellam import plots
    from cellam.errors import ConfigError

    scores = request.run.scores()
    if scores is None:
        raise ConfigError(
            f"No held-out day has been scored yet in the run {request.run.path.name}.",
            "Score one first, with `cellam eval` or run.evaluate().",
        )
    return plots.evaluation(
        scores.table, metric=request.metric, replicates=scores.replicates, save=request.save
    )


def _history(request: Request) -> Any:
    from cellam import plots

    return plots.history(request.model, save=request.save)


@final
@dataclass(frozen=True)
class Picture:
    """One kind of figure.

    Parameters
    ----------
    name : str
    description : str
        What it shows.
    options : tuple of str
        Its options, as flags.
    draw : callable
        From a request to matplotlib axes.
    needs : dict of str to str
        Options without which it cannot be drawn, each with a hint.
    metrics : tuple of str
        Those that its option `metric` may name.
    annotated : bool
        Whether it needs the annotation of the cells, whatever the options are.
    """

    name: str
    description: str
    options: tuple[str, ...]
    draw: Callable[[Request], Any]
    needs: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    annotated: bool = False


FOLLOWED = ("from", "from-cells", "n-cells", "seed")

# fmt: off
PICTURES = {picture.name: picture for picture in (
    Picture("velocity", "motion of the cells, as streamlines", ("basis", "color"),
            _velocity),
    Picture("landscape", "the action s(t, x) over a map, by day: cells move to higher values",
            ("basis",), _landscape),
    Picture("trajectories", "trajectories of single cells, with their weights",
            ("basis", *FOLLOWED), _trajectories),
    Picture("growth", "growth rates of the cells", ("basis",), _growth),
    Picture("ranges", "growth of each cell type, and its range", ("groupby",), _ranges),
    Picture("composition", "cell types over time, observed and simulated", ("groupby", *FOLLOWED),
            _composition),
    Picture("fates", "fates of the cells; the probability of one with `color=STATE`",
            ("basis", "color", "from", "terminal", "seed"), _fates, annotated=True),
    Picture("flow", "mass that flows between the types of two days", ("from", "terminal", "seed"),
            _flow, annotated=True),
    Picture("heatmap", "fates of each cell type of a day, with their ranges",
            ("from", "terminal", "seed"), _heatmap, annotated=True),
    Picture("mass", "mass of the population over time", ("from", "n-cells", "seed"), _mass),
    Picture("trends", "gene expression along simulated trajectories",
            ("genes", "by", "groupby", *FOLLOWED), _trends,
            needs={"genes": "Name them with `genes='A,B'`. `cellam drivers` ranks genes."}),
    Picture("pseudobulk", "observed gene expression by day and fate, with 95 % intervals",
            ("genes", "terminal", "seed"), _pseudobulk, annotated=True,
            needs={"genes": "Name them with `genes='A,B'`. `cellam drivers` ranks genes."}),
    # A picture of a refit has no types and no sizes of a population to score by.
    Picture("heldout", "a held-out day: observed cells, prediction and best baseline",
            ("basis", "holdout", "metric"), _heldout, metrics=DISTANCES,
            needs={"holdout": "Name the day to predict, e.g. `holdout='day4'`."}),
    Picture("eval", "scores of held-out days, with baselines and the floor", ("metric",), _eval,
            metrics=tuple(METRICS)),
    Picture("design", "cells by day, and by condition and replicate", (), _design, annotated=True),
    Picture("history", "loss of the fit, by ridge or training step", (), _history),
)}
# fmt: on
