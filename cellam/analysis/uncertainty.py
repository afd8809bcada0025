"""Uncertainty: how sure a model is of an answer.

Any question that a model can be asked is asked of every member of its ensemble as well; the
scatter of their answers about the model's own is its spread. Members leave open which cells and
days were measured and how cells moved between the days (`modelling.ensemble`). What they all share
(that days can be joined by smooth ways, that growth is a property of the cell's state) they
cannot doubt, so their spread is widened by a factor that was measured where the
truth is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates, velocities
from cellam.modelling.simulated import Simulation

Array = NDArray[np.float64]

LEVEL = 0.9
# On two draws of `toys.Branching` with seeds 1 and 2 (the demo data are another draw), 90 %
# intervals of the members alone held the truth for 78 % of velocities, 92 % of growth rates and
# 85 % of endpoints; widened so, for 86, 95 and 90 %.
WIDENING = 1.3
UNSURE = 0.5  # relative standard deviation of a velocity: some 30° to either side


@dataclass(frozen=True)
class Spread:
    """An answer, and how far it may be off.

    Parameters
    ----------
    value : array
        What the model itself says.
    sd : array of the same shape
        Standard deviation, in the unit of the value.
    members : int
        Size of the ensemble, the degrees of freedom of `sd`.

    Examples
    --------
    >>> low, high = Spread(np.array([1.0]), np.array([0.5]), members=8).interval()
    >>> low.round(2), high.round(2)
    (array([0.07]), array([1.93]))
    """

    value: Array
    sd: Array
    members: int

    @staticmethod
    def of(value: Array, members: Array) -> Spread:
        """The spread of answers (K, …) of the members about the model's own."""
        sd = WIDENING * np.sqrt(((members - value) ** 2).mean(0))
        return Spread(value, sd, len(members))

    def interval(self, level: float = LEVEL) -> tuple[Array, Array]:
        """Lower and upper limits that hold the truth with the given probability, by Student's t."""
        from scipy.stats import t

        half = float(t.ppf(0.5 + 0.5 * level, self.members)) * self.sd
        return self.value - half, self.value + half


def spreads(model: Model, ask: Callable[[Model], tuple[Array, ...]]) -> tuple[Spread, ...]:
    """Ask a model and its members the same, and see how far their answers scatter.

    Parameters
    ----------
    model : Model
        With an ensemble.
    ask : callable
        From a model to arrays, whose shapes are the same for every member.

    Returns
    -------
    tuple of Spread
        One for each array.

    Raises
    ------
    ConfigError
        If the model has no ensemble.

    Examples
    --------
    >>> (speed,) = spreads(model, lambda m: (m.velocity(2.0, x),))  # doctest: +SKIP
    """
    if not model.ensemble:
        raise ConfigError(
            "This run has no ensemble, so no uncertainty is available.",
            "Fit again with `ensemble=8`.",
        )
    values = ask(model)
    squares = [np.zeros_like(value) for value in values]
    for member in model.members:  # one after the other: an answer can be large
        for square, value, other in zip(squares, values, ask(member), strict=True):
            square += (other - value) ** 2
    K = len(model.ensemble)
    return tuple(
        Spread(value, WIDENING * np.sqrt(square / K), K)
        for value, square in zip(values, squares, strict=True)
    )


def growth_spread(model: Model) -> Spread:
    """Growth rate of every cell on its own day, (n,), day by day, per unit of the user's time.

    Raises
    ------
    ConfigError
        As for `spreads`.
    """
    return spreads(model, lambda m: (growth_rates(m),))[0]


def relative_sd(model: Model) -> Array:
    """Standard deviation of every cell's velocity on its own day, as a share of its length, (n,).

    Raises
    ------
    ConfigError
        As for `spreads`.
    """
    (velocity,) = spreads(model, lambda m: (velocities(m),))
    length = np.linalg.norm(velocity.value, axis=1)
    return np.asarray(np.linalg.norm(velocity.sd, axis=1) / np.maximum(length, 1e-12))


@dataclass(frozen=True)
class Followed:
    """A simulation, and how sure it is.

    Parameters
    ----------
    simulation : Simulation
    points : Spread
        Of positions, (T, N, p).
    log_weights : Spread
        (T, N).
    mass : Spread
        Mean weight of all cells at each saved time, (T,).
    """

    simulation: Simulation
    points: Spread
    log_weights: Spread
    mass: Spread


def follow(model: Model, simulate: Callable[[Model], Simulation]) -> Followed:
    """Simulate with a model and with its members.

    Parameters
    ----------
    model : Model
        With an ensemble.
    simulate : callable
        E.g. ``lambda m: m.simulate("day2", to="day7")``. With the same seed all of them meet the
        same noise.

    Raises
    ------
    ConfigError
        As for `spreads`.
    """
    seen: list[Simulation] = []

    def ask(m: Model) -> tuple[Array, ...]:
        moved = simulate(m)
        if not seen:
            seen.append(moved)
        return moved.points, moved.log_weights, np.exp(moved.log_weights).mean(1)

    points, log_weights, mass = spreads(model, ask)
    return Followed(seen[0], points, log_weights, mass)
