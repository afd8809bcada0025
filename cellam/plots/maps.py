"""Maps: cells in two coordinates, with their velocity, their growth, or their way through time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize, TwoSlopeNorm
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from cellam.analysis.basis import find_basis
from cellam.analysis.growth_range import GrowthRange, growth_range
from cellam.analysis.uncertainty import UNSURE, growth_spread, relative_sd
from cellam.days.time_labels import named
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.modelling.simulated import Simulation
from cellam.plots import style
from cellam.plots.sample import drawn_cells
from cellam.plots.scatter import (
    colour_values,
    name_axes,
    scatter_cells,
    size_of,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

    from cellam.evaluation.heldout import HeldOut

Array = NDArray[np.float64]

GRID = 40  # points of the stream's grid along each axis
LAYERS = 8  # in which both signs are drawn, so that neither hides the other
PALE = 0.4  # opacity of a rate that may as well be 0
BLUR = 0.025  # width of the kernel that averages velocities on it, as a share of the axis


def velocity(
    model: Model,
    adata: AnnData | None = None,
    *,
    basis: str | None = None,
    color: str | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the velocity of cells as streams, every cell on its own day.

    Parameters
    ----------
    model : Model
    adata : AnnData, optional
        The data of the fit, for colours and for any basis but the model's own coordinates.
    basis : str, optional
        "pca", "umap" or any key of `obsm`; see `analysis.basis.find_basis`.
    color : str, optional
        Column of `obs`, or time, growth or speed, or a gene, as it is in `X`. By default the cell
        types, if they are found, else time.
    ax : matplotlib.axes.Axes, optional
    save : path, optional
        .png, .svg or .pdf.

    Returns
    -------
    matplotlib.axes.Axes
        With an ensemble, streams are grey where the standard deviation of the velocity is more
        than half of its length.

    Raises
    ------
    ConfigError
        For an unknown basis or colour; the hint lists those there are.
    """
    sample = drawn_cells(model, adata)
    model, adata = sample.model, sample.adata
    where = find_basis(model, adata, basis)
    values, label, colours = colour_values(model, adata, color)
    unsure_key = Line2D([], [], color=style.COLOURS[7], label="direction uncertain")
    besides = [unsure_key] if model.ensemble else []
    with style.drawing(ax, save) as axes:
        scatter_cells(axes, where.xy, values, label, colours, besides)
        x, y, u, v = on_grid(where.xy, where.velocity(model))
        speed = np.ma.hypot(u, v)
        colour: Any = style.ink()
        if model.ensemble:
            *_, unsure = on_grid(where.xy, relative_sd(model)[:, None])
            colour = np.where(unsure.filled(0.0) > UNSURE, 1.0, 0.0)
        axes.streamplot(
            x, y, u, v,
            color=colour, cmap=ListedColormap([style.ink(), style.COLOURS[7]]),
            norm=Normalize(0, 1), density=1.2, arrowsize=0.6,
            linewidth=0.3 + 0.7 * (speed / speed.max()).filled(0.0),
        )  # fmt: skip
        name_axes(axes, where, sample.said)
    return axes


