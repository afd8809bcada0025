"""Annotation: what the data of a run tell of its cells, if they are still there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cellam.errors import DataError
from cellam.modelling.model import Model
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import read_obs
from cellam.runs.run import StoredRun


@dataclass(frozen=True)
class Annotation:
    """What is known of the cells besides the model; nothing where the data are not there."""

    source: Path | None
    obs: pd.DataFrame | None
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(run: StoredRun, data: Path | str | None, *, needed: bool) -> Annotation:
        """Read it, or note why it is not there, where one can do without.

        Raises
        ------
        DataError
            If it is needed and not there, or is not that of the run's cells.
        """
        try:
            source = run.data(data)
        except DataError as error:
            if needed:
                raise
            note = f"{error.message} Cell names and cell types are not available. {error.hint}"
            return Annotation(None, None, (note,))
        obs = read_obs(source)
        run.check_cells(obs)
        return Annotation(source, obs)

    def types(self, model: Model) -> pd.Series[Any] | None:
        """Cell types by column name, if there are any."""
        return None if self.obs is None else resolve_types(self.obs, model.snapshots.codes)
