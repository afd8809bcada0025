"""Placing: where cells that were not in the fit lie in its coordinates.

Their genes are found by name. Counts are normalised as for the fit: over the genes that the fit
counted and these cells have, to the share of the library that these genes usually hold, so that a
file with half of the genes is not taken for one of half the depth. A gene of the PCA that is not
there has the value that the others let expect by the components (the factor model of Tipping and
Bishop 1999, with a noise for each gene), which is its mean where they say nothing of it:

    z = C₊ r + C₋ C₋ᵀ V C₊ Ψ₊⁻¹ r,   V = (Λ⁻¹ + C₊ Ψ₊⁻¹ C₊ᵀ)⁻¹,

with r the centred expression of the genes that are there (+), C the components, Ψ the noise of
genes and Λ the variance of coordinates less the noise. Means alone would draw cells to the centre:
of half of the genes of klein, to 0.46 of their coordinates, and so to 0.98. The error that is
expected, tr(C₋C₋ᵀ V C₋C₋ᵀ + C₋Ψ₋C₋ᵀ), is known before: on four data sets, for a tenth to nine
tenths of the genes, it was 0.5 to 1.0 of the error that was made. Above a tenth of the variance of
the cells (`MOST`) they are refused: the error is then as large as the distance to the nearest
cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.coordinates.space import Space, Usual
from cellam.days.time_labels import count_cells, list_labels
from cellam.display import enumerated
from cellam.errors import DataError
from cellam.matrix.moments import moments
from cellam.matrix.rows import Rows
from cellam.reading.cells import Cells

Array = NDArray[np.float64]

MOST = 0.1  # expected squared error of the coordinates, as a share of their variance
OFF_SCALE = (
    2.0  # ratio of mean expression to that of the fit; of types of cells it was 0.67 to 1.56
)
ANEW = 0.01  # standard deviations: means of genes that were scaled anew are nearer to zero
ENOUGH = 50  # cells to tell that by


@dataclass(frozen=True)
class Placed:
    """Cells in the coordinates of a fit.

    Parameters
    ----------
    points : (n, p) array
        Model coordinates.
    notes : tuple of str
        What was assumed for it, and which genes were not there.
    """

    points: Array
    notes: tuple[str, ...] = ()


def place(space: Space, cells: Cells, *, new_batch: bool = False) -> Placed:
    """Place cells that were not in the fit; those of the fit lie where they were.

    Parameters
    ----------
    space : Space
    cells : Cells
        Read as those of the fit were.
    new_batch : bool
        Place cells of batches that the fit does not know without a shift, rather than refuse them.

    Raises
    ------
    DataError
        If they have another representation or other values, or lack too many genes.
    """
    space.check_representation(cells)
    said = _check_batches(space, cells, new_batch=new_batch)
    if space.rep is not None:
        return Placed(space.embed(cells), (_taken_as_given(space, cells), *said))
    there = set(cells.genes)
    has = np.array([gene in there for gene in space.genes])
    missing = [gene for gene in space.counted or space.genes if gene not in there]
    if missing and (space.usual is None or not has.any()):
        raise _lacking(space, cells, missing)
    _check_form(space, cells)
    _check_depth(space, cells)
    X = space.prepared(cells, [g for g, known in zip(space.genes, has, strict=True) if known])
    _check_scale(space, cells, X, space.mean[has])
    if not missing:
        return Placed(space.embed(cells), said)
    assert space.usual is not None
    completed = _complete(space, space.usual, has)
    if completed.error > MOST:
        raise _lacking(space, cells, missing, f" ({completed.said})")
    loadings = completed.loadings
    coordinates = X @ loadings.T - space.mean[has] @ loadings.T
    if space.batches is not None:
        of_these = replace(space.batches, shifts=space.batches.shifts[:, has])
        coordinates -= of_these.of_cells(of_these.codes(cells), loadings)
    note = f"{_what_lacks(space, cells, missing)}: {completed.said}"
    return Placed(space.from_coordinates(coordinates), (note, *said))


@dataclass(frozen=True)
class _Completed:
    """Coordinates without some genes.

    Parameters
    ----------
    loadings : (p, k) array
        From the centred expression of the genes that are there to the coordinates.
    error : float
        Their expected squared error, as a share of the variance of the coordinates.
    said : str
        Which genes are not there, and what that does.
    """

    loadings: Array
    error: float
    said: str


def _complete(space: Space, usual: Usual, has: NDArray[np.bool_]) -> _Completed:
    if has.all():
        return _Completed(space.components, 0.0, "none of the PCA, so nothing is lost")
    noise = np.maximum(usual.noise, 1e-9 * float(usual.noise.max()) + 1e-12)
    ours, others = space.components[:, has], space.components[:, ~has]
    signal = np.maximum(usual.variance - space.components**2 @ noise, 1e-3 * usual.variance)
    weighed = ours / noise[has]
    V = np.linalg.inv(np.diag(1 / np.maximum(signal, 1e-12)) + weighed @ ours.T)
    lost = others @ others.T
    squared = np.trace(lost @ V @ lost) + (others**2 @ noise[~has]).sum()
    error = float(squared / usual.variance.sum())
    carried = usual.variance @ space.components**2  # variance of each decoded gene
    said = (
        f"{int((~has).sum()):,} of {len(has):,} of the PCA, with "
        f"{100 * carried[~has].sum() / carried.sum():.0f} % of its variance. Their values are "
        "inferred from the other genes (their means where these do not tell); the expected error "
        f"is {100 * error:.1f} % of the variance of the cells"
    )
    return _Completed(ours + lost @ V @ weighed, error, said)


def _what_lacks(space: Space, cells: Cells, missing: list[str]) -> str:
    total = len(space.counted or space.genes)
    return (
        f"{cells.source} lacks {len(missing):,} of the {total:,} genes of the fit, e.g. "
        f"{missing[0]!r}"
    )


def _lacking(space: Space, cells: Cells, missing: list[str], said: str = "") -> DataError:
    hint = f"Use data with more of them, under the same names: {100 * MOST:.0f} % is accepted."
    if space.usual is None:
        hint = (
            "This run was written by a version of cellam whose runs take cells with all of their "
            "genes only: fit again, or use data with these genes."
        )
    named = enumerated(list(cells.genes), 3)
    return DataError(
        f"{_what_lacks(space, cells, missing)}{said}.", f"{hint} Genes of this file: {named}."
    )


def _check_batches(space: Space, cells: Cells, *, new_batch: bool) -> tuple[str, ...]:
    """Refuse cells of batches that the fit does not know, or say that they are not shifted."""
    unknown = {} if space.batches is None else space.batches.unknown(cells)
    if not unknown:
        return ()
    assert space.batches is not None
    found = f"obs[{space.batches.key!r}] of {cells.source} has batches that the fit does not know"
    if new_batch:
        return (f"{found}: {list_labels(unknown)}. These cells are not shifted",)
    raise DataError(
        f"{found}: {list_labels(unknown)}.",
        f"Batches of the fit: {', '.join(space.batches.levels)}. Use `new_batch=True` to take "
        "such cells without a shift, or fit again with cells of this batch.",
    )


def _check_form(space: Space, cells: Cells) -> None:
    """Refuse values of another kind than those of the fit."""
    assert cells.form is not None
    if not space.takes(cells.form):
        usual = {"normalised and logged": "counts", "logged": "normalised values"}
        wanted = usual.get(space.treatment, "log values, or scaled ones,")
        raise DataError(
            f"{cells.source} has {cells.form.describe()}, but the values of the fit were "
            f"{space.treatment}.",
            f"Save the new cells with {wanted} where the fit had them, e.g. in Python: "
            "adata.X = adata.layers['counts'].",
        )


def _check_depth(space: Space, cells: Cells) -> None:
    """Refuse cells that have nothing to be normalised."""
    if not space.library:
        return
    place = {gene: k for k, gene in enumerate(cells.genes)}
    sums = cells.matrix.columns([place[g] for g in space.counted if g in place]).sums()
    empty = int((sums <= 0).sum())
    if empty:
        raise DataError(
            f"{count_cells(empty)} of {cells.source} {'has' if empty == 1 else 'have'} no counts "
            "in the genes of the fit.",
            "Remove those cells.",
        )


def _check_scale(space: Space, cells: Cells, X: Rows, usual: Array) -> None:
    """Refuse values X (n, k) that are not on the scale of the fit, whose means are `usual`."""
    if space.library:  # they are brought to it
        return
    found = moments(X)
    mean = found.means[0]
    if cells.kind == "scaled":
        anew = np.abs(mean) < ANEW * np.sqrt(found.variances[0])
        if len(cells) >= ENOUGH and anew.mean() > 0.5:
            raise DataError(
                f"{cells.source} has scaled values whose means over its own cells are zero, so it "
                "was scaled by itself; the values of the fit were scaled with other cells.",
                "Fit on counts or log values, and use these here, or scale all cells together.",
            )
        return
    ratio = float(mean @ usual) / max(float(usual @ usual), 1e-12)
    if not 1 / OFF_SCALE < ratio < OFF_SCALE:
        assert cells.form is not None
        raise DataError(
            f"{cells.source} ({cells.form.describe()}) is not on the scale of the fit: expression "
            f"is {ratio:.2g} times that of the training cells, over {len(mean):,} genes.",
            "Normalise and log the new cells as those of the fit were, or fit on counts and use "
            "counts here.",
        )


def _taken_as_given(space: Space, cells: Cells) -> str:
    return (
        f"obsm[{space.rep!r}] of {cells.source} is taken to be in the coordinates of the fit. "
        "Coordinates that were computed from these cells alone are others, and give wrong results"
    )
