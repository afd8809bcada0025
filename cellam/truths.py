"""Populations of which the truth is known, each with one question that snapshots may not answer.

They are small, of independent cells in d coordinates, and drawn afresh for every day, as no cell is
measured twice. Growth is per day. Nothing here is tuned to a method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cellam.toys import sigmoid

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

DAYS = (0.0, 2.0, 4.0, 6.0)


@dataclass(frozen=True)
class Population:
    """Snapshots of a population, and what is true of each of its cells.

    Parameters
    ----------
    x : (N, d) array
        Positions, in no unit.
    day : (N,) array
        Time, in days.
    state : (N,) str array
        Where a cell is.
    growth : (N,) array
        Births less deaths of such a cell, per day.
    ends : tuple of str
        States on the last day, in the order of the columns of `fates`.
    fates : (N, len(ends)) array
        Share of the living descendants of a cell that is in each of them on the last day.
    descendants : (N,) array
        Number of these, in the mean.
    mass : dict of float to float
        Living cells of each day for one of the first day.
    clones : (N,) int array or None
        The barcoded cell of the first day that each descends from; −1 without a barcode.
    """

    x: Array
    day: Array
    state: NDArray[np.str_]
    growth: Array
    ends: tuple[str, ...]
    fates: Array
    descendants: Array
    mass: dict[float, float]
    clones: NDArray[np.int64] | None = None

    def to_adata(self) -> AnnData:
        """As data that can be fitted: `obs["day"]`, `obs["state"]`, and x in `obsm["X_true"]`.

        Where there are barcodes, `obs["clone"]` has them.
        """
        import pandas as pd
        from anndata import AnnData

        names = pd.Index([f"cell{k:05d}" for k in range(len(self.x))])
        obs = pd.DataFrame({"day": self.day, "state": pd.Categorical(self.state)}, index=names)
        if self.clones is not None:
            barcodes = [f"c{c}" if c >= 0 else None for c in self.clones]
            obs["clone"] = pd.Categorical(barcodes)
        var = pd.DataFrame(index=[f"x{k + 1}" for k in range(self.x.shape[1])])
        x = self.x.astype(np.float32)
        return AnnData(x, obs=obs, var=var, obsm={"X_true": x})


def conversion(
    rng: Generator,
    *,
    hazard: float = 0.3,
    takes: float = 0.3,
    converted: float = 0.1,
    gap: float = 6.0,
    d: int = 8,
    n_cells: int = 250,
    days: Sequence[float] = DAYS,
) -> Population:
    """Nobody grows; cells leave state A at random times, `hazard` a day, and step to state B.

    Parameters
    ----------
    takes : float
        Days that the step takes.
    converted : float
        Share that is in B on the first day.
    gap : float
        Distance of A and B, in standard deviations of either.

    Examples
    --------
    >>> truth = conversion(np.random.default_rng(0), n_cells=2000, d=2)
    >>> a = (truth.day == 0) & (truth.state == "A")
    >>> round(float(truth.fates[a, 1].mean()), 2), bool((truth.growth == 0).all())
    (0.83, True)
    """
    day = np.repeat(np.asarray(days, dtype=float), n_cells)
    left = rng.exponential(1 / hazard, len(day)) + days[0]
    left[rng.random(len(day)) < converted] = -np.inf
    way = np.clip((day - left) / takes, 0, 1)
    state = np.where(way > 0.5, "B", "A")
    # A cell is called B from the middle of its step on.
    stays = np.exp(-hazard * np.maximum(days[-1] - day - takes / 2, 0.0))
    in_a = np.where(way == 0, stays, (state == "A") & (day == days[-1]))
    return _population(_at(gap * way, d, rng), day, state, in_a)


def biased_day(
    rng: Generator,
    *,
    share: float = 0.5,
    sampled: float = 0.3,
    inner: int = 1,
    gap: float = 6.0,
    d: int = 8,
    n_cells: int = 250,
    days: Sequence[float] = DAYS,
) -> Population:
    """Nobody grows, nothing moves; on day number `inner`, A has `sampled` times its share."""
    day = np.repeat(np.asarray(days, dtype=float), n_cells)
    p = np.where(day == days[inner], share * sampled, share)
    is_a = rng.random(len(day)) < p
    state = np.where(is_a, "A", "B")
    return _population(_at(gap * ~is_a, d, rng), day, state, is_a.astype(float))


def fork(
    rng: Generator,
    *,
    k: float = 4.0,
    growth: float = 0.0,
    kept: bool = True,
    spread: float = 0.5,
    speed: float = 0.5,
    noise: float = 0.2,
    d: int = 8,
    n_cells: int = 250,
    days: Sequence[float] = DAYS,
) -> Population:
    """A fork: cells of trait y go up with probability P = 1/(1 + exp(−k y)) and down otherwise.

    Parameters
    ----------
    k : float
        0 is a toss of a coin.
    growth : float
        Rate of cells on their way up, per day; nobody else grows.
    kept : bool
        Whether the trait stays a coordinate of its own, so that later days show what it meant.
        Otherwise arms open along it: it is then the position on the first day that leads to P.
    spread : float
        Standard deviation of y.
    speed : float
        Of the arms, a day.
    noise : float
        Standard deviation of other coordinates, and of the arm.

    Examples
    --------
    >>> truth = fork(np.random.default_rng(0), k=4.0, n_cells=4000)
    >>> p = truth.fates[truth.day == 0, 0]
    >>> round(float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean()), 1)
    0.7
    """
    day = np.repeat(np.asarray(days, dtype=float), n_cells)
    trait, goes_up, mass = np.empty(len(day)), np.empty(len(day), dtype=bool), {}
    for t in days:
        n = 40 * n_cells
        y = spread * rng.standard_normal(n)
        up = rng.random(n) < sigmoid(k * y)
        w = np.where(up, np.exp(growth * (t - days[0])), 1.0)
        mass[float(t)] = float(w.mean())
        rows = rng.choice(n, n_cells, replace=False, p=w / w.sum())
        trait[day == t], goes_up[day == t] = y[rows], up[rows]
    since = day - days[0]
    x = noise * rng.standard_normal((len(day), d))
    x[:, 0] += speed * since
    x[:, 1] += trait
    x[:, 2 if kept else 1] += speed * since * np.where(goes_up, 1.0, -1.0)
    p, grown = sigmoid(k * trait), np.exp(growth * (days[-1] - days[0]))
    undecided = since == 0
    return Population(
        x,
        day,
        np.where(undecided, "start", np.where(goes_up, "up", "down")),
        growth * np.where(undecided, p, goes_up),
        ("up", "down"),
        _two(np.where(undecided, p * grown / (p * grown + 1 - p), goes_up)),
        np.where(
            undecided,
            p * grown + 1 - p,
            np.exp(growth * goes_up * (days[-1] - day)),
        ),
        mass,
    )


def fading_fork(
    rng: Generator,
    *,
    k: float = 6.0,
    fades: float = 0.3,
    speed: float = 0.5,
    noise: float = 0.5,
    founders: int = 200,
    barcoded: float = 1.0,
    d: int = 4,
    n_cells: int = 250,
    days: Sequence[float] = DAYS,
) -> Population:
    """A fork that is decided on the first day, by a trait that later days show less and less.

    A founder of trait y goes up with probability P = 1/(1 + exp(−k y)), and all of its descendants
    with it. Nobody grows. Snapshots alone do not tell which trait led to which arm.

    Parameters
    ----------
    k : float
        With 0 the trait means nothing, and clones tell nothing of it.
    fades : float
        Rate at which the trait of a cell forgets that of its founder, a day; its variance stays 1.
    speed, noise, d : as for `fork`
    founders : int
        Clones; each cell of each day is of one of them, by chance.
    barcoded : float
        Share of the founders that have a barcode.

    Examples
    --------
    >>> truth = fading_fork(np.random.default_rng(0), n_cells=2000)
    >>> [round(float(np.corrcoef(truth.x[truth.day == t, :2].T)[0, 1]), 1) for t in (0, 2, 6)]
    [0.0, 0.4, 0.1]
    """
    day = np.repeat(np.asarray(days, dtype=float), n_cells)
    founder = rng.integers(founders, size=len(day))
    y = rng.standard_normal(founders)
    goes_up = (rng.random(founders) < sigmoid(k * y))[founder]
    since = day - days[0]
    kept = np.exp(-fades * since)
    x = noise * rng.standard_normal((len(day), d))
    x[:, 0] += speed * since * np.where(goes_up, 1.0, -1.0)
    x[:, 1] = kept * y[founder] + np.sqrt(1 - kept**2) * rng.standard_normal(len(day))
    undecided = since == 0
    return Population(
        x,
        day,
        np.where(undecided, "start", np.where(goes_up, "up", "down")),
        np.zeros(len(day)),
        ("up", "down"),
        _two(np.where(undecided, sigmoid(k * y[founder]), goes_up)),
        np.ones(len(x)),
        {float(t): 1.0 for t in days},
        np.where((rng.random(founders) < barcoded)[founder], founder, -1),
    )


def still(
    rng: Generator,
    *,
    faster: float = 0.2,
    share: float = 0.4,
    gap: float = 6.0,
    d: int = 8,
    n_cells: int = 250,
    days: Sequence[float] = DAYS,
) -> Population:
    """Two populations that stay where they are; B divides `faster` times a day more often than A.

    Parameters
    ----------
    share : float
        Of B on the first day.

    Examples
    --------
    >>> truth = still(np.random.default_rng(0), n_cells=4000, d=1)
    >>> odds = [np.mean(truth.state[truth.day == t] == "B") ** -1 - 1 for t in (0, 6)]
    >>> round(float(np.log(odds[0] / odds[1]) / 6), 1)
    0.2
    """
    day = np.repeat(np.asarray(days, dtype=float), n_cells)
    b = share * np.exp(faster * (day - days[0]))
    is_b = rng.random(len(day)) < b / (b + 1 - share)
    state = np.where(is_b, "B", "A")
    mass = {float(t): float(1 - share + share * np.exp(faster * (t - days[0]))) for t in days}
    growth = np.where(is_b, faster, 0.0)
    left = np.exp(growth * (days[-1] - day))
    x = _at(gap * is_b, d, rng)
    return Population(x, day, state, growth, ("A", "B"), _two(1.0 - is_b), left, mass)


def many_days(
    rng: Generator, *, n_days: int = 30, n_cells: int = 40, speed: float = 0.2, d: int = 8
) -> Population:
    """Many days of few cells: one cloud that moves at a steady speed, and nobody grows."""
    day = np.repeat(np.arange(n_days, dtype=float), n_cells)
    state = np.full(len(day), "A")
    return _population(_at(speed * day, d, rng), day, state, np.ones(len(day)))


def missing_state(
    rng: Generator,
    *,
    left: int = 0,
    gap: float = 6.0,
    d: int = 8,
    n_cells: int = 250,
    days: Sequence[float] = DAYS,
) -> Population:
    """Three states at rest, of which C was hardly measured on the last day: `left` of its cells.

    Nothing grows and nothing moves; C, a third of all cells, was missed.
    """
    day = np.repeat(np.asarray(days, dtype=float), n_cells)
    codes = rng.integers(3, size=len(day))
    last = np.flatnonzero((day == days[-1]) & (codes == 2))
    codes[last[left:]] = rng.integers(2, size=max(len(last) - left, 0))
    x = _at(np.zeros(len(day)), d, rng)
    x[np.arange(len(day)), codes] += gap
    names, mass = np.array(["A", "B", "C"]), {float(t): 1.0 for t in days}
    none, one = np.zeros(len(day)), np.ones(len(day))
    return Population(x, day, names[codes], none, ("A", "B", "C"), np.eye(3)[codes], one, mass)


def unmoved(
    rng: Generator, *, d: int = 8, n_cells: int = 250, days: Sequence[float] = DAYS
) -> Population:
    """Days that do not differ at all."""
    day = np.repeat(np.asarray(days, dtype=float), n_cells)
    x = _at(np.zeros(len(day)), d, rng)
    return _population(x, day, np.full(len(day), "A"), np.ones(len(day)))


def bent_arms(
    t: float, n: int, rng: Generator, *, d: int = 5, turns: float = 0.35
) -> tuple[Array, Array]:
    """Cells of two arms that bend as they go, and how they move: (n, d) each.

    Each arm swings about a straight line `turns` times a day, so that days which are far apart do
    not tell how. Its cells keep their places within it, so their velocity is a gradient near them.
    """
    side = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    x, v = 0.3 * rng.standard_normal((n, d)), np.zeros((n, d))
    pace = 2 * np.pi * turns
    x[:, 0] += 1.5 * t
    x[:, 1] += side * (1 + np.sin(pace * t))
    v[:, 0], v[:, 1] = 1.5, side * pace * np.cos(pace * t)
    return x, v


def _at(place: NDArray[np.floating], d: int, rng: Generator) -> Array:
    """Standard normal cells, moved by `place` (N,) along the first of d axes: (N, d)."""
    x: Array = rng.standard_normal((len(place), d))
    x[:, 0] += place
    return x


def _two(first: NDArray[np.floating]) -> Array:
    """Probabilities of the first of two fates, and of the other: (N, 2)."""
    p = np.asarray(first, dtype=float)
    return np.stack([p, 1 - p], axis=1)


def _population(x: Array, day: Array, state: NDArray[np.str_], in_a: Array) -> Population:
    """One in which nobody grows, of cells that end in A with probability `in_a` (N,), else in B."""
    mass = {float(t): 1.0 for t in np.unique(day)}
    none, one = np.zeros(len(x)), np.ones(len(x))
    return Population(x, day, state, none, ("A", "B"), _two(in_a), one, mass)
