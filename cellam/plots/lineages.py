"""Lineages: what cells become, on a map and as a flow between two days."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from cellam.analysis.basis import find_basis
from cellam.analysis.fates import Fates
from cellam.days.time_labels import named, offer
from cellam.errors import ConfigError
from cellam.limits import FEW
from cellam.modelling.model import Model
from cellam.plots import style
from cellam.plots.populations import MOST_TYPES, OTHERS
from cellam.plots.scatter import name_axes, size_of
from cellam.reading.palette import NONE, Palette, palette, types_palette

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

LINE = 0.125  # inches between bars of a flow, so that the names of thin ones do not overlap
AROUND = 0.6  # inches of a flow above and below its bars
THINNEST = 0.005  # band with a name, as a share of all mass
TITLE = 45  # characters of a line above a map
WIDTH = 0.04  # of a bar; the sides are 1 apart


def check_state(state: str, states: Collection[str], label: str) -> None:
    """Refuse a state that no cell of a day is in."""
    if state not in states:
        raise ConfigError(f"There is no state {state!r} on {named(label)}.", offer(state, states))


def fates(
    model: Model,
    found: Sequence[Fates],
    adata: AnnData | None = None,
    *,
    basis: str | None = None,
    color: str | None = None,
    colours: Palette | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the fates of cells over a map of all cells.

    Parameters
    ----------
    model : Model
    found : sequence of Fates
        From `analysis.fates.predict_fates`, of one or several days with the same states.
    adata : AnnData, optional
        The data of the fit, for any basis but the model's own coordinates.
    basis : str, optional
        "pca", "umap" or any key of `obsm`; see `analysis.basis.find_basis`.
    color : str, optional
        One of the states, to draw its probability. Without it a cell has the colours of all
        states, mixed by their probabilities.
    colours : mapping from str to str, optional
        Of the states; as `reading.palette.types_palette` without it.
    ax : matplotlib.axes.Axes, optional
    save : path, optional
        .png, .svg or .pdf.

    Returns
    -------
    matplotlib.axes.Axes
        Its title has the share of cells that are decided, at least and at most.

    Raises
    ------
    ConfigError
        For an unknown basis or state.
    """
    states, end = found[0].states, found[0].terminal
    if color is not None:
        check_state(color, states, end.label)
    where = find_basis(model, adata, basis)
    at = np.empty(model.snapshots.n_cells, dtype=np.int64)
    at[model.snapshots.data_rows] = np.arange(len(at))
    xy = where.xy[at[np.concatenate([f.rows for f in found])]]
    p = np.concatenate([f.probability for f in found])
    order = np.random.default_rng(0).permutation(len(p))  # no day lies on top of the others
    xy, p = xy[order], p[order]
    size = 1.5 * size_of(len(where.xy))
    verb = "came from" if model.snapshots.index(end.label) < _position(model, found) else "become"
    with style.drawing(ax, save) as axes:
        axes.scatter(
            where.xy[:, 0], where.xy[:, 1], c=style.COLOURS[7], alpha=0.3,
            s=size_of(len(where.xy)), linewidths=0, rasterized=True,
        )  # fmt: skip
        if color is not None:
            drawn = axes.scatter(
                xy[:, 0], xy[:, 1], c=p[:, states.index(color)], s=size, linewidths=0,
                cmap=style.sequential(), vmin=0, vmax=1, rasterized=True,
            )  # fmt: skip
            bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.7)
            bar.set_label(f"probability: {verb} {color} ({end.label})")
            bar.outline.set_visible(False)
        else:
            if colours is None:
                colours = types_palette(states, adata, end.key)
            names, p = _few(states, p)
            each = np.array([to_rgb(colours.get(name, NONE)) for name in names])
            axes.scatter(
                xy[:, 0], xy[:, 1], c=np.clip(p @ each, 0, 1), s=size, linewidths=0,
                rasterized=True,
            )  # fmt: skip
            handles = [
                Line2D([], [], ls="", marker="o", color=colour, ms=4, label=name)
                for name, colour in zip(names, each, strict=True)
            ]
            style.legend_beside(axes, handles, names, f"{verb} ({end.label})")
        # To the right there is room beside the axes; a centred title is cut at the left.
        axes.set_title(_title(found, mixed=color is None, forward=verb == "become"), loc="left")
        name_axes(axes, where)
    return axes


def _title(found: Sequence[Fates], *, mixed: bool, forward: bool) -> str:
    """Which cells these are, what a mixed colour is, and how many are decided at all."""
    days = ", ".join(f.start for f in found)
    lines = textwrap.wrap(f"cells of {days}", TITLE)
    if len(lines) > 1:
        lines = [f"cells of {len(found)} days, {found[0].start} to {found[-1].start}"]
    lines += ["mixed colour: several possible"] * mixed
    if forward:  # backward there is no range
        sizes = [len(f.rows) for f in found]
        low, high = np.average([f.decided for f in found], axis=0, weights=sizes)
        ends = list(dict.fromkeys(f"{100 * end:.0f}" for end in (low, high)))
        lines.append(f"decided (90 % or more): {' to '.join(ends)} % of the cells")
    return "\n".join(lines)


