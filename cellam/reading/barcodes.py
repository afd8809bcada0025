"""Barcodes: lineage barcodes kept as a matrix of cells by clones, read as a column of names.

That is the form in which CoSpar keeps them, `obsm["X_clone"]`: a cell has an entry for each clone
that it belongs to.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from cellam.errors import ConfigError
from cellam.files.sources import Source
from cellam.matrix.matrices import read_numbers
from cellam.names import offer


def with_barcodes(obs: pd.DataFrame, source: Source, key: str | None) -> pd.DataFrame:
    """Annotation with a column of barcodes, where they are a matrix in `obsm` under that name.

    A cell with entries for several clones has none in the column: which of them its sisters share
    with it cannot be told.

    Parameters
    ----------
    obs : pandas.DataFrame
        Annotation of n cells. A column of that name is left as it is.
    source : Source
        The opened file.
    key : str or None

    Raises
    ------
    ConfigError
        If neither has it.
    DataError
        If the matrix does not hold numbers, or not those of all cells.
    """
    if key is None or key in obs:
        return obs
    if key not in source.keys("obsm"):
        raise ConfigError(
            f"`clones={key!r}`: neither obs nor obsm of {source.name} has it.",
            offer(key, map(str, obs.columns)),
        )
    value = source.element(f"obsm/{key}")
    matrix = read_numbers(value, f"obsm[{key!r}] of {source.name}", "biuf", len(obs))
    member = sparse.csr_matrix(matrix != 0)
    single = np.diff(member.indptr) == 1
    clone = np.full(len(obs), None, dtype=object)
    clone[single] = [f"clone {c}" for c in member.indices[member.indptr[:-1][single]]]
    return obs.assign(**{key: clone})
