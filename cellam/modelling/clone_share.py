"""Share of clones: how far to go by barcodes after each day.

What clones tell (`dynamics.lineage`) is taken to the share that brings sisters nearest in clones
that are held out: the map is learnt from four fifths of the clones, the days are paired, and the
partners of cells of the last fifth are compared with their sisters; so for each fifth, and for
each day by itself, as barcodes say most where snapshots do not see yet what is decided. A share
counts only if it brings sisters nearer by more than chance does in one of twenty cases, as the
scatter over clones tells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.couplings import Coupling, Pairs
from cellam.dynamics.lineage import shared_clones
from cellam.dynamics.paths import build_gap
from cellam.dynamics.transport import squared_distances
from cellam.limits import CLONES
from cellam.modelling.recipe import SURE, Reason
from cellam.reading.snapshots import Snapshots

Array = NDArray[np.float64]

SHARES = (0.0, 0.5, 1.0)
FOLDS = 5  # of the clones, each held out
PAIRED = 500  # cells of a day that are paired


def choose_clones(
    days: Snapshots, coupling: Coupling, rng: np.random.Generator
) -> tuple[tuple[tuple[str, float], ...], Reason]:
    """How far to go by clones after each day, as it brings sisters nearer, and the distances.

    Parameters
    ----------
    days : Snapshots
        With clones.
    coupling : Coupling
        Pairs the days.
    rng : numpy.random.Generator
        Draws whole clones of large days, and the fifths.

    Returns
    -------
    tuple of (str, float) and Reason
        Labels of days with their shares, where these are above 0; the scores are of each day.
    """
    few = days.with_prior(0.0).thinned(PAIRED, rng)
    scores: dict[str, float] = {}
    chosen = []
    for k, label in enumerate(few.labels[:-1]):
        apart = _apart(few, k, coupling, rng)
        if not len(apart):
            continue
        means = apart.mean(0)
        named = (f"{label} at {share:g}" for share in SHARES)
        scores |= dict(zip(named, map(float, means), strict=True))
        best = int(np.argmin(means))
        gain = apart[:, 0] - apart[:, best]
        if gain.mean() > SURE * gain.std(ddof=1) / np.sqrt(len(gain)):
            chosen.append((label, SHARES[best]))
    if not scores:
        return (), Reason("few clones")
    return tuple(chosen), Reason("nearer" if chosen else "not nearer", scores)


def _apart(days: Snapshots, k: int, coupling: Coupling, rng: np.random.Generator) -> Array:
    """Distance of partners to sisters after day k, for each clone and each share: (clones, shares).

    It is the mean over the cells of a clone and the partners that a plan finds for them without its
    barcodes, less their distance to all cells of the next day, in units of the mean distance of
    any two, plus 1: at 1 they are no nearer than to others. Of few clones there is none.
    """
    assert days.clones is not None
    before, after = days.clones[k : k + 2]
    names = shared_clones(before, after)
    if len(names) < 2 * CLONES:
        return np.empty((0, len(SHARES)))
    seed = int(rng.integers(2**63))

    def partners(known: Snapshots, share: float) -> Pairs:
        alike = known.with_clones({days.labels[k]: share})
        return build_gap(alike, k, k + 1, coupling, np.random.default_rng(seed)).pairs

    y = days.points[k + 1]
    to_all = np.sqrt(squared_distances(y, y))
    without = partners(days, 0.0)
    found = []
    for held in np.array_split(rng.permutation(names), FOLDS):
        known = days.less_clones(held)
        plans = [without, *(partners(known, share) for share in SHARES[1:])]
        for clone in held:
            to_sisters = 1 + (to_all[:, after == clone].mean(1) - to_all.mean(1)) / to_all.mean()
            of = [pairs.where(before[pairs.i] == clone) for pairs in plans]
            found.append([p.mass_1 @ to_sisters[p.j] / p.mass_1.sum() for p in of])
    return np.array(found)
