"""Scatter: cells in two coordinates, coloured by what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from cellam.analysis.basis import Basis, check_size
from cellam.days.time_labels import did_you_mean
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates, velocities
from cellam.plots import style
from cellam.plots.labels import name_groups
from cellam.reading.cell_types import UNANNOTATED, find_types, read_types
from cellam.reading.palette import NONE, Palette, find_palette

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

MOST_COLOURS = 102  # of a palette; names beyond have another marker too
QUANTITIES = ("time", "growth", "speed")  # of the model, that cells can be coloured by


def colour_values(
    model: Model, adata: AnnData | None, color: str | None
) -> tuple[pd.Series[Any], str, Palette | None]:
    """What cells are coloured by, day by day, how it is called, and the colours of names."""
    obs = pd.DataFrame()
    if adata is not None:
        check_size(model, adata)
        obs = adata.obs
    of_types = find_types(obs, model.snapshots.codes) if len(obs) else None
    color = color or of_types or "time"
    days = model.snapshots
    if adata is not None and color in obs:
        values = obs[color].iloc[days.data_rows].reset_index(drop=True)
        named = color == of_types or not _is_number(values)  # numbered clusters are names
        return values, color, find_palette(adata, color) if named else None
    if color in QUANTITIES:
        return *_quantity(model, color), None
    if adata is not None and color in adata.var_names:
        expression = adata[:, [color]].to_df()[color].to_numpy(dtype=np.float64)
        return pd.Series(expression[days.data_rows]), color, None
    raise no_colour(color, obs, adata.var_names if adata is not None else ())


def _quantity(model: Model, name: str) -> tuple[pd.Series[Any], str]:
    """Time, growth or speed of all cells, day by day, and how it is called."""
    days, per_time = model.snapshots, model.timeline.per_time
    if name == "time":
        of_cell = np.repeat(days.times, [len(x) for x in days.points])
        return pd.Series(of_cell), model.timeline.axis_label
    if name == "growth":
        return pd.Series(growth_rates(model)), f"growth rate {per_time}"
    speed = np.linalg.norm(velocities(model), axis=1)
    return pd.Series(speed * model.space.unit), f"speed {per_time}"


def no_colour(color: str, obs: pd.DataFrame, genes: Iterable[str]) -> ConfigError:
    """The error for what cells cannot be coloured by."""
    names = list(dict.fromkeys([*map(str, obs.columns), *QUANTITIES]))
    return ConfigError(
        f"There is no colour {color!r}.",
        f"{did_you_mean(color, [*names, *genes])}Available: {', '.join(names)}, or a gene of the "
        "data.",
    )


def scatter_cells(
    ax: Axes,
    xy: Array,
    values: pd.Series[Any],
    label: str,
    colours: Palette | None = None,
    besides: Sequence[Line2D] = (),
) -> None:
    """Cells by a number, with a colour bar, or by a name, which also stands among its cells.

    Cells without a name are grey and lie below the others. `besides` are further entries of the
    legend.
    """
    size = size_of(len(xy))
    if colours is None:
        c = values.to_numpy(dtype=float)
        diverging = (np.nanmin(c) < 0 < np.nanmax(c)) if np.isfinite(c).any() else False
        most = float(np.nanquantile(np.abs(c), 0.98)) if diverging else 0.0
        order = np.random.default_rng(0).permutation(len(c))  # no day lies on top of the others
        drawn = ax.scatter(
            xy[order, 0], xy[order, 1], c=c[order], s=size, linewidths=0, rasterized=True,
            cmap=style.diverging() if diverging else style.sequential(),
            norm=TwoSlopeNorm(0.0, -most, most) if diverging else None,
        )  # fmt: skip
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7)
        bar.set_label(label)
        bar.outline.set_visible(False)
        if besides:
            ax.legend(handles=besides, loc="upper left", bbox_to_anchor=(0.0, -0.06))
        return
    names = read_types(values)
    none = names.isna().to_numpy()
    if none.any():
        ax.scatter(
            xy[none, 0], xy[none, 1], c=NONE, alpha=0.35, s=size, linewidths=0, rasterized=True
        )
    handles, listed, places = [], [], []
    there = set(names.dropna())
    for k, (name, colour) in enumerate(colours.items()):
        if name not in there:
            continue
        rows = (names == name).to_numpy()
        marker = style.MARKERS[k // MOST_COLOURS % len(style.MARKERS)]
        ax.scatter(
            xy[rows, 0], xy[rows, 1], c=colour, marker=marker, s=size, linewidths=0, rasterized=True
        )
        listed.append(name)
        places.append(np.median(xy[rows], axis=0))
        handles.append(Line2D([], [], ls="", marker=marker, color=colour, ms=4, label=name))
    if listed:
        name_groups(ax, np.array(places), listed)
    if none.any():
        handles.append(Line2D([], [], ls="", marker="o", color=NONE, ms=4, label=UNANNOTATED))
    handles += besides
    style.legend_beside(ax, handles, [str(handle.get_label()) for handle in handles], label)


def _is_number(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def name_axes(ax: Axes, where: Basis, said: str = "") -> None:
    """Names on both axes and no ticks: the numbers of an embedding say nothing.

    `said` is how many cells are drawn, where these are not all.
    """
    first, second = where.axes
    ax.set(xlabel=f"{first} ({said})" if said else first, ylabel=second, xticks=[], yticks=[])


def size_of(n: int) -> float:
    """Area of a cell's marker: smaller for more cells."""
    return float(np.clip(9_000 / n, 0.6, 6.0))
