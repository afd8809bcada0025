"""Evaluation: predict a day that the fit has not seen, beside what needs no model.

The model is fitted again without the day, its PCA too. Every cell of the days on both sides is
followed to it, with its weight, and the cloud is compared with the cells that were measured.
All rows of a table have the same number of cells n, drawn in proportion to weight, and are
means over the same number of draws: finite samples bias W1 and W2 upward, by less for more
cells. The `floor` row is what two halves of the measured cells score against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.cells import Cells
from cellam.config import Options, parse_options
from cellam.couplings import Balanced, couple
from cellam.distances import METRICS, resample
from cellam.errors import ConfigError
from cellam.fitting import OnProgress, Progress, silent
from cellam.model import Model
from cellam.pipeline import fit
from cellam.snapshots import Snapshots

Array = NDArray[np.float64]
Cloud = tuple[Array, Array]

N_MAX = 1_000  # cells in a cloud; exact transport of two such clouds takes less than a second
DRAWS = 3
METHODS = {
    "cellam": "the days on both sides, followed to it by the fit",
    "previous": "the day before, as it is",
    "next": "the day after, as it is",
    "mixture": "both, weighted by nearness in time",
    "ot": "straight lines between both, along exact optimal transport",
    "floor": "one half of the measured cells, scored against the other",
}


@dataclass(frozen=True)
class Evaluation:
    """Scores of held-out days.

    Parameters
    ----------
    holdout : tuple of str
        Labels of the days, in the order asked for.
    table : pandas.DataFrame
        One row for each day, method and metric: time, label, method, metric, value, sd (over
        draws), n (cells in each cloud), draws, extrapolation, fit_seconds (of the refit).
    notes : tuple of str
        What a reader of the table has to know.
    """

    holdout: tuple[str, ...]
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    @staticmethod
    def join(tables: Iterable[pd.DataFrame], cells: Cells) -> Evaluation:
        """One evaluation from the tables of single days, with the notes that they need."""
        table = pd.concat(list(tables), ignore_index=True)
        labels = tuple(dict.fromkeys(table["label"]))
        notes = [
            f"{label} lies beyond the days fitted on: its prediction is an extrapolation."
            for label in dict.fromkeys(table.loc[table["extrapolation"], "label"])
        ]
        if cells.rep is not None:
            notes.append(
                f"The representation {cells.rep} was given, and may have been computed with the "
                f"held-out day{'s' if len(labels) > 1 else ''}: all scores can be too good."
            )
        return Evaluation(labels, table, tuple(notes))

    def only(self, metrics: Iterable[str]) -> Evaluation:
        """The same with only some metrics."""
        keep = self.table["metric"].isin(list(metrics))
        return replace(self, table=self.table[keep].reset_index(drop=True))

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain rows, for JSON."""
        return [
            {
                str(key): value.item() if hasattr(value, "item") else value
                for key, value in row.items()
            }
            for row in self.table.to_dict("records")
        ]


