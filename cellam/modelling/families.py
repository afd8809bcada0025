"""Families: simulated cells that divide and die, and who came from whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellam.display import Displayed
from cellam.dynamics.branching import Branches, Tree
from cellam.errors import ConfigError
from cellam.files.memory import available_memory, show_bytes
from cellam.modelling.simulated import Simulation

Array = NDArray[np.float64]

BYTES = 800  # of a cell that lives at a saved time: its row of the table, with its names
COPIES = 4  # of its coordinates, until they are written
BORN = 150  # bytes of a cell of the tree
SPARE = 0.8  # share of the free memory that may be filled


@dataclass(frozen=True, repr=False)
class Families(Displayed):
    """Cells that divide and die, at each saved time those that live then.

    Parameters
    ----------
    weighted : Simulation
        The same cells at the start, each followed with a weight, which is the expected number of
        its descendants.
    tree : Tree
        Every cell that ever lived, its times in the user's unit.
    when : (R,) int array
        Place of the saved time of each row.
    cell : (R,) int array
        Which cell of the tree it is.
    positions : (R, p) array
        Where it is, in the coordinates of the representation.
    """

    weighted: Simulation
    tree: Tree
    when: NDArray[np.int64]
    cell: NDArray[np.int64]
    positions: Array

    @staticmethod
    def of(
        grown: Branches, weighted: Simulation, positions: Array, first: float, span: float
    ) -> Families:
        """Families in the user's unit, whose unit times begin at `first` and are `span` long."""
        born, ended = (first + span * t for t in (grown.tree.born, grown.tree.ended))
        born[grown.tree.parent < 0] = weighted.times[0]  # but for rounding
        when = np.repeat(np.arange(len(grown.times)), [len(cells) for cells in grown.living])
        tree = replace(grown.tree, born=born, ended=ended)
        return Families(weighted, tree, when, np.concatenate(grown.living), positions)

    @property
    def facts(self) -> dict[str, str]:
        """Numbers of cells at the start and the end, divisions, deaths, and families left."""
        return {
            "cells": f"{len(self.rows):,} at the start, {self.counts[-1]:,} at the end",
            "expected": f"{self.expected[-1]:,.0f} at the end",
            "divisions": f"{self.divisions:,}",
            "deaths": f"{self.deaths:,}",
            "families": f"{self.surviving[-1]:,} of {len(self.rows):,} at the end",
            "times": f"{len(self.times)} from {self.times[0]:g} to {self.times[-1]:g}",
        }

    @property
    def times(self) -> Array:
        """Saved times, in the user's unit, (T,)."""
        return self.weighted.times

    @property
    def rows(self) -> NDArray[np.int64]:
        """Where each cell at the start stands in the data, or in the table of new cells, (N,)."""
        return self.weighted.rows

    @property
    def founder(self) -> NDArray[np.int64]:
        """Which cell at the start each row descends from, (R,)."""
        return np.asarray(self.tree.founder[self.cell])

    @property
    def weights(self) -> Array:
        """Mass of each row relative to one cell at the start, (R,): all count for one."""
        return np.ones(len(self.cell))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Cells that live at each saved time, (T,)."""
        return np.bincount(self.when, minlength=len(self.times))

    @property
    def expected(self) -> Array:
        """How many of them were to be expected: the sum of the weights, (T,)."""
        return np.asarray(np.exp(self.weighted.log_weights).sum(1))

    @property
    def surviving(self) -> NDArray[np.int64]:
        """Cells at the start that have descendants at each saved time, (T,)."""
        pairs = np.unique(np.stack([self.when, self.founder]), axis=1)
        return np.bincount(pairs[0], minlength=len(self.times))

    @property
    def divisions(self) -> int:
        """Cells that divided."""
        return int(self.tree.divided.sum())

    @property
    def deaths(self) -> int:
        """Cells that died."""
        return int(self.tree.died.sum())


Moved: TypeAlias = Simulation | Families  # what was followed, by rows: when, founder, …


def check_turnover(turnover: float) -> None:
    """Refuse a turnover that is no rate.

    Raises
    ------
    ConfigError
    """
    if not 0 <= turnover < float("inf"):
        raise ConfigError(
            f"`turnover={turnover:g}` is not a rate of divisions and deaths.",
            "Give 0 or more, per cell and unit of time.",
        )


def check_forward(times: Array) -> None:
    """Refuse times (T,) that run backward.

    Raises
    ------
    ConfigError
    """
    if times[-1] < times[0]:
        raise ConfigError(
            f"`discrete`: cells divide and die forward in time, and {times[-1]:g} lies before "
            f"{times[0]:g}.",
            "Simulate backward without it.",
        )


def check_room(weighted: Simulation, turnover: float) -> None:
    """Refuse families that would not fit into memory, before they grow.

    Their numbers are known but for chance: the weights are the expected numbers of descendants.

    Parameters
    ----------
    weighted : Simulation
        The same cells, followed with weights.
    turnover : float
        Per unit of the user's time.

    Raises
    ------
    ConfigError
        With the bytes that they would take, and those that are free.
    """
    with np.errstate(over="ignore"):
        w = np.exp(weighted.log_weights)
    gained = np.maximum(np.diff(weighted.log_weights, axis=0), 0)
    gained += turnover * np.diff(weighted.times)[:, None]
    alive = float(w.sum())
    born = w.shape[1] + 2 * float((np.maximum(w[1:], w[:-1]) * gained).sum())
    row = BYTES + COPIES * 8 * weighted.points.shape[2]
    needed, free = alive * row + born * BORN, available_memory()
    if not needed <= SPARE * free:
        raise ConfigError(
            f"{w.shape[1]:,} cells would become {float(w[-1].sum()):,.3g}, and with "
            f"{len(w):,} saved times take {show_bytes(needed)}; {show_bytes(free)} are free.",
            "Start fewer cells (`n_cells`), end earlier (`to`), save fewer times, or simulate "
            "without `discrete`.",
        )
