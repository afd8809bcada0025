"""Effects: what differs between two groups of samples, as numbers that any labelling has.

All are of the second group less the first, measured at the same cells: a sample of those of both,
on all days. Growth is that of a type less that of all cells of its days, as days tell nothing of
totals. Fates
are of the same cells of the first day, followed under either dynamics. The delay is the shift of
time that brings the means of the days together, to first order: least squares of the differences of
the means on the velocities of the common fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cellam.analysis.assignment import Reference, reference
from cellam.comparison.deviation import Deviation, Equations
from cellam.comparison.relabelling import ROUNDING
from cellam.comparison.samples import Codes, Samples
from cellam.comparison.surplus import Surplus
from cellam.dynamics.actions import Kernel
from cellam.dynamics.simulation import simulate
from cellam.limits import FEW
from cellam.modelling.model import Model
from cellam.reading.cell_types import read_types

Array = NDArray[np.float64]

COMMON = 2_000  # cells at which velocity and growth are compared
FOLLOWED = 200  # cells of the first day whose fates are compared
SHARES = ("fates", "arrival", "composition")  # families of shares: shown in percentage points
POINTS = "percentage points"
STEPS = 2  # of Runge-Kutta in a gap


@dataclass(frozen=True)
class Family:
    """Effects that are tested together.

    Parameters
    ----------
    name : str
    what : str
        What they are, in a sentence.
    unit : str
        Written with the timeline.
    """

    name: str
    what: str
    unit: str

    @property
    def shown_unit(self) -> str:
        """The unit in which effects are shown: of shares, which are numbers from 0 to 1, points."""
        return POINTS if self.name in SHARES else self.unit


@dataclass(frozen=True)
class Scale:
    """What effects are measured with: the same for all groups of samples.

    Parameters
    ----------
    equations : Equations
    surplus : Surplus
    t, x : (N,) and (N, p) Tensors
        Unit times and model coordinates of common cells.
    types : tuple of str
        Those with enough common cells.
    of_types : (S, N) array
        Weights of the common cells in the mean of each type.
    start : Start or None
        Cells whose fates are compared; None without cell types.
    """

    FAMILIES: ClassVar[dict[str, Family]] = {
        f.name: f
        for f in (
            Family("motion", "size of the difference of velocities", "{0.per_time}"),
            Family("growth", "growth rate of a cell type, relative to all cells", "{0.per_time}"),
            Family("fates", "share of the descendants of the same cells", ""),
            Family(
                "arrival", "share of a type beyond what the common fit makes of the day before", ""
            ),
            Family("delay", "how far the cells are behind; below 0 they are ahead", "{0.units}"),
            Family("composition", "share of a type on a day", ""),
            Family("genes", "rate of change of a gene, mean over common cells", "{0.per_time}"),
        )
    }

    equations: Equations
    surplus: Surplus
    t: torch.Tensor
    x: torch.Tensor
    types: tuple[str, ...]
    of_types: Array
    start: Start | None

    @property
    def model(self) -> Model:
        """The common fit."""
        return self.equations.model

    def family(self, name: str) -> Family:
        """The family of that name, in the units of the user's time.

        Raises
        ------
        KeyError
        """
        family = self.FAMILIES[name]
        return replace(family, unit=family.unit.format(self.model.timeline))

    @property
    def _rate(self) -> float:
        """Unit times in one unit of the user's time."""
        times = self.model.training.times
        return 1.0 / (times[-1] - times[0])

    def items(self) -> dict[str, list[str]]:
        """Names of the effects of every family that can be measured."""
        days = self.model.training.labels
        of_day = self.surplus.quantities[: self.surplus.n_types]
        found = {
            "motion": ["all cells"],
            "growth": list(self.types),
            "fates": self.start.items() if self.start is not None else [],
            "arrival": [f"{name} on {day}" for day in days[1:] for name in of_day],
            "delay": ["all cells"],
            "composition": [f"{name} on {day}" for day in days for name in of_day],
            "genes": list(self.model.space.genes) if self.model.space.rep is None else [],
        }
        if self.model.conserves_mass:
            found["growth"] = []
        return {family: names for family, names in found.items() if names}

    def measure(self, first: Codes, second: Codes) -> dict[str, Array]:
        """Effects of every family, in the order of `items`."""
        own = self.equations.solve(first), self.equations.solve(second)
        velocity = self._velocity(own)
        arrival = self.surplus.difference(first, second)[:, : self.surplus.n_types]
        found = {
            "motion": np.array([np.sqrt((velocity**2).sum(1).mean())]) * self.model.space.unit,
            "growth": self._growth(own),
            "arrival": arrival.ravel(),
            "delay": np.array([self._delay(first, second)]),
            "composition": self.surplus.composition(first, second).ravel(),
        }
        if self.start is not None:
            shares = [self.start.fates(self.equations.model_of(each)) for each in own]
            found["fates"] = (shares[1] - shares[0]).ravel()
        space = self.model.space
        if space.rep is None:
            found["genes"] = (velocity.mean(0) * space.scale) @ space.components
        return {
            family: np.where(np.abs(found[family]) > ROUNDING, found[family], 0.0)
            for family in self.items()
        }

    def velocity(self, own: tuple[Deviation, Deviation], t: torch.Tensor, x: torch.Tensor) -> Array:
        """Difference of velocities at model coordinates, per unit of the user's time: (N, p)."""
        theta = (own[1].motion - own[0].motion).float()
        field = Kernel(self.equations.features, theta).gradient(t, x)
        return np.asarray(field.double().numpy() * self._rate)

    def growth(self, own: tuple[Deviation, Deviation], t: torch.Tensor, x: torch.Tensor) -> Array:
        """Difference of growth rates at model coordinates on days, less the mean of the day: (N,).

        What all cells of a day have in common is left out: growth is known relative to the
        population, and populations of other composition have other means.
        """
        theta = (own[1].growth - own[0].growth).float()
        field = Kernel(self.equations.still, theta)
        rates, common = (field.value(*at).double().numpy() for at in ((t, x), (self.t, self.x)))
        days, of_common = np.unique(self.t.numpy(), return_inverse=True)
        mean = np.bincount(of_common, common) / np.bincount(of_common)
        nearest = np.abs(t.numpy()[:, None] - days).argmin(1)
        return np.asarray((rates - mean[nearest]) * self._rate)

    def _velocity(self, own: tuple[Deviation, Deviation]) -> Array:
        return self.velocity(own, self.t, self.x)

    def _growth(self, own: tuple[Deviation, Deviation]) -> Array:
        return np.asarray(self.of_types @ self.growth(own, self.t, self.x))

    def _delay(self, first: Codes, second: Codes) -> float:
        means = self.surplus.measured[:, :, self.surplus.n_types :]
        apart = np.nanmean(means[second], 0) - np.nanmean(means[first], 0)  # (K, p)
        days = self.model.training
        speed = np.stack(
            [
                self.model.velocity(t, x).mean(0)
                for t, x in zip(days.times, days.points, strict=True)
            ]
        )
        total = (speed**2).sum()
        return -float((speed * apart).sum() / total) if total > 0 else 0.0


