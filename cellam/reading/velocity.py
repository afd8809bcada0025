"""Velocity: of every cell, as `obsm` holds it beside the representation that is fitted.

It is the derivative of those very coordinates in an unknown unit of time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.errors import DataError
from cellam.files.sources import Source
from cellam.matrix.matrices import read_numbers
from cellam.names import offer

CENTRED = 1e-4  # of their length: a mean as small as that was taken off


def read_velocity(
    source: Source, key: str, rep: str, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Read the velocity of n cells in the p coordinates of a representation.

    Parameters
    ----------
    source : Source
        The opened file.
    key : str
        Of `obsm`.
    rep : str
        Key of the representation.
    shape : (n, p)
        Of the representation.

    Returns
    -------
    (n, p) array
        0 for a cell of which some coordinate is missing, as for one whose velocity is 0: neither
        has a direction.

    Raises
    ------
    DataError
        If there is none of that name, it has other columns than the representation, is no matrix of
        finite numbers, no cell has a velocity, or their mean was taken off, as scVelo does where it
        projects velocities on components: what all cells have in common is then lost.
    """
    where = f"obsm[{key!r}] of {source.name}"
    value = source.element(f"obsm/{key}")
    if value is None:
        others = [name for name in source.keys("obsm") if name != rep]
        raise DataError(
            f"`velocity={key!r}`: {source.name} has no obsm[{key!r}].",
            offer(key, others)
            if others
            else "Save the velocity of each cell in the coordinates of the representation there.",
        )
    matrix = read_numbers(value, where, "iuf", shape[0], may_lack=True)
    if matrix.shape[1] != shape[1]:
        raise DataError(
            f"{where} has {matrix.shape[1]:,} columns, and obsm[{rep!r}], whose velocity it should "
            f"be, has {shape[1]:,}.",
            "The velocity has to be in the very coordinates that are fitted: name its "
            "representation with `use_rep`, or project the velocity on it.",
        )
    velocity: NDArray[np.float32] = matrix.toarray() if sparse.issparse(matrix) else matrix
    velocity[np.isnan(velocity).any(1)] = 0.0
    if not velocity.any():
        raise DataError(
            f"{where} gives none of the {shape[0]:,} cells a velocity: all are missing or 0.",
            "Leave out `velocity`, or save the velocities again.",
        )
    known = velocity[velocity.any(1)].astype(np.float64)
    if len(known) > 1 and np.linalg.norm(known.mean(0)) < CENTRED * np.sqrt(
        (known**2).sum(1).mean()
    ):
        raise DataError(
            f"{where} has a mean of 0 over all cells: it was taken off, and with it the motion "
            "that cells have in common.",
            "Project the velocities without that (scVelo takes it off): "
            "adata.obsm['velocity_pca'] = adata.layers['velocity'][:, ok] @ adata.varm['PCs'][ok], "
            "with ok the genes that have one.",
        )
    return velocity
