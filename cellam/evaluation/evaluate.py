"""Evaluation: predict a day that the fit has not seen, beside what needs no model.

The model is fitted again without the day, its PCA too, and so are its counterparts: one conserves
mass where the model does not and the other way round, one is without the prior of growth where
the model has one, and one without barcodes. Every cell of the days on both sides is followed to
the day, with its weight, and scored (`scoring`); those of the day before alone are scored too, as
users follow cells forward.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from cellam.coordinates.batch_shift import without_shift
from cellam.days.time_labels import count_cells, named
from cellam.dynamics.fitting import OnProgress, Progress, silent
from cellam.errors import ConfigError
from cellam.evaluation.baselines import BASELINES
from cellam.evaluation.contenders import FIT, FLOOR, FORWARD
from cellam.evaluation.counterparts import COUNTERPARTS, counterparts_of
from cellam.evaluation.metrics import GENE_METRICS, LEAD, METRICS, check_metrics
from cellam.evaluation.scores import COLUMNS, Scores
from cellam.evaluation.scoring import score
from cellam.evaluation.units import CELLS, Units
from cellam.executors.executor import as_done
from cellam.limits import REFITS
from cellam.matrix.rows import Rows
from cellam.modelling.model import Model
from cellam.modelling.pipeline import fit, fit_beside
from cellam.modelling.refits import effective_refits, refit
from cellam.options import Options
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import Cells
from cellam.reading.samples import ENOUGH, replicates_of

FEWEST = 4  # cells of a day that is scored: two halves of two

SHRUNK = (
    "Finite samples make W1 and W2 favour predictions with less spread than the cells have, the "
    "more so in many dimensions. The verdict goes by the energy distance, which has no such bias."
)
NO_REPLICATES = "No replicates named: the floor holds sampling of cells only."


@dataclass(frozen=True)
class Evaluation:
    """Scores of held-out days.

    Parameters
    ----------
    scores : Scores
    notes : tuple of str
        What a reader of the scores has to know.
    """

    scores: Scores
    notes: tuple[str, ...] = ()

    @property
    def holdout(self) -> tuple[str, ...]:
        """Labels of the days, in the order asked for."""
        return self.scores.labels

    @property
    def table(self) -> pd.DataFrame:
        """One row for each day, method and metric.

        Its columns are time, label, method, metric, value, low and high (95 % interval), n (cells
        in each cloud), draws, extrapolation, seen (the representation may have been computed with
        the day), refits (to other cells, for the interval), fit_seconds (of the fit without the
        day), n_boot (draws for the interval of the skill), unit (what the interval is over: cells
        or replicates), replicates (of the day; with two, low and high are NaN), df (degrees of
        freedom of the interval; 0 for the normal).
        """
        return self.scores.table

    @staticmethod
    def join(scores: Iterable[Scores], cells: Cells) -> Evaluation:
        """One evaluation from the scores of single days, with the notes that they need."""
        joined = Scores.join(scores)
        table = joined.table
        notes = [
            f"{named(label)} lies outside the training days: its prediction is an extrapolation."
            for label in dict.fromkeys(table.loc[table["extrapolation"], "label"])
        ]
        seen = tuple(dict.fromkeys(table.loc[table["seen"], "label"]))
        if seen:
            notes.append(
                f"The representation {cells.rep} may have been computed with {' and '.join(seen)}, "
                "so all scores may be too good. Without `use_rep`, a PCA is fitted on the other "
                "days only."
            )
        notes += [
            *_of_units(joined),
            *filter(None, (without_shift(cells, x) for x in joined.labels)),
        ]
        if {"W1", "W2"} & set(table["metric"]) and LEAD in set(table["metric"]):
            notes.append(SHRUNK)
        notes += _below_floor(table)
        return Evaluation(joined, tuple(notes))

    def only(
        self,
        metrics: Iterable[str],
        *,
        baselines: Iterable[str] = tuple(BASELINES),
        counterpart: bool = True,
    ) -> Evaluation:
        """The same with only some metrics and methods."""
        ours = {FIT.name, FORWARD.name, FLOOR.name, *(COUNTERPARTS if counterpart else ())}
        methods = {*ours, *baselines}
        return replace(self, scores=self.scores.only(set(metrics), methods))

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain rows, for JSON."""
        return self.scores.rows()


def _below_floor(table: pd.DataFrame) -> Iterator[str]:
    """What it means to score below the floor, where one does."""
    found: dict[str, list[str]] = {}
    for (label, metric), rows in table.groupby(["label", "metric"], sort=False):
        values = rows.set_index("method")["value"]
        if (values < values.get(FLOOR.name, -np.inf)).any():
            found.setdefault(str(label), []).append(str(metric))
    if found:
        where = "; ".join(f"{', '.join(of)} on {named(label)}" for label, of in found.items())
        yield (
            f"Below the floor: {where}. The floor is no bound but what a second sample of these "
            "cells scores, with the chance in both samples; predictions that average over cells "
            "have less of it. Read such a score as being at the floor, not as better."
        )


