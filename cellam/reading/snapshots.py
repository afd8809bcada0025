"""Snapshots: embedded cells by time, with the mass of each day, and the unit time of a fit.

A `Snapshots` is all that the dynamics are learned from. Its points are in model
coordinates (see `space`), so one unit is about one standard deviation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellam.errors import ConfigError
from cellam.reading.cells import Cells

Population: TypeAlias = Literal["cells"] | dict[str, float] | None


@dataclass(frozen=True)
class Snapshots:
    """Samples of the time marginals.

    Parameters
    ----------
    points : tuple of (n_k, d) float arrays
        The cells of each time, in model coordinates.
    times : tuple of float
        Strictly increasing, in the user's unit.
    labels : tuple of str
        How the user spells each time.
    masses : tuple of float
        Total mass of each time; 1 where only relative growth is known.
    rows : tuple of (n_k,) int arrays
        Where each cell stands in the data.
    prior : tuple of (n_k,) float arrays, or None
        Growth rate that is expected of each cell, per unit of the user's time.
    clones : tuple of (n_k,) int arrays, or None
        Clone of each cell by its lineage barcode; −1 where it is not known.
    clone_shares : tuple of float
        How far the pairs of the cells of each day go by what clones tell; empty where none do.
    velocities : tuple of (n_k, d) float arrays, or None
        Velocity of each cell in model coordinates, in an unknown unit of time; 0 where it is not
        known.

    Examples
    --------
    >>> x = np.zeros((4, 2))
    >>> rows = np.arange(4)
    >>> days = Snapshots((x, x, x), (0.0, 2.0, 8.0), ("d0", "d2", "d8"), (1, 1, 1), (rows,) * 3)
    >>> days.unit_time(2.0)
    0.25
    >>> days.without({"d2"}).labels
    ('d0', 'd8')
    """

    points: tuple[NDArray[np.float64], ...]
    times: tuple[float, ...]
    labels: tuple[str, ...]
    masses: tuple[float, ...]
    rows: tuple[NDArray[np.int64], ...]
    prior: tuple[NDArray[np.float64], ...] | None = None
    clones: tuple[NDArray[np.int64], ...] | None = None
    clone_shares: tuple[float, ...] = ()
    velocities: tuple[NDArray[np.float64], ...] | None = None

    @property
    def n_dims(self) -> int:
        """Number of coordinates d."""
        return int(self.points[0].shape[1])

    @property
    def n_cells(self) -> int:
        """Number of cells over all times."""
        return sum(len(x) for x in self.points)

    @property
    def codes(self) -> NDArray[np.int64]:
        """Position of the day of every cell, (n,), in the order of the data."""
        return self.to_data_order(np.repeat(np.arange(len(self)), [len(x) for x in self.points]))

    @property
    def data_rows(self) -> NDArray[np.int64]:
        """Where each cell stands in the data, (n,), day by day."""
        return np.concatenate(self.rows)

    def to_data_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of all cells that are day by day, (n, …), in the order of the data."""
        out = np.empty_like(values)
        out[self.data_rows] = values
        return out

    def __len__(self) -> int:
        return len(self.times)

    def unit_time(self, time: float) -> float:
        """Map the user's time to the unit time of the fit: the first snapshot is 0, the last 1."""
        return (time - self.times[0]) / (self.times[-1] - self.times[0])

    @property
    def unit_times(self) -> tuple[float, ...]:
        """Unit time of every snapshot, with the real gaps between them."""
        return tuple(self.unit_time(time) for time in self.times)

    @property
    def weights(self) -> tuple[NDArray[np.float64], ...]:
        """Mass of every cell: the mass of its day, shared equally."""
        return tuple(
            np.full(len(x), mass / len(x)) for x, mass in zip(self.points, self.masses, strict=True)
        )

    def index(self, label: str) -> int:
        """Position of a label."""
        return self.labels.index(label)

    def without(self, labels: Collection[str]) -> Snapshots:
        """The same snapshots less the given ones."""
        return self.only([k for k, label in enumerate(self.labels) if label not in labels])

    def with_prior(self, share: float) -> Snapshots:
        """The same snapshots with a share of the growth that is expected: 0 expects none."""
        if self.prior is None or share == 0:
            return replace(self, prior=None)
        return replace(self, prior=tuple(share * rates for rates in self.prior))

    def with_clones(self, shares: Mapping[str, float]) -> Snapshots:
        """The same snapshots, of which some days go by what clones tell, in these shares.

        Where none does, they are without clones.
        """
        if self.clones is None or not shares:
            return replace(self, clones=None, clone_shares=())
        return replace(self, clone_shares=tuple(shares.get(k, 0.0) for k in self.labels))

    def less_clones(self, names: NDArray[np.int64]) -> Snapshots:
        """The same snapshots, whose cells of some clones have no barcode."""
        assert self.clones is not None
        known = (np.where(np.isin(c, names), -1, c) for c in self.clones)
        return replace(self, clones=tuple(known))

    def thinned(
        self, n_max: int, rng: np.random.Generator, *, whole: Collection[str] = ()
    ) -> Snapshots:
        """At most `n_max` cells a day, drawn without replacement; masses stay.

        Days whose labels are in `whole` stay as they are. Where there are clones, whole clones are
        drawn, the same ones on all days: of single cells, few would keep a sister.
        """
        sizes = [
            len(x) if label in whole else min(len(x), n_max)
            for x, label in zip(self.points, self.labels, strict=True)
        ]
        return self._drawn(sizes, rng)

    def halved(self, rng: np.random.Generator) -> Snapshots:
        """Half of the cells of every day, drawn without replacement; masses stay.

        Where there are clones, as for `thinned`.
        """
        return self._drawn([max(2, len(x) // 2) for x in self.points], rng)

    def less(self, rows: NDArray[np.int64]) -> Snapshots:
        """The same snapshots without the cells at these rows of the data; masses stay."""
        return self.cut([np.flatnonzero(~np.isin(known, rows)) for known in self.rows])

    def _drawn(self, sizes: list[int], rng: np.random.Generator) -> Snapshots:
        if self.clones is not None:
            ranks = self._ranks(self.clones, rng)
            return self.cut([np.sort(np.argsort(r)[:n]) for r, n in zip(ranks, sizes, strict=True)])
        return self.cut(
            [
                np.sort(rng.choice(len(x), n, replace=False)) if n < len(x) else slice(None)
                for x, n in zip(self.points, sizes, strict=True)
            ]
        )

    @staticmethod
    def _ranks(
        clones: tuple[NDArray[np.int64], ...], rng: np.random.Generator
    ) -> list[NDArray[np.float64]]:
        """A random number for each cell of each day, nearly the same for all cells of a clone."""
        of_clone = rng.random(1 + max(int(c.max(initial=-1)) for c in clones))
        ranks = []
        for c in clones:
            own = rng.random(len(c))
            known = c >= 0
            # Within a clone by chance too: a day may end in the midst of one.
            own[known] = of_clone[c[known]] + 1e-9 * own[known]
            ranks.append(own)
        return ranks

    def cut(self, chosen: Sequence[NDArray[np.int64] | slice]) -> Snapshots:
        """Some cells of every day; masses stay."""
        return Snapshots(
            tuple(x[c] for x, c in zip(self.points, chosen, strict=True)),
            self.times,
            self.labels,
            self.masses,
            tuple(r[c] for r, c in zip(self.rows, chosen, strict=True)),
            None
            if self.prior is None
            else tuple(g[c] for g, c in zip(self.prior, chosen, strict=True)),
            None
            if self.clones is None
            else tuple(g[c] for g, c in zip(self.clones, chosen, strict=True)),
            self.clone_shares,
            None
            if self.velocities is None
            else tuple(v[c] for v, c in zip(self.velocities, chosen, strict=True)),
        )

    def only(self, keep: Sequence[int]) -> Snapshots:
        """The snapshots at some positions, in this order."""
        return Snapshots(
            tuple(self.points[k] for k in keep),
            tuple(self.times[k] for k in keep),
            tuple(self.labels[k] for k in keep),
            tuple(self.masses[k] for k in keep),
            tuple(self.rows[k] for k in keep),
            None if self.prior is None else tuple(self.prior[k] for k in keep),
            None if self.clones is None else tuple(self.clones[k] for k in keep),
            tuple(self.clone_shares[k] for k in keep) if self.clone_shares else (),
            None if self.velocities is None else tuple(self.velocities[k] for k in keep),
        )


def take_snapshots(
    cells: Cells,
    x: NDArray[np.float64],
    population: Population = None,
    prior: NDArray[np.float64] | None = None,
    clones: NDArray[np.int64] | None = None,
    velocities: NDArray[np.float64] | None = None,
) -> Snapshots:
    """Split cells, whose model coordinates are x (n, d), by time.

    `population` gives every day its mass: the number of its cells in the data, or a size for each
    label. Only ratios count; without it every day has mass 1. `prior` (n,) is the growth rate
    that is expected of every cell, per unit of the user's time, `clones` (n,) its clone, −1 where
    that is not known, and `velocities` (n, d) how it moves, 0 where that is not known.
    """
    rows = [np.flatnonzero(cells.codes == k) for k in range(len(cells.timeline.times))]
    return Snapshots(
        tuple(x[r] for r in rows),
        cells.timeline.times,
        cells.timeline.labels,
        day_masses(cells, population),
        tuple(rows),
        None if prior is None else tuple(prior[r] for r in rows),
        None if clones is None else tuple(clones[r] for r in rows),
        velocities=None if velocities is None else tuple(velocities[r] for r in rows),
    )


def day_masses(cells: Cells, population: Population) -> tuple[float, ...]:
    """Mass of each day relative to the first, by what is known of the population.

    Raises
    ------
    ConfigError
        If days have two sizes, or some none.
    """
    labels = cells.timeline.labels
    if population is None:
        return (1.0,) * len(labels)
    if population == "cells":
        sizes = [float(n) for n in cells.counts.values()]
    else:
        given: dict[int, float] = {}
        for label, size in population.items():
            k = cells.timeline.index(label)
            if given.setdefault(k, size) != size:
                raise ConfigError(
                    f"`population` gives {labels[k]} two sizes, {given[k]:g} and {size:g}.",
                    "Name each day once.",
                )
        missing = [label for k, label in enumerate(labels) if k not in given]
        if missing:
            raise ConfigError(
                f"`population` has no size for {', '.join(missing)}.",
                f"Set one for every day: {', '.join(f'{label}=…' for label in labels)}.",
            )
        sizes = [given[k] for k in range(len(labels))]
    return tuple(size / sizes[0] for size in sizes)
