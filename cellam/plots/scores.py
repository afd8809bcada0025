"""Scores: how good predictions are, and how the fit came about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellam.days.time_labels import offer
from cellam.dynamics.fitting import Solved
from cellam.errors import ConfigError
from cellam.evaluation.metrics import LEAD
from cellam.evaluation.scores import PAIRS
from cellam.modelling.model import Model
from cellam.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, FLOOR = "cellam", "floor"


def evaluation(
    table: pd.DataFrame,
    *,
    metric: str = LEAD,
    replicates: pd.DataFrame | None = None,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw the scores of held-out days as bars, with intervals and the sampling floor.

    Parameters
    ----------
    table : pandas.DataFrame
        As `Evaluation.table`. Whiskers are the intervals `low` to `high`.
    metric : str
    replicates : pandas.DataFrame, optional
        As `Scores.replicates`, for a line at the mean distance between replicates of each day.
    ax : matplotlib.axes.Axes, optional
    save : path, optional
        .png, .svg or .pdf.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ConfigError
        If the table does not hold the metric.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    spelt = {name.lower(): name for name in metrics}
    if metric.lower() not in spelt:
        raise ConfigError(f"There are no scores in {metric!r}.", offer(metric, metrics))
    metric = spelt[metric.lower()]
    rows = table[table["metric"] == metric]
    values = rows.pivot(index="label", columns="method", values="value")
    labels = list(dict.fromkeys(rows["label"]))
    methods = list(dict.fromkeys(m for m in rows["method"] if m != FLOOR))
    methods.sort(key=lambda name: name != OURS)
    low, high = (rows.pivot(index="label", columns="method", values=end) for end in ("low", "high"))
    width = 0.8 / len(methods)
    with style.drawing(ax, save, size=(_width(len(labels)), 2.3)) as axes:
        for k, name in enumerate(methods):
            x = np.arange(len(labels)) + (k - (len(methods) - 1) / 2) * width
            y = values[name].reindex(labels)
            ends = [abs(y - low[name].reindex(labels)), abs(high[name].reindex(labels) - y)]
            axes.bar(
                x, y, 0.9 * width, label=name,
                color=style.COLOURS[k % 8], edgecolor=style.paper(), linewidth=0.4,
                yerr=np.array(ends),
                error_kw={"ecolor": style.ink(), "elinewidth": 0.7, "capsize": 1.2},
            )  # fmt: skip
        if FLOOR in values:
            for k, level in enumerate(values[FLOOR].reindex(labels)):
                axes.plot([k - 0.45, k + 0.45], [level] * 2, color=style.ink(), ls="--", lw=0.8,
                          label="floor (day against itself)" if k == 0 else None)  # fmt: skip
        if replicates is not None:
            _draw_replicates(axes, replicates[replicates["metric"] == metric], labels)
        axes.axhline(0, color=style.ink(), lw=0.6)
        axes.set_xticks(range(len(labels)), labels)
        axes.set(ylabel=f"{metric} to the observed cells\n(lower is better)")
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("held-out day\n(whiskers: 95 % intervals)")
        handles, names = axes.get_legend_handles_labels()
        style.legend_beside(axes, handles, names)
    return axes


def _width(days: int) -> float:
    """Inches for so many held-out days beside the legend."""
    return max(style.ONE, min(1.6 + 0.9 * days, style.TWO))


def _draw_replicates(axes: Axes, of_metric: pd.DataFrame, labels: list[str]) -> None:
    """A line for each day that has replicates."""
    between = of_metric[of_metric["method"] == PAIRS].groupby("label")["value"].mean()
    told = "between replicates"
    for label, level in between.items():
        k = labels.index(str(label))
        axes.plot([k - 0.45, k + 0.45], [level] * 2, color=style.ink(), ls=":", lw=0.8, label=told)
        told = "_nolegend_"


def history(model: Model, *, ax: Axes | None = None, save: str | Path | None = None) -> Axes:
    """Draw how the fit came about: the held-out loss of every ridge, or over training steps.

    Parameters and returns as for `evaluation`. The least held-out loss is what was taken.
    """
    record = model.fit.record
    if isinstance(record, Solved):
        over = "ridge"
        frame = pd.DataFrame({over: list(record.losses), "held_out_loss": record.losses.values()})
    else:
        over, frame = "step", pd.DataFrame(record.history)
    best = frame.iloc[int(frame["held_out_loss"].argmin())]
    with style.drawing(ax, save, size=(style.ONE, 2.2)) as axes:
        if "loss" in frame:
            axes.plot(frame[over], frame["loss"], color=style.COLOURS[7], ls=":", lw=0.8,
                      label="training loss of one batch")  # fmt: skip
        axes.plot(frame[over], frame["held_out_loss"], color=style.COLOURS[0], marker="o", ms=3,
                  lw=1, label="loss on held-out cells")  # fmt: skip
        axes.plot(best[over], best["held_out_loss"], ls="", marker="*", ms=8, mew=0.5,
                  mfc=style.COLOURS[1], mec=style.ink(),
                  label=f"used: {over} {best[over]:g}")  # fmt: skip
        if over == "ridge":
            axes.set_xscale("log")
            axes.set_xticks(frame[over], [f"{ridge:g}" for ridge in frame[over]], minor=False)
            axes.minorticks_off()
        axes.set(
            xlabel="ridge" if over == "ridge" else "training step",
            ylabel="loss on held-out cells",
        )
        axes.grid(axis="y", lw=0.4, alpha=0.4)
        axes.legend()
    return axes
