"""Methods: what was done, in words that can go into a paper, with citations and versions.

Every sentence depends on the options and on what was chosen, so that the text is that of this very
run. The numbers in brackets are those of the references that follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cellam.analysis.uncertainty import WIDENING
from cellam.days.time_labels import named, variables
from cellam.dynamics.couplings import Coupling
from cellam.dynamics.fitting import Solved
from cellam.evaluation.baselines import BASELINES
from cellam.evaluation.contenders import FORWARD
from cellam.evaluation.counterparts import COUNTERPARTS
from cellam.evaluation.metrics import METRICS
from cellam.limits import INNER, REFITTED
from cellam.modelling.agreement import Agreement
from cellam.modelling.model import Model
from cellam.modelling.recipe import Part
from cellam.modelling.stages import LONGEST
from cellam.modelling.trials import NEAREST
from cellam.options import GROWTH_SCALE, N_TOP_GENES, SIGMA
from cellam.reading.growth import PriorSource
from cellam.reading.samples import ENOUGH
from cellam.report.references import REFERENCES
from cellam.report.wording import listed_shares, seen_clones, signature_genes
from cellam.runs.run import StoredRun

_METHODS = {
    "am": "Action Matching",
    "eam": "entropic Action Matching",
    "uam": "unbalanced Action Matching",
    "ueam": "unbalanced entropic Action Matching",
}


@dataclass
class Methods:
    """Paragraphs with numbered citations, and the references in the order of the numbers."""

    paragraphs: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    _cited: dict[str, int] = field(default_factory=dict)

    def cite(self, *keys: str) -> str:
        """Numbers of references, in brackets; new ones are added to the list."""
        for key in keys:
            if key not in self._cited:
                self.references.append(REFERENCES[key])
                self._cited[key] = len(self.references)
        return f"[{', '.join(str(n) for n in sorted(self._cited[key] for key in keys))}]"

    def fill(
        self, description: str, versions: dict[str, str], coupling: Coupling | None = None
    ) -> str:
        """A description whose ``{cite[KEY]}`` and ``{version[NAME]}`` are filled in."""
        return description.format(cite=_Citations(self), version=versions, coupling=coupling)


@dataclass(frozen=True)
class _Citations:
    """Cites what a description asks for."""

    text: Methods

    def __getitem__(self, key: str) -> str:
        return self.text.cite(key)


def describe(run: StoredRun, table: pd.DataFrame | None = None, *, projected: str = "") -> Methods:
    """Describe what a run did.

    Parameters
    ----------
    run : StoredRun
    table : pandas.DataFrame, optional
        Scores of held-out days, as `Evaluation.table`.
    projected : str
        Name of the basis of the figures, where it is not the model's own.
    """
    text = Methods()
    versions = run.provenance["packages"]
    text.paragraphs.append(_data(run, text, versions))
    text.paragraphs.append(_path(run.model, text, versions) + " " + _action(run, text, versions))
    if run.model.ensemble:
        text.paragraphs.append(_ensemble(run.model, text))
    if table is not None and len(table):
        text.paragraphs.append(_scores(run.model, table, text, versions))
    if projected:
        text.paragraphs.append(
            f"For figures, velocities were projected onto {projected} through the neighbours "
            f"that they point to {text.cite('velocity')}."
        )
    return text


def _data(run: StoredRun, text: Methods, versions: dict[str, str]) -> str:
    scaled = "each by its own" if run.model.space.whitened else "by the largest"
    said = [
        _cells(run),
        _coordinates(run, text, versions),
        _batches(run.model),
        f"Coordinates were centred and divided {scaled} standard deviation.",
        _masses(run.model),
    ]
    return " ".join(filter(None, said))


def _cells(run: StoredRun) -> str:
    days = run.model.training
    counted = "; ".join(
        f"{named(label)}: {len(x):,}" for label, x in zip(days.labels, days.points, strict=True)
    )
    left_out = [named(label) for label in run.model.options.exclude]
    were = "were" if len(left_out) > 1 else "was"
    without = f"; {_listed(left_out)} {were} left out" if left_out else ""
    return (
        f"Cell dynamics were inferred with cellam {run.provenance['cellam']} from "
        f"{days.n_cells:,} cells of {len(days)} time points ({counted}){without}."
    )


def _coordinates(run: StoredRun, text: Methods, versions: dict[str, str]) -> str:
    space, kind = run.model.space, run.provenance["data"].get("kind", "counts")
    if space.rep is not None:
        return (
            f"The coordinates were the first {space.n_dims} of the representation {space.rep}, "
            f"used as given (anndata {versions['anndata']} {text.cite('anndata')})."
        )
    values = "counts" if space.library > 0 and kind == "counts" else "values"
    steps = []
    if space.library > 0:
        steps.append(f"normalised to {space.library:,.0f} a cell")
    if space.log:
        steps.append("transformed by log(1 + x)")
    genes = variables(space.genes)
    if kind != "scaled":
        kept = run.model.options.n_top_genes or N_TOP_GENES
        genes += f" (the {kept:,} most variable ones at most)"
    steps.append(f"projected on the first {space.n_dims} principal components of {genes}")
    return (
        f"{_capital(values)} were {_listed(steps)}, with scanpy {versions['scanpy']} "
        f"{text.cite('scanpy')}; all of this was fitted on the training time points alone."
    )


def _batches(model: Model) -> str:
    found = model.space.batches
    if found is None:
        return ""
    what = "the expression of each gene" if model.space.genes else "each coordinate"
    genes = " The most variable genes were chosen within batches." * bool(model.space.genes)
    return (
        f"A shift of {what} was estimated for each of the {len(found.levels)} batches "
        f"({found.key}) by least squares within kinds of cells (k-means) of the same time point, "
        f"over the training time points, and subtracted.{genes}"
    )


def _masses(model: Model) -> str:
    days, population = model.training, model.options.population
    if population is None:
        grows = not model.conserves_mass
        return (
            "Every time point had the same mass, so growth is relative to the population." * grows
        )
    sizes = zip(days.labels, days.masses, strict=True)
    what = "numbers of cells" if population == "cells" else "given sizes"
    listed = ", ".join(f"{label}: {mass:.3g}" for label, mass in sizes)
    return f"Time points had the mass of their {what} ({listed})."


def _path(model: Model, text: Methods, versions: dict[str, str]) -> str:
    choice, coupling = model.choice, model.choice.recipe.coupling
    how = text.fill(coupling.description, versions, coupling=coupling)
    said = [f"Neighbouring time points were coupled by {how}."]
    if model.prior_source is not None:
        said.append(_prior(model.prior_source, choice.recipe.prior, text, versions))
    if model.snapshots.clones is not None:
        said.append(_clones(model))
    if coupling.moves:
        said.append(
            "Coupled cells move along curves that follow the acceleration between adjacent "
            f"intervals (curvature {choice.recipe.curvature:g}; cubic Hermite splines "
            f"{text.cite('spline')})."
            if "curvature" in choice.reasons and choice.recipe.curvature > 0
            else "Coupled cells move along straight lines."
        )
    names: dict[str, Part] = {"τ": "coupling", "the curvature": "curvature"}
    judged = [
        name for name, part in names.items() if part in choice.reasons and choice.reasons[part].days
    ]
    if judged:
        said.append(
            f"{_capital(_listed(judged))} {('were' if len(judged) > 1 else 'was')} chosen by the "
            "energy distance of predicted to observed cells over inner training time points, "
            f"{_held_out(len(model.training))}."
        )
    return " ".join(said)


def _clones(model: Model) -> str:
    """What lineage barcodes were used for, if they were."""
    shares = listed_shares(model.choice.recipe)
    whose = f"Lineage barcodes came from the column {model.options.clones} of the annotation"
    found = f"({seen_clones(model)})"
    if not shares:
        return (
            f"{whose} {found}; they were not used, as they did not bring cells clearly nearer to "
            "their sisters in clones that were held out."
        )
    return (
        f"{whose} {found}. Before coupling, cells were carried by the affine map (ridge "
        "regression) nearest to the steps of the means of clones to the next time point, in the "
        f"share that brought cells nearest to their sisters in clones that were held out "
        f"({shares}). Fates that begin at such a time point follow the coupled cells."
    )


def _held_out(n_days: int) -> str:
    """How time points were held out to choose the path, among so many of training."""
    some = f"{INNER} of them, " if n_days - 2 > INNER else ""
    near = f" and predicted by fits to the {NEAREST} nearest" if n_days - 1 > NEAREST else ""
    return f"{some}each held out in turn{near}"


def _prior(source: PriorSource, share: float, text: Methods, versions: dict[str, str]) -> str:
    if source.genes:
        where = (
            f"logistic functions of the scores (scanpy {versions['scanpy']}) of "
            f"{signature_genes(source)}, with the constants of moscot "
            f"{text.cite('division', 'hallmark', 'wot', 'moscot')}"
        )
    else:
        where = f"the column {source.prior} of the annotation"
    taken = (
        f"they were given a weight of {share:g}, the one with which unbalanced transport between "
        "the training time points costs least"
        if share > 0
        else "they were not used, as they do not make unbalanced transport between the training "
        "time points cheaper"
    )
    return f"Prior growth rates came from {where}; {taken}."


def _action(run: StoredRun, text: Methods, versions: dict[str, str]) -> str:
    model, options = run.model, run.model.options
    said = [
        f"The velocity of cells is the gradient of an action s(t, x), found by "
        f"{_METHODS[options.method]} {text.cite('am')}."
    ]
    record = model.fit.record
    if isinstance(record, Solved):
        said.append(
            f"The action is a sum of {options.n_features:,} random Fourier features "
            f"{text.cite('features')}, and its loss was minimised in closed form with a ridge of "
            f"{record.ridge:g}, chosen by the loss on held-out cells."
        )
    else:
        said.append(
            "The action is a neural network with three hidden layers, trained for "
            f"{record.steps:,} steps with AdamW {text.cite('adamw')} in PyTorch "
            f"{versions['torch']}; the weights with the lowest loss on held-out cells were kept."
        )
    if model.agreement is not None:
        said.append(_velocities(model, model.agreement))
    if options.has_noise:
        said.append(
            f"Cells move with noise σ = {options.sigma or SIGMA:g} (in standard deviations of "
            "the data over the whole range of times)."
        )
    if options.has_growth and options.growth == "own":
        said.append(
            "The growth rate of cells is an independent function, constant in time, fitted by "
            "least squares to the growth along the coupled paths."
            if not model.conserves_mass
            else "The path conserves mass, so growth is zero."
        )
    elif options.has_growth:
        scale = options.growth_scale or GROWTH_SCALE
        said.append(f"The growth rate of a cell is {scale:g} times its action.")
    said.append(
        "Cells were simulated with the "
        + ("Euler–Maruyama" if options.has_noise else "fourth-order Runge–Kutta")
        + f" scheme. {_stops(model)}The random seed was {options.seed}."
    )
    return " ".join(said)


def _stops(model: Model) -> str:
    """Where cells of the first day went on as observed ones on their way to the last."""
    days = model.training
    times = model.stages.times(days.times[0], days.times[-1])
    if not times:
        return ""
    at = _listed([named(days.labels[days.times.index(time)]) for time in times])
    return (
        "They were followed at once as long as they kept to the observed data (over at most "
        f"{LONGEST} time points): at {at} those of {named(days.labels[0])} went on as observed "
        "cells of that time point, drawn from their coupling to those that arrived. "
    )


def _velocities(model: Model, agreement: Agreement) -> str:
    """What given velocities were used for, if they were."""
    share = model.choice.recipe.velocity
    n = agreement.known
    whose = (
        f"Velocities of {n:,} of {n + agreement.missing:,} training cells came from the entry "
        f"{model.options.velocity} of the data (mean cosine with a fit without them "
        f"{agreement.cosine:.2f}, 95 % interval {agreement.low:.2f} to {agreement.high:.2f}; "
        f"{agreement.shuffled:.2f} where shuffled among the cells of each time point)"
    )
    if not share:
        return (
            f"{whose}; they were not used, as no share of them predicts inner time points clearly "
            "better."
        )
    return (
        f"{whose}. They were smoothed (the gradient of a separate action) and multiplied by "
        "one factor for all cells, which that fit calibrates; the tangents of the coupled paths at "
        f"the cells were taken from them with a share of {share * agreement.trust:.2g}: {share:g}, "
        "chosen by the energy distance of predicted to observed cells over inner time points, "
        f"times {agreement.trust:.2g}, the part of their squared difference to that fit that is "
        "not noise by two halves of the cells (empirical Bayes)."
    )


def _ensemble(model: Model, text: Methods) -> str:
    free = "newly drawn random features"
    if model.options.curvature is None and len(model.training) > 2:
        free += ", a curvature drawn between 0 and 1"
    if len(model.training) > 2:
        free += ", and half of the inner time points left out"
    return (
        f"Uncertainty was estimated from {len(model.ensemble)} further fits, each to half of the "
        f"cells of every time point, drawn without replacement {text.cite('subsampling')}, with "
        f"{free}. Intervals of 90 % are the value ± t·{WIDENING:g}·s, with s the root mean "
        "square deviation of these fits from the model and t the quantile of Student's "
        f"distribution with {len(model.ensemble)} degrees of freedom."
    )


def _scores(model: Model, table: pd.DataFrame, text: Methods, versions: dict[str, str]) -> str:
    labels = [named(str(label)) for label in dict.fromkeys(table["label"])]
    metrics = [
        text.fill(METRICS[name].description, versions) for name in dict.fromkeys(table["metric"])
    ]
    sizes = sorted(set(table["n"]))
    n = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    inner = not table["extrapolation"].any()
    sides = (
        "from the time points on both sides, weighted by nearness in time"
        if inner and not model.options.has_noise
        else "from the time points next to it"
    )
    each = "were each" if len(labels) > 1 else "was"
    pca = "" if model.space.rep else ", principal components included,"
    draws = table["draws"].iloc[0]
    scored = list(dict.fromkeys(table["method"]))
    also = [f"the same fit {COUNTERPARTS[name].how}" for name in scored if name in COUNTERPARTS]
    if FORWARD.name in scored:
        also.insert(0, "the prediction from the time point before alone")
    # The days of a time course are its time points in a paper.
    rivals = [BASELINES[name].noun.format(day="time point") for name in scored if name in BASELINES]
    return (
        f"To judge the fit, {_listed(labels)} {each} held out: the model was fitted again "
        f"without the time point{pca} and predicted it {sides}. Predicted and observed cells "
        f"were compared by {_listed(metrics)}, with {n} cells on each side and means over "
        f"{draws} draws, and compared with {_listed([*also, *rivals])}, and with the distance "
        f"between two halves of the observed cells (the floor). {_intervals(table)}; skill is "
        "the share of the gap between the best baseline and the floor that the fit closes."
    )


def _intervals(table: pd.DataFrame) -> str:
    """What the intervals of scores are over, without a stop."""
    refits = int(table["refits"].min())
    n = sorted({int(k) for k in table["replicates"]}) if "replicates" in table else [0]
    if n[0] >= ENOUGH:
        fits = f" and {refits} fits, each without one replicate of a time point" if refits else ""
        many = f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"
        return (
            f"Intervals are 95 % (Student's t), over the {many} replicates of the held-out time "
            f"point, with cells within replicates{fits}"
        )
    again = (
        f" and over {refits} fits to half of the training cells (at most {REFITTED:,} of a time "
        "point)"
        if refits
        else ""
    )
    only = " (time points with two replicates have none)" * (ENOUGH - 1 in n)
    only += f", or of replicates where there are {ENOUGH} or more" * (n[-1] >= ENOUGH)
    return (
        "Intervals are 95 %, over other samples of cells from the held-out time point and those "
        f"next to it{again}{only}"
    )


def _capital(text: str) -> str:
    # str.capitalize would make the rest of it small, and τ has to stay what it is.
    return text if text.startswith("τ") else text[0].upper() + text[1:]


def _listed(names: Any) -> str:
    """Write names as a list in words: a, b and c."""
    *most, last = [str(name) for name in names]
    return f"{', '.join(most)} and {last}" if most else last
