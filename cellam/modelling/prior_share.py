"""Share of expected growth: how far growth that is expected beforehand is taken for true.

It (`reading.growth`) is taken to the share that makes the unbalanced plans between the training
days cheapest: expected masses that fit the next day need little transport and little growth
besides, wrong ones need more of both than none at all. The rates of genes are some times too
large, and a share below 1 mends that too.
"""

from __future__ import annotations

import itertools

import numpy as np

from cellam.dynamics.couplings import Unbalanced
from cellam.dynamics.paths import expected_masses
from cellam.modelling.recipe import Reason
from cellam.reading.snapshots import Snapshots

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
CHEAPER = 0.05  # share of the price by which expecting growth has to lower it


def choose_prior(days: Snapshots, coupling: Unbalanced) -> tuple[float, Reason]:
    """The share of the growth that is expected which makes plans cheapest, and their prices.

    Parameters
    ----------
    days : Snapshots
        With a prior.
    coupling : Unbalanced
        Of the plans.
    """
    prices: dict[str, float] = {}
    for share in SHARES:
        expecting = days.with_prior(share)
        gaps = []
        for k, (x, y) in enumerate(itertools.pairwise(days.points)):
            a, b = expected_masses(expecting, k, k + 1)
            gaps.append(coupling.price(x, y, a / a.sum(), b / b.sum()))
        prices[f"{share:g}"] = price = float(np.mean(gaps))
        if price > min(prices.values()):
            break  # far beyond, a few cells would carry all mass, and they are cheap to move
    found = np.array(list(prices.values()))
    best = int(np.argmin(found))
    if found[best] > (1 - CHEAPER) * found[0]:
        return 0.0, Reason("not cheaper", prices)
    return SHARES[best], Reason("cheapest", prices)
