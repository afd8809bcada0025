"""Principal components of the expression of the training cells, which are read in passes.

One pass for the mean and variance of all genes, by which the most variable are chosen, one for the
products of all pairs of these, and one for the coordinates. Genes and components are those that
scanpy finds in memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellam.coordinates.batch_shift import LINK, Batches, BatchShift
from cellam.coordinates.components import confirmed, most_components
from cellam.coordinates.dispersions import most_variable
from cellam.coordinates.gram import gram
from cellam.coordinates.space import Usual
from cellam.devices import threads
from cellam.errors import ConfigError, DataError
from cellam.files.memory import available_memory, show_bytes
from cellam.matrix.amounts import LARGEST_LOG
from cellam.matrix.moments import Moments, moments
from cellam.matrix.rows import Rows
from cellam.options import N_PCS, N_TOP_GENES
from cellam.reading.cells import Cells

Array = NDArray[np.float64]

PCA_CELLS = 10_000  # that tell kinds of cells apart
CENTRE = 200  # cells that tell about where the mean is
COPIES = 3  # of the cells, where they are held in memory
MOST_GENES = 5_000  # of which all pairs are multiplied; of more, the cells are held in memory


@threads(None)
def fit_pca(
    cells: Cells,
    training: NDArray[np.bool_],
    batches: Batches | None,
    n_pcs: int | None,
    n_top_genes: int | None,
    seed: int,
) -> tuple[dict[str, Any], Array]:
    """Fit the components: what a `Space` holds of them, and the coordinates (N, p) of all cells.

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
    assert cells.form is not None
    counts, log = cells.matrix[training], cells.form.logged
    # The form is that of all days, which have to agree in it; how much is of the training days.
    library = cells.form.library(counts)
    linear = counts.normalised(library, log=False)
    groups = None if batches is None else batches.codes
    found = moments(linear, groups, undo=None if log else _undone)
    chosen = _chosen(cells, found, n_top_genes, batched=batches is not None)
    everyone = cells.matrix.normalised(library, log=log).columns(chosen)
    X = everyone[training]
    most = most_components(X.shape, cells.source, n_pcs)
    shift = None
    if batches is not None:
        shift = BatchShift(batches.key, batches.levels, _gene_shift(X, batches))
        X = X.less(shift.shifts, batches.codes)
    axes = _axes(X, n_pcs or confirmed(X, min(N_PCS, most)), seed)
    if not axes.varies:
        raise DataError(f"All cells of {cells.source} have the same expression.")
    components = axes.components
    coordinates = everyone @ components.T - axes.mean @ components.T
    if shift is not None:
        coordinates -= shift.of_cells(shift.codes(cells), components)
    shares = found.sizes @ found.means / (found.sizes.sum() * library) if library else np.zeros(0)
    variance = coordinates[training].var(0)
    # What uncorrelated components do not explain of each gene.
    noise = np.maximum(axes.variances - variance @ components**2, 0.0)
    fitted = {
        "genes": tuple(cells.genes[k] for k in chosen),
        "log": log,
        "library": library,
        "counted": cells.genes if library else (),
        "mean": axes.mean,
        "components": components,
        "usual": Usual(shares, variance, noise),
        "batches": shift,
    }
    return fitted, coordinates


def _undone(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log values that were given, as they were before the log; of larger ones none is chosen by."""
    return np.expm1(np.minimum(values, np.float32(LARGEST_LOG)))


def _chosen(
    cells: Cells, found: Moments, n_top_genes: int | None, *, batched: bool
) -> NDArray[np.int64]:
    """The genes of the PCA: the most variable, within batches where these are corrected."""
    assert cells.form is not None
    largest = np.log1p(max(found.largest, 0.0)) if cells.form.logged else found.largest
    comparable = found.least >= 0 and largest <= LARGEST_LOG
    if n_top_genes is not None and not comparable:
        raise ConfigError(
            f"`n_top_genes={n_top_genes}`: the most variable genes are found from logged values, "
            f"but {cells.source} has {cells.form.describe()}.",
            "Leave it out to keep all genes, or use counts.",
        )
    n, g = n_top_genes or N_TOP_GENES, found.means.shape[1]
    if g <= n or not comparable:
        return np.arange(g)
    if batched:
        found = found.of_groups(found.sizes >= LINK)  # variances of fewer say nothing
    return np.flatnonzero(most_variable(found, n))


def _gene_shift(X: Rows, batches: Batches) -> Array:
    """Shift of each batch in each gene, (B, g); kinds of cells are told apart by a PCA."""
    import scanpy as sc

    few = np.random.default_rng(0).permutation(X.shape[0])[:PCA_CELLS]
    values = X[np.sort(few)].toarray()
    fitted = sc.pp.pca(values, n_comps=min(N_PCS, *(k - 1 for k in values.shape)),
                       random_state=0, return_info=True)  # fmt: skip
    return batches.shift(X, np.asarray(fitted[1], dtype=np.float64))


class _Axes(NamedTuple):
    """Mean (g,) and variance (g,) of genes, whether any varies, and the components (p, g)."""

    mean: Array
    variances: Array
    varies: bool
    components: Array


def _axes(X: Rows, n: int, seed: int) -> _Axes:
    """The first n principal axes of cells (N, g)."""
    if X.shape[1] > MOST_GENES:
        return _axes_in_memory(X, n, seed)
    few = X[np.unique(np.linspace(0, X.shape[0] - 1, CENTRE).astype(np.int64))]
    found = gram(X, moments(few).means[0])
    return _Axes(found.mean, found.covariance.diagonal(), found.varies, found.components(n))


def _axes_in_memory(X: Rows, n: int, seed: int) -> _Axes:
    """The same (scanpy), where the products of all pairs of genes would be too many."""
    import anndata
    import scanpy as sc

    needed, available = COPIES * 4 * X.shape[0] * X.shape[1], available_memory()
    if needed > available:
        raise DataError(
            f"A PCA of {X.shape[0]:,} cells × {X.shape[1]:,} genes takes {show_bytes(needed)} of "
            f"memory, and {show_bytes(available)} are free.",
            "Use counts, log values, or fewer genes: the most variable are found from these.",
        )
    adata = anndata.AnnData(X.read())
    found = moments(X)
    sc.pp.pca(adata, n_comps=n, random_state=seed)
    components = np.asarray(adata.varm["PCs"].T, dtype=np.float64)
    variances = found.variances[0]
    return _Axes(found.means[0], variances, bool(variances.max() > 0), components)
