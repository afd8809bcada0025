"""Export: results as files for other programs, each written whole or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellam.analysis.transitions import Gap
from cellam.analysis.uncertainty import Followed, remoteness
from cellam.errors import ConfigError, OutputError
from cellam.modelling.model import Model, Simulation
from cellam.reading.sources import opened
from cellam.reading.time_labels import offer, variables
from cellam.storage import (
    UNFINISHED,
    check_space,
    move,
    sync_folder,
    write_atomically,
    writing,
)

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
            f"`genes={asked!r}`: {model.space.rep} cannot be turned back into genes.",
            "Use `genes='none'`, or fit without `use_rep`.",
        )
    if asked == "all":
        return list(model.space.genes)
    names = [name.strip() for name in asked.split(",") if name.strip()]
    missing = [name for name in names if name not in model.space.genes]
    if missing or not names:
        raise ConfigError(
            f"`genes={asked!r}`: {missing[0] if missing else 'no name'} is not among the "
            f"{variables(model.space.genes)} of the fit.",
            offer("".join(missing[:1]), model.space.genes, 5),
        )
    return list(dict.fromkeys(names))


def cell_table(
    model: Model, simulation: Simulation, names: list[str], followed: Followed | None = None
) -> pd.DataFrame:
    """Simulated cells, one row for each cell and saved time: `obs` of `to_anndata`.

    Parameters
    ----------
    model : Model
    simulation : Simulation
    names : list of str
        Names of all cells of the data.
    followed : Followed, optional
        How sure the simulation is, from `analysis.uncertainty.follow`.
    """
    T, N, p = simulation.points.shape
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
    flat = simulation.points.reshape(T * N, p)
    obs["remoteness"] = remoteness(model, model.space.from_coordinates(flat))
    obs["off_manifold"] = obs["remoteness"] > 1
    if followed is not None:
        low, high = followed.log_weights.interval()
        obs["weight_low"], obs["weight_high"] = np.exp(low.ravel()), np.exp(high.ravel())
        obs["position_sd"] = np.linalg.norm(followed.points.sd.reshape(T * N, p), axis=1)
    return obs


def to_anndata(
    model: Model,
    simulation: Simulation,
    names: list[str],
    genes: list[str],
    followed: Followed | None = None,
    obs: pd.DataFrame | None = None,
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
        How sure the simulation is, from `analysis.uncertainty.follow`.
    obs : pandas.DataFrame, optional
        From `cell_table`, if it is known already.

    Returns
    -------
    AnnData
        `obs`: cellam_time, origin (name of the starting cell), trajectory (number),
        weight (mass relative to the start; sums over a time are relative masses), remoteness
        (see `analysis.uncertainty.remoteness`) and off_manifold (whether it is above 1).
        `obsm`: the coordinates of the representation, under its key or "X_pca".
        With `followed` also `obs`: weight_low and weight_high (90 % interval) and
        position_sd (standard deviation of the position, in units of the coordinates), and
        `obsm`: the standard deviation of every coordinate, under the same key with "_sd".
    """
    import anndata

    T, N, p = simulation.points.shape
    flat = simulation.points.reshape(T * N, p)
    X = (
        model.space.decode(model.space.from_coordinates(flat), genes)
        if genes
        else np.zeros((T * N, 0), dtype=np.float32)
    )
    if obs is None:
        obs = cell_table(model, simulation, names, followed)
    adata = anndata.AnnData(X, obs=obs, var=pd.DataFrame(index=genes))
    rep = model.space.rep or "X_pca"
    adata.obsm[rep] = flat.astype(np.float32)
    if followed is not None:
        adata.obsm[f"{rep}_sd"] = followed.points.sd.reshape(T * N, p).astype(np.float32)
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


PARTS = ("X", "layers", "obs", "obsm", "obsp", "raw", "uns", "var", "varm", "varp")
COUPLING = re.compile(r"cellam_[^_]+_[^_]+\.h5ad")
TABLE = re.compile(r"(velocities|growth|fates|couplings|type_growth|type_fates)\.(csv|parquet)")
STORE = re.compile(r"zarr\.json|\.z(group|attrs|metadata)|" + "|".join(PARTS))


