"""Jacobian: how the velocity of one gene changes with the expression of another, in a cell.

Expression z has the components x = C (z − μ), with C (p, g) the principal axes, and a velocity v of
components is one of expression, Cᵀv. The velocity of the fit is v = ∇s, so that of gene a changes
with the expression of gene b as

    Jₐᵦ = ∂(Cᵀv)ₐ/∂zᵦ = (Cᵀ H C)ₐᵦ,    H = ∇∇s at the time and place of the cell,

per unit of time: where the cell has one more of gene b (log-normalised, as the fit has it), gene a
rises faster by J. On the diagonal it says whether a gene holds itself (below 0) or drives itself
apart (above 0).

H is symmetric, whatever the data are. So J says that two genes go up together or push each other
down, and never which of them acts on the other: a regulator and its target have the same number in
both directions, and a cause that both have in common makes one too. What is known of the cells is
the symmetric part of a Jacobian within the components, at most; regulation, turning motion and all
that components leave out are not in it. dynamo [1]_ has the same matrix of a vector field that may
turn, learnt from RNA velocity.

References
----------
.. [1] Qiu et al., Mapping transcriptomic vector fields of single cells, Cell 185, 690–711 (2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cellam.analysis.genes import find_gene
from cellam.analysis.uncertainty import Spread
from cellam.devices import threads
from cellam.errors import ConfigError
from cellam.modelling.model import Model

Array = NDArray[np.float64]

MOST = 50  # genes: 1,275 pairs
CELLS = 10_000  # of more, as many stand for all
BLOCK = 512  # cells whose matrices are held at once
ENDS = 0.05, 0.95  # of the cells


@dataclass(frozen=True)
class Jacobian:
    """Mutual effects of pairs of genes, in some cells.

    Parameters
    ----------
    genes : tuple of str, (g,)
    cells : int
        How many cells the numbers are from: of very many some that are drawn.
    pairs : (P, 2) int array
        Positions of the genes of each pair, a gene with itself among them.
    mean : (P,) array
        J, the mean over the cells, per unit of the user's time.
    low, high : (P,) arrays
        Its 5 and 95 % quantiles over the cells.
    same : (P,) array
        Share of the cells in which it has the sign of the mean.
    above : (P,) array
        Share of all pairs of different genes of the fit (of genes with themselves, for those) that
        have a smaller |J| on the mean.
    spread : Spread or None
        Of the mean over the ensemble; None without one.
    """

    genes: tuple[str, ...]
    cells: int
    pairs: NDArray[np.int64]
    mean: Array
    low: Array
    high: Array
    same: Array
    above: Array
    spread: Spread | None

    def matrix(self) -> pd.DataFrame:
        """J, (g, g): the effect of the gene of a column on that of a row, and the other way."""
        J = np.empty((len(self.genes), len(self.genes)))
        J[self.pairs[:, 0], self.pairs[:, 1]] = J[self.pairs[:, 1], self.pairs[:, 0]] = self.mean
        return pd.DataFrame(J, index=list(self.genes), columns=list(self.genes))

    def table(self) -> pd.DataFrame:
        """A row for each pair, different genes first and the largest effect first.

        gene, other, effect, cells_low, cells_high, same_sign, above; with an ensemble also the low
        and high end of the 90 % interval of the effect.
        """
        names = np.array(self.genes, dtype=object)
        columns = {
            "gene": names[self.pairs[:, 0]],
            "other": names[self.pairs[:, 1]],
            "effect": self.mean,
            "cells_low": self.low,
            "cells_high": self.high,
            "same_sign": self.same,
            "above": self.above,
        }
        if self.spread is not None:
            columns["low"], columns["high"] = self.spread.interval()
        itself = self.pairs[:, 0] == self.pairs[:, 1]
        order = np.lexsort((-abs(self.mean), itself))
        return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def find_genes(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    """The genes of the fit that are meant, each once.

    Raises
    ------
    ConfigError
        If the fit has no genes or not one of these, or for none or very many of them.
    """
    space = model.space
    if space.rep is not None:
        raise ConfigError(
            f"The run was fitted in obsm[{space.rep!r}], whose velocity is not one of genes.",
            "Fit without `use_rep`.",
        )
    if space.whitened:
        raise ConfigError(
            "The components of the run were scaled to the same variance, so its velocity is a "
            "gradient among these and not among genes.",
            "Fit without `whiten`.",
        )
    genes = tuple(dict.fromkeys(find_gene(str(name).strip(), space.genes) for name in names))
    if not 1 <= len(genes) <= MOST:
        raise ConfigError(f"{len(genes)} genes were given.", f"Give 1 to {MOST} genes.")
    return genes


def jacobian(model: Model, names: Sequence[str], keep: NDArray[np.bool_] | None = None) -> Jacobian:
    """How the velocities of some genes change with each other's expression.

    Parameters
    ----------
    model : Model
        With an ensemble the effects have intervals.
    names : sequence of str
        Genes of the fit.
    keep : (n,) bool array, optional
        The cells to use, in the order of the data; of more than 10,000 as many are drawn.

    Raises
    ------
    ConfigError
        As `find_genes`, or if no cell is left.

    Examples
    --------
    >>> import cellam
    >>> model = cellam.fit(cellam.read("data/demo.h5ad"), n_features=64, tau=1, curvature=1)
    >>> found = jacobian(model, ["Gata1", "Klf1"])
    >>> found.matrix().shape, bool(np.allclose(found.matrix(), found.matrix().T))
    ((2, 2), True)
    """
    genes = find_genes(model, names)
    where = [model.space.genes.index(gene) for gene in genes]
    pairs = np.stack(np.triu_indices(len(genes)), 1)
    n = model.snapshots.n_cells
    keep = np.ones(n, dtype=bool) if keep is None else keep
    if not keep.any():
        raise ConfigError("No cell is left.", "Select other cells.")
    some = np.flatnonzero(keep)
    if len(some) > CELLS:
        rng = np.random.default_rng([model.options.seed, 24])
        keep = np.zeros(n, dtype=bool)
        keep[rng.choice(some, CELLS, replace=False)] = True
    axes = model.space.components[:, where]  # one scale for all of them, which cancels
    alone, each = model.without_ensemble(), []
    with threads(model.options.threads):
        for m in (alone, *model.members):
            ours = m is alone
            total, of_cells = np.zeros((model.space.n_dims,) * 2), []
            for H in _hessians(m, keep):
                total += H.sum(0)
                if ours:
                    J = np.einsum("kp,nkl,lp->np", axes[:, pairs[:, 0]], H, axes[:, pairs[:, 1]])
                    of_cells.append(J)
            each.append(total / keep.sum())
            if ours:
                effects = np.concatenate(of_cells)
    means = np.stack([(axes.T @ H @ axes)[pairs[:, 0], pairs[:, 1]] for H in each])
    low, high = np.quantile(effects, ENDS, axis=0)
    return Jacobian(
        genes=genes,
        cells=int(keep.sum()),
        pairs=pairs,
        mean=means[0],
        low=low,
        high=high,
        same=(np.sign(effects) == np.sign(means[0])).mean(0),
        above=_above(model, each[0], pairs, means[0]),
        spread=Spread.of(means[0], means[1:]) if len(means) > 1 else None,
    )


def _hessians(model: Model, keep: NDArray[np.bool_]) -> Iterator[Array]:
    """H of the cells that count, day by day and some at a time, (n, p, p) per unit of time."""
    days = model.snapshots
    span = model.training.times[-1] - model.training.times[0]
    for time, x, rows in zip(days.times, days.points, days.rows, strict=True):
        chosen = x[keep[rows]]
        unit = min(max(model.training.unit_time(time), 0.0), 1.0)
        for first in range(0, len(chosen), BLOCK):
            points = torch.as_tensor(chosen[first : first + BLOCK], dtype=torch.float32)
            at = torch.full((len(points),), unit)
            yield model.fit.dynamics.action.hessian(at, points).double().numpy() / span


def _above(model: Model, H: Array, pairs: NDArray[np.int64], mean: Array) -> Array:
    """Share of all pairs of genes of the fit with a smaller |J|; a gene with itself apart."""
    J = abs(model.space.components.T @ H @ model.space.components)
    itself = pairs[:, 0] == pairs[:, 1]
    others = np.sort(J[np.triu_indices(len(J), 1)]), np.sort(np.diag(J))
    ranks = [np.searchsorted(those, abs(mean)) / max(len(those), 1) for those in others]
    return np.where(itself, ranks[1], ranks[0])
