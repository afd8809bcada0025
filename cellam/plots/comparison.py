"""Comparison of two conditions: effects with their intervals, and where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.comparison.effects import POINTS, SHARES
from cellam.plots import style
from cellam.plots.scatter import size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 24  # rows of a forest plot, those of the largest effects


def effects(
    frame: pd.DataFrame,
    family: str,
    *,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the effects of a family with their intervals, beside control against control.

    Parameters
    ----------
    frame : pandas.DataFrame
        `Comparison.effects`.
    family : str
        growth, fates, arrival, composition.
    ax : matplotlib.axes.Axes, optional
    save : path, optional
        .png, .svg or .pdf.
    """
    rows = frame[frame["family"] == family]
    largest = rows["effect"].abs().sort_values(ascending=False).index[:MOST]
    rows = rows.loc[sorted(largest)].iloc[::-1]
    # As they are shown everywhere; the table has shares of 1.
    scale, unit = (100.0, POINTS) if family in SHARES else (1.0, rows["unit"].iloc[0])
    numbers = ["effect", "low", "high", "control"]
    rows = rows.assign(**{name: scale * rows[name] for name in numbers})
    y = np.arange(len(rows))
    with style.drawing(ax, save, size=(style.ONE, max(1.3, 0.16 * len(rows) + 0.8))) as axes:
        control = rows["control"].to_numpy()
        if np.isfinite(control).any():
            axes.barh(
                y, 2 * control, 0.7, left=-control, color=style.COLOURS[7], alpha=0.35,
                label="control against control",
            )  # fmt: skip
        known = np.isfinite(rows["low"].to_numpy())
        axes.hlines(
            y[known], rows["low"][known], rows["high"][known], color=style.COLOURS[0], lw=1.1
        )
        axes.plot(rows["effect"], y, "o", color=style.COLOURS[0], ms=3.5, label="difference, 95 %")
        axes.axvline(0, color=style.ink(), lw=0.8)
        axes.set_yticks(y, list(rows["item"]))
        axes.set(
            xlabel=f"difference ({unit})",
            ylim=(-0.6, len(rows) - 0.4),
        )
        axes.locator_params(axis="x", nbins=6)
        axes.grid(axis="x", lw=0.4, alpha=0.4)
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return axes


def difference_map(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    label: str,
    axes_names: tuple[str, str],
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw a difference at every cell, in two coordinates.

    Parameters
    ----------
    points : (n, 2) array
    values : (n,) array
    label : str
        What is drawn.
    axes_names : (str, str)
    ax, save
        As for `effects`.
    """
    most = float(np.quantile(np.abs(values), 0.99)) or 1.0
    order = np.argsort(np.abs(values), kind="stable")
    with style.drawing(ax, save) as axes:
        shown = axes.scatter(
            points[order, 0], points[order, 1], c=values[order], s=size_of(len(points)), lw=0,
            cmap=style.diverging(), vmin=-most, vmax=most, rasterized=True,
        )  # fmt: skip
        figure = axes.get_figure(root=True)
        assert figure is not None
        figure.colorbar(shown, ax=axes, label=label, shrink=0.8)
        axes.set(xlabel=axes_names[0], ylabel=axes_names[1], xticks=[], yticks=[])
    return axes


def samples(
    shares: pd.DataFrame,
    *,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the share of each cell type in every sample over time, conditions side by side.

    Parameters
    ----------
    shares : pandas.DataFrame
        Columns condition, sample, day, time, type and share: `Comparison.shares`.
    ax, save
        As for `effects`.
    """
    types = list(dict.fromkeys(shares["type"]))
    conditions = list(dict.fromkeys(shares["condition"]))
    days = shares.drop_duplicates("day").sort_values("time")
    place = {day: k for k, day in enumerate(days["day"])}
    with style.drawing(ax, save, size=(_width(len(types) * len(place)), 2.3)) as axes:
        for j, name in enumerate(types):
            for c, condition in enumerate(conditions):
                mine = shares[(shares["type"] == name) & (shares["condition"] == condition)]
                x = (len(place) + 1.2) * j + mine["day"].map(place) + 0.28 * (c - 0.5)
                axes.plot(
                    x, 100 * mine["share"], style.MARKERS[c], color=style.COLOURS[c], ms=2.8,
                    mew=0.6, mfc=style.paper() if c == 0 else style.COLOURS[c],
                    label=condition if j == 0 else None,
                )  # fmt: skip
            axes.text(
                (len(place) + 1.2) * j + (len(place) - 1) / 2, 1.01, name,
                transform=axes.get_xaxis_transform(), ha="center", va="bottom",
            )  # fmt: skip
        ticks = [(len(place) + 1.2) * j + k for j in range(len(types)) for k in place.values()]
        axes.set_xticks(ticks, list(place) * len(types), rotation=90)
        axes.set(ylabel="share of the sample (%)", ylim=(0, None))
        axes.grid(axis="y", lw=0.4, alpha=0.4)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


def _width(places: int) -> float:
    """Inches for so many days, those of each type beside those of the next."""
    return max(style.ONE, min(1.2 + 0.16 * places, style.TWO))
