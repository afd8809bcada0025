"""Normalisation: counts made comparable between cells, and logged (scanpy)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from cellam.devices import threads
from cellam.reading.amounts import Matrix
from cellam.reading.cells import Cells


@threads(None)
def normalised(matrix: Matrix, genes: tuple[str, ...], library: float, log: bool) -> Any:
    """A new AnnData of a matrix (n, g), the sum of each cell brought to `library`, and logged.

    Parameters
    ----------
    matrix : (n, g) array or sparse matrix
    genes : tuple of str
    library : float
        0 where cells are not normalised.
    log : bool
    """
    import anndata
    import pandas as pd
    import scanpy as sc

    adata = anndata.AnnData(
        sparse.csr_matrix(matrix) if sparse.issparse(matrix) else np.array(matrix),
        var=pd.DataFrame(index=list(genes)),
    )
    if library > 0:
        sc.pp.normalize_total(adata, target_sum=library)
    if log:
        sc.pp.log1p(adata)
    return adata


def log_normalised(cells: Cells) -> Matrix:
    """Expression (n, g) of all genes, normalised to the median of the counts and logged.

    What was normalised or logged already is not so again, and scaled expression is left as it is.
    """
    assert cells.form is not None
    library = cells.form.library(cells.matrix)
    return normalised(cells.matrix, cells.genes, library, cells.form.logged).X
