"""Export: results as AnnData, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellam.errors import ConfigError
from cellam.model import Model, Simulation
from cellam.storage import check_space, write_atomically, writing

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


def to_anndata(model: Model, simulation: Simulation, names: list[str], genes: list[str]) -> AnnData:
    """Simulated cells, one row for each cell and saved time.

    Parameters
    ----------
    model : Model
    simulation : Simulation
    names : list of str
        Names of all cells of the data.
    genes : list of str
        Genes to decode into `X`, on the scale of the PCA (log-normalised counts).

    Returns
    -------
    AnnData
        `obs`: cellam_time, origin (name of the starting cell), trajectory (number),
        weight (mass relative to the start; sums over a time are relative masses).
        `obsm`: the coordinates of the representation, under its key or "X_pca".
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
    X = (
        model.space.decode(model_coordinates, genes)
        if genes
        else np.zeros((T * N, 0), dtype=np.float32)
    )
    adata = anndata.AnnData(X, obs=obs, var=pd.DataFrame(index=genes))
    adata.obsm[model.space.rep or "X_pca"] = flat.astype(np.float32)
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
