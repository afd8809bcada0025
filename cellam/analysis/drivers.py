"""Drivers: genes whose expression goes with growth, speed, or the probability of a fate.

Correlation is taken within days and pooled over them: a gene that only rises with time would
otherwise go with everything else that does. It is a partial correlation given the day,

    r = Σ (x − x̄_day)(y − ȳ_day) / √(Σ (x − x̄_day)² Σ (y − ȳ_day)²),

tested against zero by Student's t with n − days − 1 degrees of freedom, and corrected for the
number of genes by Benjamini and Hochberg [1]_. Cells are counted as if they were independent, and
those of one animal or dish are not; replicates are not looked at. Growth, speed and fates are
themselves read from the expression by the model, so small p-values are the rule: they rank genes
and do not show that a gene is a cause.

References
----------
.. [1] Benjamini and Hochberg, Controlling the false discovery rate, J. R. Stat. Soc. B 57, 289–300
   (1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.analysis.assignment import reference_of
from cellam.analysis.growth_range import growth_range, has_range
from cellam.analysis.results import CellFates, fates
from cellam.coordinates.normalisation import log_normalised
from cellam.days.time_labels import did_you_mean, named, offer
from cellam.errors import ConfigError, DataError
from cellam.matrix.moments import add_rows
from cellam.matrix.rows import Rows
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates, velocities
from cellam.names import closest
from cellam.reading.cell_types import read_types
from cellam.reading.cells import Cells

Array = NDArray[np.float64]

FATE = "fate:"
FEWEST = 10  # cells beyond the days, to speak of a correlation


@dataclass(frozen=True)
class Quantity:
    """A number of each cell that genes are correlated with.

    Parameters
    ----------
    model : Model
    of : str
        "growth", "speed" or "fate:TYPE".
    values : (n,) array
        In the order of the data.
    meant : (n,) bool array
        The cells that it says something about: for fates those before the last training day.
    fates : CellFates or None
        All fates, if it is one of them.
    """

    model: Model
    of: str
    values: Array
    meant: NDArray[np.bool_]
    fates: CellFates | None = None

    def ends(self) -> tuple[Array, Array] | None:
        """Ends of its range, (n,) both, by all that explains the days; None where it has none."""
        if self.fates is not None:
            k = self.fates.names.index(self.of.removeprefix(FATE))
            return self.fates.least[:, k], self.fates.most[:, k]
        if self.of != "growth" or not has_range(self.model):
            return None
        days = self.model.snapshots
        low, high = (days.to_data_order(end) for end in growth_range(self.model).ends)
        return low, high


def quantity(
    model: Model, of: str, types: pd.Series[Any] | None = None, *, seed: int = 0
) -> tuple[Array, NDArray[np.bool_]]:
    """The number of each cell that genes are correlated with: the values of `measure`, and who.

    Parameters
    ----------
    model, of, types, seed
        As for `measure`.

    Returns
    -------
    y : (n,) array
        In the order of the data.
    meant : (n,) bool array
        The cells that it says something about: for fates those before the last training day.

    Raises
    ------
    ConfigError
        As `measure`.
    """
    found = measure(model, of, types, seed=seed)
    return found.values, found.meant


def measure(
    model: Model, of: str, types: pd.Series[Any] | None = None, *, seed: int = 0
) -> Quantity:
    """What genes are correlated with, for every cell.

    Parameters
    ----------
    model : Model
    of : str
        "growth" (per unit of time), "speed" (length of the velocity, model coordinates per unit of
        time), or "fate:TYPE" (probability of a type of the last training day).
    types : pandas.Series, optional
        Cell type of every cell, for fates.
    seed : int
        For noise, where the dynamics have it.

    Raises
    ------
    ConfigError
        If there is no such quantity, or no such fate.
    """
    check_quantity(model, of, types)
    days = model.snapshots
    rows = days.data_rows
    meant = np.ones(days.n_cells, dtype=bool)
    y, found = np.empty(days.n_cells), None
    if of == "growth":
        y[rows] = growth_rates(model)
    elif of == "speed":
        y[rows] = np.linalg.norm(velocities(model), axis=1)
    else:
        assert types is not None
        found = fates(model, types, seed=seed)
        y = found.probability[:, found.names.index(of.removeprefix(FATE))]
        for k, time in enumerate(days.times):
            meant[days.rows[k]] = time < model.training.times[-1]
    return Quantity(model, of, y, meant, found)


def check_quantity(model: Model, of: str, types: pd.Series[Any] | None) -> None:
    """Refuse a quantity that the model or the data do not have, before it is computed.

    Raises
    ------
    ConfigError
        As `quantity`.
    """
    if of == "speed":
        return
    if of == "growth":
        if model.conserves_mass:
            why, what = model.without_growth
            raise ConfigError(f"`of='growth'`: {why}.", f"{what}, or use `of='speed'`.")
        return
    if not of.startswith(FATE):
        raise ConfigError(
            f"`of={of!r}`: there is no such quantity.",
            f"{_meant(model, of, types)}Use growth, speed, or fate:TYPE.",
        )
    if types is None:
        raise ConfigError(
            f"`of={of!r}`: no column of obs is recognised as cell types.",
            "Choose the column with `groupby`. Without one, add the states to obs that "
            "`cellam fates` finds, if it finds any: see `cellam guide fates`.",
        )
    last = model.training.labels[-1]
    names = reference_of(model, last, types).names
    if of.removeprefix(FATE) not in names:
        raise ConfigError(
            f"`of={of!r}`: no cell of {named(last)}, the last training day, has that type.",
            offer(of, names, prefix=FATE),
        )


def _meant(model: Model, of: str, types: pd.Series[Any] | None) -> str:
    """A question with what was meant by a quantity that is none: perhaps the fate of a type."""
    if types is not None:
        last = model.snapshots.rows[model.timeline.index(model.training.labels[-1])]
        names = sorted({str(name) for name in read_types(types).iloc[last].dropna()})
        if (near := closest(of, names)) is not None:
            return f"Did you mean {FATE + near!r}? "
    genes = {gene.lower(): gene for gene in model.space.genes}
    if (gene := genes.get(of.lower())) is not None:
        return f"{gene} is a gene: `cellam plot trends` with `genes={gene}` draws it. "
    return did_you_mean(of, ["growth", "speed"])


def drivers(cells: Cells, y: Array, keep: NDArray[np.bool_] | None = None) -> pd.DataFrame:
    """Genes that go with a number of each cell, given the day.

    Parameters
    ----------
    cells : Cells
        Read as expression; it is normalised and logged as for a fit.
    y : (n,) array
        From `quantity`.
    keep : (n,) bool array, optional
        The cells to use.

    Returns
    -------
    pandas.DataFrame
        A row for each gene that varies, the highest correlation first: gene, correlation, p_value,
        q_value (false discovery rate), mean (of the log-normalised expression),
        share_of_cells (that express it; of scaled expression, above its mean).

    Raises
    ------
    DataError
        If too few cells are left, or y is the same in all of them.
    """
    from scipy.stats import false_discovery_control
    from scipy.stats import t as student

    rows = np.flatnonzero(keep) if keep is not None else np.arange(len(cells))
    codes = cells.codes[rows]
    freedom = len(rows) - len(np.unique(codes)) - 1
    if freedom < FEWEST:
        raise DataError(
            f"{len(rows)} cells are too few to correlate genes with.", "Use more cells."
        )
    X = log_normalised(cells)[rows]
    y = y[rows]
    xy, xx, yy, mean, shown = _moments(X, y, codes)
    if not yy > 1e-12 * max((y**2).sum(), 1e-300):
        raise DataError("It is the same in all of these cells, so no gene can correlate with it.")
    varies = xx > 1e-9 * np.maximum(mean**2 * len(rows), 1e-12)
    # Beyond 1 by rounding alone.
    r = np.clip(xy[varies] / np.sqrt(xx[varies] * yy), -1, 1)
    with np.errstate(divide="ignore"):  # r = ±1 has t = ±∞ and p = 0
        statistic = np.abs(r) * np.sqrt(freedom / (1 - r**2))
    p = 2 * student.sf(statistic, freedom)
    frame = pd.DataFrame(
        {
            "gene": np.asarray(cells.genes, dtype=object)[varies],
            "correlation": r,
            "p_value": p,
            "q_value": false_discovery_control(p) if len(p) else p,
            "mean": mean[varies],
            "share_of_cells": shown[varies] / len(rows),
        }
    )
    return frame.sort_values("correlation", ascending=False, kind="stable", ignore_index=True)


def _moments(
    X: Rows, y: Array, codes: NDArray[np.int64]
) -> tuple[Array, Array, float, Array, Array]:
    """Σ xy, Σ x², Σ y² about the means of each day, the mean of x, and the cells with x > 0."""
    days, day = np.unique(codes, return_inverse=True)
    day = day.ravel()
    sizes = np.bincount(day)
    about = y - (np.bincount(day, y) / sizes)[day]
    one = np.zeros(len(y), dtype=np.int64)
    sums = np.zeros((len(days), X.shape[1]))
    xy, xx, shown = (np.zeros((1, X.shape[1])) for _ in range(3))
    for ours, chunk in X.chunks():
        values = (chunk.data if sparse.issparse(chunk) else chunk).astype(np.float64)
        times = (
            np.repeat(about[ours], np.diff(chunk.indptr))
            if sparse.issparse(chunk)
            else (about[ours][:, None])
        )
        sums = add_rows(sums, chunk, values, day[ours])
        xy = add_rows(xy, chunk, values * times, one[ours])
        xx = add_rows(xx, chunk, values**2, one[ours])
        shown = add_rows(shown, chunk, (values > 0).astype(np.float64), one[ours])
    within = xx[0] - (sums**2 / sizes[:, None]).sum(0)
    return xy[0], within, float(about @ about), sums.sum(0) / X.shape[0], shown[0]
