r"""Mean motion: that of a population as a whole, held apart from that of its cells within it.

A fit smooths the motion over time and over cells. For the motion of single cells that is what makes
it better than its noisy pairs; the mean motion of a gap rests on all cells of two days, and
smoothing it only drags the speed of one gap into the next. So the action is

    s(t, x) = a(t)·x + Σⱼ θⱼ φⱼ(t, x)

with a(t) the velocity of the mean of the path, which no ridge shrinks, and the features fit what is
left. Where few cells make the means of the days noise, the gaps share what they know: the velocity
v_g of a gap is shrunk towards that of the whole time course, v, by empirical Bayes [1]_,

    a = κ v + κ_g (v_g − v),    κ_g = T/(T + N_g),    T = mean (|v_g − v|² − N_g)₊,

with N_g = (tr Var x_0/n_0 + tr Var x_1/n_1)/Δ² the variance of v_g, from the spread of the n_0 and
n_1 cells of its two days, and κ = (1 − N/|v|²)₊ with the N of the whole time course. The features
see the rest, and pool it over days as all else.

References
----------
.. [1] Efron and Morris, Stein's estimation rule and its competitors: an empirical Bayes approach,
   Journal of the American Statistical Association 68 (1973).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeanMotion:
    """A velocity a(t) that all cells share: a parabola in each gap.

    Parameters
    ----------
    knots : (K,) Tensor
        Unit times of the days.
    coefficients : (K − 1, 3, d) Tensor
        Of 1, α and α², with α the fraction of the gap that has passed.
    """

    knots: Tensor
    coefficients: Tensor

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> MeanMotion:
        """The same motion elsewhere, in single precision unless told otherwise."""
        return MeanMotion(self.knots.to(device, dtype), self.coefficients.to(device, dtype))

    def velocity(self, t: Tensor) -> Tensor:
        """a, (N,) -> (N, d); outside the gaps as at their ends."""
        alpha, _, c = self._at(t)
        return c[:, 0] + alpha * c[:, 1] + alpha.square() * c[:, 2]

    def acceleration(self, t: Tensor) -> Tensor:
        """da/dt, (N,) -> (N, d)."""
        alpha, length, c = self._at(t)
        return (c[:, 1] + 2 * alpha * c[:, 2]) / length

    def _at(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fraction of the gap (N, 1), its length (N, 1), and its coefficients (N, 3, d)."""
        k = torch.searchsorted(self.knots[1:-1].contiguous(), t.contiguous(), right=True)
        length = (self.knots[1:] - self.knots[:-1])[k][:, None]
        alpha = ((t - self.knots[k])[:, None] / length).clamp(0.0, 1.0)
        return alpha, length, self.coefficients[k]


def pool(
    velocities: Array, variances: Array, lengths: Array, variance: float
) -> tuple[Array, Array]:
    """How much of each gap's mean velocity is its own, and what all gaps share.

    Parameters
    ----------
    velocities : (G, d) array
    variances : (G,) array
        Of the velocities, over all coordinates.
    lengths : (G,) array
        Of the gaps.
    variance : float
        Of the velocity of the whole time course.

    Returns
    -------
    own : (G,) array
        κ_g, between 0 and 1.
    shared : (d,) array
        κ v.

    Examples
    --------
    >>> sure = pool(np.array([[1.0], [3.0]]), np.zeros(2), np.ones(2), 0.0)
    >>> [part.tolist() for part in sure]
    [[1.0, 1.0], [2.0]]
    >>> noise = pool(np.array([[1.0], [3.0]]), np.full(2, 9.0), np.ones(2), 1.0)
    >>> [part.tolist() for part in noise]
    [[0.0, 0.0], [1.5]]
    """
    mean = lengths @ velocities / lengths.sum()
    apart = ((velocities - mean) ** 2).sum(1)
    scatter = max(0.0, float((apart - variances).mean()))
    known = scatter + variances
    own = np.divide(scatter, known, where=known > 0, out=np.ones_like(known))
    size = float(mean @ mean)
    return own, mean * (max(0.0, 1.0 - variance / size) if size > 0 else 0.0)
