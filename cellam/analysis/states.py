"""States: groups of cells of one day, with fewer cells between any two than in either.

The density of the day is that of a mixture of Gaussians whose number and form have the least BIC
[1]_. A cloud that is no Gaussian takes several of them, so components are not yet states: two of
them are one state unless there is a valley between them, and what is connected is one. A valley is
where the density of the cells of both, each component counted alike, along the direction that
tells them apart best, falls below half of the lower of its two peaks. (Hennig [2]_ compares rules
of this kind.) A single cloud of any form is one state, and then there is nothing to find.

Halves of the cells are divided in the same way, number of states included: how far they agree with
the states of all cells is the adjusted Rand index, 1 for the same states and about 0 by chance.
A state is found again by a half where a state of that half shares more cells with it than not [3]_,
which at most one can; a half that is one cloud has none. Halves miss what all cells together show,
so that is said and not refused.

References
----------
.. [1] Fraley and Raftery, Model-based clustering, discriminant analysis, and density estimation,
   JASA 97 (2002).
.. [2] Hennig, Methods for merging Gaussian mixture components, Advances in Data Analysis and
   Classification 4 (2010).
.. [3] Hennig, Cluster-wise assessment of cluster stability, Computational Statistics & Data
   Analysis 52 (2007): a cluster is dissolved at a Jaccard coefficient of one half.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.days.time_labels import named
from cellam.display import enumerated
from cellam.errors import DataError
from cellam.reading.snapshots import Snapshots

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

CELLS = 2_000  # from which the mixture is found
COMPONENTS = 15  # at most
EACH = 10  # cells for each component, at least
VALLEY = 0.5  # of the lower peak
HALVINGS = 4  # of the cells, each of two halves
AGREED = 0.5  # adjusted Rand index of halves, below which nothing is found
FORMS = ("full", "diag")  # of the covariances
KEY = "state"
ANNOTATE = "Annotate the cells, and name the column."


@dataclass(frozen=True)
class FoundStates:
    """States of the cells of a day.

    Parameters
    ----------
    label : str
        Of the day.
    codes : (n,) int array
        State of each of its cells, in the order of `Snapshots.rows`; 0 is the largest.
    agreement : (8,) array
        Adjusted Rand index of the states that each half of the cells has found with these.
    again : (k,) int array
        How many of these halves have found each state again.
    clouds : int
        How many of them are one cloud.
    """

    label: str
    codes: Codes
    agreement: Array
    again: Codes
    clouds: int

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called, the largest first: "state 1", "state 2"."""
        return tuple(f"state {k + 1}" for k in range(int(self.codes.max()) + 1))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cells of each."""
        return tuple(map(int, np.bincount(self.codes)))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on states that not every half of the cells has found."""
        said = []
        if self.clouds:
            said.append(
                f"The states are not stable: in {self.clouds} of {len(self.agreement)} halves of "
                f"the cells of {named(self.label)} none are found, as they are one cloud."
            )
        if self.unstable:
            said.append(
                "Not stable, as fewer than half of the halves of the cells find it again: "
                f"{enumerated(list(self.unstable))}."
            )
        return tuple(said)

    @property
    def unstable(self) -> tuple[str, ...]:
        """Those that fewer than half of the halves have found again."""
        rare = 2 * self.again < len(self.agreement)
        return tuple(name for name, is_rare in zip(self.names, rare, strict=True) if is_rare)

    def types(self, days: Snapshots) -> pd.Series[str]:
        """State of every cell of the data, None for those of other days."""
        found = np.full(days.n_cells, None, dtype=object)
        rows = days.rows[days.labels.index(self.label)]
        found[rows] = np.array(self.names, dtype=object)[self.codes]
        return pd.Series(found, name=KEY, dtype=object)


def find_states(days: Snapshots, label: str, seed: int = 0) -> FoundStates:
    """The states of the cells of a day, in the coordinates of the fit.

    Parameters
    ----------
    days : Snapshots
    label : str
        Of the day.
    seed : int
        For the sample of very many cells, the starts of the mixtures, and the halves.

    Raises
    ------
    DataError
        If its cells are one cloud, or halves of them do not agree on the states.
    """
    x = np.asarray(days.points[days.labels.index(label)], dtype=np.float64)
    rng = np.random.default_rng(seed)
    few = rng.permutation(len(x))[:CELLS]
    codes = _largest_first(_divide(x[few], seed).codes(x))
    if codes.max() == 0:
        raise DataError(
            f"The {len(x):,} cells of {named(label)} are one cloud: nowhere between two parts of "
            "it are there fewer cells, so no states are found.",
            ANNOTATE,
        )
    halves = list(_by_halves(x[few], rng, seed))
    agreement = _agreement(codes[few], halves)
    if agreement.mean() < AGREED:
        raise DataError(
            f"Halves of the {len(x):,} cells of {named(label)} do not find the same states "
            f"(adjusted Rand index {agreement.mean():.2f}, which is 1 for the same).",
            ANNOTATE,
        )
    again = np.array([_again(codes[few], half) for half in halves]).sum(0)
    return FoundStates(label, codes, agreement, again, sum(int(not half.any()) for half in halves))


