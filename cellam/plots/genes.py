"""Genes: their expression along simulated trajectories."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.trends import ALL
from cellam.plots import style
from cellam.reading.palette import NONE, Palette, palette

WIDE = 4  # panels in a row, at most
MOST_GROUPS = 8  # with the most cells: more lines and bands cannot be told apart


def trends(
    frame: pd.DataFrame,
    *,
    colours: Palette | None = None,
    ax: Any = None,
    save: str | Path | None = None,
) -> NDArray[Any]:
    """Draw the expression of genes over time, a panel for each: means, and bands of quantiles.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `analysis.trends.trends`. Of more than eight groups, those with most cells are drawn.
    colours : mapping from str to str, optional
        Of the groups, from `reading.palette.find_palette`; by their names in the frame without it.
    ax : sequence of matplotlib.axes.Axes, optional
        One for each gene.
    save : path, optional
        .png, .svg or .pdf.

    Returns
    -------
    array of matplotlib.axes.Axes, one for each gene
    """
    from matplotlib.figure import Figure

    genes = list(dict.fromkeys(frame["gene"]))
    sizes = frame.groupby("group")["cells"].first().sort_values(ascending=False, kind="stable")
    groups = list(sizes.index[:MOST_GROUPS])
    if colours is None:
        colours = palette(pd.Series(groups)) if groups != [ALL] else {}
    columns = min(WIDE, math.ceil(len(genes) ** 0.5))
    rows = -(-len(genes) // columns)
    with style.styled(ours=ax is None, save=save):
        if ax is None:
            figure = Figure(figsize=(2.7 * columns + 1.4, 2.2 * rows + 0.3), layout="constrained")
            grid = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
            for empty in grid[len(genes) :]:
                empty.remove()
            axes = grid[: len(genes)]
        else:
            axes = np.atleast_1d(np.asarray(ax))
        for panel, gene in zip(axes, genes, strict=True):
            for group in groups:
                colour = style.COLOURS[0] if group == ALL else colours.get(group, NONE)
                part = frame[(frame["gene"] == gene) & (frame["group"] == group)]
                part = part.sort_values("time")
                panel.fill_between(
                    part["time"], part["low"], part["high"],
                    color=colour, alpha=0.2, linewidth=0,
                )  # fmt: skip
                panel.plot(
                    part["time"], part["mean"], color=colour, lw=1.4,
                    label=f"{group} ({sizes[group]:,})",
                )  # fmt: skip
            panel.set_title(gene)
            panel.grid(axis="y", lw=0.4, alpha=0.4)
        for panel in axes[::columns]:
            panel.set_ylabel("decoded expression\n(mean; 10 to 90 %)")
        for panel in axes[-columns:]:
            panel.set_xlabel("time")
            panel.tick_params(labelbottom=True)
        if groups != [ALL]:
            handles, names = axes[0].get_legend_handles_labels()
            axes[columns - 1].legend(handles, names, loc="center left", bbox_to_anchor=(1.0, 0.5))
        if save is not None:
            style.save_figure(axes[0].get_figure(root=True), save)
    return np.asarray(axes)
