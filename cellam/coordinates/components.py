"""Components: how many principal components the cells bear out.

A component fitted to few cells follows their noise: they have more variance along it than other
cells of the same population, and predictions made in it are of clouds that are too wide. So every
component has to be found again: half of the cells are projected on the components of the other
half, and those along which less than half of the variance is left are given up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.errors import ConfigError, DataError
from cellam.matrix.rows import Rows

Array = NDArray[np.float64]

FOUND_AGAIN = 0.5  # share of the variance of a component that other cells must have along it
FEWEST = 2  # components that are kept in any case: a picture needs two
HALVINGS = 3
CELLS = 4_000  # at most, drawn at random: more would only take longer


def most_components(shape: tuple[int, int], source: str, asked: int | None) -> int:
    """How many components a PCA of n cells and g genes has at most.

    Raises
    ------
    ConfigError
        If that is less than what is asked for.
    DataError
        If there are none.
    """
    most = min(shape) - 1
    if asked is not None and asked > most:
        raise ConfigError(
            f"`n_pcs={asked!r}`: {shape[0]} training cells and {shape[1]} genes allow "
            f"at most {most} components.",
            f"Use `n_pcs={most!r}` or fewer.",
        )
    if most < 1:
        raise DataError(f"{source} has too few cells or genes for a PCA.")
    return most


def check_columns(available: int, rep: str, asked: int | None) -> None:
    """Refuse more components than a given representation has columns.

    Raises
    ------
    ConfigError
    """
    if asked is not None and asked > available:
        raise ConfigError(
            f"`n_pcs={asked!r}`: obsm[{rep!r}] has {available} columns.",
            f"Use `n_pcs={available!r}` or fewer.",
        )


def confirmed(expression: Rows, most: int) -> int:
    """Count the leading components whose variance other cells confirm.

    Parameters
    ----------
    expression : Rows
        n cells by g genes, as the PCA is fitted to them.
    most : int
        Components at most; that many are tried where half of the cells allow it.

    Returns
    -------
    int
        At most `most`, and at least 2 where `most` allows. The same for every seed of a fit: how
        many there are is no matter of chance, so several halvings are averaged.
    """
    rng = np.random.default_rng(0)
    chosen = rng.permutation(expression.shape[0])[:CELLS]
    few = expression.take(chosen)
    cells = few.toarray() if sparse.issparse(few) else few
    half = len(cells) // 2
    tried = min(most, half - 1)
    if tried <= FEWEST:
        return min(most, FEWEST)
    orders = [rng.permutation(len(cells)) for _ in range(HALVINGS)]
    halvings = [(cells[order[:half]], cells[order[half:]]) for order in orders]
    kept = [_kept(a, b, tried) for halves in halvings for a, b in (halves, halves[::-1])]
    enough = np.mean(kept, axis=0) >= FOUND_AGAIN
    leading = int(np.argmin(enough)) if not enough.all() else tried
    return max(FEWEST, leading)


def _kept(fitted: Array, other: Array, n: int) -> Array:
    """Variance of other cells along the components of some, relative to theirs, (n,)."""
    from sklearn.decomposition import PCA  # what scanpy calls, without a second of imports

    if not np.ptp(fitted, axis=0).any():
        return np.zeros(n)  # half of the cells are all alike: there is nothing to find again
    pca = PCA(n, svd_solver="arpack", random_state=0)
    ours = np.asarray(pca.fit_transform(fitted), dtype=np.float64).var(0)
    theirs = np.asarray(other @ pca.components_.T, dtype=np.float64).var(0)
    kept: Array = np.divide(theirs, ours, where=ours > 0, out=np.zeros_like(ours))
    return kept