def read_all(data: Path) -> AnnData:
    """Read a whole .h5ad or .zarr, every element checked as for a fit (`reading.stores`)."""
    import anndata

    with opened(data) as source:
        parts = {name: source.element(name) for name in PARTS}
    raw = parts.pop("raw")
    if raw is not None:
        parts["raw"] = {"X": raw.X, "var": raw.var, "varm": dict(raw.varm)}
    return anndata.AnnData(**{name: part for name, part in parts.items() if part is not None})


def write_anndata(adata: AnnData, path: Path) -> None:
    """Write an .h5ad file or a .zarr store, by the suffix; what is there is replaced."""
    if path.suffix == ".h5ad":
        write_h5ad(adata, path)
        return
    import anndata

    with (
        new_folder(path, STORE) as new,
        anndata.settings.override(zarr_write_format=2),
        warnings.catch_warnings(),
    ):
        # Format 2 is meant: it is also read by the scanpy of those who have not updated.
        warnings.filterwarnings("ignore", message="Writing zarr v2", category=UserWarning)
        adata.write_zarr(new)


def write_couplings(folder: Path, model: Model, names: pd.Index[Any], gaps: Iterable[Gap]) -> None:
    """Write couplings as Waddington-OT does: one file `cellam_<time>_<time>.h5ad` for each gap.

    Rows are the cells of the earlier day and columns those of the later; `obs["growth"]` is the
    factor by which a cell grows over the gap.
    """
    import anndata

    days = model.snapshots
    with new_folder(folder, COUPLING) as new:
        for gap in gaps:
            adata = anndata.AnnData(
                gap.matrix,
                obs=pd.DataFrame({"growth": gap.growth}, index=names[days.rows[gap.start]]),
                var=pd.DataFrame(index=names[days.rows[gap.stop]]),
            )
            start, stop = (float(days.times[k]) for k in (gap.start, gap.stop))
            write_h5ad(adata, new / f"cellam_{start!r}_{stop!r}.h5ad")


def write_tables(folder: Path, tables: Iterable[tuple[str, pd.DataFrame]]) -> dict[str, int]:
    """Write tables by name, as CSV and as Parquet; their numbers of rows."""
    rows = {}
    with new_folder(folder, TABLE) as new:
        for name, frame in tables:
            frame.to_csv(new / f"{name}.csv", index=False)
            frame.to_parquet(new / f"{name}.parquet", index=False)
            rows[name] = len(frame)
    return rows


def check_output(path: Path, *, option: str, overwrite: bool, ours: re.Pattern[str] | None) -> None:
    """Refuse to write where something is already, unless it is ours and may be replaced.

    Parameters
    ----------
    path : pathlib.Path
    option : str
        What the user gave it with, e.g. "into".
    overwrite : bool
        Whether what is there may be replaced.
    ours : re.Pattern or None
        What the names in a folder of ours look like; None for a file.

    Raises
    ------
    OutputError
    """
    if not path.exists():
        return
    if path.is_dir() != (ours is not None):
        what = "a file" if ours is not None else "a folder"
        raise OutputError(f"`{option}`: {path} is {what}.", "Choose another name.")
    if not overwrite and (ours is None or any(path.iterdir())):
        raise OutputError(
            f"{path} exists already.", "Choose another name, or add `overwrite=True`."
        )
    if ours is not None:
        foreign = sorted(p.name for p in path.iterdir() if not ours.fullmatch(p.name))
        if foreign:
            raise OutputError(
                f"{path} holds {foreign[0]!r}, which was not written by cellam; a folder is only "
                "replaced as a whole.",
                "Choose another name.",
            )


@contextmanager
def new_folder(path: Path, ours: re.Pattern[str]) -> Iterator[Path]:
    """Yield an empty folder beside `path` to write into; at the end it takes that place.

    Raises
    ------
    OutputError
        If it cannot be written, or would replace what is not ours.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(UNFINISHED, ".", path.parent))
        try:
            new.chmod(0o755)
            yield new
            for folder in (new, *(p for p in new.rglob("*") if p.is_dir())):
                sync_folder(folder)
            check_output(path, option="The folder", overwrite=True, ours=ours)
            move(new, path)
        finally:
            shutil.rmtree(new, ignore_errors=True)
