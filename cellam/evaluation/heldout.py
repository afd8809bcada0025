"""Held out: a day as it was measured, as the fit predicts it, and as the best baseline does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.distances import resample
from cellam.evaluation.baselines import BASELINES
from cellam.evaluation.contenders import FIT
from cellam.evaluation.contest import contenders
from cellam.evaluation.metrics import DISTANCES, check_metrics
from cellam.evaluation.scoring import score_contest
from cellam.limits import MOST_FOLLOWED
from cellam.modelling.model import Model

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """A held-out day, its prediction and its best baseline, in model coordinates.

    A prediction is thinned, by its weights, to the number of cells that were measured, so the
    clouds can be compared by eye; of many cells some are drawn.

    Parameters
    ----------
    label : str
    metric : str
        By which the best baseline is the best.
    measured : (m, d) array
    predicted : (≤ m, d) array
    baseline : (≤ m, d) array
    best : str
        Name of the baseline.
    score, baseline_score : float
        Distances to the measured cells, of clouds of a smaller number of cells.
    """

    label: str
    metric: str
    measured: Array
    predicted: Array
    baseline: Array
    best: str
    score: float
    baseline_score: float


def predict_day(model: Model, label: str, *, metric: str = "energy") -> HeldOut:
    """Predict a day that is not a training day of a model, beside the best baseline.

    Parameters
    ----------
    model : Model
        Fitted without the day: `cellam.fit(cells, exclude=(label,))`.
    label : str
        Label or number of the day.
    metric : str
        energy, W1, W2 or MMD2.

    Raises
    ------
    ConfigError
        For an unknown day or metric, or a training day of the model.
    """
    (metric,) = check_metrics([metric], DISTANCES)
    label = model.timeline.labels[model.timeline.index(label)]
    contest = contenders(model, label)
    values = score_contest(contest, metrics=[metric]).table.set_index("method")["value"]
    best = str(values[values.index.isin(BASELINES)].idxmin())
    rng = np.random.default_rng(model.options.seed)
    shown = np.sort(contest.orders[0][:MOST_FOLLOWED])
    m = len(shown)
    predicted, baseline = (
        resample(cloud.x, cloud.weights, m, rng)[0]
        for cloud in (contest.clouds[FIT.name], contest.clouds[best])
    )
    return HeldOut(
        label,
        metric,
        contest.truth[shown],
        predicted,
        baseline,
        best,
        float(values[FIT.name]),
        float(values[best]),
    )
