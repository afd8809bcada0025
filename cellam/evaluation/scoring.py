"""Scoring: how near predictions come to the cells of a day that was held out.

All rows of a table have the same number of cells n, drawn in proportion to weight, and are means
over the same number of draws: finite samples bias W1 and W2 upward, by less for more cells.
The `floor` row is what two halves of the measured cells score against each other.

Who predicts the day is told in `contest`, how a prediction is compared with it in `judge`, and how
far the scores vary over other samples in `spreads`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.errors import ConfigError
from cellam.evaluation.contenders import followed
from cellam.evaluation.contest import Contest, contenders
from cellam.evaluation.gene_space import Measured
from cellam.evaluation.judge import Influence, Judge
from cellam.evaluation.metrics import DISTANCES, METRICS
from cellam.evaluation.scores import COLUMNS, OF_REPLICATES, Scores
from cellam.evaluation.spreads import NORMAL_DF, Spreads, over_cells, over_replicates
from cellam.evaluation.units import AT_MOST, Units
from cellam.limits import DRAWS, N_MAX
from cellam.matrix.rows import Rows
from cellam.modelling.model import Model
from cellam.modelling.refits import Refits

N_BOOT = 4_000  # draws of the bootstrap of skill, unless the user says otherwise
NO_REFITS = Refits((), 0.0)


def score(
    model: Model,
    label: str,
    *,
    counterparts: Mapping[str, Model] | None = None,
    metrics: Iterable[str] = DISTANCES,
    refits: Refits = NO_REFITS,
    types: pd.Series[Any] | None = None,
    n_cells: int | None = None,
    draws: int = DRAWS,
    units: Units | None = None,
    expression: Rows | None = None,
) -> Scores:
    """Score a model on a day that it was not fitted on, beside the baselines and the floor.

    Parameters
    ----------
    model, label, counterparts, draws
        As for `contenders`.
    metrics, refits, types, n_cells, units, expression
        As for `score_contest`.
    """
    return score_contest(
        contenders(model, label, counterparts, draws=draws),
        metrics=metrics,
        refits=refits,
        types=types,
        n_cells=n_cells,
        units=units,
        expression=expression,
    )


def score_contest(
    contest: Contest,
    *,
    metrics: Iterable[str] = DISTANCES,
    refits: Refits = NO_REFITS,
    types: pd.Series[Any] | None = None,
    n_cells: int | None = None,
    units: Units | None = None,
    expression: Rows | None = None,
) -> Scores:
    """Score all that predict a held-out day, and its floor.

    Parameters
    ----------
    contest : Contest
    metrics : iterable of str
        Of `METRICS`; one that says nothing about a prediction has no row for it.
    refits : Refits
        The model fitted to other cells, for the variance of its score. Counterparts are taken to
        vary as much. Without them the fits are held.
    types : pandas.Series, optional
        Cell type of every cell of the data, in its order.
    n_cells : int, optional
        Cells in each cloud; as many as the smallest cloud and half of the day have, and at most
        1,000, without it.
    units : Units, optional
        Replicates of the day: what an interval is over, in place of cells and of `refits`. With two
        of them there is none.
    expression : Rows, optional
        Of the m measured cells, in the genes of the PCA; without it no metric in gene space has a
        row. Only that of the cells that are drawn is read.

    Raises
    ------
    ConfigError
        If the day has too few cells.
    """
    n = _size(contest, n_cells)
    halves = [(order[:n], order[n : 2 * n]) for order in contest.orders]
    measured = None
    if expression is not None:
        measured = Measured.among(expression, _drawn(contest, units, n))
    judge = Judge(contest, tuple(metrics), types, measured)
    influences = judge.compare(halves)
    if units is not None:
        spreads = over_replicates(judge, influences, units, halves[0][0])
        return _summarise(contest, influences, spreads, n=n, single=judge.against_each(units))
    days, time = contest.model.snapshots, contest.sides.time
    again = [followed(replace(other, snapshots=days), time) for other in refits.models]
    variances = judge.variances(again, refits.scale, halves[0][0])
    spreads = over_cells(contest, influences, variances, len(again))
    return _summarise(contest, influences, spreads, n=n)


def _drawn(contest: Contest, units: Units | None, n: int) -> NDArray[np.int64]:
    """All cells of the day that are drawn: for either half, and of every replicate."""
    drawn = [order[: 2 * n] for order in contest.orders]
    if units is not None:
        names = range(len(units.sizes))
        drawn += [o[units.of_truth[o] == k][:AT_MOST] for o in contest.orders for k in names]
    return np.concatenate(drawn)


CLOUDS = (  # where that number comes from, for what prints it
    f"the least of: half of the held-out day, each day that predicts it, and {N_MAX:,}"
)


def _size(contest: Contest, n_cells: int | None) -> int:
    # Systematic draws from the smallest cloud leave every row with the same number of cells.
    m = len(contest.truth)
    most = min(m // 2, *(len(cloud.x) for cloud in contest.clouds.values()))
    n = n_cells or min(N_MAX, most)
    if not 2 <= n <= most:
        raise ConfigError(
            f"{contest.label} has {m} cells, too few to be scored with {n} in each cloud.",
            "Hold out another day.",
        )
    return n


def _summarise(
    contest: Contest,
    found: Mapping[tuple[str, str], Influence],
    spreads: Spreads,
    *,
    n: int,
    single: Sequence[Mapping[str, Any]] = (),
) -> Scores:
    """The table, the covariance of its values, and the scores against single replicates."""
    model, label = contest.model, contest.label
    units = {metric: model.space.unit ** METRICS[metric].degree for metric in spreads.covariance}
    rows = []
    for (metric, name), one in found.items():
        value, margin = units[metric] * one.value, units[metric] * spreads.margin(metric, name)
        row = {
            "time": contest.sides.time,
            "label": label,
            "method": name,
            "metric": metric,
            "value": value,
            "low": value - margin,
            "high": value + margin,
            "n": n,
            "draws": len(contest.orders),
            "extrapolation": len(contest.sides.days) < 2,
            "seen": model.space.rep is not None,
            "refits": spreads.refits,
            "fit_seconds": contest.seconds.get(name, model.seconds),
            "n_boot": N_BOOT,
            "unit": spreads.unit,
            "replicates": spreads.replicates,
            "df": spreads.df.get((metric, name), NORMAL_DF),
        }
        rows.append(row)
    covariance = {
        (label, metric): units[metric] ** 2 * matrix
        for metric, matrix in spreads.covariance.items()
    }
    scaled = [
        {"label": label, **row, "value": units[row["metric"]] * row["value"]} for row in single
    ]
    return Scores(
        pd.DataFrame(rows, columns=list(COLUMNS)),
        covariance,
        pd.DataFrame(scaled, columns=list(OF_REPLICATES)),
    )