def flow(
    frame: pd.DataFrame,
    labels: tuple[str, str],
    *,
    cells: Mapping[str, int] | None = None,
    colours: Palette | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw how much of each type goes to each state: a band widens where cells grow.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `analysis.flows.flow`.
    labels : (str, str)
        How the two days are called.
    cells : mapping from str to int, optional
        How many cells of each type the first day has: bands of fewer than five are pale, and
        their type has a star.
    colours : mapping from str to str, optional
        Of the types, from `reading.palette.find_palette`; by their names in the frame without it.
    ax, save
        As for `fates`.
    """
    before = frame.pivot(index="source", columns="target", values="before")
    after = frame.pivot(index="source", columns="target", values="after")
    names = _together(before, after)
    before, after = (_gathered(side, names) for side in (before, after))
    most = max(before.to_numpy().sum(), after.to_numpy().sum())
    if colours is None:
        colours = palette(pd.Series([*frame["source"], *frame["target"]]))
    few = {name for name in before.index if cells is not None and cells.get(name, FEW) < FEW}
    bars = max(len(before.index), len(after.columns))
    height = max(2.4, 0.9 + 0.24 * bars)
    gap = most * _gap(bars, height if ax is None else _height(ax))
    left, right = _bars(before.sum(axis=1), gap), _bars(after.sum(axis=0), gap)
    with style.drawing(ax, save, size=(style.ONE, height)) as axes:
        u = np.linspace(0, 1, 50)
        bend = 0.5 - 0.5 * np.cos(np.pi * u)
        used_left, used_right = dict(left), dict(right)
        for source in reversed(before.index):  # from below, as the bars stand
            for target in reversed(before.columns):
                b, a = before.loc[source, target], after.loc[source, target]
                low = used_left[source] + (used_right[target] - used_left[source]) * bend
                axes.fill_between(
                    u, low, low + b + (a - b) * bend, lw=0, alpha=0.2 if source in few else 0.55,
                    color=colours.get(source, NONE),
                )  # fmt: skip
                used_left[source] += b
                used_right[target] += a
        for side, starts, masses, x in (
            ("right", left, before.sum(axis=1), -WIDTH),
            ("left", right, after.sum(axis=0), 1.0),
        ):
            for name, start in starts.items():
                axes.bar(
                    x, masses[name], WIDTH, bottom=start, align="edge",
                    color=colours.get(name, NONE), edgecolor=style.paper(), linewidth=0.3,
                )  # fmt: skip
                star = " *" * (side == "right" and name in few)
                axes.text(
                    x - 0.02 if side == "right" else x + WIDTH + 0.02, start + masses[name] / 2,
                    f"{name}{star} {masses[name]:.2f}", ha=side, va="center",
                )  # fmt: skip
        axes.set_xticks(
            [0, 1],
            [
                f"{labels[0]}\nmass {before.to_numpy().sum():.2f}",
                f"{labels[1]}\nmass {after.to_numpy().sum():.2f}",
            ],
        )
        axes.set(xlim=(-0.45, 1.45), yticks=[])
        if few:
            axes.set_xlabel(f"* fewer than {FEW} cells: an anecdote")
        axes.tick_params(axis="x", length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return axes


def _position(model: Model, found: Sequence[Fates]) -> int:
    return model.snapshots.index(found[0].start)


def _few(states: tuple[str, ...], p: Array) -> tuple[list[str], Array]:
    """At most twenty states; the rarest share one colour."""
    order = np.argsort(-p.mean(0), kind="stable")
    if len(states) <= MOST_TYPES:
        return list(states), p
    kept = order[: MOST_TYPES - 1]
    rest = order[MOST_TYPES - 1 :]
    names = [*(states[k] for k in kept), f"{len(rest)} {OTHERS}"]
    return names, np.column_stack([p[:, kept], p[:, rest].sum(axis=1)])


def _together(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Names of types and states by their mass; beyond twenty, or too thin, they are others."""
    mass = before.sum(axis=1).add(after.sum(axis=0), fill_value=0.0)
    names = [str(n) for n in mass.sort_values(ascending=False, kind="stable").index]
    thick = [name for name in names if mass[name] >= THINNEST * mass.sum()]
    if len(names) <= MOST_TYPES and len(thick) >= len(names) - 1:
        return names
    return [*thick[: MOST_TYPES - 1], OTHERS]


def _gathered(side: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Rows and columns in the order of the names, what is not among them under others."""

    def name(given: Any) -> str:
        return given if given in names else OTHERS

    grouped = side.groupby(name).sum().T.groupby(name).sum().T
    return grouped.loc[
        [n for n in names if n in grouped.index], [n for n in names if n in grouped.columns]
    ]


def _gap(bars: int, height: float) -> float:
    """Distance between bars, as a share of all mass, that is a line of text on the paper.

    `height` is that of the figure in inches. Where there is no room for so many lines, half of
    it is left to the bars.
    """
    line = LINE / max(height - AROUND, LINE)
    return line / max(1 - line * (bars - 1), 0.5)


def _height(ax: Axes) -> float:
    """Of given axes and what surrounds them, in inches."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(figure.get_size_inches()[1] * ax.get_position().height) + AROUND


def _bars(masses: pd.Series[Any], gap: float) -> dict[str, float]:
    """Where each bar starts, the first one on top."""
    starts, y = {}, 0.0
    for name in reversed(masses.index):
        starts[str(name)] = y
        y += float(masses[name]) + gap
    return starts
