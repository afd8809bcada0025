"""Samples: the replicates of a run, found again in the annotation of its cells.

No expression is read for it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellam.modelling.left_out import LeftOut, leave_replicates_out
from cellam.reading.cells import Cells
from cellam.reading.samples import replicates_of
from cellam.runs.run import StoredRun


def annotated(run: StoredRun, obs: pd.DataFrame) -> Cells:
    """The cells of a run with their annotation, and no value of a gene or coordinate."""
    model = run.model
    return Cells(
        source=run.path.name,
        obs=obs,
        reading=model.options.reading,
        timeline=model.timeline,
        codes=model.snapshots.codes,
        matrix=np.zeros((len(obs), 0), dtype=np.float32),
        form=None,
        genes=(),
        digest=run.digest,
    )


def left_out(run: StoredRun, obs: pd.DataFrame) -> LeftOut | None:
    """Quick fits without each replicate; None with fewer than three on a training day.

    Raises
    ------
    DataError
        If the column of replicates that was asked for has changed since the fit.
    """
    return leave_replicates_out(run.model, replicates_of(annotated(run, obs)))
