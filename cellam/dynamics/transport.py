"""Transport: exact optimal transport between weighted points, by POT."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellam.errors import TrainingError

Array = NDArray[np.float64]


def squared_distances(x: Array, y: Array) -> Array:
    """Squared Euclidean distances, (n, d) and (m, d) -> (n, m)."""
    cost = (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2.0 * (x @ y.T)
    np.maximum(cost, 0.0, out=cost)
    return np.asarray(cost)


def exact_plan(cost: Array, a: Array, b: Array) -> Array:
    """Balanced optimal transport plan (n, m), or an error if it did not converge."""
    with _converging() as ot:
        gamma: Array = ot.emd(a, b, cost, numItermax=10_000_000)
    return gamma


def exact_transport(cost: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """As `exact_plan`, with the Kantorovich potentials f (n,) and g (m,) at the optimum."""
    with _converging() as ot:
        gamma, log = ot.emd(a, b, cost, numItermax=10_000_000, log=True)
    return gamma, log["u"], log["v"]


@contextmanager
def _converging() -> Iterator[Any]:
    """POT stops after 10⁵ iterations by default and only warns; then the plan is up to 5 % off."""
    ot = _pot()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield ot
    if any("converge" in str(w.message) or "numItermax" in str(w.message) for w in caught):
        raise TrainingError("Optimal transport did not converge in ten million iterations.")


def _pot() -> Any:
    """Import POT without the array libraries that it would probe for seconds."""
    for backend in ("JAX", "CUPY", "TENSORFLOW", "PYTORCH"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{backend}", "1")
    import ot

    return ot
