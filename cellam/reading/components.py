"""Components: how many principal components the cells bear out.

A component fitted to few cells follows their noise: they have more variance along it than other
cells of the same population, and predictions made in it are of clouds that are too wide. So every
component has to be found again: half of the cells are projected on the components of the other
half, and those along which less than half of the variance is left are given up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]

FOUND_AGAIN = 0.5  # share of the variance of a component that other cells must have along it
FEWEST = 2  # components that are kept in any case: a picture needs two
CELLS = 4_000  # at most, drawn at random: more would only take longer


def confirmed(expression: Any, most: int, seed: int) -> int:
    """Count the leading components whose variance other cells confirm.

    Parameters
    ----------
    expression : (n, g) array or sparse matrix
        As the PCA is fitted to it.
    most : int
        Components at most; that many are tried where half of the cells allow it.
    seed : int
        For the halves.

    Returns
    -------
    int
        At most `most`, and at least 2 where `most` allows.
    """
    order = np.random.default_rng(seed).permutation(expression.shape[0])[:CELLS]
    few = expression[order]
    cells = few.toarray() if sparse.issparse(few) else np.asarray(few)
    halves = cells[: len(cells) // 2], cells[len(cells) // 2 :]
    tried = min(most, len(halves[0]) - 1)
    if tried <= FEWEST:
        return min(most, FEWEST)
    there, back = (_kept(fitted, other, tried, seed) for fitted, other in (halves, halves[::-1]))
    enough = 0.5 * (there + back) >= FOUND_AGAIN
    leading = int(np.argmin(enough)) if not enough.all() else tried
    return max(FEWEST, leading)


def _kept(fitted: Array, other: Array, n: int, seed: int) -> Array:
    """Variance of other cells along the components of some, relative to theirs, (n,)."""
    import anndata
    import scanpy as sc

    if not np.ptp(fitted, axis=0).any():
        return np.zeros(n)  # half of the cells are all alike: there is nothing to find again
    adata = anndata.AnnData(fitted)
    sc.pp.pca(adata, n_comps=n, random_state=seed)
    components = np.asarray(adata.varm["PCs"], dtype=np.float64)  # (g, n)
    ours = np.asarray(adata.obsm["X_pca"], dtype=np.float64).var(0)
    theirs = np.asarray(other @ components, dtype=np.float64).var(0)
    kept: Array = np.divide(theirs, ours, where=ours > 0, out=np.zeros_like(ours))
    return kept