def _of_units(scores: Scores) -> Iterator[str]:
    """What the intervals are over, in sentences."""
    table = scores.table
    if "unit" not in table:
        return
    single = list(dict.fromkeys(table.loc[table["unit"] == CELLS, "label"]))
    if len(single) == len(scores.labels):
        yield NO_REPLICATES
    elif single:
        yield (
            f"{' and '.join(map(named, single))}: fewer than two replicates, so the floor holds "
            "sampling of cells only."
        )
    two = list(dict.fromkeys(table.loc[table["replicates"] == ENOUGH - 1, "label"]))
    if two:
        yield (
            f"{' and '.join(map(named, two))}: two replicates, of which no interval can be made; "
            "three are needed."
        )
    single_n = scores.replicates["n"].min()
    if {"W1", "W2"} & set(scores.replicates["metric"]) and single_n < table["n"].max():
        yield (
            f"Scores against single replicates are of {single_n:,} cells in each cloud: compare "
            "their W1 and W2 with each other only."
        )


def evaluate(
    cells: Cells,
    holdout: str | Iterable[str],
    options: Options | None = None,
    *,
    metrics: Iterable[str] | None = None,
    counterpart: bool = True,
    refits: int = REFITS,
    fitted: Model | None = None,
    on_progress: OnProgress = silent,
    **changes: Any,
) -> Evaluation:
    """Hold days out, each in turn, refit without it and score the prediction.

    Parameters
    ----------
    cells : Cells
    holdout : str or iterable of str
        Labels or numbers of days, or "all" for every day but the first and the last.
    options : Options, optional
        As for `cellam.fit`; days excluded there stay excluded.
    metrics : iterable of str, optional
        Some of energy, W1, W2, MMD2, composition (where cell types are annotated) and mass
        (where populations are given); all that can be computed without it.
    counterpart : bool
        Also fit and score the counterparts: with mass conserved, or with growth where `options`
        conserve it.
    refits : int
        Fits to half of the cells, for how far scores move with the cells that were fitted to.
        With 0 the fit is held, and the intervals are too narrow.
    fitted : Model, optional
        Used instead of a refit where it was fitted with the very options of that refit.
    **changes
        Any field of `Options`.

    Returns
    -------
    Evaluation

    Raises
    ------
    ConfigError
        For unknown days or metrics, or if fewer than two days would be left.
    """
    # What is scored is the fit itself; its ensemble would only cost time.
    options = Options(
        **{
            **(options or Options()).model_dump(),
            "growth_prior": cells.growth_prior,
            "clones": cells.reading.clones,
            "velocity": cells.reading.velocity,
            "use_rep": cells.rep,  # in whose coordinates that is
            **changes,
            "ensemble": None,
        }
    )
    labels = resolve_holdout(cells, holdout, options)
    asked = available_metrics(cells, options, metrics, holdout=labels if metrics else ())
    refits = effective_refits(options, refits)
    scored: dict[int, Scores] = {}
    on_progress(Progress("refit without a day", 0, len(labels)))
    known = fitted.without_ensemble() if fitted is not None and len(labels) == 1 else None
    shared = _Task(cells, options, asked, counterpart, refits, known)
    for k, scores in as_done(_hold_out, shared, labels):
        scored[k] = scores
        on_progress(Progress("refit without a day", len(scored), len(labels)))
    return Evaluation.join([scored[k] for k in range(len(labels))], cells)


@dataclass(frozen=True)
class _Task:
    """What the held-out days have in common."""

    cells: Cells
    options: Options
    metrics: tuple[str, ...]
    counterpart: bool
    refits: int
    fitted: Model | None


def _hold_out(task: _Task, label: str) -> Scores:
    # Days that the run excludes are not scored against, nor fitted on.
    excluded = tuple(dict.fromkeys((*task.options.exclude, label)))
    without = task.options.model_copy(update={"exclude": excluded})
    fitted = task.fitted
    model = fitted if fitted and fitted.options == without else fit(task.cells, without)
    asked = counterparts_of(model.options) if task.counterpart else {}
    others = {
        name: fit_beside(model, _as_for(options, task.cells), options)
        for name, options in asked.items()
    }
    types = resolve_types(task.cells.obs, task.cells.codes)
    units = Units.of(model, label, replicates_of(task.cells), refit=task.refits > 0)
    again = refit(model, task.refits if units is None else 0)
    return score(
        model,
        label,
        metrics=task.metrics,
        counterparts=others,
        refits=again,
        types=types,
        units=units,
        expression=_expression(task, model, label),
    )


