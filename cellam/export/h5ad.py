"""Export: results as files for other programs, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.genes import find_gene
from cellam.analysis.transitions import Gap
from cellam.analysis.uncertainty import Followed
from cellam.days.time_labels import offer, variables
from cellam.errors import ConfigError
from cellam.export.folders import COUPLING, TABLE, new_folder
from cellam.export.stores import Blocks, write_h5ad
from cellam.modelling.families import Families, Moved
from cellam.modelling.model import Model

if TYPE_CHECKING:
    from anndata import AnnData


def genes_of(model: Model, asked: str) -> list[str]:
    """The genes to decode: "all", "none", or names with commas between them, in any case.

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
    if not names:
        raise ConfigError(
            f"`genes={asked!r}`: no name is among the {variables(model.space.genes)} of the fit.",
            offer("", model.space.genes, 5),
        )
    return list(dict.fromkeys(find_gene(name, model.space.genes) for name in names))


def cell_table(
    model: Model, moved: Moved, names: list[str], followed: Followed | None = None
) -> pd.DataFrame:
    """Simulated cells, one row for each cell and saved time: `obs` of `to_anndata`.

    Parameters
    ----------
    model : Model
    moved : Simulation or Families
    names : list of str
        Names of all cells of the data.
    followed : Followed, optional
        How sure the simulation is, from `analysis.uncertainty.follow`.
    """
    founder, time = moved.founder, moved.times[moved.when]
    families = moved if isinstance(moved, Families) else None
    number = founder if families is None else families.cell
    obs = pd.DataFrame(
        {
            "cellam_time": time,
            "origin": _origins(moved, founder, names),
            "trajectory": founder,
            "weight": moved.weights,
        },
        index=[f"cell{k}_t{t:.10g}" for t, k in zip(time, number, strict=True)],
    )
    if families is not None:
        tree = tree_table(families, names).drop(columns=["origin", "trajectory"])
        obs = obs.join(tree.iloc[number].set_axis(obs.index))
    obs["remoteness"] = model.support.remoteness(model.space.from_coordinates(moved.positions))
    obs["off_manifold"] = obs["remoteness"] > 1
    if followed is not None:
        low, high = followed.log_weights.interval()
        obs["weight_low"], obs["weight_high"] = np.exp(low.ravel()), np.exp(high.ravel())
        obs["position_sd"] = _by_rows(np.linalg.norm(followed.points.sd, axis=-1)[..., None])[:, 0]
    return obs


def tree_table(families: Families, names: list[str]) -> pd.DataFrame:
    """Every cell that ever lived, one row each: cell, parent, origin, trajectory, generation, born,
    ended (missing where it lives at the end) and ending (divides, dies or lives).

    Parameters
    ----------
    families : Families
    names : list of str
        Names of all cells of the data.
    """
    tree = families.tree
    number = np.arange(len(tree))
    ending = np.where(tree.divided, "divides", np.where(tree.died, "dies", "lives"))
    return pd.DataFrame(
        {
            "cell": number,
            "parent": tree.parent,
            "origin": _origins(families, tree.founder, names),
            "trajectory": tree.founder,
            "generation": tree.generation,
            "born": tree.born,
            "ended": np.where(np.isfinite(tree.ended), tree.ended, np.nan),
            "ending": pd.Categorical(ending, ["divides", "dies", "lives"]),
        },
        index=[f"cell{k}" for k in number],
    )


def _origins(moved: Moved, founder: NDArray[np.int64], names: list[str]) -> pd.Categorical:
    """Names of the starting cells."""
    return pd.Categorical([names[row] for row in moved.rows[founder]])


def to_anndata(
    model: Model,
    moved: Moved,
    names: list[str],
    genes: list[str],
    followed: Followed | None = None,
    obs: pd.DataFrame | None = None,
) -> AnnData:
    """Simulated cells, one row for each cell and saved time.

    Parameters
    ----------
    model : Model
    moved : Simulation or Families
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
        (see `modelling.support`) and off_manifold (whether it is above 1); of
        families also what `tree_table` has of each cell.
        `obsm`: the coordinates of the representation, under its key or "X_pca".
        With `followed` also `obs`: weight_low and weight_high (90 % interval) and
        position_sd (standard deviation of the position, in units of the coordinates), and
        `obsm`: the standard deviation of every coordinate, under the same key with "_sd".
    """
    if obs is None:
        obs = cell_table(model, moved, names, followed)
    adata = _without_expression(model, moved, genes, followed, obs)
    adata.X = decoded(model, moved, genes).toarray()
    return adata


def write_simulation(
    path: Path,
    model: Model,
    moved: Moved,
    genes: list[str],
    followed: Followed | None,
    obs: pd.DataFrame,
    uns: dict[str, Any],
) -> None:
    """Write what `to_anndata` returns, with what goes into `uns`, and expression by blocks.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    adata = _without_expression(model, moved, genes, followed, obs)
    adata.uns.update(uns)
    write_h5ad(adata, path, decoded(model, moved, genes))


def decoded(model: Model, moved: Moved, genes: list[str]) -> Blocks:
    """Expression of simulated cells by rows, (R, g), worked out when it is asked for."""
    positions = moved.positions

    def rows(part: slice) -> NDArray[np.float32]:
        return model.space.decode(model.space.from_coordinates(positions[part]), genes)

    def none(part: slice) -> NDArray[np.float32]:
        return np.zeros((part.stop - part.start, 0), dtype=np.float32)

    return Blocks((len(positions), len(genes)), rows if genes else none)


def _without_expression(
    model: Model,
    moved: Moved,
    genes: list[str],
    followed: Followed | None,
    obs: pd.DataFrame,
) -> AnnData:
    import anndata

    adata = anndata.AnnData(obs=obs, var=pd.DataFrame(index=genes))
    rep = model.space.rep or "X_pca"
    adata.obsm[rep] = moved.positions.astype(np.float32)
    if followed is not None:
        adata.obsm[f"{rep}_sd"] = _by_rows(followed.points.sd).astype(np.float32)
    return adata


def _by_rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From (T, N, p) to (T N, p)."""
    return values.reshape(-1, values.shape[-1])


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
