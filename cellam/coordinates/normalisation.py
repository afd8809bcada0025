"""Normalisation: counts made comparable between cells, and logged."""

from __future__ import annotations

from cellam.matrix.rows import Rows
from cellam.reading.cells import Cells


def log_normalised(cells: Cells) -> Rows:
    """Expression (n, g) of all genes, normalised to the median of the counts and logged.

    What was normalised or logged already is not so again, and scaled expression is left as it is.
    """
    assert cells.form is not None
    rows: Rows = cells.matrix
    return rows.normalised(cells.form.library(rows), log=cells.form.logged)
