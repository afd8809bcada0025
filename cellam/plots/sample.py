"""Sample: the cells that a map draws. Of very many, some stand for all, and the figure says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellam.dynamics.nearest import stand_ins
from cellam.modelling.model import Model

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Sample:
    """A model and its data with only the cells that are drawn.

    Parameters
    ----------
    model : Model
    adata : AnnData or None
    places : (m,) int array
        Which cells they are, day by day, of all in the order of the model's snapshots.
    said : str
        How many of how many; empty where they are all.
    """

    model: Model
    adata: AnnData | None
    places: NDArray[np.int64]
    said: str = ""


def drawn_cells(model: Model, adata: AnnData | None = None, most: int | None = None) -> Sample:
    """The cells that stand for all (`dynamics.nearest`), as data of their own.

    Parameters
    ----------
    model : Model
    adata : AnnData, optional
        The data of the fit.
    most : int, optional
        Cells; as many as `dynamics.nearest` takes without it.
    """
    import anndata

    days = model.snapshots
    sizes = [len(x) for x in days.points]
    places = stand_ins(*sizes, most=most)
    if len(places) == days.n_cells or (adata is not None and adata.n_obs != days.n_cells):
        return Sample(model, adata, places)
    starts = np.cumsum([0, *sizes])
    of_day = np.split(places, np.searchsorted(places, starts[1:-1]))
    there = np.sort(days.data_rows[places])
    few = replace(
        days,
        points=tuple(x[k - a] for x, k, a in zip(days.points, of_day, starts, strict=False)),
        rows=tuple(np.searchsorted(there, days.data_rows[k]) for k in of_day),
        prior=None,
        velocities=None,
    )
    with anndata.settings.override(remove_unused_categories=False):  # each keeps its colour
        chosen = None if adata is None else adata[there].copy()
    said = f"{len(places):,} of {days.n_cells:,} cells"
    return Sample(replace(model, snapshots=few), chosen, places, said)