def _as_for(options: Options, cells: Cells) -> Cells:
    """The cells, less the prior, the barcodes or the velocities that a counterpart does without."""
    if options.growth_prior is None:
        cells = cells.without_prior()
    if options.velocity is None:
        cells = cells.without_velocities()
    return cells if options.clones is not None else cells.without_clones()


def _expression(task: _Task, model: Model, label: str) -> Rows | None:
    """Measured expression of the cells of a day; None where no metric asks for it."""
    cells = task.cells
    if cells.rep is not None or not set(GENE_METRICS) & set(task.metrics):
        return None
    rows = model.snapshots.rows[model.snapshots.index(label)]
    of_day = replace(cells, matrix=cells.matrix[rows])
    return model.space.prepared(of_day, model.space.genes)


def available_metrics(
    cells: Cells,
    options: Options,
    asked: Iterable[str] | None = None,
    *,
    holdout: Collection[str] = (),
) -> tuple[str, ...]:
    """The metrics asked for, or all that data and options allow on each of the days held out.

    Raises
    ------
    ConfigError
        If one is asked for that they do not allow.
    """
    found = {
        name: metric.lacking(cells, options, holdout) if metric.lacking is not None else ""
        for name, metric in METRICS.items()
    }
    lacking = {name: why for name, why in found.items() if why}
    if asked is None:
        return tuple(name for name in METRICS if name not in lacking)
    metrics = check_metrics(asked)
    for metric in metrics:
        if metric in lacking:
            raise ConfigError(
                f"The metric {metric} is not available: {lacking[metric]}.",
                f"Leave {metric} out of `metrics`.",
            )
    return metrics


def is_complete(
    scores: Scores,
    metrics: Iterable[str],
    *,
    counterparts: Collection[str],
    refits: int,
    sizes: Mapping[str, int] | None = None,
) -> bool:
    """Whether the scores of a day, kept earlier, have all that is asked for.

    `sizes` are the replicates of the day with their cells (`units.sizes_on`), as they are now.
    """
    table = scores.table
    if set(COLUMNS) != set(table.columns) or not set(metrics) <= set(table["metric"]):
        return False
    if len(scores.labels) == 1 and scores.sizes(scores.labels[0]) != dict(sizes or {}):
        return False
    if sizes:  # then one fit for each replicate that is left out
        if ((table["refits"] > 0) != (refits > 0)).any():
            return False
    elif (table["refits"] != refits).any():
        return False
    methods = set(table["method"])
    if "previous" in methods and FORWARD.name not in methods:
        return False
    return set(counterparts) <= methods


def resolve_holdout(
    cells: Cells, holdout: str | Iterable[str], options: Options
) -> tuple[str, ...]:
    """Labels of the days to hold out.

    Raises
    ------
    ConfigError
        For unknown days, days of too few cells, or if fewer than two would be left to fit on.
    """
    timeline = cells.timeline
    excluded = {timeline.labels[timeline.index(e)] for e in options.exclude}
    used = [label for label in timeline.labels if label not in excluded]
    asked = (holdout,) if isinstance(holdout, str) else tuple(holdout)
    if asked == ("all",):
        chosen = tuple(used[1:-1])
        if not chosen:
            raise ConfigError(
                "`holdout='all'` means every training day except the first and the last, and "
                "there is none in between.",
                _instead(used, excluded),
            )
    else:
        chosen = tuple(dict.fromkeys(timeline.labels[timeline.index(text)] for text in asked))
    for label in chosen:
        if len([other for other in used if other != label]) < 2:
            raise ConfigError(
                f"Without {named(label)}, {count_days(len(used) - 1)} would be left for "
                "training; two are needed.",
                _instead(used, excluded),
            )
        if cells.counts[label] < FEWEST:
            raise ConfigError(
                f"{named(label)} has {count_cells(cells.counts[label])}, too few to be scored: "
                f"at least {FEWEST} are needed.",
                "Hold out another day.",
            )
    return chosen


def _instead(used: list[str], excluded: set[str]) -> str:
    """What can be scored where no training day can be spared."""
    if excluded:
        return f"Score a day that was left out of the fit: `holdout={min(excluded)!r}`."
    return (
        f"No prediction can be scored with {count_days(len(used))}; three are needed. A fit with "
        "`ensemble=8` gives its uncertainty."
    )


def count_days(n: int) -> str:
    """Write a number of days.

    Examples
    --------
    >>> count_days(1), count_days(3)
    ('1 day', '3 days')
    """
    return f"{n} day{'s' * (n != 1)}"
