"""Compare: from a file to what two conditions have and do not have in common, written if asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellam.checks.check import refuse_too_large
from cellam.comparison.compare import Comparison, compare
from cellam.comparison.relabelling import MOST
from cellam.dynamics.fitting import OnProgress, silent
from cellam.export.files import check_csv, check_file, write_csv
from cellam.export.stores import read_light, write_copy
from cellam.options import Options
from cellam.reading.cells import Cells, read
from cellam.report.comparison import write_comparison
from cellam.result import Result
from cellam.workflows.given import Days, day_texts

GROWTH, VELOCITY = "cellam_growth_difference", "cellam_velocity_difference"


@dataclass(frozen=True, repr=False)
class ComparisonResult(Result):
    """A comparison, and the files that were written.

    Parameters
    ----------
    comparison : Comparison
    cells : Cells
    written : dict of str to pathlib.Path
        By what they hold: table, data, report.
    """

    comparison: Comparison
    cells: Cells
    written: dict[str, Path]

    @property
    def facts(self) -> dict[str, str]:
        """As the comparison, and the files."""
        files = {name: str(path) for name, path in self.written.items()}
        return {**self.comparison.facts, **files}

    def to_frame(self) -> pd.DataFrame:
        """A row for each effect."""
        return self.comparison.to_frame()

    def to_dict(self) -> dict[str, Any]:
        """Design, verdict, effects and transfer."""
        return {"data": self.cells.source, **self.comparison.to_dict()}


def compare_file(
    data: Path | str,
    condition: str,
    options: Options | None = None,
    *,
    replicate: str | None = None,
    reference: str | None = None,
    against: str | None = None,
    shared: Days = (),
    block: str | None = None,
    permutations: int = MOST,
    groupby: str | None = None,
    csv: Path | str | None = None,
    out: Path | str | None = None,
    report: Path | str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = silent,
    **changes: Any,
) -> ComparisonResult:
    """Compare the dynamics of two conditions of a file.

    Parameters
    ----------
    data : path
        Cells of several days: an .h5ad file or a .zarr folder.
    condition, replicate, reference, against, shared, block, permutations, groupby
        As for `cellam.compare`.
    options : Options, optional
    csv, out, report : path, optional
        Files for the table of effects, for a copy of the data with the differences at every cell
        (obs["cellam_growth_difference"], obsm["cellam_velocity_difference"]), and for a page.
    overwrite : bool
        Whether files that are there may be replaced.
    **changes
        Any field of `Options`.

    Raises
    ------
    ConfigError, DataError, OutputError
        As for `cellam.compare`, and for files that cannot be written.
    """
    data = Path(data)
    table, copy, page = (None if p is None else Path(p) for p in (csv, out, report))
    check_csv(table, overwrite, data)
    if copy is not None:
        check_file(copy, "out", [".h5ad"], overwrite=overwrite, noun="the copy", data=data)
    if page is not None:
        check_file(page, "report", [".html"], overwrite=overwrite, noun="the report", data=data)
    options = Options(**{**(options or Options()).model_dump(), **changes})
    refuse_too_large(data, options)
    cells = read(data, options.reading)
    found = compare(
        cells,
        condition,
        replicate=replicate,
        reference=reference,
        against=against,
        shared=day_texts(shared),
        block=block,
        permutations=permutations,
        groupby=groupby,
        options=options,
        on_progress=on_progress,
    )
    written = {}
    if table is not None:
        write_csv(found.effects, table)
        written["table"] = table
    if copy is not None:
        write_copy(data, _with_differences(data, found), copy)
        written["data"] = copy
    if page is not None:
        write_comparison(found, page, data=cells.source)
        written["report"] = page
    return ComparisonResult(found, cells, written)


def _with_differences(data: Path, found: Comparison) -> Any:
    """The data less expression, with the differences; nan where a cell was not compared."""
    adata = read_light(data)
    velocity, growth = found.at_cells()
    everywhere = np.full((adata.n_obs, velocity.shape[1]), np.nan, dtype=np.float32)
    everywhere[found.rows] = velocity
    rates = np.full(adata.n_obs, np.nan)
    rates[found.rows] = growth
    adata.obs[GROWTH] = rates
    adata.obsm[VELOCITY] = everywhere
    return adata
