"""Branching: cells that divide and die at random along the fitted dynamics, instead of weights.

Where a weighted particle has d log w = g dt, a cell divides at the rate b and dies at the rate d,
each in a moment of its own, with b − d = g: a birth–death process [1]_ whose mean is the weight,

    E[N(t)] = w(t),      and for constant rates      Var[N(t)] = (b + d)/(b − d) w (w − 1)

for one cell at the start. Snapshots tell b − d alone. The least turnover that explains it is
b = max(g, 0), d = max(−g, 0); `turnover` is added to both.

A cell has a clock for its division and one for its death, each set to a draw of Exp(1) and run
down at the rates of where the cell is. Within a step of the scheme the rates are held, so that the
mean is the weight of the particle but for rounding. The daughters of a division start where their
mother was at the end of that step. With noise each goes its own way from there on; without,
nothing tells them apart, and a whole family moves as one particle.

References
----------
.. [1] Kendall, On the generalized "birth-and-death" process, Annals of Mathematical Statistics 19
   (1948).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellam.dynamics.objectives import Dynamics
from cellam.dynamics.simulation import STEPS, Way, check_finite, seeded
from cellam.dynamics.stops import Stop
from cellam.executors.executor import in_order

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """Every cell that ever lived, (C,) each: those at the start first, then by time of birth.

    Parameters
    ----------
    founder : int array
        Which cell at the start it descends from.
    parent : int array
        Its mother; -1 for a cell at the start.
    generation : int array
        Divisions between the start and its birth.
    born, ended : array
        Times of its birth and of its division or death; infinite where it lives at the end.
    divided : bool array
        Whether it ended by a division.
    """

    founder: Whole
    parent: Whole
    generation: Whole
    born: Array
    ended: Array
    divided: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def died(self) -> NDArray[np.bool_]:
        """Whether it ended by death, (C,)."""
        return np.isfinite(self.ended) & ~self.divided


@dataclass(frozen=True)
class Branches:
    """Cells that live at each saved time.

    Parameters
    ----------
    times : (T,) array
        Unit times.
    tree : Tree
        Its times are unit times.
    living : tuple of T (n,) int arrays
        Which cells of the tree live, in its order.
    points : tuple of T (n, d) arrays
        Where they are.
    """

    times: Array
    tree: Tree
    living: tuple[Whole, ...]
    points: tuple[Array, ...]


def branch(
    dynamics: Dynamics,
    x: Array,
    times: Array,
    *,
    turnover: float = 0.0,
    rng: np.random.Generator,
    steps: int = STEPS,
    device: str = "cpu",
    chunk: int = 16_384,
    stops: Sequence[Stop] = (),
) -> Branches:
    """Follow cells, and all that descend from them, forward in time.

    Parameters
    ----------
    dynamics : Dynamics
        What was fitted.
    x : (N, d) array
        Positions at `times[0]`.
    times : (T,) array
        Increasing unit times at which to save.
    turnover : float
        Divisions, and as many deaths, per cell and unit time, beyond those that growth asks for.
    rng : numpy.random.Generator
        Divisions, deaths and noise.
    steps : int
        As for `simulate`.
    chunk : int
        Families moved at once.
    stops : sequence of Stop
        As for `simulate`.

    Raises
    ------
    TrainingError
        If cells leave the finite numbers.
    """
    shared = Way(dynamics, times, steps, device, tuple(stops)), turnover
    grown = _joined(list(in_order(_grow, shared, seeded(x, chunk, rng))))
    check_finite(np.concatenate([np.isfinite(points).all(1) for points in grown.points]))
    return grown


@torch.no_grad()
def _grow(shared: tuple[Way, float], some: tuple[Array, int]) -> Branches:
    """The families of some cells, whose random numbers have a seed of their own."""
    way, turnover = shared
    x = torch.as_tensor(some[0], dtype=torch.float32, device=way.device)
    rng = np.random.default_rng(some[1])
    families = _Families.of(len(x), float(way.times[0]), rng)
    level = way.dynamics.growth_level
    saved = [families.where(x)]
    for start, stop in itertools.pairwise(way.times):
        x, level = way.depart(start, x, level, rng)
        for t, h in way.legs(start, stop) if families.any else ():
            x, gain = way.step(t, h, x, x.new_zeros(len(x)), rng)
            grown = gain.double().cpu().numpy()
            grown -= 0.0 if level is None else level.integral(t, t + h)
            check_finite(np.isfinite(grown))  # or cells would divide without end
            families.live(t, h, grown, turnover)
            if way.dynamics.sigma > 0:
                x = x[torch.as_tensor(families.part())]
        saved.append(families.where(x))
    living, points = zip(*saved, strict=True)
    return Branches(way.times, families.tree(), living, points)


@dataclass(frozen=True)
class _Cells:
    """Cells alive, (n,) each: their number, the particle that moves them, and what their clocks
    have left; `at` is the share of the current step that lies behind them.
    """

    number: Whole
    particle: Whole
    division: Array
    death: Array
    at: Array

    def __getitem__(self, which: NDArray[np.bool_] | Whole) -> _Cells:
        return _Cells(*(getattr(self, f.name)[which] for f in fields(self)))

    @staticmethod
    def joined(parts: list[_Cells]) -> _Cells:
        return _Cells(
            *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(_Cells))
        )


@dataclass
class _Families:
    """Families as they grow: the cells alive, and the tree up to now."""

    cells: _Cells
    rng: np.random.Generator
    parent: list[Whole]
    born: list[Array]
    ends: list[tuple[Whole, Array, NDArray[np.bool_]]] = field(default_factory=list)
    n: int = 0

    @staticmethod
    def of(n: int, time: float, rng: np.random.Generator) -> _Families:
        """One cell for each of n particles."""
        cells = _clocked(np.arange(n), np.arange(n), np.zeros(n), rng)
        return _Families(cells, rng, [np.full(n, -1)], [np.full(n, time)], n=n)

    @property
    def any(self) -> bool:
        """Whether a cell is alive."""
        return bool(len(self.cells.number))

    def where(self, x: Tensor) -> tuple[Whole, Array]:
        """Which cells live, and where: (n,), (n, d)."""
        at = torch.as_tensor(self.cells.particle)
        return self.cells.number, x[at].double().cpu().numpy()

    def part(self) -> Whole:
        """The particle of each cell alive, (n,), from which each is a particle from now on."""
        particles = self.cells.particle
        self.cells = replace(self.cells, particle=np.arange(len(particles)))
        return particles

    def live(self, t: float, h: float, gain: Array, turnover: float) -> None:
        """Let the cells live for a step in which the particles gain log-weight, (N,).

        Daughters live for the rest of the step.
        """
        births = np.maximum(gain, 0) + turnover * h
        deaths = np.maximum(-gain, 0) + turnover * h
        stayed, waiting = [], replace(self.cells, at=np.zeros(len(self.cells.at)))
        while len(waiting.number):
            b, d = births[waiting.particle], deaths[waiting.particle]
            with np.errstate(divide="ignore"):
                divides, dies = waiting.at + waiting.division / b, waiting.at + waiting.death / d
            end = np.minimum(divides, dies)
            on = ~(end < 1)
            left = 1 - waiting.at
            run_down = replace(
                waiting, division=waiting.division - b * left, death=waiting.death - d * left
            )
            stayed.append(run_down[on])
            divided = divides[~on] < dies[~on]
            waiting = self._end(waiting[~on], end[~on], t + h * end[~on], divided)
        self.cells = _Cells.joined(stayed) if stayed else waiting

    def _end(self, cells: _Cells, at: Array, time: Array, divided: NDArray[np.bool_]) -> _Cells:
        """End cells in the midst of a step; their daughters."""
        self.ends.append((cells.number, time, divided))
        mother = np.repeat(np.flatnonzero(divided), 2)
        numbers = self.n + np.arange(len(mother))
        self.n += len(mother)
        self.parent.append(cells.number[mother])
        self.born.append(time[mother])
        return _clocked(numbers, cells.particle[mother], at[mother], self.rng)

    def tree(self) -> Tree:
        """All cells up to now."""
        parent, born = np.concatenate(self.parent), np.concatenate(self.born)
        founder, generation = np.arange(self.n), np.zeros(self.n, dtype=np.int64)
        edges = np.cumsum([len(part) for part in self.parent])
        for first, stop in itertools.pairwise(edges):  # mothers before daughters
            founder[first:stop] = founder[parent[first:stop]]
            generation[first:stop] = generation[parent[first:stop]] + 1
        ended, divided = np.full(self.n, np.inf), np.zeros(self.n, dtype=bool)
        for numbers, time, by_division in self.ends:
            ended[numbers], divided[numbers] = time, by_division
        return Tree(founder, parent, generation, born, ended, divided)


def _clocked(number: Whole, particle: Whole, at: Array, rng: np.random.Generator) -> _Cells:
    division, death = rng.standard_exponential((2, len(number)))
    return _Cells(number, particle, division, death, at)


def _joined(parts: list[Branches]) -> Branches:
    """Families of several chunks as one; founders keep their order, all others go by birth."""
    tree, places = _one_tree([part.tree for part in parts])
    living, points = [], []
    for t in range(len(parts[0].times)):
        pairs = zip(places, parts, strict=True)
        numbers = np.concatenate([place[part.living[t]] for place, part in pairs])
        order = np.argsort(numbers)
        living.append(numbers[order])
        points.append(np.concatenate([part.points[t] for part in parts])[order])
    return Branches(parts[0].times, tree, tuple(living), tuple(points))


def _one_tree(trees: list[Tree]) -> tuple[Tree, list[Whole]]:
    """Several trees as one, and where the cells of each stand in it."""
    first = np.cumsum([0, *map(len, trees)])
    founders = np.cumsum([0, *(int((tree.parent < 0).sum()) for tree in trees)])
    moved = [
        replace(
            tree,
            founder=tree.founder + founders[k],
            parent=np.where(tree.parent < 0, -1, tree.parent + first[k]),
        )
        for k, tree in enumerate(trees)
    ]
    columns = {f.name: np.concatenate([getattr(t, f.name) for t in moved]) for f in fields(Tree)}
    order = np.lexsort((columns["born"], columns["parent"] >= 0))
    place = np.argsort(order)
    tree = Tree(**{name: column[order] for name, column in columns.items()})
    parent = np.where(tree.parent < 0, -1, place[tree.parent])
    return replace(tree, parent=parent), [place[a:b] for a, b in itertools.pairwise(first)]
