"""Projection: cells and velocities of a model in the two coordinates of a figure.

The model's own coordinates are drawn as they are: positions and velocities are linear in them,
and a figure shows their first two. Any other basis, such as a UMAP, has no formula that takes
the model's space to it. There a simulated cell is put among the observed cells that it is
nearest to, and a velocity becomes the mean direction towards the neighbours that it points to
[1]_ [2]_: lengths then say how well neighbours agree, and no longer how fast cells move.

References
----------
.. [1] La Manno et al., RNA velocity of single cells, Nature 560, 494–498 (2018).
.. [2] Bergen, Lange, Peidli, Wolf and Theis, Generalizing RNA velocity to transient cell states
   through dynamical modeling, Nat. Biotechnol. 38, 1408–1414 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import offer
from cellam.dynamics.nearest import nearest, nearest_others, stand_ins
from cellam.errors import ConfigError, DataError
from cellam.modelling.model import Model
from cellam.modelling.observed import velocities

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

NEIGHBOURS = 30  # of a cell, to read the direction of its velocity from
NEAREST = 30  # observed cells that say where a simulated one is drawn
SHARPNESS = 10.0  # 1/σ² of the transition weights, as in scVelo
OWN = "pca"  # name of the model's own coordinates, besides the key of its representation


@dataclass(frozen=True)
class Basis:
    """Two coordinates to draw a model in.

    Parameters
    ----------
    name : str
        Key in `obsm`, or "pca" for the model's own PCA.
    xy : (n, 2) array
        All cells, day by day, in the order of the model's snapshots.
    own : bool
        Whether they are the first two of the model's own coordinates.
    """

    name: str
    xy: Array
    own: bool

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the two axes, in scanpy's manner: PC1, UMAP2."""
        plain = self.name.removeprefix("X_")
        stem = "PC" if plain == "pca" else plain.upper() if len(plain) < 5 else f"{plain} "
        return f"{stem}1", f"{stem}2"

    def place(self, model: Model, x: Array) -> Array:
        """Where model coordinates x (n, p) are drawn: (n, 2)."""
        if self.own:
            return model.space.to_coordinates(x)[:, :2]
        days = model.snapshots.points
        searched = stand_ins(*map(len, days))
        distance, near = nearest(x, np.concatenate(days)[searched], NEAREST)
        w = 1 / np.maximum(distance, 1e-9)
        return np.asarray((w[..., None] * self.xy[searched][near]).sum(1) / w.sum(1)[:, None])

    def velocity(self, model: Model) -> Array:
        """Velocity of every cell on its own day, as it is drawn: (n, 2), in the order of `xy`."""
        v = velocities(model)
        if self.own:
            return (v * model.space.scale)[:, :2]
        return project(np.concatenate(model.snapshots.points), v, self.xy)


def project(x: Array, v: Array, xy: Array, *, neighbours: int = NEIGHBOURS) -> Array:
    """Show velocities in another basis, by the neighbours that they point to.

    Cell i moves towards its neighbour j with the weight πᵢⱼ ∝ exp(cos∠(xⱼ − xᵢ, vᵢ)/σ²), and
    its velocity in the basis is Σⱼ (πᵢⱼ − 1/k) dᵢⱼ, with the unit vectors dᵢⱼ of the basis:
    taking off the mean keeps a cell at a border from pointing inwards. ([2]_, section
    "Projection of velocities into the embedding".)

    Parameters
    ----------
    x, v : (n, p) arrays
        Positions and velocities.
    xy : (n, 2) array
        The cells in the basis.
    neighbours : int
        k, at most n − 1; of very many cells, among those that stand for all (`nearest`).

    Returns
    -------
    (n, 2) array
        Without a unit: its length is below 2, and small where neighbours disagree.
    """
    near = nearest_others(x, neighbours)
    k = near.shape[1]
    projected = np.empty((len(x), 2))
    for rows in np.array_split(np.arange(len(x)), -(-len(x) // 4_096)):
        towards = x[near[rows]] - x[rows, None]  # (b, k, p)
        cosine = np.einsum("bkp,bp->bk", _unit(towards), _unit(v[rows]))
        weight = np.exp(SHARPNESS * (cosine - cosine.max(1, keepdims=True)))
        weight /= weight.sum(1, keepdims=True)
        shown = _unit(xy[near[rows]] - xy[rows, None])  # (b, k, 2)
        projected[rows] = np.einsum("bk,bkc->bc", weight - 1 / k, shown)
    return projected


def find_basis(model: Model, adata: AnnData | None = None, basis: str | None = None) -> Basis:
    """Resolve the name of a basis.

    Parameters
    ----------
    model : Model
    adata : AnnData, optional
        The data of the fit, for any basis but the model's own.
    basis : str, optional
        "pca" or the key of the model's representation: its own coordinates; else a key of
        `obsm`, with or without "X_". By default X_umap where the data have one, else its own,
        or if the model has one coordinate, the first other key.

    Raises
    ------
    ConfigError
        If there is no such basis; the hint lists those there are.
    DataError
        If the data have another number of cells than the model, or no place for some of them.
    """
    space = model.space
    keys = drawable(adata) if adata is not None else []
    if adata is not None:
        check_size(model, adata)
    own = {OWN} if space.rep is None else {space.rep, space.rep.removeprefix("X_")}
    others = [key for key in keys if key not in own]
    preferred = others if space.n_dims < 2 else []  # to coordinates that make no map
    default = "X_umap" if "X_umap" in keys else next(iter(preferred), min(own, key=len))
    asked = basis or default
    if asked in own:
        if space.n_dims < 2:
            raise ConfigError(
                f"The run has {space.n_dims} coordinate, and a figure needs two.",
                f"Use `basis` with one of: {', '.join(others)}." if others else "",
            )
        points = np.concatenate(model.snapshots.points)
        return Basis(space.name, space.to_coordinates(points)[:, :2], own=True)
    key = next((k for k in (asked, f"X_{asked}") if k in keys), None)
    if adata is None or key is None:
        raise ConfigError(f"There is no basis {asked!r}.", offer(asked, [min(own, key=len), *keys]))
    xy = np.asarray(adata.obsm[key], dtype=np.float64)[:, :2]
    lost = int((~np.isfinite(xy).all(1)).sum())
    if lost:
        raise DataError(f"obsm[{key!r}] has missing or infinite values in {lost} cells.")
    return Basis(key, xy[model.snapshots.data_rows], own=False)


def drawable(adata: AnnData) -> list[str]:
    """Keys of `obsm` that hold at least two columns of numbers."""
    return [
        key
        for key, value in adata.obsm.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] >= 2
    ]


def check_size(model: Model, adata: AnnData) -> None:
    """Refuse data that cannot be those of the fit."""
    if adata.n_obs != model.snapshots.n_cells:
        raise DataError(
            f"The data have {adata.n_obs:,} cells, but the data of the fit had "
            f"{model.snapshots.n_cells:,}.",
            "Use the data of the fit.",
        )


def _unit(x: Any) -> Any:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
