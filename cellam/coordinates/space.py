"""Space: the coordinates of cells, and the ways from what was measured to them and back.

Expression is normalised, logged and projected on the components; a given representation is taken
as it is. Model coordinates are centred and divided by one number (the largest standard deviation),
or by each standard deviation where the space is whitened, so that one unit is about one standard
deviation of the data. How a space is fitted is told in `embedding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellam.coordinates.batch_shift import BatchShift
from cellam.errors import DataError
from cellam.matrix.rows import Rows
from cellam.matrix.values import Form
from cellam.options import Kind
from cellam.reading.cells import Cells

Array = NDArray[np.float64]


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
        coordinates = X @ self.components.T - self.mean @ self.components.T
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

    def velocities(self, cells: Cells, training: NDArray[np.bool_]) -> Array | None:
        """Velocities (n, p) of cells in model coordinates; None where none are known.

        Those of other cells than the training cells, (n,) bool, are 0, so nothing of their days is
        in a fit. What a batch correction takes off the coordinates is the same at all times, so a
        velocity has none of it.
        """
        if cells.velocity is None:
            return None
        v = cells.velocity[:, : self.n_dims] * training[:, None]
        return np.asarray(v / self.scale, dtype=np.float64)

    def expression(self, cells: Cells, genes: Sequence[str]) -> Array:
        """Measured expression (n, len(genes)) of genes of the fit, on the scale of the PCA.

        Raises
        ------
        DataError
            As `prepared`.
        """
        return self.prepared(cells, genes).toarray().astype(np.float64)

    def prepared(self, cells: Cells, genes: Sequence[str]) -> Rows:
        """The same (n, len(genes)), not yet read.

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
        rows, counted = self._counted(cells)
        where = {gene: k for k, gene in enumerate(counted)}
        made = rows.normalised(self._library(counted), log=self.log)
        return made.columns([where[gene] for gene in genes])

    def _library(self, counted: tuple[str, ...]) -> float:
        """What the sum of a cell over some of the counted genes is brought to."""
        if len(counted) == len(self.counted) or not self.library:
            return self.library
        assert self.usual is not None  # `placing` refuses cells that lack genes without it
        there = np.isin(self.counted, counted)
        return self.library * float(self.usual.shares[there].sum() / self.usual.shares.sum())

    def _counted(self, cells: Cells) -> tuple[Rows, tuple[str, ...]]:
        """Expression of those genes of the fit that the cells have, and their names."""
        where = {gene: k for k, gene in enumerate(cells.genes)}
        wanted = tuple(gene for gene in self.counted or self.genes if gene in where)
        assert cells.form is not None
        if not self.takes(cells.form):
            raise DataError(
                f"{cells.source} has {cells.form.describe()}, but the values of the fit were "
                f"{self.treatment}.",
                "Use values on the same scale as those of the fit, or state their scale with "
                "`values`.",
            )
        return cells.matrix.columns([where[gene] for gene in wanted]), wanted

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


def _described(rep: str | None, columns: int) -> str:
    return "expression" if rep is None else f"obsm[{rep!r}] with {columns} columns"
