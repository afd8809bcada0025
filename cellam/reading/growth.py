"""Growth: what is expected of it before the fit, from genes of division and death or a column.

The mean expression of a signature (`signatures`) less that of other genes of like level is
the score of a cell, and a logistic function of it the rate at which the cell divides or dies,

    rate = 0.3 + 1.4 / (1 + exp(−4 (score − centre) / width))  a day,     growth = birth − death,

with the constants of moscot, after Waddington-OT [1]_. Only differences between cells count: the
growth of a whole day is that of its mass. How much of it a fit takes for true is judged on the
training days (`modelling.selection`).

References
----------
.. [1] Schiebinger et al., Optimal-transport analysis of single-cell gene expression identifies
   developmental trajectories in reprogramming, Cell 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.days.time_labels import count_cells, did_you_mean
from cellam.devices import threads
from cellam.errors import DataError
from cellam.matrix.expression import Expression
from cellam.matrix.moments import moments
from cellam.reading.cells import Cells
from cellam.reading.signatures import BIRTH, DEATH, RENAMED, Signature

Array = NDArray[np.float64]

_DIVISION = BIRTH["human"]  # the same for both species
LEAST = 5  # genes of a signature; the mean of fewer is the noise of single genes
LOWEST, HIGHEST = 0.3, 1.7  # a day
BIRTH_SHAPE, DEATH_SHAPE = (0.25, 0.5), (0.1, 0.2)  # centre and width, in units of the score
DAYS = {"minute": 1 / 1440, "hour": 1 / 24, "week": 7.0, "month": 30.4375, "year": 365.25}
LIBRARY = 10_000.0  # counts a cell is normalised to before it is scored
LEVELS, OTHERS = 25, 50  # of mean expression, and genes of each that a signature is compared with


@dataclass(frozen=True)
class Expected:
    """Growth that is expected of cells.

    Parameters
    ----------
    rates : (n,) array
        d log(mass)/dt of every cell of the data, per unit of the user's time; nan for cells
        of days that are not training days.
    source : PriorSource
    """

    rates: Array
    source: PriorSource


@dataclass(frozen=True)
class PriorSource:
    """What expected growth was taken from.

    Parameters
    ----------
    prior : str
        A species, or a column of `obs`.
    genes : dict of str to (int, int)
        For "division" and "death" of a species, how many genes of the signature the data have,
        and how many were published; empty for a column.
    assumes_days : bool
        Whether times without a unit were taken as days.
    """

    prior: str
    genes: dict[str, tuple[int, int]]
    assumes_days: bool = False


def expected_growth(cells: Cells, training: NDArray[np.bool_]) -> Expected | None:
    """The growth that `cells` were read with a prior for, or None.

    Scores compare genes over the training cells alone, so nothing of other days is in them.

    Parameters
    ----------
    cells : Cells
    training : (n,) bool array

    Raises
    ------
    DataError
        If a column is no growth rate, or too few genes of a signature are among the genes.
    """
    prior = cells.growth_prior
    if prior is None:
        return None
    rates = np.full(len(cells), np.nan)
    if prior not in BIRTH:
        rates[training] = given_rates(cells, prior, training)
        return Expected(rates, PriorSource(prior, {}))
    expression = expression_of(cells)
    found = {
        name: find_genes(signature, expression.genes)
        for name, signature in (("division", BIRTH[prior]), ("death", DEATH[prior]))
    }
    for name, signature in (("division", BIRTH[prior]), ("death", DEATH[prior])):
        if len(found[name]) < LEAST:
            raise DataError(
                f"{cells.source} has {len(found[name])} of the {len(signature.genes)} {name} "
                f"genes of the {prior} ({signature.source}) among its {len(expression.genes):,} "
                f"genes, e.g. {expression.genes[0]!r}; at least {LEAST} are needed.",
                "Genes are matched by symbol. Does var hold other names, or is the species "
                "wrong? You can also use your own rates, with `growth_prior` and a column of obs.",
            )
    scores = _scores(expression, training, list(found.values()))
    unit = DAYS.get(cells.timeline.unit, 1.0)
    birth = rate(scores[0], *BIRTH_SHAPE)
    death = rate(scores[1], *DEATH_SHAPE)
    rates[training] = unit * (birth - death)
    genes = {
        name: (len(found[name]), len(signature.genes))
        for name, signature in (("division", BIRTH[prior]), ("death", DEATH[prior]))
    }
    return Expected(rates, PriorSource(prior, genes, not cells.timeline.unit))


def division_scores(cells: Cells, rows: NDArray[np.int64]) -> tuple[Array, int] | None:
    """Score of some cells for the genes of division, and how many of these genes there are.

    Parameters
    ----------
    cells : Cells
    rows : (m,) int array
        The cells, in ascending order.

    Returns
    -------
    (m,) array and int, or None
        None where there is no expression, or fewer genes than tell anything.
    """
    if cells.expression is None and cells.kind is None:
        return None
    expression = expression_of(cells)
    genes = find_genes(_DIVISION, expression.genes)
    if len(genes) < LEAST:
        return None
    chosen = np.zeros(len(cells), dtype=bool)
    chosen[rows] = True
    try:
        return _scores(expression, chosen, [genes])[0], len(genes)
    except DataError:  # nobody asked for a score: without genes to compare with there is none
        return None


def expression_of(cells: Cells) -> Expression:
    """Expression of the cells, whether or not they are embedded by it."""
    if cells.expression is not None:
        return cells.expression
    assert cells.form is not None
    return Expression(cells.matrix, cells.genes, cells.form)


def find_genes(signature: Signature, genes: tuple[str, ...]) -> list[str]:
    """Those of the data's genes that belong to a signature: by symbol, in upper or lower case.

    Examples
    --------
    >>> find_genes(BIRTH["mouse"], ("Actb", "Jpt1", "Mki67", "TOP2A"))
    ['Jpt1', 'Mki67', 'TOP2A']
    """
    symbols = {gene.upper() for gene in signature.genes}
    symbols |= {RENAMED[symbol] for symbol in symbols & RENAMED.keys()}
    return [gene for gene in genes if gene.upper() in symbols]


def rate(score: Array, centre: float, width: float) -> Array:
    """Logistic rate per day of scores (n,): half-way at the centre, steepest over the width.

    Examples
    --------
    >>> rate(np.array([-9.0, 0.25, 9.0]), 0.25, 0.5).round(6).tolist()
    [0.3, 1.0, 1.7]
    """
    share = 0.5 + 0.5 * np.tanh(2 * (score - centre) / width)
    return np.asarray(LOWEST + (HIGHEST - LOWEST) * share)


@threads(None)
def _scores(
    expression: Expression, training: NDArray[np.bool_], signatures: list[list[str]]
) -> list[Array]:
    """Score of every training cell for each signature."""
    form = expression.form
    X = expression.rows[training].normalised(LIBRARY if form.logged else 0.0, log=form.logged)
    means = pd.Series(moments(X).means[0], index=pd.Index(expression.genes))
    place = {gene: k for k, gene in enumerate(expression.genes)}
    weights = np.zeros((len(place), len(signatures)))  # of each gene in each score
    for column, genes in zip(weights.T, signatures, strict=True):
        others = _of_like_level(means, genes)
        column[[place[gene] for gene in genes]] = 1 / len(genes)
        column[[place[gene] for gene in others]] -= 1 / len(others)
    used = np.flatnonzero(weights.any(1))
    return list((X.columns(used) @ weights[used]).T)


def _of_like_level(means: pd.Series[float], genes: list[str]) -> list[str]:
    """Genes to compare those of a signature with, as `scanpy.tl.score_genes` chooses them.

    Up to 50 at random from each of 25 levels of mean expression that have a gene of it [1]_.

    References
    ----------
    .. [1] Satija et al., Spatial reconstruction of single-cell gene expression data, Nature
       Biotechnology 33 (2015).
    """
    level = means.rank(method="min") // max(round(len(means) / (LEVELS - 1)), 1)
    random = np.random.RandomState(0)
    others: set[str] = set()
    for k in np.unique(level[genes]):
        like = level[(level == k) & ~level.index.isin(genes)].index
        if len(like) > OTHERS:
            like = like.to_series().sample(OTHERS, random_state=random).index
        others.update(like)
    if not others:
        raise DataError(
            f"Among {len(means):,} genes there are none to compare the {len(genes)} of a "
            "signature with.",
            "Use more genes, or your own growth rates: `growth_prior='COLUMN'`.",
        )
    return sorted(others)


def given_rates(cells: Cells, key: str, training: NDArray[np.bool_]) -> Array:
    """Growth rates of training cells, marked in (n,), by a column of `obs`.

    Raises
    ------
    DataError
        If there is no such column, or it holds no rates.
    """
    rates = _column(cells, key)[training]
    _check_rates(rates, key)
    return rates


def _column(cells: Cells, key: str) -> Array:
    """A column of obs as numbers; what is missing is nan."""
    if key not in cells.obs:
        raise DataError(
            f"`growth_prior={key!r}` is neither a species nor a column of obs.",
            f"{did_you_mean(key, [*BIRTH, *cells.obs])}Give {', '.join(BIRTH)}, or a column with "
            "growth rates per unit of time.",
        )
    values: Any = cells.obs[key]
    if values.dtype.kind not in "iuf":
        raise DataError(
            f"obs[{key!r}] does not hold numbers but {values.dtype}, e.g. {values.iloc[0]!r}.",
            "A growth prior is a rate per unit of time: birth minus death.",
        )
    return np.asarray(values.to_numpy(dtype=np.float64))


def _check_rates(rates: Array, key: str) -> None:
    bad = int((~np.isfinite(rates)).sum())
    if bad:
        raise DataError(
            f"obs[{key!r}] has no finite number in {count_cells(bad)} of {len(rates):,} of the "
            "training days.",
            "Fill them in, with 0 where nothing is known.",
        )
    if not np.ptp(rates) > 0:
        raise DataError(
            f"obs[{key!r}] is {rates[0]:g} in all cells of the training days.",
            "A prior must differ between cells; for uniform growth use `population`.",
        )
