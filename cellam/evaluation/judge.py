"""Judge: how near a prediction is to cells of the held-out day, in every metric.

A score is kept with the influence of each measured cell on it (`distances`), from which `spreads`
tells how it varies over other samples of the cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.dynamics.distances import Comparison, draw_rows, resample
from cellam.evaluation.contenders import FLOOR, Contender
from cellam.evaluation.contest import Contest
from cellam.evaluation.gene_space import Genes, Measured
from cellam.evaluation.metrics import METRICS, Annotation, Sample
from cellam.evaluation.scores import PAIRS
from cellam.evaluation.units import AT_MOST, Units, pairs_of
from cellam.reading.cell_types import split_levels

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


class Influence:
    """Mean of a score over the draws, and the influence of every measured cell on it."""

    def __init__(self, draws: int, n_truth: int, n_sides: int) -> None:
        self.draws = draws
        self.value = 0.0
        self.of_truth = np.zeros(n_truth)
        self.of_sides = np.zeros(n_sides)

    def add(self, compared: Comparison, target: Rows) -> None:
        """Count one draw, against the cells `target` (n,) of the held-out day."""
        self.value += compared.value / self.draws
        self.of_truth[target] += compared.of_y / (len(target) * self.draws)

    def covariance(self, other: Influence) -> float:
        """Over other samples of the cells: the sum of the products of their influences."""
        return float(self.of_truth @ other.of_truth + self.of_sides @ other.of_sides)


class Judge:
    """Compares predictions with cells of the held-out day, in some metrics."""

    def __init__(
        self,
        contest: Contest,
        metrics: tuple[str, ...],
        types: pd.Series[Any] | None,
        expression: Measured | None = None,
    ) -> None:
        self.contest, self.metrics, self.expression = contest, metrics, expression
        self.types, self.annotation = _annotation(contest, types)

    def compare(self, halves: list[tuple[Rows, Rows]]) -> dict[tuple[str, str], Influence]:
        """Scores by metric and method, those of the floor last."""
        found: dict[tuple[str, str], Influence] = {}
        n_truth, n_sides = len(self.contest.truth), sum(self.contest.sides.sizes)
        draws = len(halves)

        def kept(metric: str, method: str) -> Influence:
            return found.setdefault((metric, method), Influence(draws, n_truth, n_sides))

        for name, cloud in self.contest.clouds.items():
            stream = self.contest.stream(name)
            for target, _ in halves:
                rows, share = draw_rows(cloud.weights, len(target), stream)
                drawn = Sample(cloud.x[rows], share, cloud.mass)
                for metric, compared in self._against(target, drawn):
                    one = kept(metric, name)
                    one.add(compared, target)
                    one.of_sides += cloud.of_cells(rows, share, compared.of_x, n_sides) / draws
        for target, other in halves:
            for metric, compared in self._against(target, self._measured(other)):
                one = kept(metric, FLOOR.name)
                one.add(compared, target)
                one.of_truth[other] += compared.of_x / (len(target) * draws)
        return found

    def variances(self, again: list[Contender], scale: float, target: Rows) -> dict[str, float]:
        """By metric, of the score of a fit over the cells that it was fitted to."""
        values: dict[str, list[float]] = {metric: [] for metric in self.metrics}
        for cloud in again:  # with the same random numbers for all: what differs is the fit
            rng = np.random.default_rng(self.contest.model.options.seed)
            rows, share = draw_rows(cloud.weights, len(target), rng)
            drawn = Sample(cloud.x[rows], share, cloud.mass)
            for metric, compared in self._against(target, drawn):
                values[metric].append(compared.value)
        return {
            metric: scale * float(np.var(known, ddof=1)) if len(known) > 1 else 0.0
            for metric, known in values.items()
        }

    def values(self, clouds: list[Contender | None], target: Rows) -> dict[str, Array]:
        """By metric, the scores of several clouds against the same cells of the day."""
        values: dict[str, list[float]] = {metric: [] for metric in self.metrics}
        for cloud in filter(None, clouds):
            rng = np.random.default_rng(self.contest.model.options.seed)
            # Thinned evenly, so that what differs are the clouds and not the draws.
            x, share = resample(cloud.x, cloud.weights, len(target), rng, stratified=True)
            for metric, compared in self._against(target, Sample(x, share, cloud.mass)):
                values[metric].append(compared.value)
        return {metric: np.array(known) for metric, known in values.items()}

    def against_each(self, units: Units) -> list[dict[str, Any]]:
        """All methods against each replicate, and replicates against each other; equal clouds."""
        clouds, members = self.contest.clouds, dict(enumerate(units.sizes))
        n = min(AT_MOST, *units.sizes.values(), *(len(cloud.x) for cloud in clouds.values()))
        drawn = [
            {name: order[units.of_truth[order] == k][:n] for k, name in members.items()}
            for order in self.contest.orders
        ]
        found: dict[tuple[str, str, str, str], list[float]] = {}
        for method, cloud in clouds.items():
            stream = self.contest.stream(method)
            for rows_of in drawn:
                for name, target in rows_of.items():
                    rows, share = draw_rows(cloud.weights, n, stream)
                    sample = Sample(cloud.x[rows], share, cloud.mass)
                    for metric, compared in self._against(target, sample):
                        found.setdefault((metric, method, name, ""), []).append(compared.value)
        for rows_of in drawn:
            for one, other in pairs_of(units.sizes):
                for metric, compared in self._against(rows_of[one], self._measured(rows_of[other])):
                    found.setdefault((metric, PAIRS, one, other), []).append(compared.value)
        return [
            {"metric": metric, "method": method, "replicate": name, "other": other,
             "value": float(np.mean(values)), "n": n, "cells": units.sizes[name]}
            for (metric, method, name, other), values in found.items()
        ]  # fmt: skip

    def _against(self, target: Rows, predicted: Sample) -> Iterable[tuple[str, Comparison]]:
        """In every metric that says something about them: a prediction and cells of the day."""
        measured = self._measured(target)
        for metric in self.metrics:
            compared = METRICS[metric].compare(predicted, measured, self.annotation)
            if compared is not None:
                yield metric, compared

    def _measured(self, rows: Rows) -> Sample:
        mass = self.contest.model.snapshots.masses[self.contest.k]
        types = None if self.types is None else self.types[rows]
        share = np.full(len(rows), 1 / len(rows))
        return Sample(self.contest.truth[rows], share, mass, types, self._genes(rows))

    def _genes(self, rows: Rows) -> Genes | None:
        if self.expression is None:
            return None
        space = self.contest.model.space
        y = self.expression.of(rows)
        origin = space.centre @ space.components + space.mean
        return Genes(y, space.scale[:, None] * space.components, origin)


def _annotation(
    contest: Contest, types: pd.Series[Any] | None
) -> tuple[Rows | None, Annotation | None]:
    """Types of the cells of the day, and what a prediction may know of types."""
    if types is None:
        return None, None
    codes, names = split_levels(types)
    training = contest.model.training
    of_day = codes[contest.model.snapshots.rows[contest.k]]
    trained = codes[training.data_rows]
    if not (of_day >= 0).any() or not (trained >= 0).any():
        return of_day, None
    known = of_day[of_day >= 0]
    shares = np.bincount(known, minlength=len(names)) / len(known)
    points = np.concatenate(training.points)[trained >= 0]
    return of_day, Annotation(points, trained[trained >= 0], shares)
