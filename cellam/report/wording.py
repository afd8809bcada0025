"""Wording: the choices of a fit in sentences, for the command line and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cellam.analysis.composition import strays
from cellam.analysis.growth_range import INSTEAD
from cellam.dynamics.couplings import Balanced, Coupling
from cellam.dynamics.fitting import Solved, Trained
from cellam.limits import CLONES
from cellam.modelling.agreement import Agreement
from cellam.modelling.model import Model
from cellam.modelling.recipe import Choice, Part, Reason, Recipe
from cellam.modelling.selection import KEPT
from cellam.reading.growth import PriorSource
from cellam.reading.signatures import BIRTH, DEATH

_WHY = {
    "asked": "set by the user",
    "not recorded": "the version of cellam that made this run did not record why",
    "predicts best": "predicts {days} best",
    "nothing better": "the default; no other value predicts {days} better",
    "least growth": "the least growth that keeps "
    f"{100 * (1 - KEPT):.0f} % of the gain over path ot in "
    "predicting {days}",
    "no gain": "no growth predicts {days} clearly better",
    "one day": "the least growth of those tried; path ot predicts {days} {ot}, but one day "
    "cannot rule out growth",
    "prior grows": "the least growth of those tried; path ot predicts {days} {ot}, but the growth "
    "prior that is used contradicts it",
    "parts grow": "the least growth of those tried; path ot predicts {days} {ot}, but sends cells "
    "between parts of the data with nothing between them",
    "default": "the default: cells change their velocity gradually at every day",
    "cheapest": "transport between the training days is cheapest with it",
    "nearer": "brings cells nearest to their sisters, in clones that were held out",
    "not nearer": "not used, as they do not bring cells clearly nearer to their sisters in clones "
    "that were held out",
    "few clones": f"not used: fewer than {2 * CLONES} clones could be held out to judge them",
    "predicts better": "predicts {days} clearly better than without",
    "not better": "not used, as no share predicts {days} clearly better than without",
    "no velocities": "no cell of a training day has one",
    "not cheaper": "no share makes transport between the training days clearly cheaper",
}
CHANCE = 0.05  # p above which an agreement is one of shuffled velocities
OPEN = 0.5  # share of the cells on which explanations may differ before nothing is known
_MEASURES: dict[Part, str] = {"prior": "price", "clones": "relative distance"}
_FEW_DAYS: dict[Part, str] = {
    "coupling": "the default; choosing it needs at least three training days",
    "curvature": "the default; choosing it needs at least four training days",
    "velocity": "not used: choosing it needs at least three training days",
}


def share_text(row: Mapping[Any, Any], name: str, unit: str = "", *, compared: bool = True) -> str:
    """The share of a type in a row of a composition, beside the observed one, in %.

    Both with their interval over replicates where there are some, in square brackets for the
    simulated one; else the observed one with that by the number of its cells. A simulated share
    outside the interval of the observed one has a star.

    Examples
    --------
    >>> shares = {"simulated": {"B": 0.68}, "observed": {"B": 0.7}}
    >>> share_text({**shares, "observed_interval": {"B": (0.67, 0.73)}}, "B", " %")
    '68 % (70; 67 to 73)'
    >>> over = {"simulated_replicates": {"B": (0.6, 0.75)}, "observed_replicates": {}}
    >>> share_text({**shares, **over}, "B")
    '68 [60 to 75] (70)'
    >>> share_text({**shares, "observed_interval": {"B": (0.69, 0.72)}}, "B", " %")
    '68 % (70; 69 to 72)*'
    """
    if not row["simulated"]:
        return "–"  # no cell of that day is annotated, or none lives
    inner = _ends(row.get("simulated_replicates", {}).get(name))
    said = f"{100 * row['simulated'].get(name, 0.0):.0f}{unit}" + (f" [{inner}]" if inner else "")
    if not compared:
        return said
    if not row["observed"]:
        return f"{said} (–)"
    of_cells = row.get("observed_interval", {})
    interval = row.get("observed_replicates", of_cells).get(name)
    beside = _ends(interval)
    outside = strays(row, name)
    observed = f"{100 * row['observed'].get(name, 0.0):.0f}"
    return f"{said} ({'; '.join([observed, *([beside] if beside else [])])}){'*' * outside}"


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f}"


def explain(model: Model) -> list[str]:
    """What was chosen and why, a line each."""
    lines = [] if model.prior_source is None else [_prior_source(model.prior_source)]
    if model.snapshots.clones is not None:
        lines.append(f"barcodes: obs[{model.options.clones!r}], {seen_clones(model)}")
    lines += explain_choice(model.choice, model.options.method)
    if model.agreement is not None:
        lines.append(seen_velocities(model, model.agreement))
    if model.agreement is not None and model.choice.recipe.velocity > 0:
        lines.append(explain_scale(model, model.agreement))
    lines.append(explain_record(model.fit.record))
    fitted, n = model.n_fitted, model.training.n_cells
    if fitted < n:
        most = f"{model.options.max_cells:,}"
        lines.append(f"fitted to {fitted:,} of {n:,} cells: at most {most} of each day")
    return lines


def listed_shares(recipe: Recipe) -> str:
    """How far each day goes by barcodes, where any does: "1 on day0, 0.5 on day2"."""
    return ", ".join(f"{share:g} on {label}" for label, share in recipe.clones)


def seen_clones(model: Model) -> str:
    """How many clones the training days have, and how many of them are on two days."""
    clones = model.training.clones
    assert clones is not None
    known = [np.unique(c[c >= 0]) for c in clones]
    number = np.unique(np.concatenate(known), return_counts=True)[1]
    cells = sum(int((c >= 0).sum()) for c in clones)
    return (
        f"{int((number > 1).sum()):,} of {len(number):,} clones on two training days or more, and "
        f"{cells:,} of {model.training.n_cells:,} cells with a barcode"
    )


def seen_velocities(model: Model, found: Agreement) -> str:
    """How many cells have a velocity, and how it agrees with the fit without it."""
    than = "no more than the" if found.p > CHANCE else "and"
    return (
        f"given velocities: obsm[{model.options.velocity!r}], of {found.known:,} of "
        f"{found.known + found.missing:,} training cells; mean cosine with the motion of a fit "
        f"without them {found.cosine:.2f} (95 % {found.low:.2f} to {found.high:.2f}), {than} "
        f"{found.shuffled:.2f} where they are shuffled among the cells of each day "
        f"(p {found.p:.2g})"
    )


def explain_scale(model: Model, found: Agreement) -> str:
    """What velocities were multiplied by, how far followed, and whether they were turned round."""
    first, last = model.training.times[0], model.training.times[-1]
    factor = found.scale / (last - first)
    turned = " (they point against the motion that the days show, and were turned round)"
    return (
        f"given velocities were multiplied by {factor:.3g} per unit of time"
        f"{turned * (factor < 0)} and followed to {100 * found.trust:.0f} %: the rest of what sets "
        "them apart from the fit without them is their noise"
    )


def explain_choice(choice: Choice, method: str) -> list[str]:
    """The parts of a recipe with their reasons."""
    recipe = choice.recipe
    names: dict[Part, str] = {
        "prior": f"share of the growth prior {recipe.prior:g}",
        "clones": f"share of the barcodes {listed_shares(recipe) or '0'}",
        "coupling": f"path {path_name(recipe.coupling)}",
        "curvature": f"curvature {recipe.curvature:g}",
        "velocity": f"share of the given velocities {recipe.velocity:g}",
    }
    return [
        f"{names[part]}: {_why(part, reason, method)}" for part, reason in choice.reasons.items()
    ]


def explain_growth(rows: Sequence[Mapping[str, Any]], model: Model) -> str:
    """What the ranges of growth by type allow to say, in a sentence; empty without rows.

    Where it may as well be conversion, and held-out days called for one of the two, so it says.

    Parameters
    ----------
    rows : sequence of mappings
        With the type, and the low and the high end of its growth.
    model : Model
        Whose growth it is.
    """
    if not rows:
        return ""
    open_ = [row["type"] for row in rows if row["low"] <= 0 <= row["high"]]
    if len(open_) == len(rows):
        return (
            f"These days do not tell whether any type grows or shrinks: {INSTEAD}."
            f"{_neither(model.choice)}"
        )
    faster = [row["type"] for row in rows if row["low"] > 0]
    slower = [row["type"] for row in rows if row["high"] < 0]
    relative = model.options.population is None
    whole = " than all cells together" if relative else " than zero"
    parts = [
        f"{how}{whole}: {', '.join(names)}"
        for how, names in (("faster", faster), ("slower", slower))
        if names
    ]
    said = f"However cells change from type to type, these grow {'; these grow '.join(parts)}."
    if open_:
        does = "grows or shrinks" if len(open_) == 1 else "grow or shrink"
        said += f" These days do not tell whether {', '.join(open_)} {does}: {INSTEAD}."
    return said


def _neither(choice: Choice) -> str:
    """That a fit without growth and conversion is worse, where held-out days have shown it."""
    reason = choice.reasons.get("coupling")
    if reason is None or reason.because != "least growth":
        return ""
    return (
        f" With neither (path {Balanced.name}), {_days(reason.days)} "
        f"{'are' if reason.days > 1 else 'is'} predicted worse."
    )


def explain_decided(least: float, most: float) -> str:
    """Which share of single cells has a fate of 90 % or more, at least and at most, in words.

    Examples
    --------
    >>> explain_decided(0.7, 0.7)
    '70 % of the cells have a fate of 90 % or more, by any explanation of these days.'
    """
    low, high = f"{100 * least:.0f} %", f"{100 * most:.0f} %"
    if low == high:
        return f"{low} of the cells have a fate of 90 % or more, by any explanation of these days."
    if most - least <= OPEN:
        return (
            f"At least {low} and at most {high} of the cells have a fate of 90 % or more, by any "
            "explanation of these days."
        )
    return (
        "These days leave open whether the fates of single cells are decided: from "
        f"{low} of them (if it is left to chance) to {high} (if each follows its own trajectory) "
        "have a fate of 90 % or more."
    )


def path_name(coupling: Coupling) -> str:
    """How a path is called in a sentence: "uot with tau 0.3", "ot"."""
    if coupling.label == coupling.name:
        return coupling.name
    return f"{coupling.name} with {coupling.label}"


def explain_record(record: Solved | Trained) -> str:
    """How the action was found."""
    if isinstance(record, Trained):
        ended = (
            f"stopped at step {record.steps}"
            if record.steps < record.limit
            else (f"ran all {record.limit} steps")
        )
        back = (
            f"; training diverged and was resumed with steps of {record.scale:g} of the usual size"
            if record.scale < 1
            else ""
        )
        return f"{ended}; held-out loss {record.best_loss:.4g}{back}"
    if record.raised:
        return f"ridge raised to {record.ridge:g}: the equations are nearly singular"
    lost = f" ({record.unsolved} smaller ones could not be solved)" if record.unsolved else ""
    return (
        f"ridge {record.ridge:g}: the lowest loss on held-out cells among {len(record.losses)} "
        f"ridges{lost}"
    )


def _why(part: Part, reason: Reason, method: str) -> str:
    if reason.because == "conserved":
        return f"method {method} conserves mass"
    if reason.because == "too few days":
        return _FEW_DAYS[part]
    ot = reason.scores.get(Balanced.name)
    tied = "best" if ot == min(reason.scores.values(), default=None) else "as well"
    why = _WHY[reason.because].format(days=_days(reason.days), ot=tied)
    if not reason.scores:
        return why
    of = _MEASURES.get(part, "energy distance")
    return f"{why} ({of}: {_listed(reason.scores)})"


def _days(n: int) -> str:
    return f"{n} held-out training day{'s' if n > 1 else ''}"


def _listed(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {score:.3g}" for name, score in scores.items())


def _prior_source(source: PriorSource) -> str:
    if source.prior not in BIRTH:
        return f"growth prior: obs[{source.prior!r}], per unit of time"
    assumed = "; times without a unit are assumed to be days" if source.assumes_days else ""
    return f"growth prior {source.prior}: {signature_genes(source)}{assumed}"


def signature_genes(source: PriorSource) -> str:
    """How many genes of the signatures of a species the data have."""
    papers = {"division": BIRTH[source.prior].source, "death": DEATH[source.prior].source}
    return ", ".join(
        f"{found} of {published} {name} genes ({papers[name]})"
        for name, (found, published) in source.genes.items()
    )