def evaluate(
    cells: Cells,
    holdout: str | Iterable[str],
    options: Options | None = None,
    *,
    metrics: Iterable[str] = tuple(METRICS),
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
    metrics : iterable of str
        Some of W1, W2, energy, MMD2.
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
    options = parse_options({**(options or Options()).model_dump(), **changes})
    metrics = check_metrics(metrics)
    labels = resolve_holdout(cells, holdout, options)
    tables = []
    for done, label in enumerate(labels):
        on_progress(Progress(f"refit without {label}", done, len(labels)))
        # Days that the run excludes are not scored against, nor fitted on.
        excluded = tuple(dict.fromkeys((*options.exclude, label)))
        without = options.model_copy(update={"exclude": excluded})
        model = (
            fitted
            if fitted and fitted.options == without
            else fit(cells, without, on_progress=on_progress)
        )
        tables.append(score(model, label, metrics=metrics))
    on_progress(Progress("scored", len(labels), len(labels)))
    return Evaluation.join(tables, cells)


def check_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Names of metrics as they are spelt here, in any case."""
    spelt = {name.lower(): name for name in METRICS}
    asked = [name for name in names if name]
    unknown = [name for name in asked if name.lower() not in spelt]
    if unknown or not asked:
        raise ConfigError(
            f"There is no metric {unknown[0]!r}." if unknown else "No metric is given.",
            f"The metrics are: {', '.join(METRICS)}.",
        )
    return tuple(dict.fromkeys(spelt[name.lower()] for name in asked))


def verdict(table: pd.DataFrame, metric: str) -> str:
    """One sentence on one day: is the fit better than what needs no model?"""
    values = table[table["metric"] == metric].set_index("method")["value"]
    rivals = values.drop(["cellam", "floor"])
    best = str(rivals.idxmin())
    ours, theirs = float(values["cellam"]), float(rivals.min())
    share = abs(1 - ours / theirs) if min(ours, theirs) > 0 else None
    by_how_much = f"by {100 * share:.0f} %" if share is not None else f"{ours:.3g} to {theirs:.3g}"
    if ours < theirs:
        return (
            f"cellam is better than every baseline in {metric}; the best is {best} ({by_how_much})."
        )
    if ours == theirs:
        return f"cellam is no better than {best} in {metric}: prefer that over this gap."
    return f"In {metric}, {best} is better than cellam ({by_how_much}): prefer it over this gap."


def resolve_holdout(
    cells: Cells, holdout: str | Iterable[str], options: Options
) -> tuple[str, ...]:
    """Labels of the days to hold out."""
    timeline = cells.timeline
    asked = (holdout,) if isinstance(holdout, str) else tuple(holdout)
    if asked == ("all",):
        excluded = {timeline.labels[timeline.index(e)] for e in options.exclude}
        inner = tuple(label for label in timeline.labels if label not in excluded)[1:-1]
        if not inner:
            raise ConfigError(
                "--holdout all means every day but the first and the last, and there is none.",
                f"Name a day to predict beyond the others, e.g. --holdout {timeline.labels[-1]}.",
            )
        return inner
    return tuple(dict.fromkeys(timeline.labels[timeline.index(text)] for text in asked))


def score(model: Model, label: str, *, metrics: Iterable[str]) -> pd.DataFrame:
    """Score a model on a day that it was not fitted on, beside the baselines and the floor.

    Parameters
    ----------
    model : Model
        With `label` among its excluded days.
    label : str
    metrics : iterable of str

    Returns
    -------
    pandas.DataFrame
        As `Evaluation.table`.
    """
    if label not in model.options.exclude:
        raise ConfigError(f"The model was fitted on {label}, so that it cannot be scored there.")
    truth = model.snapshots.points[model.snapshots.index(label)]
    time = model.snapshots.times[model.snapshots.index(label)]
    rng = np.random.default_rng([model.options.seed, model.snapshots.index(label)])
    training = model.training
    clouds = dict(predictions(model, training, time, rng))
    # Systematic draws from the smallest cloud leave every row with the same number of cells.
    n = min(N_MAX, len(truth) // 2, *(len(x) for x, _ in clouds.values()))
    if n < 2:
        raise ConfigError(
            f"{label} has {len(truth)} cells: too few to be scored.", "Hold out another day."
        )
    rows = []
    values: dict[tuple[str, str], list[float]] = {}
    for _ in range(DRAWS):
        order = rng.permutation(len(truth))
        target, other = truth[order[:n]], truth[order[n : 2 * n]]
        even = np.full(n, 1 / n)
        drawn = {name: resample(x, w, n, rng) for name, (x, w) in clouds.items()}
        for name, (x, w) in {**drawn, "floor": (other, even)}.items():
            for metric in metrics:
                distance = METRICS[metric](x, w, target, even)
                unit = 1.0 if metric == "MMD2" else model.space.unit  # MMD has no unit
                values.setdefault((name, metric), []).append(distance * unit)
    beyond = not training.times[0] <= time <= training.times[-1]
    for (name, metric), draws in values.items():
        rows.append(
            {
                "time": time,
                "label": label,
                "method": name,
                "metric": metric,
                "value": float(np.mean(draws)),
                "sd": float(np.std(draws)),
                "n": n,
                "draws": DRAWS,
                "extrapolation": beyond,
                "fit_seconds": model.seconds,
            }
        )
    return pd.DataFrame(rows)


def predictions(
    model: Model, training: Snapshots, time: float, rng: np.random.Generator
) -> Iterator[tuple[str, Cloud]]:
    """The clouds that compete: name, points (n, d) and weights (n,)."""
    times = np.array(training.times)
    before, after = int((times < time).sum()) - 1, int((times < time).sum())
    yield "cellam", model.predict(time, seed=model.options.seed)
    sides = []
    for name, k in (("previous", before), ("next", after)):
        if 0 <= k < len(training):
            sides.append((training.points[k], training.weights[k]))
            yield name, sides[-1]
    if len(sides) == 2:
        alpha = (time - times[before]) / (times[after] - times[before])
        (x_0, a), (x_1, b) = sides
        both = np.concatenate([(1 - alpha) * a / a.sum(), alpha * b / b.sum()])
        yield "mixture", (np.concatenate([x_0, x_1]), both)
        pairs = couple(Balanced(), x_0, x_1, a, b, rng)
        between = (1 - alpha) * x_0[pairs.i] + alpha * x_1[pairs.j]
        yield "ot", (between, pairs.mass_0)
