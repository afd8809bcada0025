"""Metrics: how far a prediction is from the day that was measured.

A metric is a function and its line in `METRICS`. Scores, skill, the help of the command line and
the methods of a report read that line. This module loads neither torch nor pandas, as the help of
the command line lists the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import known_names
from cellam.dynamics.distances import (
    Comparison,
    compare_energy,
    compare_mmd2,
    compare_w1,
    compare_w2,
)
from cellam.evaluation.gene_space import Genes, compare_profiles

if TYPE_CHECKING:
    from cellam.options import Options
    from cellam.reading.cells import Cells

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Cells drawn from a prediction, or from the held-out day.

    Parameters
    ----------
    x : (n, d) array
        In model coordinates.
    share : (n,) array
        Weights; they sum to one.
    mass : float or None
        Of the whole population that they were drawn from; None where none is predicted.
    types : (n,) int array or None
        Measured cell types, -1 for unannotated cells; None for predicted cells, or without any.
    genes : Genes or None
        Measured expression; None for predicted cells, and in a given representation.
    """

    x: Array
    share: Array
    mass: float | None = None
    types: NDArray[np.int64] | None = None
    genes: Genes | None = None


@dataclass(frozen=True)
class Annotation:
    """Annotated cells of the training days, and the types of the held-out day.

    Parameters
    ----------
    x : (k, d) array
        A prediction may look at the annotated cells of the training days only.
    types : (k,) int array
        Theirs.
    shares : (K,) array
        Of the K types among the annotated cells of the held-out day.
    """

    x: Array
    types: NDArray[np.int64]
    shares: Array


@final
@dataclass(frozen=True)
class Metric:
    """One way to say how far a prediction is from the day.

    Parameters
    ----------
    name : str
    degree : int
        The value grows with this power of the coordinates: 1 for a distance, 0 without a unit.
    description : str
        For the methods of a paper; ``{version[NAME]}`` is the version of a package, ``{cite[KEY]}``
        the number of a reference (`report.references`).
    compare : callable
        `compare(predicted, measured, annotation)` gives the value with the influence of every cell,
        or None where the prediction says nothing about it. The annotation is None where cells of
        the day, or of the training days, have no types.
    lacking : callable, optional
        `lacking(cells, options, holdout)` says what the data lack to score these days, or "".
        Without it positions of cells are enough.
    """

    name: str
    degree: int
    description: str
    compare: Callable[[Sample, Sample, Annotation | None], Comparison | None]
    lacking: Callable[[Cells, Options, Collection[str]], str] | None = None


def _of_points(
    compare: Callable[[Array, Array, Array, Array], Comparison],
) -> Callable[[Sample, Sample, Annotation | None], Comparison]:
    """A distance between weighted points, as a metric compares."""
    return lambda predicted, measured, _: compare(
        predicted.x, predicted.share, measured.x, measured.share
    )


def compare_composition(
    predicted: Sample, measured: Sample, annotation: Annotation | None
) -> Comparison | None:
    """Half of the sum of absolute differences between the shares of cell types."""
    if annotation is None or measured.types is None:
        return None
    from cellam.analysis.assignment import type_votes

    n_types = len(annotation.shares)
    # The floor's cells are typed by their neighbours as well, as a perfect prediction's are.
    votes = type_votes(predicted.x, annotation.x, annotation.types, n_types)
    known = measured.types >= 0
    n_known = int(known.sum())
    # Of few annotated cells a draw may hold none; those of the day then stand for them.
    shares = annotation.shares
    if n_known:
        shares = np.bincount(measured.types[known], minlength=n_types) / n_known
    gap = predicted.share @ votes - shares
    value, sign = 0.5 * float(np.abs(gap).sum()), 0.5 * np.sign(gap)  # total variation
    of_y = np.zeros(len(known))
    if n_known:
        # The mean is over the annotated cells alone, each of which counts for so much more.
        of_known = -sign[measured.types[known]]
        of_y[known] = (of_known - of_known.mean()) * (len(known) / n_known)
    of_x = votes @ sign
    return Comparison(value, of_x - predicted.share @ of_x, of_y)


def _without_types(cells: Cells, options: Options, holdout: Collection[str]) -> str:
    from cellam.reading.cell_types import resolve_types

    types = resolve_types(cells.obs, cells.codes)
    if types is None:
        return "no column of obs names cell types (e.g. cell_type, or leiden)"
    annotated, lacking = types.notna().to_numpy(), ""
    for label in holdout:
        if not annotated[cells.codes == cells.timeline.index(label)].any():
            lacking = f"all cells of {label} are unannotated"
    return lacking


def compare_mass(
    predicted: Sample, measured: Sample, annotation: Annotation | None
) -> Comparison | None:
    """Relative error of the mass of the population."""
    if predicted.mass is None or measured.mass is None:
        return None
    # Masses are given, not measured on these cells, which therefore have no influence.
    value = abs(predicted.mass / measured.mass - 1)
    return Comparison(value, np.zeros(len(predicted.x)), np.zeros(len(measured.x)))


def _without_populations(cells: Cells, options: Options, holdout: Collection[str]) -> str:
    if options.population is None:
        return "the fit has no population sizes (fit with `population`)"
    return ""


def compare_gene_means(
    predicted: Sample, measured: Sample, annotation: Annotation | None
) -> Comparison | None:
    """1 − R² of mean expression over genes."""
    if measured.genes is None:
        return None
    return compare_profiles(predicted.x, predicted.share, measured.genes, measured.share)


def _without_genes(cells: Cells, options: Options, holdout: Collection[str]) -> str:
    if cells.rep is not None:
        return f"obsm[{cells.rep!r}] cannot be decoded to genes (fit without `use_rep`)"
    return ""


# fmt: off
METRICS = {metric.name: metric for metric in (
    Metric("energy", 1, "the unbiased energy distance {cite[energy]}", _of_points(compare_energy)),
    Metric("W1", 1, "the Wasserstein-1 distance (exact, by POT {version[POT]}) {cite[pot]}",
           _of_points(compare_w1)),
    Metric("W2", 1, "the Wasserstein-2 distance (exact, by POT {version[POT]}) {cite[pot]}",
           _of_points(compare_w2)),
    Metric("MMD2", 0, "the unbiased squared maximum mean discrepancy {cite[mmd]}",
           _of_points(compare_mmd2)),
    Metric("composition", 0, "the error of the shares of cell types (total variation)",
           compare_composition, _without_types),
    Metric("gene_mean", 0, "1 − R² of the mean expression over genes, with predicted cells decoded "
           "from their components", compare_gene_means, _without_genes),
    Metric("mass", 0, "the relative error of the mass", compare_mass, _without_populations),
)}
# fmt: on
DISTANCES = tuple(name for name, metric in METRICS.items() if metric.lacking is None)
GENE_METRICS = tuple(name for name, m in METRICS.items() if m.lacking is _without_genes)
LEAD = DISTANCES[0]  # what verdicts and pictures are about, unless another is asked for


def check_metrics(names: Iterable[str], known: Collection[str] = tuple(METRICS)) -> tuple[str, ...]:
    """Names of metrics as they are spelt here, in any case.

    Raises
    ------
    ConfigError
        For one that is not among those `known`, or none at all.
    """
    return known_names(names, known, "metric")
