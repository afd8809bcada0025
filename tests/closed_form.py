"""Paths whose minimisers are known, for the tests.

All live in the plane. y = x − mt, q_t = N(mt, vI):

    am    s = m·x − ½|m|²t                        minimum −½|m|²
    uam   s = m·y/(1 + λv)                        minimum −½|m|²/(1 + λv)
    eam   s = am + ½σ² log q_t
    ueam  s = m·y/(1 + λv) + β|y|² + γ            with β = −σ²/(2v(2 + λv)),
                                                  γ = (σ²d/2v + 2dβ)/λ

The last line solves −∇·(q∇s) + λqs = ∂ₜq − ½σ²Δq term by term in y.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch

from cellam.dynamics.couplings import Pairs
from cellam.dynamics.paths import Gap, Path

M = np.array([1.5, -0.5])
V = 0.4


def joined(points, times, *, masses=None, sigma=0.0):
    """A path of particles that keep their row from one time to the next."""
    n = len(points[0])
    masses = masses or [np.full(n, 1 / n)] * len(points)
    rows = np.arange(n)
    gaps = [
        Gap(t_0, t_1, x_0, x_1, Pairs(rows, rows, w_0, w_1))
        for (t_0, x_0, w_0), (t_1, x_1, w_1) in itertools.pairwise(
            zip(times, points, masses, strict=True)
        )
    ]
    return Path(tuple(gaps), sigma)


def normal(n, rng):
    """n points of N(0, I) whose mean is 0 and whose covariance is I to rounding."""
    x = rng.standard_normal((n, 2))
    x = x - x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / n)).T


def translation(n=3_000, *, sigma=0.0, seed=0):
    """q_t = N(mt, vI): straight lines in one direction."""
    x_0 = np.sqrt(V) * normal(n, np.random.default_rng(seed))
    return joined([x_0, x_0 + M], [0.0, 1.0], sigma=sigma)


def reference(n=2_000, seed=9):
    """Fresh particles of `translation` at all times: t (n,), x (n, 2), y = x − mt."""
    rng = np.random.default_rng(seed)
    t = rng.random(n)
    y = np.sqrt(V) * normal(n, rng)
    x = y + t[:, None] * M
    return (*(torch.as_tensor(v, dtype=torch.float32) for v in (t, x)), y)


def relative_error(found, truth):
    """Root mean square of the error over that of the truth."""
    found, truth = np.asarray(found), np.asarray(truth)
    return float(np.sqrt(((found - truth) ** 2).mean() / (truth**2).mean()))