def growth(
    model: Model,
    adata: AnnData | None = None,
    *,
    basis: str | None = None,
    found: GrowthRange | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the growth rate of every cell on its own day: up where it grows, down where it shrinks.

    The colours diverge at zero and reach to the 98th percentile of the absolute rate; the triangles
    point where the sign does. Those of cells that may as well not grow, or shrink instead, as far
    as these days tell, are small and pale.

    Parameters
    ----------
    found : GrowthRange, optional
        From `analysis.growth_range.growth_range`, if it is known already.

    Others, returns and errors as for `velocity`.
    """
    sample = drawn_cells(model, adata)
    low, high = (end[sample.places] for end in (found or growth_range(model)).ends)
    model, adata = sample.model, sample.adata
    where, rate = find_basis(model, adata, basis), growth_rates(model)
    open_ = (low <= 0) & (high >= 0)
    if model.ensemble:
        low, high = growth_spread(model).interval()
        open_ |= (low <= 0) & (high >= 0)
    kinds = [("v", rate < 0, True), ("^", rate >= 0, True), ("v", rate < 0, False),
             ("^", rate >= 0, False)]  # fmt: skip
    with style.drawing(ax, save) as axes:
        most = float(np.quantile(np.abs(rate), 0.98)) or 1.0
        norm = TwoSlopeNorm(0.0, -most, most)
        order = np.argsort(np.abs(rate), kind="stable")  # the strongest on top
        for part in np.array_split(order, LAYERS):
            for marker, sign, sure in kinds:
                rows = part[sign[part] & (open_[part] != sure)]
                axes.scatter(
                    where.xy[rows, 0], where.xy[rows, 1],
                    c=rate[rows], norm=norm, cmap=style.diverging(), marker=marker,
                    s=(2.5 if sure else 1.5) * size_of(len(rate)), alpha=None if sure else PALE,
                    linewidths=0.1 * sure, edgecolors=style.COLOURS[7] if sure else "none",
                    rasterized=True,
                )  # fmt: skip
        if open_.any():
            pale = Line2D(
                [], [], ls="", marker="^", ms=4, color=style.COLOURS[7], mew=0, alpha=PALE,
                label="all are pale: each may as well be 0"
                if open_.all()
                else f"pale, {100 * open_.mean():.0f} % of the cells: may as well be 0",
            )  # fmt: skip
            axes.legend(handles=[pale], loc="upper left", bbox_to_anchor=(0.0, -0.1))
        bar = axes.figure.colorbar(
            ScalarMappable(norm, style.diverging()), ax=axes, shrink=0.7, extend="both"
        )
        bar.set_label(f"growth rate {model.timeline.per_time}\n(▲ more, ▼ fewer descendants)")
        bar.outline.set_visible(False)
        name_axes(axes, where, sample.said)
    return axes


def trajectories(
    model: Model,
    simulation: Simulation,
    adata: AnnData | None = None,
    *,
    basis: str | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the trajectories of simulated cells, all that the simulation holds, with their weights.

    Parameters
    ----------
    simulation : Simulation
        From `Model.simulate`: a few dozen cells, saved often enough (`save_every`) to be smooth.

    Others, returns and errors as for `velocity`. A line's colour is the time, its width and the
    size of its end the weight; every line starts at a ring, and ends in a cross where few
    cells were observed, which the title counts. It is dotted where the cell is replaced by an
    observed one (`modelling.stages`).
    """
    sample = drawn_cells(model, adata)
    where = find_basis(sample.model, sample.adata, basis)
    T, N, p = simulation.points.shape
    x = model.space.from_coordinates(simulation.points.reshape(T * N, p))
    xy = where.place(sample.model, x).reshape(T, N, 2)
    weights = np.exp(simulation.log_weights)
    with style.drawing(ax, save) as axes:
        axes.scatter(
            where.xy[:, 0], where.xy[:, 1], c=style.COLOURS[7], alpha=0.35,
            s=size_of(len(where.xy)), linewidths=0, rasterized=True,
        )  # fmt: skip
        pieces = np.stack([xy[:-1], xy[1:]], axis=2)  # (T - 1, N, 2, 2)
        stops = np.isin(simulation.times[:-1], simulation.stops)
        between = 0.5 * (simulation.times[:-1] + simulation.times[1:])
        norm = Normalize(simulation.times.min(), simulation.times.max())
        lines = LineCollection(
            list(pieces.reshape(-1, 2, 2)),
            array=np.repeat(between, N), cmap=style.sequential(), norm=norm,
            linewidths=_width(0.5 * (weights[:-1] + weights[1:])).ravel(), capstyle="round",
            linestyles=list(np.repeat(np.where(stops, ":", "-"), N)),
        )  # fmt: skip
        axes.add_collection(lines)
        ring, size = style.ink(), 7.0
        axes.scatter(
            xy[0, :, 0],
            xy[0, :, 1],
            s=size,
            facecolors="none",
            edgecolors=ring,
            linewidths=0.6,
            zorder=3,
        )
        axes.scatter(
            xy[-1, :, 0], xy[-1, :, 1], s=size * np.clip(weights[-1], 0.1, 10),
            c=np.full(N, simulation.times[-1]), cmap=style.sequential(), norm=norm,
            edgecolors=ring, linewidths=0.4, zorder=3,
        )  # fmt: skip
        far = model.support.remoteness(x[-N:]) > 1
        axes.scatter(
            xy[-1, far, 0], xy[-1, far, 1], marker="x", s=3 * size, c=ring, linewidths=0.9, zorder=4
        )
        bar = axes.figure.colorbar(lines, ax=axes, shrink=0.7)
        bar.set_label(model.timeline.axis_label)
        bar.outline.set_visible(False)
        marks = [
            Line2D([], [], ls="", marker="o", mfc="none", mec=ring, ms=size**0.5, label="start"),
            *(
                Line2D([], [], color=style.COLOURS[7], lw=float(_width(np.array(w))), marker="o",
                       ms=(size * w) ** 0.5, label=f"weight {w:g}")
                for w in ((0.25, 1.0, 4.0) if np.ptp(weights) > 0 else ())
            ),
        ]  # fmt: skip
        if stops.any():
            on = Line2D([], [], ls=":", color=ring, lw=0.9, label="replaced by an observed cell")
            marks.append(on)
        if far.any():
            marks.append(Line2D([], [], ls="", marker="x", color=ring, ms=4, label="outside"))
            axes.set_title(f"{far.sum()} of {N} end outside the observed data (×)")
        axes.legend(
            handles=marks,
            loc="upper left",
            bbox_to_anchor=(0.0, -0.07),
            ncols=2 if stops.any() else 3,
        )
        name_axes(axes, where, sample.said)
    return axes


def heldout(
    model: Model,
    day: HeldOut,
    adata: AnnData | None = None,
    *,
    basis: str | None = None,
    ax: Any = None,
    save: str | Path | None = None,
) -> NDArray[Any]:
    """Draw a held-out day: the cells measured, those predicted, and those of the best baseline.

    Parameters
    ----------
    model : Model
        Fitted without the day: `cellam.fit(cells, exclude=(label,))`.
    day : HeldOut
        From `cellam.predict_day`.
    ax : sequence of three matplotlib.axes.Axes, optional

    Others and errors as for `velocity`.

    Returns
    -------
    (3,) array of matplotlib.axes.Axes
    """
    from matplotlib.figure import Figure

    where = find_basis(model, adata, basis)
    k = model.snapshots.index(day.label)
    before = sum(len(x) for x in model.snapshots.points[:k])
    truth = where.xy[before : before + len(day.measured)]
    panels = [
        (f"{named(day.label)}, observed", truth),
        (
            f"predicted by cellam\n({day.metric} {day.score:.3g})",
            where.place(model, day.predicted),
        ),
        (
            f"best baseline: {day.best}\n({day.metric} {day.baseline_score:.3g})",
            where.place(model, day.baseline),
        ),
    ]
    with style.styled(ours=ax is None, save=save):
        axes = (
            Figure(figsize=(style.TWO, 2.6), layout="constrained").subplots(
                1, 3, sharex=True, sharey=True
            )
            if ax is None
            else np.asarray(ax)
        )
        colours = (style.COLOURS[7], style.COLOURS[0], style.COLOURS[5])
        for panel, colour, (title, xy) in zip(axes, colours, panels, strict=True):
            size = 1.5 * size_of(len(truth))
            if xy is not truth:
                panel.scatter(
                    truth[:, 0],
                    truth[:, 1],
                    c=style.COLOURS[7],
                    alpha=0.5,
                    s=size,
                    linewidths=0,
                    rasterized=True,
                )
            panel.scatter(
                xy[:, 0], xy[:, 1], c=colour, s=size, linewidths=0, alpha=0.8, rasterized=True
            )
            panel.set_title(title)
            name_axes(panel, where)
        if save is not None:
            style.save_figure(axes[0].get_figure(root=True), save)
    return axes


def on_grid(xy: Array, values: Array, size: int = GRID, bare: float = 0.03) -> tuple[Any, ...]:
    """Average what cells have on a regular grid, masked where few cells are.

    Parameters
    ----------
    xy : (n, 2) array
    values : (n, k) array
    size : int
        Points of the grid along each axis, g.
    bare : float
        Share of the cells, those with the fewest near them, that the mask may leave out.

    Returns
    -------
    x, y : (g,) arrays
        The grid.
    *means : k masked arrays (g, g)
        Each column at (y, x).
    """
    grids, kernels = [], []
    for column in xy.T:
        low, high = column.min(), column.max()
        width = (high - low) or 1.0
        grid = np.linspace(low - 0.02 * width, high + 0.02 * width, size)
        grids.append(grid)
        kernels.append(np.exp(-0.5 * ((grid[:, None] - column) / (BLUR * width)) ** 2))  # (g, n)
    along, up = kernels
    mass = up @ along.T  # (g, g): the kernel of a grid point is a product, so the sum is one too
    means = [(up * c) @ along.T / np.maximum(mass, 1e-12) for c in values.T]
    at = [np.abs(g[:, None] - c).argmin(0) for g, c in zip(grids, xy.T, strict=True)]
    few = mass < np.quantile(mass[at[1], at[0]], bare)
    return (*grids, *(np.ma.array(mean, mask=few) for mean in means))


def _width(weights: Array) -> Array:
    """Width of a line, for a weight of one 0.8 points."""
    return np.asarray(0.8 * np.sqrt(np.clip(weights, 0.05, 10)))