@dataclass(frozen=True)
class Start:
    """Cells of the first day, and the states of the last one.

    Parameters
    ----------
    x : (n, p) array
    types : tuple of str
        Of these cells, those with enough of them.
    of_types : (T, n) array
        Weights of the cells of each type.
    terminal : Reference
        Cells of the last day.
    """

    x: Array
    types: tuple[str, ...]
    of_types: Array
    terminal: Reference

    def items(self) -> list[str]:
        """Names of the fates of every type, as in `fates`."""
        return [f"{start} → {end}" for start in self.types for end in self.terminal.names]

    def fates(self, model: Model) -> Array:
        """Share of each state in the descendants of each type by mass, (T, F)."""
        steps = STEPS * (len(model.training) - 1)
        rng = np.random.default_rng(0)  # the same noise for both conditions
        moved = simulate(
            model.fit.dynamics_from(0.0), self.x, np.array([0.0, 1.0]), rng=rng, steps=steps
        )
        log_w = moved.log_weights[-1]
        w = self.of_types * np.exp(log_w - log_w.max())
        return np.asarray(w @ self.terminal.assign(moved.points[-1]) / w.sum(1, keepdims=True))


def scale_of(
    equations: Equations,
    surplus: Surplus,
    samples: Samples,
    types: pd.Series[Any] | None,
    rng: np.random.Generator,
) -> Scale:
    """What effects are measured with.

    Parameters
    ----------
    equations : Equations
    surplus : Surplus
    samples : Samples
    types : pandas.Series, optional
        Cell type of every cell of the data.
    rng : numpy.random.Generator
        Draws the common cells.
    """
    days = equations.model.training
    per_day = max(COMMON // len(days), 1)
    few = [_drawn(samples, rows, per_day, rng) for rows in days.rows]
    x = np.concatenate([points[chosen] for points, chosen in zip(days.points, few, strict=True)])
    rows = np.concatenate([of_day[chosen] for of_day, chosen in zip(days.rows, few, strict=True)])
    t = np.repeat(days.unit_times, [len(chosen) for chosen in few])
    names, of_types = _means(types, rows)
    start = None
    if types is not None and names:
        chosen = _drawn(samples, days.rows[0], FOLLOWED, rng)
        there, weights = _means(types, days.rows[0][chosen])
        labels = equations.model.snapshots.labels
        terminal = reference(equations.model, [labels.index(days.labels[-1])], types)
        if there and len(terminal.names) > 1:
            start = Start(days.points[0][chosen], there, weights, terminal)
    return Scale(
        equations,
        surplus,
        torch.from_numpy(t).float(),
        torch.from_numpy(x).float(),
        names,
        of_types,
        start,
    )


def _drawn(samples: Samples, rows: Codes, n: int, rng: np.random.Generator) -> Codes:
    """Cells of a day: alike many of both conditions, where there are enough; (≤ n,)."""
    of = samples.of[samples.of_cells[rows]]
    there = samples.of_cells[rows] >= 0
    parts = [np.flatnonzero(there & (of == c)) for c in np.unique(of[there])]
    most = min(n // len(parts), *(len(part) for part in parts))
    return np.sort(np.concatenate([rng.choice(part, most, replace=False) for part in parts]))


def _means(types: pd.Series[Any] | None, rows: Codes) -> tuple[tuple[str, ...], Array]:
    """Types with enough of some cells, and the weights of the cells in the mean of each."""
    if types is None:
        return (), np.zeros((0, len(rows)))
    found = read_types(types.iloc[rows])
    counts = found.value_counts()
    names = tuple(sorted(str(name) for name in counts.index[counts >= FEW]))
    member = np.array([(found == name).to_numpy(dtype=float) for name in names]).reshape(
        len(names), len(rows)
    )
    return names, member / np.maximum(member.sum(1, keepdims=True), 1)


def left_out(samples: Samples) -> Iterator[tuple[int, float, tuple[Codes, Codes]]]:
    """Both groups without each sample in turn: its stratum's number, n − 1 over n, the groups.

    Of a condition with one sample on a day none is left out.
    """
    for s in np.flatnonzero(~samples.shared):
        beside = (samples.of == samples.of[s]) & (samples.on == samples.on[s]).all(1)
        n = int(beside.sum())
        if n > 1:
            groups = samples.group(0), samples.group(1)
            stratum = int(np.flatnonzero(beside)[0])
            yield stratum, (n - 1) / n, (groups[0][groups[0] != s], groups[1][groups[1] != s])


def spread(
    samples: Samples, measure: Callable[[Codes, Codes], dict[str, Array]]
) -> tuple[dict[str, Array], int]:
    """Standard errors of all effects by the jackknife over samples, and its degrees of freedom."""
    found: dict[int, list[tuple[float, dict[str, Array]]]] = {}
    for stratum, factor, groups in left_out(samples):
        found.setdefault(stratum, []).append((factor, measure(*groups)))
    variance: dict[str, Array] = {}
    for each in found.values():
        for family in each[0][1]:
            values = np.stack([one[family] for _, one in each])
            more = each[0][0] * ((values - values.mean(0)) ** 2).sum(0)
            variance[family] = variance.get(family, 0.0) + more
    freedom = sum(len(each) - 1 for each in found.values())
    return {family: np.sqrt(v) for family, v in variance.items()}, freedom
