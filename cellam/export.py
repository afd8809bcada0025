"""Export: results as AnnData, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellam.errors import ConfigError
from cellam.model import Model, Simulation
from cellam.storage import check_space, write_atomically, writing
from cellam.uncertainty import Followed, remoteness

if TYPE_CHECKING:
    from anndata import AnnData


def genes_of(model: Model, asked: str) -> list[str]:
    """The genes to decode: "all", "none", or names with commas between them.

    Raises
    ------
    ConfigError
        If the space is a given representation, or a gene is not part of it.
    """
    if asked == "none":
        return []
    if model.space.rep is not None:
        raise ConfigError(
            f"--genes {asked}: coordinates of {model.space.rep} cannot be turned back into genes.",
            "Use --genes none, or fit without --use-rep.",
        )
    if asked == "all":
        return list(model.space.genes)
    names = [name.strip() for name in asked.split(",") if name.strip()]
    missing = [name for name in names if name not in model.space.genes]
    if missing or not names:
        raise ConfigError(
            f"--genes {asked}: {missing[0] if missing else 'no name'} is not among the "
            f"{len(model.space.genes)} genes of the fit.",
            f"They are, for example: {', '.join(model.space.genes[:5])}.",
        )
    return list(dict.fromkeys(names))


def to_anndata(
    model: Model,
    simulation: Simulation,
    names: list[str],
    genes: list[str],
    followed: Followed | None = None,
) -> AnnData:
    """Simulated cells, one row for each cell and saved time.

    Parameters
    ----------
    model : Model
    simulation : Simulation
    names : list of str
        Names of all cells of the data.
    genes : list of str
        Genes to decode into `X`, on the scale of the PCA (log-normalised counts).
    followed : Followed, optional
        How sure the simulation is, from `cellam.uncertainty.follow`.

    Returns
    -------
    AnnData
        `obs`: cellam_time, origin (name of the starting cell), trajectory (number),
        weight (mass relative to the start; sums over a time are relative masses), remoteness
        (see `cellam.uncertainty.remoteness`) and off_manifold (whether it is above 1).
        `obsm`: the coordinates of the representation, under its key or "X_pca".
        With `followed` also `obs`: weight_low and weight_high (90 % interval) and
        position_sd (standard deviation of the position, in units of the coordinates), and
        `obsm`: the standard deviation of every coordinate, under the same key with "_sd".
    """
    import anndata

    T, N, p = simulation.points.shape
    flat = simulation.points.reshape(T * N, p)
    trajectory = np.tile(np.arange(N), T)
    time = np.repeat(simulation.times, N)
    obs = pd.DataFrame(
        {
            "cellam_time": time,
            "origin": pd.Categorical([names[row] for row in simulation.rows[trajectory]]),
            "trajectory": trajectory,
            "weight": np.exp(simulation.log_weights.ravel()),
        },
        index=[f"cell{k}_t{t:.10g}" for t, k in zip(time, trajectory, strict=True)],
    )
    model_coordinates = (flat - model.space.centre) / model.space.scale
    obs["remoteness"] = remoteness(model, model_coordinates)
    obs["off_manifold"] = obs["remoteness"] > 1
    X = (
        model.space.decode(model_coordinates, genes)
        if genes
        else np.zeros((T * N, 0), dtype=np.float32)
    )
    adata = anndata.AnnData(X, obs=obs, var=pd.DataFrame(index=genes))
    rep = model.space.rep or "X_pca"
    adata.obsm[rep] = flat.astype(np.float32)
    if followed is not None:
        low, high = followed.log_weights.interval()
        adata.obs["weight_low"], adata.obs["weight_high"] = (
            np.exp(low.ravel()),
            np.exp(high.ravel()),
        )
        sd = followed.points.sd.reshape(T * N, p)
        adata.obs["position_sd"] = np.linalg.norm(sd, axis=1)
        adata.obsm[f"{rep}_sd"] = sd.astype(np.float32)
    return adata


def write_h5ad(adata: AnnData, path: Path) -> None:
    """Write a file whole or not at all.

    It is made in memory first: HDF5 can end the process where a disk is full.
    """
    import h5py
    from anndata.io import write_elem

    with h5py.File("new", "w", driver="core", backing_store=False) as file:
        write_elem(file, "/", adata, dataset_kwargs={"compression": "gzip"})
        file.flush()
        content = file.id.get_file_image()
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_space(path.parent, len(content))
        write_atomically(path, content)