def _by_halves(x: Array, rng: np.random.Generator, seed: int) -> Iterator[Codes]:
    """States of all cells, as each of two halves of them has found them; several times."""
    for k in range(HALVINGS):
        for half in np.array_split(rng.permutation(len(x)), 2):
            yield _divide(x[half], seed + k + 1).codes(x)


def _agreement(codes: Codes, halves: list[Codes]) -> Array:
    """Adjusted Rand index of the states of each half with those of all cells."""
    from sklearn.metrics import adjusted_rand_score

    return np.array([adjusted_rand_score(codes, half) for half in halves])


def _again(codes: Codes, half: Codes) -> Codes:
    """Whether a state of the half shares more cells with it than not, for each state."""
    if not half.any():
        return np.zeros(codes.max() + 1, dtype=np.int64)
    shared = np.zeros((codes.max() + 1, half.max() + 1))
    np.add.at(shared, (codes, half), 1)
    either = shared.sum(1, keepdims=True) + shared.sum(0) - shared
    return np.asarray((2 * shared > either).any(1), dtype=np.int64)


class _Division(NamedTuple):
    """A mixture, and the state of each of its components."""

    mixture: GaussianMixture
    states: Codes

    def codes(self, x: Array) -> Codes:
        """State of points (n, d)."""
        return np.asarray(self.states[self.mixture.predict(x)])


def _divide(x: Array, seed: int) -> _Division:
    from scipy.sparse.csgraph import connected_components

    mixture = _mixture(x, seed)
    members = mixture.predict(x)
    n = mixture.n_components
    one = np.eye(n, dtype=bool)
    for i in range(n):
        for j in range(i):
            one[i, j] = _valley(mixture, x, members, i, j) >= VALLEY
    return _Division(mixture, connected_components(one, directed=False)[1].astype(np.int64))


def _mixture(x: Array, seed: int) -> GaussianMixture:
    """The mixture of least BIC; once two more components have not lowered it, no more are tried."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    least = 1e-4 * float(x.var(0).mean()) or 1.0  # of a variance: components of few cells collapse
    found: list[tuple[float, GaussianMixture]] = []
    for form in FORMS:
        tried: list[float] = []
        for n in range(1, min(COMPONENTS, max(len(x) // EACH, 1)) + 1):
            mixture = GaussianMixture(n, covariance_type=form, random_state=seed, reg_covar=least)
            with warnings.catch_warnings():
                # After a hundred steps the likelihood still rises by a little: it is a candidate.
                warnings.simplefilter("ignore", ConvergenceWarning)
                mixture.fit(x)
            tried.append(float(mixture.bic(x)))
            found.append((tried[-1], mixture))
            if len(tried) - int(np.argmin(tried)) > 2:
                break
    return min(found, key=lambda one: one[0])[1]


def _valley(mixture: GaussianMixture, x: Array, members: Codes, i: int, j: int) -> float:
    """Least density between two components, relative to the lower of the peaks on both sides."""
    from scipy.stats import gaussian_kde

    sizes = np.bincount(members, minlength=mixture.n_components)
    if min(sizes[i], sizes[j]) < 2:
        return 1.0
    covariance = sum(_covariance(mixture, k) for k in (i, j))
    along = np.linalg.solve(covariance, mixture.means_[j] - mixture.means_[i])
    of_both = (members == i) | (members == j)
    at = x[of_both] @ along
    density = gaussian_kde(at, weights=1 / sizes[members[of_both]])
    ends = np.sort(mixture.means_[[i, j]] @ along)
    grid = np.linspace(at.min(), at.max(), 200)
    height = density(grid)
    peaks = np.minimum(
        np.maximum.accumulate(height), np.maximum.accumulate(height[::-1])[::-1]
    )  # the lower of the highest on either side
    between = (grid >= ends[0]) & (grid <= ends[1])
    return float((height / peaks)[between].min(initial=1.0))


def _covariance(mixture: GaussianMixture, k: int) -> Array:
    found = np.asarray(mixture.covariances_[k])
    return found if found.ndim == 2 else np.diag(found)


def _largest_first(codes: Codes) -> Codes:
    order = np.argsort(-np.bincount(codes), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes]
