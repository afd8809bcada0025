"""Simulated: cells followed through time, each with a weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.display import Displayed

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Simulation(Displayed):
    """Cells followed through time.

    Parameters
    ----------
    times : (T,) array
        Saved times, in the user's unit.
    points : (T, N, p) array
        Positions, in the coordinates of the representation.
    log_weights : (T, N) array
        Log of the mass of each cell relative to the start: above 0 it has grown.
    rows : (N,) int array
        Where each starting cell stands in the data, or in the table of new cells.
    stops : tuple of float
        Those of the times from which on cells go on as observed ones; at the time itself they are
        where they arrive (`modelling.stages`).
    """

    times: Array
    points: Array
    log_weights: Array
    rows: NDArray[np.int64]
    stops: tuple[float, ...] = ()

    @property
    def facts(self) -> dict[str, str]:
        """Numbers of cells, of saved times and of coordinates, and the mean weight at the end."""
        T, N, p = self.points.shape
        return {
            "cells": f"{N:,}",
            "times": f"{T} from {self.times[0]:g} to {self.times[-1]:g}",
            "coordinates": f"{p:,}",
            "mass at the end": f"{np.exp(self.log_weights[-1]).mean():.3g} of the start",
        }

    # The same by rows, one for each cell and saved time, as `Families` has them.

    @property
    def when(self) -> NDArray[np.int64]:
        """Place of the saved time of each row, (T N,)."""
        T, N = self.log_weights.shape
        return np.repeat(np.arange(T), N)

    @property
    def founder(self) -> NDArray[np.int64]:
        """Which of the starting cells it is, (T N,)."""
        T, N = self.log_weights.shape
        return np.tile(np.arange(N), T)

    @property
    def positions(self) -> Array:
        """Where it is, (T N, p)."""
        return self.points.reshape(-1, self.points.shape[-1])

    @property
    def weights(self) -> Array:
        """Its mass relative to the start, (T N,)."""
        return np.exp(self.log_weights.ravel())
