"""Dispersions: which genes vary most, given their means and variances.

That of Seurat [1]_ as scanpy computes it: the log of variance by mean of the normalised counts, in
standard deviations of the genes in the same of 20 bins of the log mean. Where there are batches, a
gene counts by the number of batches in which it is among the most variable, then by the mean.

References
----------
.. [1] Satija et al., Spatial reconstruction of single-cell gene expression data, Nature
   Biotechnology 33 (2015).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.matrix.moments import Moments

Array = NDArray[np.float64]

BINS = 20


def most_variable(found: Moments, n: int) -> NDArray[np.bool_]:
    """The n most variable genes, (g,): within groups, if there are several.

    Parameters
    ----------
    found : Moments
        Of normalised counts, not logged.
    n : int
        Of one group, genes as variable as the n-th are all taken.
    """
    if len(found.sizes) == 1:
        return _highest(normalised_dispersions(found.means[0], found.unbiased[0]), n)
    scores, votes = [], []
    for mean, variance in zip(found.means, found.unbiased, strict=True):
        score = np.zeros(len(mean))
        vote = np.zeros(len(mean), dtype=bool)
        some = np.flatnonzero(mean > 0)
        score[some] = normalised_dispersions(mean[some], variance[some])
        vote[some] = _highest(score[some], n)
        scores.append(score)
        votes.append(vote)
    mean_score = pd.DataFrame(scores).mean().to_numpy()  # over groups where it is known
    order = np.lexsort((-mean_score, -np.sum(votes, axis=0)))
    chosen = np.zeros(len(mean_score), dtype=bool)
    chosen[order[:n]] = True
    return chosen


def normalised_dispersions(mean: Array, variance: Array) -> Array:
    """Log dispersion of each gene relative to genes of like mean, (g,); nan without variance."""
    mean = np.where(mean == 0, 1e-12, mean)
    dispersion = np.log(np.where(variance > 0, variance / mean, np.nan))
    bins = pd.cut(pd.Series(np.log1p(mean)), bins=BINS)
    by_bin = pd.Series(dispersion).groupby(bins, observed=True)
    middle, width = by_bin.mean(), by_bin.std()
    alone = width.isna()  # one gene in its bin: it is one from zero
    width[alone] = middle[alone]
    middle[alone] = 0
    at = bins.to_numpy()
    score: Array = (dispersion - middle.loc[at].to_numpy()) / width.loc[at].to_numpy()
    return score


def _highest(score: Array, n: int) -> NDArray[np.bool_]:
    """Those that are at least the n-th highest."""
    known = np.sort(score[~np.isnan(score)])[::-1]
    if not len(known):
        return np.zeros(len(score), dtype=bool)
    # A gene without a score (its bin has no width) is none of the highest.
    return np.asarray(np.nan_to_num(score, nan=-np.inf) >= known[min(n, len(known)) - 1])
