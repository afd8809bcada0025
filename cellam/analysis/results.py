"""Results: what a model says of each cell of its data, under keys of an AnnData.

All keys begin with `cellam_`, save those that CellRank prescribes. Values are plain arrays and
numbers, so they survive .h5ad and .zarr, and are in the order of the data.

    adata = anndata.read_h5ad("data.h5ad")
    run = cellam.open_run()
    run.export(adata, groupby="cell_type")
    scv.pl.velocity_embedding_stream(adata, basis="umap", vkey="cellam_velocity")

A velocity stands under `cellam_velocity_<basis>` where scVelo looks for that of `X_<basis>`. In
the representation that was fitted it is exact, in its units per unit of time. Our own PCA is not
the one that a user may have in X_pca, and has the name `cellam_pca`. Every map of two columns in
`obsm` has directions read from neighbours, without a unit (see `projection`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference_of
from cellam.analysis.basis import check_size, drawable, project
from cellam.analysis.fates import fates_by_day
from cellam.analysis.growth_range import growth_range, has_range
from cellam.analysis.terminal import days_before
from cellam.analysis.transitions import transition_matrix
from cellam.analysis.uncertainty import growth_spread, relative_sd
from cellam.errors import DataError
from cellam.modelling.model import Model
from cellam.modelling.observed import velocities
from cellam.reading.cell_types import read_types
from cellam.reading.palette import palette

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

OWN = "cellam_pca"  # name of our PCA as a basis
VELOCITY = "cellam_velocity_"
T_FWD, LINEAGES, TERMINAL = "cellam_T_fwd", "lineages_fwd", "term_states_fwd"


@dataclass(frozen=True)
class Results:
    """Keys of an AnnData and their values, one row for each cell of the data.

    Parameters
    ----------
    obs, obsm, obsp, uns : dict
        As in AnnData. `uns["cellam"]` says what made the others, and lists them.
    """

    obs: dict[str, Any] = field(default_factory=dict)
    obsm: dict[str, Any] = field(default_factory=dict)
    obsp: dict[str, Any] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """All keys with their place, e.g. "obsm/cellam_fates"."""
        return [f"{place}/{key}" for place, found in vars(self).items() for key in found]

    def into(self, adata: AnnData) -> None:
        """Write the keys into an AnnData; what an earlier export wrote is replaced.

        Raises
        ------
        DataError
            If one of the keys is the user's own; nothing is written then.
        """
        earlier = _exported(adata)
        places = {place: getattr(adata, place) for place in vars(self)}
        held = [k for k in self.keys if _in(places, k) and k not in earlier]
        if held:
            place, key = held[0].split("/", 1)
            raise DataError(
                f"The data already have {place}[{key!r}], which was not written by "
                f"cellam{(f', and {len(held) - 1} more' if len(held) > 1 else '')}. cellam never "
                "overwrites your own keys.",
                f"Rename it, or delete it: del adata.{place}[{key!r}].",
            )
        for name in earlier:
            place, key = name.split("/", 1)
            if place in places and key in places[place]:
                del places[place][key]
        for place, found in vars(self).items():
            for key, value in found.items():
                places[place][key] = value


def _exported(adata: AnnData) -> list[str]:
    """Keys that an earlier export wrote."""
    record = adata.uns.get("cellam")
    return list(map(str, record["keys"])) if isinstance(record, dict) and "keys" in record else []


def _in(places: dict[str, Any], name: str) -> bool:
    place, key = name.split("/", 1)
    return key in places[place]


def results(
    model: Model,
    adata: AnnData,
    *,
    types: pd.Series[Any] | None = None,
    cellrank: bool = False,
    record: dict[str, str] | None = None,
    seed: int = 0,
) -> Results:
    """Everything that a model says of its cells.

    Parameters
    ----------
    model : Model
    adata : AnnData
        The data of the fit; only `obs` and `obsm` are looked at, and nothing is changed.
    types : pandas.Series, optional
        Cell type of every cell: gives fates.
    cellrank : bool
        Add the transition matrix for PrecomputedKernel, and, with types, the ready lineages.
    record : dict of str, optional
        What to write into `uns["cellam"]` besides, e.g. the name of the run.
    seed : int
        For noise, where the dynamics have it.

    Returns
    -------
    Results
        `obs`: cellam_time, cellam_time_cat (categorical, ordered numbers), cellam_growth per unit
        of time and its range, cellam_growth_low and cellam_growth_high (unless mass is
        conserved by request). With an ensemble, cellam_velocity_sd and
        cellam_growth_sd. `obsm`: velocities; X_cellam_pca, where our own PCA was fitted; with
        types cellam_fates and the ends of its range, cellam_fates_least and cellam_fates_most,
        whose columns are named in `uns["cellam"]["fates"]`. For CellRank: `obsp` cellam_T_fwd,
        `obsm` lineages_fwd, `obs` term_states_fwd.

    Raises
    ------
    DataError
        If the data are not as many cells as the fit had.
    """
    check_size(model, adata)
    out = Results()
    days = model.snapshots
    sizes = [len(rows) for rows in days.rows]
    time = model.snapshots.to_data_order(np.repeat(np.asarray(days.times, dtype=np.float64), sizes))
    out.obs["cellam_time"] = time
    out.obs["cellam_time_cat"] = pd.Categorical(time, categories=list(days.times), ordered=True)
    if has_range(model):
        found = growth_range(model)
        for key, rates in zip(("", "_low", "_high"), (found.point, *found.ends), strict=True):
            out.obs[f"cellam_growth{key}"] = model.snapshots.to_data_order(rates)
    v = velocities(model)
    _add_velocities(out, model, adata, v)
    for key, value in spread(model).items():
        out.obs[key] = model.snapshots.to_data_order(value)
    if types is not None:
        of_cells = fates(model, types, seed=seed)
        names, probability = of_cells.names, of_cells.probability
        out.obsm["cellam_fates"] = probability
        out.obsm["cellam_fates_least"], out.obsm["cellam_fates_most"] = (
            of_cells.least,
            of_cells.most,
        )
    if cellrank:
        out.obsp[T_FWD] = transition_matrix(model, seed=seed)
    if cellrank and types is not None:
        out.obsm[LINEAGES] = probability
        terminal = read_types(types).where(time == model.training.times[-1])
        out.obs[TERMINAL] = pd.Categorical(terminal.to_numpy(), categories=names)
        colours = palette(adata.obs.get(types.name, types), adata.uns.get(f"{types.name}_colors"))
        out.uns[f"{TERMINAL}_colors"] = np.array([colours[name] for name in names], dtype=object)
    out.uns["cellam"] = {**(record or {})}
    if types is not None:
        out.uns["cellam"]["fates"] = np.array(names, dtype=object)
    out.uns["cellam"]["keys"] = np.array(out.keys, dtype=object)
    return out


def _add_velocities(out: Results, model: Model, adata: AnnData, v: Array) -> None:
    """Velocities v (n, p), in the representation of the fit and on the maps of the data."""
    space, days = model.space, model.snapshots
    x = np.concatenate(days.points)
    fitted = OWN if space.rep is None else space.rep.removeprefix("X_")
    out.obsm[VELOCITY + fitted] = model.snapshots.to_data_order(v * space.scale)
    if space.rep is None:
        out.obsm[f"X_{OWN}"] = model.snapshots.to_data_order(space.to_coordinates(x))
    rows = days.data_rows
    earlier = _exported(adata)
    for key in drawable(adata):
        basis = key.removeprefix("X_")
        value = np.asarray(adata.obsm[key], dtype=np.float64)
        is_map = key.startswith("X_") and value.shape[1] == 2 and np.isfinite(value).all()
        if is_map and basis != fitted and f"obsm/{key}" not in earlier:
            out.obsm[VELOCITY + basis] = model.snapshots.to_data_order(project(x, v, value[rows]))


def spread(model: Model) -> dict[str, Array]:
    """How sure the ensemble is of each cell, day by day.

    Returns
    -------
    dict
        cellam_velocity_sd (n,), as a share of its length; cellam_growth_sd (n,), per unit of time
        (see `uncertainty`). Empty without an ensemble.
    """
    if not model.ensemble:
        return {}
    out = {"cellam_velocity_sd": relative_sd(model)}
    if not model.conserves_mass:
        out["cellam_growth_sd"] = growth_spread(model).sd
    return out


@dataclass(frozen=True)
class CellFates:
    """What every cell of the data becomes by the last training day, and the range of that.

    Parameters
    ----------
    names : list of str
        The K states.
    probability : (n, K) array
        In the order of the data; rows sum to 1.
    least, most : (n, K) arrays
        The least and the largest probability over the explanations that the days leave open.
        Cells of the last training day are what they are; those of days outside the training days
        have no range: NaN.
    """

    names: list[str]
    probability: Array
    least: Array
    most: Array


def fates(model: Model, types: pd.Series[Any], *, seed: int = 0) -> CellFates:
    """Probability of every cell to become each type of the last training day.

    Those of `fates.predict_fates`; a cell of that day is what it is, an unannotated one what the
    annotated cells nearest to it are, and one of a day outside the training days counts for its
    nearest cells of that day where it stands.

    Raises
    ------
    DataError
        As `assignment.reference_of`.
    """
    days, last = model.snapshots, _last(model)
    label = days.labels[last]
    end = reference_of(model, label, types)
    probability, least, most = np.full((3, days.n_cells, len(end.names)), np.nan)
    before = days_before(model, label)
    for found in fates_by_day(model.without_ensemble(), before, types, terminal=label, seed=seed):
        probability[found.rows], least[found.rows] = found.probability, found.low
        most[found.rows] = found.high
    for k, (x, rows) in enumerate(zip(days.points, days.rows, strict=True)):
        if days.labels[k] not in before:
            probability[rows] = end.assign(x)
    for ends in (probability, least, most):
        ends[days.rows[last]] = end.memberships().toarray()
    return CellFates(list(end.names), probability, least, most)


def _last(model: Model) -> int:
    """Position of the last training day."""
    return model.snapshots.index(model.training.labels[-1])
