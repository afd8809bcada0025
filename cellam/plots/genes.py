"""Genes: their expression along simulated trajectories, and as observed, by fate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.trends import ALL
from cellam.limits import FEW
from cellam.plots import style
from cellam.reading.palette import NONE, Palette, palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 4  # panels in a row, at most
MOST_GROUPS = 8  # with the most cells: more lines and bands cannot be told apart


def trends(
    frame: pd.DataFrame,
    *,
    time: str = "time",
    colours: Palette | None = None,
    ax: Any = None,
    save: str | Path | None = None,
) -> NDArray[Any]:
    """Draw the decoded expression of genes over time: means, and bands of quantiles.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `analysis.trends.trends`. Of more than eight groups, those with most cells are drawn;
        one of fewer than five cells is dashed and has no band.
    time : str
        How the axis of time is called.
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
    sizes = frame.groupby("group")["cells"].first().sort_values(ascending=False, kind="stable")
    groups = list(sizes.index[:MOST_GROUPS])
    if colours is None:
        colours = palette(pd.Series(groups)) if groups != [ALL] else {}
    rare = any(sizes[groups] < FEW)

    def draw(panel: Axes, part: pd.DataFrame, group: str) -> None:
        colour = style.COLOURS[0] if group == ALL else colours.get(group, NONE)
        few = bool(sizes[group] < FEW)
        part = part.sort_values("time")
        if not few:
            panel.fill_between(
                part["time"], part["low"], part["high"], color=colour, alpha=0.2, linewidth=0
            )
        panel.plot(
            part["time"], part["mean"], color=colour, lw=1.0, ls="--" if few else "-",
            label=f"{group} ({sizes[group]:,}){' *' * few}",
        )  # fmt: skip

    return _panels(
        frame, groups, draw,
        labels=(time, "decoded expression\n(mean; 10 to 90 %)", f"* fewer than {FEW} cells" * rare),
        ax=ax, save=save,
    )  # fmt: skip


def pseudobulk(
    frame: pd.DataFrame,
    *,
    time: str = "time",
    colours: Palette | None = None,
    ax: Any = None,
    save: str | Path | None = None,
) -> NDArray[Any]:
    """Draw the observed expression of genes by day and fate, a panel for each gene.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `analysis.pseudobulk.pseudobulk`. Of more than eight fates, those of most cells on
        the terminal day are drawn. A mean over fewer than five cells has an open marker and no
        interval.
    time, colours, ax, save
        As for `trends`.

    Returns
    -------
    array of matplotlib.axes.Axes, one for each gene
    """
    last = frame[frame["time"] == frame["time"].max()]
    sizes = last.groupby("group")["cells"].first().sort_values(ascending=False, kind="stable")
    groups = list(sizes.index[:MOST_GROUPS])
    colours = colours if colours is not None else palette(pd.Series(groups))
    shown = frame[frame["group"].isin(groups)]
    width = float(np.ptp(frame["time"])) or 1.0

    def draw(panel: Axes, part: pd.DataFrame, group: str) -> None:
        colour, part = colours.get(group, NONE), part.sort_values("time")
        aside = 0.012 * width * (groups.index(group) - (len(groups) - 1) / 2)
        x = part["time"] + aside
        panel.plot(x, part["mean"], color=colour, lw=0.8, label=group)
        for few, face in ((False, colour), (True, style.paper())):
            rows = (part["cells"] < FEW) == few
            if not few:
                panel.vlines(x[rows], part["low"][rows], part["high"][rows], color=colour, lw=0.8)
            panel.plot(x[rows], part["mean"][rows], ls="", marker="o", ms=2.8, mew=0.7, mec=colour,
                       mfc=face)  # fmt: skip

    rare = bool((shown["cells"] < FEW).any())
    return _panels(
        frame, groups, draw,
        labels=(time, "observed expression\n(mean; 95 %)",
                f"open: fewer than {FEW} cells" * rare),
        ax=ax, save=save,
    )  # fmt: skip


def _panels(
    frame: pd.DataFrame,
    groups: Sequence[str],
    draw: Callable[[Axes, pd.DataFrame, str], None],
    *,
    labels: tuple[str, str, str],
    ax: Any,
    save: str | Path | None,
) -> NDArray[Any]:
    """A panel for each gene with all its groups; `labels` of x, of y, and a note to the legend."""
    from matplotlib.figure import Figure

    genes = list(dict.fromkeys(frame["gene"]))
    columns = min(WIDE, math.ceil(len(genes) ** 0.5))
    rows = -(-len(genes) // columns)
    with style.styled(ours=ax is None, save=save):
        if ax is None:
            size = (style.ONE if columns < 3 else style.TWO, 1.35 * rows + 0.75)
            figure = Figure(figsize=size, layout="constrained")
            grid = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
            for empty in grid[len(genes) :]:
                empty.remove()
            axes = grid[: len(genes)]
        else:
            axes = np.atleast_1d(np.asarray(ax))
        for panel, gene in zip(axes, genes, strict=True):
            for group in groups:
                draw(panel, frame[(frame["gene"] == gene) & (frame["group"] == group)], group)
            panel.set_title(gene)
            panel.grid(axis="y", lw=0.4, alpha=0.4)
        for panel in axes[-columns:]:
            panel.set_xlabel(labels[0])
            panel.tick_params(labelbottom=True)
        if ax is None:
            axes[0].get_figure(root=True).supylabel(labels[1], fontsize=style.FONT)
        else:
            axes[0].set_ylabel(labels[1])
        if list(groups) != [ALL]:
            _legend(axes, labels[2], above=ax is None)
        if save is not None:
            style.save_figure(axes[0].get_figure(root=True), save)
    return np.asarray(axes)


def _legend(axes: NDArray[Any], note: str, *, above: bool) -> None:
    """The groups above all panels of a figure of ours, else in the first one."""
    handles, names = axes[0].get_legend_handles_labels()
    if above:
        figure = axes[0].get_figure(root=True)
        wide = figure.get_size_inches()[0] > style.ONE
        figure.legend(
            handles, names, loc="outside upper center", ncols=4 if wide else 2, title=note or None
        )
    else:
        axes[0].legend(handles, names, title=note or None)
