"""Embedding: the fit of the coordinates in which the dynamics are learned.

A `Space` is fitted on the training days only: by PCA (`principal`), or on a given representation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellam.coordinates.batch_shift import Batches, BatchShift, read_batches
from cellam.coordinates.components import check_columns
from cellam.coordinates.principal import fit_pca
from cellam.coordinates.space import Space
from cellam.errors import DataError
from cellam.reading.cells import Cells

Array = NDArray[np.float64]

FARTHEST = 1e4  # in widths of the data; beyond, all other cells would fall together


def fit_space(cells: Cells, training: NDArray[np.bool_], **options: Any) -> Space:
    """As `fit_points`, for the space alone."""
    return fit_points(cells, training, **options)[0]


def fit_points(
    cells: Cells,
    training: NDArray[np.bool_],
    *,
    n_pcs: int | None = None,
    n_top_genes: int | None = None,
    whiten: bool = False,
    allow_confounded: bool = False,
    seed: int = 0,
) -> tuple[Space, Array]:
    """Fit a space on the cells marked in `training` (n,), corrected for their batches if asked.

    Returns
    -------
    Space and (n, p) array
        With the model coordinates of all cells, as `Space.embed` has them.

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
        fitted, everyone = _take_given(cells, training, batches, n_pcs)
    else:
        fitted, everyone = fit_pca(cells, training, batches, n_pcs, n_top_genes, seed)
    coordinates = everyone[training]
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
    space = Space(rep=cells.rep, centre=coordinates.mean(0), scale=scale, whitened=whiten, **fitted)
    return space, space.from_coordinates(everyone)


def _take_given(
    cells: Cells, training: NDArray[np.bool_], batches: Batches | None, n_pcs: int | None
) -> tuple[dict[str, Any], Array]:
    """What a `Space` holds of a given representation, and its coordinates (n, p)."""
    available = cells.matrix.shape[1]
    assert cells.rep is not None
    check_columns(available, cells.rep, n_pcs)
    coordinates = np.asarray(cells.matrix[:, : n_pcs or available], dtype=np.float64)
    none = np.zeros(0)
    fitted: dict[str, Any] = {
        "genes": (), "log": False, "library": 0.0, "counted": (), "mean": none,
        "components": np.zeros((0, 0)), "usual": None, "batches": None,
    }  # fmt: skip
    if batches is not None:
        found = BatchShift(batches.key, batches.levels, batches.shift(coordinates[training]))
        coordinates = coordinates - found.of_cells(found.codes(cells))
        fitted["batches"] = found
    return fitted, coordinates


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
