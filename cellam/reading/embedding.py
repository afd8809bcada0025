"""Embedding: from what was measured to the coordinates in which the dynamics are learned.

A `Space` is fitted on the training days only. Expression is normalised, logged and projected
by PCA (scanpy); a given representation is taken as it is. Model coordinates are centred and
divided by one number (the largest standard deviation), or by each standard deviation where
the space is whitened, so that one unit is about one standard deviation of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.devices import threads
from cellam.errors import ConfigError, DataError
from cellam.options import N_PCS, N_TOP_GENES, Kind
from cellam.reading.amounts import LARGEST_LOG, Matrix
from cellam.reading.batch_shift import LINK, Batches, BatchShift, read_batches
from cellam.reading.cells import Cells
from cellam.reading.components import confirmed
from cellam.reading.values import Form

Array = NDArray[np.float64]

PCA_CELLS = 10_000  # that tell kinds of cells apart
FARTHEST = 1e4  # in widths of the data; beyond, all other cells would fall together


@dataclass(frozen=True)
class Usual:
    """What is usual of the training cells: by it, cells that lack some genes are placed.

    Parameters
    ----------
    shares : (c,) array
        Mean share of each gene of `Space.counted` in the sum of a cell.
    variance : (p,) array
        Variance of each coordinate of the PCA.
    noise : (g,) array
        Variance of each gene of the PCA that the components do not explain.
    """

    shares: Array
    variance: Array
    noise: Array


@dataclass(frozen=True)
class Space:
    """Coordinates of cells, fitted on some of them.

    Parameters
    ----------
    rep : str or None
        Key of the given representation; None for our PCA.
    genes : tuple of str
        Genes of the PCA, found in other data by name.
    log : bool
        Whether log1p is applied before the PCA.
    library : float
        Counts a cell is normalised to; 0 where it is not normalised.
    counted : tuple of str
        Genes whose counts are summed for that; empty where cells are not normalised.
    mean : (g,) array
        Mean of the (log) expression over the training cells.
    components : (p, g) array
        Principal axes.
    centre, scale : (p,) arrays
        Model coordinates are (coordinates − centre)/scale.
    whitened : bool
        Whether every coordinate has its own scale.
    usual : Usual or None
        For cells that lack genes; None for a given representation, and in runs of cellam 0.1.
    batches : BatchShift or None
        What is taken off the cells of each batch; None where batches are not corrected.
    """

    rep: str | None
    genes: tuple[str, ...]
    log: bool
    library: float
    counted: tuple[str, ...]
    mean: Array
    components: Array
    centre: Array
    scale: Array
    whitened: bool
    usual: Usual | None = None
    batches: BatchShift | None = None

    @property
    def n_dims(self) -> int:
        """Number of coordinates p."""
        return len(self.centre)

    @property
    def unit(self) -> float:
        """What a distance in model coordinates is multiplied by to be reported."""
        return 1.0 if self.whitened else float(self.scale[0])

    @property
    def name(self) -> str:
        """Name of the coordinates: the key in `obsm`, or "pca"."""
        return self.rep or "pca"

    @property
    def kind(self) -> Kind | None:
        """What the values of the fit were treated as; None for a given representation."""
        if self.rep is not None:
            return None
        if self.log:
            return "counts" if self.library else "normalised"
        return "scaled" if self.mean.min() < 0 else "log"

    def takes(self, form: Form) -> bool:
        """Whether values of a form are treated as those of the fit were."""
        return form.logged == self.log and not (form.kind == "counts" and not self.library)

    def embed(self, cells: Cells) -> Array:
        """Model coordinates (n, p) of cells.

        Genes are found by name: their order does not matter, and others than those of the fit
        are left aside.

        Raises
        ------
        DataError
            If the cells have another representation, lack genes of the fit, or have values that
            cannot be logged.
        """
        self.check_representation(cells)
        if self.rep is not None:
            return self.from_coordinates(self.given(cells) - self.shift(cells))
        there = set(cells.genes)
        missing = [gene for gene in self.counted or self.genes if gene not in there]
        if missing:
            raise DataError(
                f"{cells.source} lacks {len(missing):,} of the "
                f"{len(self.counted or self.genes):,} genes of the fit, e.g. {missing[0]!r}.",
                "Use data with all genes of the fit, under the same names.",
            )
        X = self.prepared(cells, self.genes)
        coordinates = np.asarray(X @ self.components.T) - self.mean @ self.components.T
        return self.from_coordinates(coordinates - self.shift(cells, self.components))

    def shift(self, cells: Cells, loadings: Array | None = None) -> Array | float:
        """What is taken off each cell for its batch, (n, p); 0 where batches are not corrected.

        Cells of a batch that no training cell is of have no shift.

        Parameters
        ----------
        cells : Cells
        loadings : (p, g) array, optional
            From the genes of the PCA to coordinates.
        """
        if self.batches is None:
            return 0.0
        return self.batches.of_cells(self.batches.codes(cells), loadings)

    def check_representation(self, cells: Cells) -> None:
        """Refuse cells that were read as something else than those of the fit.

        Raises
        ------
        DataError
        """
        if cells.rep != self.rep or (self.rep and cells.matrix.shape[1] < self.n_dims):
            raise DataError(
                f"{cells.source} was read as {_described(cells.rep, cells.matrix.shape[1])}, and "
                f"the fit has {_described(self.rep, self.n_dims)}.",
                "Read the cells as for the fit (`use_rep`).",
            )

    def given(self, cells: Cells) -> Array:
        """Coordinates (n, p) of the given representation."""
        return np.asarray(cells.matrix[:, : self.n_dims], dtype=np.float64)

    def expression(self, cells: Cells, genes: Sequence[str]) -> Array:
        """Measured expression (n, len(genes)) of genes of the fit, on the scale of the PCA.

        Raises
        ------
        DataError
            As `prepared`.
        """
        X = self.prepared(cells, genes)
        return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)

    def prepared(self, cells: Cells, genes: Sequence[str]) -> Matrix:
        """The same (n, len(genes)) as a matrix of the kind that the cells have.

        Cells that lack some of the counted genes are brought to the share of the library that
        the others usually have.

        Raises
        ------
        DataError
            If the cells lack one of these genes, or have values that cannot be logged.
        """
        missing = sorted({*genes}.difference(cells.genes))
        if missing:
            raise DataError(
                f"{cells.source} lacks the gene {missing[0]!r}.",
                "Use data with that gene, under the same name.",
            )
        matrix, counted = self._counted(cells)
        adata = _prepared(matrix, counted, self._library(counted), self.log)
        where = {gene: k for k, gene in enumerate(adata.var_names)}
        return adata.X[:, [where[gene] for gene in genes]]

    def _library(self, counted: tuple[str, ...]) -> float:
        """What the sum of a cell over some of the counted genes is brought to."""
        if len(counted) == len(self.counted) or not self.library:
            return self.library
        assert self.usual is not None  # `placing` refuses cells that lack genes without it
        there = np.isin(self.counted, counted)
        return self.library * float(self.usual.shares[there].sum() / self.usual.shares.sum())

    def _counted(self, cells: Cells) -> tuple[Matrix, tuple[str, ...]]:
        """Expression of those genes of the fit that the cells have, and their names."""
        where = {gene: k for k, gene in enumerate(cells.genes)}
        wanted = tuple(gene for gene in self.counted or self.genes if gene in where)
        if cells.genes == wanted:
            matrix = cells.matrix
        else:
            matrix = cells.matrix[:, [where[gene] for gene in wanted]]
        assert cells.form is not None
        if not self.takes(cells.form):
            raise DataError(
                f"{cells.source} has {cells.form.describe()}, but the values of the fit were "
                f"{self.treatment}.",
                "Use values on the same scale as those of the fit, or state their scale with "
                "`values`.",
            )
        if self.log and matrix.min() < 0:
            raise DataError(
                f"{cells.source} has negative expression values, unlike the cells of the fit, so "
                "they cannot be logged in the same manner.",
                "Use expression on the same scale as for the fit.",
            )
        return matrix, wanted

    @property
    def treatment(self) -> str:
        """What was done to the values of the fit."""
        done = ["normalised"] * (self.library > 0) + ["logged"] * self.log
        return " and ".join(done) or "used as given"

    def from_coordinates(self, coordinates: Array) -> Array:
        """From the coordinates of the representation to those of the model, (…, p) -> (…, p)."""
        return (coordinates - self.centre) / self.scale

    def to_coordinates(self, x: Array) -> Array:
        """From model coordinates back to those of the representation, (…, p) -> (…, p)."""
        return x * self.scale + self.centre

    @property
    def farthest_shift(self) -> float:
        """Distance of the two batches farthest apart, in model coordinates; 0 without batches."""
        if self.batches is None:
            return 0.0
        shifts = self.batches.shifts @ self.components.T if self.genes else self.batches.shifts
        between = (shifts[:, None] - shifts[None]) / self.scale
        return float(np.linalg.norm(between, axis=-1).max())

    def decode(self, x: Array, genes: list[str], batch: str | None = None) -> NDArray[np.float32]:
        """Expression (n, len(genes)) on the scale of the PCA, from model coordinates (n, p).

        Where batches are corrected it is that of no batch (their mean over the training cells), or
        as it would be measured in `batch`.
        """
        where = {gene: k for k, gene in enumerate(self.genes)}
        chosen = [where[gene] for gene in genes]
        decoded = self.to_coordinates(x) @ self.components[:, chosen] + self.mean[chosen]
        if batch is not None and self.batches is not None:
            decoded = decoded + self.batches.shifts[self.batches.levels.index(batch), chosen]
        return decoded.astype(np.float32)


def fit_space(
    cells: Cells,
    training: NDArray[np.bool_],
    *,
    n_pcs: int | None = None,
    n_top_genes: int | None = None,
    whiten: bool = False,
    allow_confounded: bool = False,
    seed: int = 0,
) -> Space:
    """Fit a space on the cells marked in `training` (n,), corrected for their batches if asked.

    Raises
    ------
    ConfigError
        If more components are asked for than there can be.
    DataError
        If all coordinates or the expression are constant, or a few cells lie absurdly far out;
        and as `batch_shift.read_batches`.
    """
    batches = read_batches(cells, training, allow_confounded=allow_confounded)
    if cells.rep is not None:
        available = cells.matrix.shape[1]
        if n_pcs is not None and n_pcs > available:
            raise ConfigError(
                f"`n_pcs={n_pcs!r}`: obsm[{cells.rep!r}] has {available} columns.",
                f"Use `n_pcs={available!r}` or fewer.",
            )
        coordinates = np.asarray(cells.matrix[training, : n_pcs or available], dtype=np.float64)
        none = np.zeros(0)
        fitted: dict[str, Any] = {
            "genes": (), "log": False, "library": 0.0, "counted": (), "mean": none,
            "components": np.zeros((0, 0)), "usual": None, "batches": None,
        }  # fmt: skip
        if batches is not None:
            found = BatchShift(batches.key, batches.levels, batches.shift(coordinates))
            coordinates = coordinates - found.of_cells(batches.codes)
            fitted["batches"] = found
    else:
        fitted, coordinates = _fit_pca(cells, training, batches, n_pcs, n_top_genes, seed)
    sd = coordinates.std(0)
    if not sd.max() > 0:
        raise DataError(f"All cells of {cells.source} have the same coordinates.")
    _check_outliers(coordinates, sd, cells)
    if whiten and not sd.min() > 1e-6 * sd.max():
        flat = int((sd <= 1e-6 * sd.max()).sum())
        raise DataError(
            f"`whiten` divides by the standard deviation, and {flat} of {len(sd)} coordinates "
            "are constant.",
            "Leave out `whiten`, or use fewer components with `n_pcs`.",
        )
    scale = sd if whiten else np.full(len(sd), sd.max())
    return Space(rep=cells.rep, centre=coordinates.mean(0), scale=scale, whitened=whiten, **fitted)


def _check_outliers(coordinates: Array, sd: Array, cells: Cells) -> None:
    """Refuse a few cells so far out that the scale of the space would be theirs alone."""
    low, middle, high = np.quantile(coordinates, (0.1, 0.5, 0.9), axis=0)
    width = float((high - low).max())
    if not 0 < width * FARTHEST < sd.max():
        return
    far = (np.abs(coordinates - middle) > FARTHEST * width).any(1)
    raise DataError(
        f"{int(far.sum())} of the {len(far)} training cells of {cells.source} lie more than "
        f"{FARTHEST:,.0f} times as far from the centre as the others, up to "
        f"{np.abs(coordinates).max():.3g}.",
        "Remove those cells, or correct their values.",
    )


@threads(None)
def _fit_pca(
    cells: Cells,
    training: NDArray[np.bool_],
    batches: Batches | None,
    n_pcs: int | None,
    n_top_genes: int | None,
    seed: int,
) -> tuple[dict[str, Any], Array]:
    import scanpy as sc

    matrix = cells.matrix[training]
    assert cells.form is not None
    # The form is that of all days, which have to agree in it; how much is of the training days.
    log, library = cells.form.logged, cells.form.library(matrix)
    adata = _prepared(matrix, cells.genes, library, log)
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


def log_normalised(cells: Cells) -> Matrix:
    """Expression (n, g) of all genes, normalised to the median of the counts and logged.

    What was normalised or logged already is not so again, and scaled expression is left as it is.
    """
    assert cells.form is not None
    library = cells.form.library(cells.matrix)
    return _prepared(cells.matrix, cells.genes, library, cells.form.logged).X


def _described(rep: str | None, columns: int) -> str:
    return "expression" if rep is None else f"obsm[{rep!r}] with {columns} columns"


@threads(None)
def _prepared(matrix: Matrix, genes: tuple[str, ...], library: float, log: bool) -> Any:
    """A new AnnData, normalised and logged as the space says."""
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
