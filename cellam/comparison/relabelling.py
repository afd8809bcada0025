"""Relabelling: what an effect would be if the samples had been given other conditions.

Without an effect of the condition, samples of a stratum could have been of either, and the
labelling that was is one among equals: the share of labellings whose statistic is at least as
large is a p-value, exact for any statistic and any number of samples [1]_. Statistics
here do not mind which condition is called the reference, so that of two labellings with
conditions swapped one is enough. Over several statistics the largest counts, each in units of
its scatter over labellings (max-T [2]_).

References
----------
.. [1] Phipson and Smyth, Permutation p-values should never be zero, Statistical Applications in
   Genetics and Molecular Biology 9 (2010).
.. [2] Westfall and Young, Resampling-Based Multiple Testing (1993).
"""

from __future__ import annotations

import itertools
from math import comb, prod

import numpy as np
from numpy.typing import NDArray

from cellam.comparison.samples import Samples

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

ROUNDING = 1e-12  # a statistic that never differs by more is 0
MOST = 99  # labellings, drawn at random where there are more


def labellings(samples: Samples, most: int, rng: np.random.Generator) -> Codes:
    """Condition of every sample, the labelling of the data first: (L, S).

    All of them where there are at most so many, else the one of the data and others at random.

    Parameters
    ----------
    samples : Samples
    most : int
    rng : numpy.random.Generator
    """
    strata, treated, balanced = _exchanged(samples)
    if possible(samples) <= most:
        return _all(samples, strata, treated, halved=balanced)
    found = {samples.of.tobytes(): samples.of}
    while len(found) < most:
        one = samples.of.copy()
        for s in strata:
            one[s] = rng.permutation(one[s])
        mirrored = np.where(samples.shared, -1, 1 - one) if balanced else one
        if mirrored.tobytes() not in found:
            found.setdefault(one.tobytes(), one)
    return np.stack(list(found.values()))


def possible(samples: Samples) -> int:
    """How many labellings there are; of two with conditions swapped, one counts."""
    strata, treated, balanced = _exchanged(samples)
    n = prod(comb(len(s), k) for s, k in zip(strata, treated, strict=True))
    return n // 2 if balanced else n


def _exchanged(samples: Samples) -> tuple[list[Codes], list[int], bool]:
    """Samples of each stratum, how many of them are treated, and whether these are half of all."""
    own = ~samples.shared
    strata = [np.flatnonzero((samples.stratum == j) & own) for j in np.unique(samples.stratum[own])]
    treated = [int(samples.of[s].sum()) for s in strata]
    return strata, treated, all(2 * n == len(s) for s, n in zip(strata, treated, strict=True))


def _all(samples: Samples, strata: list[Codes], treated: list[int], *, halved: bool) -> Codes:
    choices = [list(itertools.combinations(s, n)) for s, n in zip(strata, treated, strict=True)]
    found = [samples.of]
    for chosen in itertools.product(*choices):
        one = np.where(samples.shared, -1, 0)
        one[[s for part in chosen for s in part]] = 1
        mirrored = np.where(samples.shared, -1, 1 - one)
        # Of a labelling and its mirror image, the one that agrees on the first sample.
        first = int(strata[0][0])
        if (one == samples.of).all() or (halved and (mirrored == samples.of).all()):
            continue
        if not halved or one[first] == samples.of[first]:
            found.append(one)
    return np.stack(found)


def smallest_p(n_labellings: int) -> float:
    """The smallest p-value that so many labellings allow."""
    return 1 / n_labellings


def p_values(statistics: Array) -> tuple[Array, Array]:
    """p-values of the first of L labellings, family-wise (max-T) and one by one: each (F,).

    Parameters
    ----------
    statistics : (L, F) array
        F statistics of every labelling; their sign does not count.
    """
    unit = np.abs(in_scatter(statistics))
    near = unit[:1] * (1 - 1e-9)  # equal but for rounding
    largest = unit.max(1, initial=0.0)
    return (largest[:, None] >= near).mean(0), (unit >= near).mean(0)


def in_scatter(statistics: Array) -> Array:
    """Statistics (L, F) in units of their root mean square over labellings; of noise, 0."""
    scale = np.sqrt((statistics**2).mean(0))
    there = scale > ROUNDING
    return np.asarray(np.divide(statistics, scale, where=there, out=np.zeros_like(statistics)))


def false_discovery(p: Array) -> Array:
    """q-values of p-values (F,), by Benjamini and Hochberg (1995)."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p)) if len(p) else p
