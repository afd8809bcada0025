"""Pages: the report that ends `fit` and `eval`, which are good without it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .console import progress, warn
from .outputs import shown

if TYPE_CHECKING:
    from cellam.analysis.growth_range import GrowthRange
    from cellam.checks.caveat import Caveat
    from cellam.modelling.left_out import LeftOut
    from cellam.reading.cells import Cells
    from cellam.runs.run import StoredRun


def check_report(data: Path) -> None:
    """Refuse, before any work, data of which no report could be written.

    Raises
    ------
    DataError
        If a part of `obsm` cannot be read, which only the figures of a report may need.
    """
    from cellam.errors import DataError
    from cellam.files.sources import opened
    from cellam.reading.cells import read_annotation

    with opened(data) as source:
        source.element("obs")  # without which there is no fit either, so the report is not to blame
    try:
        read_annotation(data)
    except DataError as error:
        error.hint = f"{error.hint} Or skip the report with --no-report.".strip()
        raise


def add_report(
    run: StoredRun,
    cells: Cells,
    doubts: Sequence[Caveat],
    *,
    growth: GrowthRange | None = None,
    left: LeftOut | None = None,
    data: Path | None = None,
) -> Path | None:
    """Write the report of a run that is there already; where that fails, the run is good still.

    Returns
    -------
    Path or None
        Of the report; None where it could not be written, which is a warning.
    """
    from cellam.dynamics.fitting import Progress
    from cellam.errors import CellamError
    from cellam.workflows.report import report_run

    try:
        with progress() as on_progress:
            on_progress(Progress("write the report", 0, 1))
            page = report_run(run, data=data, cells=cells, doubts=doubts, growth=growth, left=left)
            on_progress(Progress("write the report", 1, 1))
    except CellamError as error:
        warn(f"No report was written: {error.message}")
        warn(
            f"  {error.hint} The run itself is complete. To write the report later: cellam "
            f"report --run {shlex.quote(shown(run.path))}"
        )
        return None
    return page.written
