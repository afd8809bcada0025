"""Landscape: the action s(t, x) over a map, day by day.

Cells move towards higher s, the faster the steeper it is, so a landscape is read as a hill that is
climbed. s has no zero: what it is on average over the cells of a day is taken off.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from cellam.analysis.basis import find_basis
from cellam.days.time_labels import named
from cellam.modelling.model import Model
from cellam.plots import style
from cellam.plots.maps import on_grid
from cellam.plots.sample import drawn_cells
from cellam.plots.scatter import name_axes, size_of

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

WIDE = 4  # panels in a row, at most
MOST_DAYS = 8  # in the figure, evenly from the first to the last
LEVELS = 12  # of the contours
FINE = 160  # points of the grid along each axis, so that edges are smooth
BARE = 0.005  # share of the cells that may lie outside the colours
MOST = 6_000  # cells whose action is averaged: more change nothing that can be seen


def landscape(
    model: Model,
    adata: AnnData | None = None,
    *,
    basis: str | None = None,
    ax: Any = None,
    save: str | Path | None = None,
) -> NDArray[Any]:
    """Draw the action over a map, a panel for each day.

    Each panel has the action of its day at all cells, averaged on a grid; the cells of the day are
    dots. Where there are few of these the colours are pale: the fit has seen other days only there.

    Parameters
    ----------
    model : Model
    adata : AnnData, optional
        The data of the fit, for any basis but the model's own coordinates.
    basis : str, optional
        "pca", "umap" or any key of `obsm`; see `analysis.basis.find_basis`.
    ax : sequence of matplotlib.axes.Axes, optional
        One for each day drawn, at most eight.
    save : path, optional
        .png, .svg or .pdf.

    Returns
    -------
    array of matplotlib.axes.Axes
    """
    sample = drawn_cells(model, adata, MOST)
    model = sample.model
    where, days = find_basis(model, sample.adata, basis), model.snapshots
    chosen = np.unique(np.linspace(0, len(days) - 1, min(len(days), MOST_DAYS)).round().astype(int))
    of_cell = np.repeat(np.arange(len(days)), [len(x) for x in days.points])
    x = np.concatenate(days.points)
    heights = [model.action(days.times[k], x) for k in chosen]
    heights = [s - s[of_cell == k].mean() for s, k in zip(heights, chosen, strict=True)]
    there = np.stack([(of_cell == k) / (of_cell == k).mean() for k in chosen])
    own = np.concatenate([s[of_cell == k] for s, k in zip(heights, chosen, strict=True)])
    norm = Normalize(*np.quantile(own, [0.01, 0.99]))
    with style.styled(ours=ax is None, save=save):
        axes = _new_axes(len(chosen)) if ax is None else np.atleast_1d(np.asarray(ax))
        for panel, k, s, near in zip(axes, chosen, heights, there, strict=True):
            gx, gy, mean, share = on_grid(where.xy, np.column_stack([s, near]), FINE, BARE)
            _draw(panel, (gx, gy, mean), share, norm)
            dots = where.xy[of_cell == k]
            panel.scatter(dots[:, 0], dots[:, 1], s=0.4 * size_of(len(x)), c=style.ink(), alpha=0.5,
                          linewidths=0, rasterized=True)  # fmt: skip
            seen = days.labels[k] in model.training.labels
            panel.set_title(f"{named(days.labels[k])}{' (held out)' * (not seen)}")
            name_axes(panel, where)
        _bar(axes, norm)
        if save is not None:
            style.save_figure(axes[0].get_figure(root=True), save)
    return axes


def _draw(panel: Any, grid: tuple[Array, Array, Any], share: Any, norm: Normalize) -> None:
    """One day: heights on a grid, pale where the share of its cells there is less than a tenth."""
    x, y, height = grid
    levels = np.linspace(norm.vmin or 0.0, max(norm.vmax or 0.0, (norm.vmin or 0.0) + 1e-9), LEVELS)
    how: dict[str, Any] = {"levels": levels, "extend": "both", "cmap": style.sequential()}
    panel.contourf(x, y, height, norm=norm, alpha=0.3, **how)
    solid = np.ma.array(height, mask=np.ma.getmaskarray(height) | (share.filled(0) < 0.1))
    if solid.count() > 3:
        panel.contourf(x, y, solid, norm=norm, **how)


def _new_axes(n: int) -> NDArray[Any]:
    from matplotlib.figure import Figure

    columns = min(n, WIDE if n > 2 * WIDE - 2 or n == WIDE else math.ceil(n / -(-n // WIDE)))
    rows = -(-n // columns)
    width = style.ONE if n == 1 else style.TWO
    figure = Figure(figsize=(width, 1.9 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for empty in grid[n:]:
        empty.remove()
    return np.asarray(grid[:n])


def _bar(axes: NDArray[Any], norm: Normalize) -> None:
    from matplotlib.cm import ScalarMappable

    figure = axes[0].get_figure(root=True)
    bar = figure.colorbar(
        ScalarMappable(norm, style.sequential()), ax=list(axes), shrink=0.8, extend="both"
    )
    bar.set_label(
        "action s(t, x), less its mean\n(cells move to higher values;\npale: few cells of the day)"
    )
    bar.outline.set_visible(False)
