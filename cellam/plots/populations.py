"""Populations: how much there is of what, over time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.composition import present, strays
from cellam.analysis.uncertainty import Spread
from cellam.days.time_labels import named
from cellam.errors import DataError
from cellam.limits import FEW
from cellam.modelling.model import Model
from cellam.modelling.simulated import Simulation
from cellam.plots import style
from cellam.reading.cell_types import UNANNOTATED
from cellam.reading.palette import NONE, Palette, palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TYPES = 20  # drawn by name; the others share one bar
OTHERS = "others"
LABELLED = 0.08  # share from which a bar has its number and interval
STARRED = 0.02  # of a bar: stars of thinner parts would cover each other


def composition(
    frame: pd.DataFrame,
    *,
    colours: Palette | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw shares of cell types at every observed day, observed next to simulated.

    A line at the top of a larger share is its 95 % interval: over replicates where the frame has
    that, else by the number of cells.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `analysis.composition.composition`, with types. A column `said` has a word for each
        day that stands below it: whether the fit has seen the day.
    colours : mapping from str to str, optional
        Of the types, from `reading.palette.find_palette`; by their names in the frame without it.
    ax : matplotlib.axes.Axes, optional
    save : path, optional
        .png, .svg or .pdf.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the frame has no types.
    """
    if "simulated" not in frame:
        raise DataError(
            "The data have no cell types, so there is no composition to draw.",
            "Name their column of obs, e.g. `groupby='cell_type'`.",
        )
    # Of chosen cells nothing was observed, and only what was simulated is drawn.
    sides = {"obs.": "observed"} if any(frame["observed"]) else {}
    sides["sim."] = "simulated"
    n = len(sides)
    pairs = [(side, row[of]) for _, row in frame.iterrows() for side, of in sides.items()]
    shares = pd.DataFrame([s for _, s in pairs]).fillna(0.0)
    shares = shares[present(frame)]
    if colours is None:
        colours = palette(pd.Series(list(shares)))
    shares = _with_others(shares)
    kind = "replicates" if "simulated_replicates" in frame else "interval"
    ranges = [row.get(f"{of}_{kind}", {}) for _, row in frame.iterrows() for of in sides.values()]
    told = list(frame["said"]) if "said" in frame else [""] * len(frame)
    x = np.array([(0.6 * n + 1.4) * (k // n) + k % n for k in range(len(pairs))])
    with style.drawing(ax, save, size=(_width(len(frame), shares.shape[1]), 2.5)) as axes:
        _stack(axes, x, shares, colours)
        _whiskers(axes, x, shares, ranges)
        away = [_away(row) if of == "simulated" else set() for _, row in frame.iterrows()
                for of in sides.values()]  # fmt: skip
        drawn = _stars(axes, x, shares, away)
        axes.set_xticks(x, [side for side, _ in pairs], fontsize=style.SMALL)
        for k, (label, what) in enumerate(zip(frame["label"], told, strict=True)):
            for text, down, weight in ((str(label), -13, "bold"), (what, -22, "normal")):
                axes.annotate(
                    text, (x[n * k : n * k + n].mean(), 0), (0, down),
                    xycoords=("data", "axes fraction"), textcoords="offset points",
                    ha="center", va="top", fontweight=weight,
                    fontsize=style.FONT if weight == "bold" else style.SMALL,
                )  # fmt: skip
        axes.set(ylabel="share of cells (%)", ylim=(0, 1))
        observed = "obs.: observed; " * (n == 2)
        over = "over replicates" if kind == "replicates" else "by the number of cells"
        starred = (
            f"\n* : outside the interval of the observed share (from {100 * STARRED:.0f} % on)"
        ) * bool(drawn)
        counted = f"\n| : 95 % interval {over}" * any(map(bool, ranges))
        axes.set_xlabel(
            f"{observed}sim.: simulated, by weight{counted}{starred}",
            labelpad=24 if any(told) else 14,
        )
        for k, (_, shares_of_day) in enumerate(pairs):
            if k % n == n - 1 and not shares_of_day:
                axes.text(
                    x[k] - 0.5 * (n - 1), 0.5, UNANNOTATED, ha="center", va="center",
                    rotation=90,
                )  # fmt: skip
        axes.set_yticks(np.linspace(0, 1, 6), [f"{100 * t:.0f}" for t in np.linspace(0, 1, 6)])
        axes.tick_params(axis="x", length=0)
        handles, names = axes.get_legend_handles_labels()
        style.legend_beside(axes, handles[::-1], names[::-1])
    return axes


def _width(days: int, types: int) -> float:
    """Inches of a composition: a column for few days and types, two for many."""
    columns = -(-types // style.LONGEST)
    return float(np.clip(0.5 + 0.65 * days + 0.9 * columns, style.ONE, style.TWO))


def _with_others(shares: pd.DataFrame) -> pd.DataFrame:
    """The first types by name, and all others together where there are too many."""
    if shares.shape[1] <= MOST_TYPES:
        return shares
    named, rare = shares.iloc[:, : MOST_TYPES - 1], shares.iloc[:, MOST_TYPES - 1 :]
    return named.assign(**{f"{rare.shape[1]} {OTHERS}": rare.sum(axis=1)})


def _stack(axes: Axes, x: NDArray[np.float64], shares: pd.DataFrame, colours: Palette) -> None:
    """Draw a bar at each place (k,): its shares (k, types) on top of each other."""
    base = np.zeros(len(shares))
    for name in shares:
        height = shares[name].to_numpy()
        axes.bar(
            x, height, 0.9, bottom=base, label=name,
            color=colours.get(str(name), NONE), edgecolor=style.paper(), linewidth=0.4,
        )  # fmt: skip
        for place, low, h in zip(x, base, height, strict=True):
            if h >= LABELLED:
                axes.text(
                    place, low + h / 2, f"{100 * h:.0f}", ha="center", va="center",
                    fontsize=style.SMALL, color="#000000",
                    bbox={"boxstyle": "round,pad=0.1", "fc": "#ffffff", "ec": "none"},
                )  # fmt: skip
        base = base + height


def _away(row: pd.Series[Any]) -> set[str]:
    """Types whose simulated share has a star in the table of a simulation."""
    if not row["observed"] or not row["simulated"]:
        return set()
    return {name for name in row["simulated"] if strays(row, name)}


def _stars(
    axes: Axes, x: NDArray[np.float64], shares: pd.DataFrame, away: Sequence[set[str]]
) -> int:
    """Mark shares of some types next to their part of the bar, but for thin ones; how many."""
    drawn = 0
    for place, (_, of_bar), names in zip(x, shares.iterrows(), away, strict=True):
        middle = of_bar.cumsum() - of_bar / 2
        for name in of_bar.index[of_bar >= STARRED].intersection(sorted(names)):
            axes.text(place + 0.5, middle[name], "*", ha="left", va="center", fontsize=style.FONT)
            drawn += 1
    return drawn


def _whiskers(
    axes: Axes,
    x: NDArray[np.float64],
    shares: pd.DataFrame,
    ranges: Sequence[Mapping[str, tuple[float, float]]],
) -> None:
    """Draw the interval of each larger share, where its bar ends: at the top, or if it would rise
    above 100 %, at the bottom.
    """
    for place, (_, of_bar), range_ in zip(x, shares.iterrows(), ranges, strict=True):
        base = of_bar.cumsum() - of_bar
        drawn = [name for name in of_bar.index[of_bar >= LABELLED] if name in range_]
        for name, side in zip(drawn, itertools.cycle((0.4, -0.4, 0.3, -0.3)), strict=False):
            low, high = (base[name] + end for end in range_[name])
            if high > 1:
                top = base[name] + of_bar[name]
                low, high = (top - end for end in reversed(range_[name]))
            axes.vlines(place + side, max(low, 0.0), high, color="#000000", linewidth=0.7)


def mass(
    model: Model,
    simulation: Simulation,
    spread: Spread | None = None,
    *,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the mass of a simulated population beside the masses that were given.

    Parameters
    ----------
    model : Model
    simulation : Simulation
        Of all cells of a day, or of a fair draw of them; its first time is that day.
    spread : Spread, optional
        Of its mean weight at each time, (T,), as in `analysis.uncertainty.Followed.mass`: its 90 %
        interval is drawn as a band.
    ax, save
        As for `composition`.
    """
    days = model.snapshots
    start = int(np.argmin(np.abs(np.array(days.times) - simulation.times[0])))
    simulated = days.masses[start] * np.exp(simulation.log_weights).mean(1)
    relative = model.options.population is None
    with style.drawing(ax, save, size=(style.ONE, 2.2)) as axes:
        axes.plot(
            simulation.times, simulated, color=style.COLOURS[0], lw=1.2,
            label=f"simulated from {named(days.labels[start])}",
        )  # fmt: skip
        axes.plot(
            days.times, days.masses, ls="", marker="o", mfc=style.paper(), mec=style.ink(), ms=4,
            label="1 by convention (no population sizes given)" if relative else "given",
        )  # fmt: skip
        top = max(float(simulated.max()), *days.masses)
        if spread is not None:
            low, high = (days.masses[start] * end for end in spread.interval())
            axes.fill_between(
                simulation.times, np.maximum(low, 0.0), high, color=style.COLOURS[0], alpha=0.25,
                linewidth=0, label="90 % interval of the ensemble",
            )  # fmt: skip
            top = max(top, float(high.max()))
        axes.set_xticks(days.times, days.labels)
        axes.set(
            xlabel=model.timeline.axis_label, ylabel=f"mass relative to {named(days.labels[0])}",
            ylim=(0, 1.15 * top),
        )  # fmt: skip
        axes.grid(axis="y", lw=0.4, alpha=0.4)
        axes.legend(loc="lower left" if simulated[-1] > 0.4 * top else "upper right")
    return axes


def ranges(
    rows: Sequence[Mapping[str, Any]],
    per_time: str,
    *,
    colours: Palette | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the growth rate of each cell type, and the range that the days leave open.

    Parameters
    ----------
    rows : sequence of mappings
        With the type, its mean rate and the low and the high end of its range, as from
        `report.findings.growth_by_type`; the first is drawn on top.
    per_time : str
        Unit of the rates, e.g. "per day".
    colours : mapping from str to str, optional
        Of the types.
    ax, save
        As for `composition`.

    Raises
    ------
    DataError
        Without rows.
    """
    if not rows:
        raise DataError(
            "This run has no growth rates of cell types to draw.",
            "It needs a column of cell types, and a fit in which cells may grow.",
        )
    half = MOST_TYPES // 2
    shown = rows if len(rows) <= MOST_TYPES else [*rows[:half], *rows[-half:]]
    names = [str(row["type"]) for row in shown]
    few = [row.get("cells", FEW) < FEW for row in shown]
    given = colours if colours is not None else palette(pd.Series(names))
    with style.drawing(ax, save, size=(style.ONE, 0.8 + 0.16 * len(shown))) as axes:
        axes.axvline(0, color=style.ink(), lw=0.8)
        for k, row in enumerate(shown):
            colour = given.get(names[k], NONE)
            axes.plot([row["low"], row["high"]], [k, k], color=colour, lw=3.5,
                      alpha=0.2 if few[k] else 0.5, solid_capstyle="butt")  # fmt: skip
            axes.plot(row["mean"], k, marker="o", ms=4, mew=0.5, mec=style.ink(),
                      mfc=style.paper() if few[k] else colour)  # fmt: skip
        marked = [f"{name} *" if rare else name for name, rare in zip(names, few, strict=True)]
        axes.set_yticks(range(len(shown)), marked)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        said = [
            f"growth rate {per_time}",
            "(dot: the fit; bar: all that the days leave open)",
        ]
        if any(few):
            said.append(f"* fewer than {FEW} cells")
        if len(rows) > len(shown):
            said.append(f"{len(rows) - len(shown)} types between them not drawn")
        axes.set_xlabel("\n".join(said))
        axes.locator_params(axis="x", nbins=7)
        axes.grid(axis="x", lw=0.4, alpha=0.4)
    return axes
