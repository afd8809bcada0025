"""Experiments: two conditions, each with samples of its own, whose difference is known.

Samples of one condition differ, as mice and wells do: in where their cells start, and in how far
they have come by a day. How much that is, decides what a comparison can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cellam.toys import Branching

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

Array = NDArray[np.float64]

CONDITIONS = ("control", "treated")


@dataclass(frozen=True)
class Experiment:
    """A culture on a fork, in samples of two conditions.

    Parameters
    ----------
    control, treated : Branching
        What is true of each condition; the same without an effect of the treatment.
    delay : float
        Days by which treated samples are behind.
    n_samples : (int, int)
        Samples of each condition: on every day, if `destructive`, else in all.
    destructive : bool
        Whether every sample is measured on one day only, and has another name on the next.
    start_sd : float
        Standard deviation of samples in the mean start of their cells across the fork, where
        single cells have 1.
    pace_sd : float
        Standard deviation of samples in how far they have come, in days.
    days : sequence of float
    n_cells : int or (int, int)
        Of a sample on a day, in all or in those of each condition.

    Examples
    --------
    >>> z, obs = Experiment(n_cells=5).simulate(np.random.default_rng(0))
    >>> z.shape, obs["sample"].nunique(), sorted(obs["treatment"].unique())
    ((120, 2), 6, ['control', 'treated'])
    """

    control: Branching = field(default_factory=lambda: Branching(step=0.1))
    treated: Branching = field(default_factory=lambda: Branching(step=0.1))
    delay: float = 0.0
    n_samples: tuple[int, int] = (3, 3)
    destructive: bool = False
    start_sd: float = 0.2
    pace_sd: float = 0.15
    days: Sequence[float] = (0.0, 2.0, 4.0, 7.0)
    n_cells: int | tuple[int, int] = 100

    def simulate(self, rng: Generator) -> tuple[Array, DataFrame]:
        """Cells of all samples: their positions z (N, 2), and day, treatment, sample and type."""
        import pandas as pd

        clouds: list[Array] = []
        parts: list[DataFrame] = []
        cells = self.n_cells if isinstance(self.n_cells, tuple) else (self.n_cells, self.n_cells)
        for condition, truth, n, n_cells in zip(
            CONDITIONS, (self.control, self.treated), self.n_samples, cells, strict=True
        ):
            behind = self.delay if condition == CONDITIONS[1] else 0.0
            shift, pace = self._effects(n, rng)
            for k, day in enumerate(self.days):
                if self.destructive and k:
                    shift, pace = self._effects(n, rng)
                for r in range(n):
                    came = max(day - behind + pace[r], 0.0)
                    z = self._cells(truth, came, shift[r], n_cells, rng)
                    name = f"{condition[0]}{r + 1}" + f"_{day:g}" * self.destructive
                    clouds.append(z)
                    parts.append(
                        pd.DataFrame(
                            {"day": day, "treatment": condition, "sample": name},
                            index=range(len(z)),
                        )
                    )
        z = np.concatenate(clouds)
        obs = pd.concat(parts, ignore_index=True)
        obs["cell_type"] = pd.Categorical(self.control.cell_type(z))
        return z, obs.set_axis([f"cell{k:05d}" for k in range(len(obs))])

    def to_adata(self, rng: Generator, *, noise: int = 3) -> AnnData:
        """As data that can be compared, z and `noise` further coordinates in obsm["X_true"]."""
        from anndata import AnnData

        z, obs = self.simulate(rng)
        x = np.column_stack([z, 0.3 * rng.standard_normal((len(z), noise))]).astype(np.float32)
        return AnnData(x, obs=obs, obsm={"X_true": x})

    def _effects(self, n: int, rng: Generator) -> tuple[Array, Array]:
        """Shift and pace of n samples."""
        return (self.start_sd * rng.standard_normal(n), self.pace_sd * rng.standard_normal(n))

    @staticmethod
    def _cells(truth: Branching, day: float, shift: float, n: int, rng: Generator) -> Array:
        start = (truth.start[0], truth.start[1] + shift)
        [(z, _)] = replace(truth, start=start).simulate([day], [n], rng, founders=12 * n)
        return z
