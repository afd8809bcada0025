"""Principal components of the expression of the training cells (scanpy)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.devices import threads
from cellam.errors import ConfigError, DataError
from cellam.options import N_PCS, N_TOP_GENES
from cellam.reading.amounts import LARGEST_LOG, Matrix
from cellam.reading.batch_shift import LINK, Batches, BatchShift
from cellam.reading.cells import Cells
from cellam.reading.components import confirmed
from cellam.reading.normalisation import normalised
from cellam.reading.space import Usual

Array = NDArray[np.float64]

PCA_CELLS = 10_000  # that tell kinds of cells apart


@threads(None)
def fit_pca(
    cells: Cells,
    training: NDArray[np.bool_],
    batches: Batches | None,
    n_pcs: int | None,
    n_top_genes: int | None,
    seed: int,
) -> tuple[dict[str, Any], Array]:
    """Fit the components: what a `Space` holds of them, and the coordinates (n, p) of the cells.

    Parameters
    ----------
    cells : Cells
    training : (N,) bool array
        Which of them are fitted to.
    batches : Batches or None
        Of the training cells, to be corrected.
    n_pcs, n_top_genes : int, optional
        Without them as many components as the cells bear out, of the 2,000 most variable genes.
    seed : int

    Raises
    ------
    ConfigError
        If cells and genes allow fewer components, or the values tell no most variable genes.
    DataError
        If the expression is constant, or of too few cells or genes.
    """
    import scanpy as sc

    matrix = cells.matrix[training]
    assert cells.form is not None
    # The form is that of all days, which have to agree in it; how much is of the training days.
    log, library = cells.form.logged, cells.form.library(matrix)
    adata = normalised(matrix, cells.genes, library, log)
    comparable = adata.X.min() >= 0 and adata.X.max() <= LARGEST_LOG
    if n_top_genes is not None and not comparable:
        raise ConfigError(
            f"`n_top_genes={n_top_genes}`: the most variable genes are found from logged values, "
            f"but {cells.source} has {cells.form.describe()}.",
            "Leave it out to keep all genes, or use counts.",
        )
    if adata.n_vars > (n_top_genes or N_TOP_GENES) and comparable:
        adata = adata[:, _variable(adata, batches, n_top_genes or N_TOP_GENES)].copy()
    shift = None
    if batches is not None:
        shift = BatchShift(batches.key, batches.levels, _gene_shift(adata.X, batches))
        adata.X = _dense(adata.X) - shift.of_cells(batches.codes).astype(np.float32)
    most = _most_components(adata, cells.source, n_pcs)
    chosen = n_pcs or confirmed(adata.X, min(N_PCS, most))
    sc.pp.pca(adata, n_comps=chosen, random_state=seed)
    components = np.asarray(adata.varm["PCs"].T, dtype=np.float64)
    mean = np.asarray(adata.X.mean(0), dtype=np.float64).ravel()
    coordinates = np.asarray(adata.X @ components.T) - mean @ components.T
    fitted = {
        "genes": tuple(map(str, adata.var_names)),
        "log": log,
        "library": library,
        "counted": cells.genes if library else (),
        "mean": mean,
        "components": components,
        "usual": Usual(
            _shares(matrix) if library else np.zeros(0),
            coordinates.var(0),
            _unexplained(adata.X, mean, components, coordinates.var(0)),
        ),
        "batches": shift,
    }
    return fitted, coordinates


def _variable(adata: Any, batches: Batches | None, n: int) -> NDArray[np.bool_]:
    """The most variable genes, (g,): within batches, where these are corrected."""
    import scanpy as sc

    if batches is None:
        sc.pp.highly_variable_genes(adata, n_top_genes=n)
    else:
        sizes = np.bincount(batches.codes, minlength=len(batches.levels))
        adata = adata[sizes[batches.codes] >= LINK].copy()  # variances of fewer say nothing
        kept = batches.codes[sizes[batches.codes] >= LINK]
        adata.obs["batch"] = np.array(batches.levels)[kept].astype(str)
        adata.obs["batch"] = adata.obs["batch"].astype("category")
        sc.pp.highly_variable_genes(adata, n_top_genes=n, batch_key="batch")
    return np.asarray(adata.var["highly_variable"].to_numpy(), dtype=bool)


def _gene_shift(X: Matrix, batches: Batches) -> Array:
    """Shift of each batch in each gene, (B, g); kinds of cells are told apart by a PCA."""
    import scanpy as sc

    few = np.random.default_rng(0).permutation(X.shape[0])[:PCA_CELLS]
    fitted = sc.pp.pca(_dense(X[few]), n_comps=min(N_PCS, *(k - 1 for k in X[few].shape)),
                       random_state=0, return_info=True)  # fmt: skip
    return batches.shift(X, np.asarray(fitted[1], dtype=np.float64))


def _dense(X: Matrix) -> NDArray[np.float32]:
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float32)


def _shares(matrix: Matrix) -> Array:
    """Mean share of each gene in the sum of a cell, (g,)."""
    sums = np.asarray(matrix.sum(1), dtype=np.float64).ravel()
    weights = np.divide(1.0, sums, where=sums > 0, out=np.zeros_like(sums))
    return np.asarray(matrix.T @ weights).ravel() / max(len(sums), 1)


def _unexplained(X: Any, mean: Array, components: Array, variance: Array) -> Array:
    """Variance of each gene, (g,), less that which uncorrelated components give it."""
    squares = X.multiply(X) if sparse.issparse(X) else np.square(X)
    total = np.asarray(squares.mean(0), dtype=np.float64).ravel() - mean**2
    return np.maximum(total - variance @ components**2, 0.0)


def _most_components(adata: Any, source: str, asked: int | None) -> int:
    """How many components cells and genes allow; refused where that is less than asked for."""
    most = int(min(adata.n_obs, adata.n_vars)) - 1
    if asked is not None and asked > most:
        raise ConfigError(
            f"`n_pcs={asked!r}`: {adata.n_obs} training cells and {adata.n_vars} genes allow "
            f"at most {most} components.",
            f"Use `n_pcs={most!r}` or fewer.",
        )
    if most < 1:
        raise DataError(f"{source} has too few cells or genes for a PCA.")
    X = adata.X.toarray() if sparse.issparse(adata.X) else adata.X
    if not np.ptp(X, axis=0).max() > 0:
        raise DataError(f"All cells of {source} have the same expression.")
    return most
