"""Tables as heat maps: fates by cell type with their ranges, and the cells of the design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize, PowerNorm
from numpy.typing import NDArray

from cellam.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STATES, MOST_ROWS = 10, 20  # drawn: those with the largest share, and the most cells
CELL = (0.56, 0.28)  # inches of a field with a range, wide and high


def heatmap(
    rows: Sequence[Mapping[str, Any]],
    days: tuple[str, str],
    *,
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw what each cell type becomes: the share of each state, with its range below.

    Parameters
    ----------
    rows : sequence of mappings
        From `analysis.over_replicates.rows_of`: types by the number of cells, and all cells last.
    days : (str, str)
        How the day of the cells and the terminal day are called.
    ax : matplotlib.axes.Axes, optional
    save : path, optional
        .png, .svg or .pdf.
    """
    *of_types, whole = rows
    shown = [*of_types[:MOST_ROWS], whole]
    states = sorted(whole["fate"], key=lambda name: -whole["fate"][name])
    kept, left = states[:MOST_STATES], states[MOST_STATES:]
    value = np.array([[row["fate"][name] for name in kept] for row in shown])
    names = [f"{row['type']} ({row['cells']:,}){' *' * row['few']}" for row in shown]
    size = (_wide(CELL[0] * len(kept) + 1.7), CELL[1] * len(shown) + 1.1)
    with style.drawing(ax, save, size=size) as axes:
        _fields(axes, value, Normalize(0, 1))
        for i, row in enumerate(shown):
            for j, name in enumerate(kept):
                share, low, high = (100 * row[of][name] for of in ("fate", "least", "most"))
                _write(axes, (j, i - 0.18), f"{share:.0f}", value[i, j], style.FONT)
                _write(axes, (j, i + 0.22), f"{low:.0f}–{high:.0f}", value[i, j], style.SMALL)
        axes.axhline(len(shown) - 1.5, color=style.ink(), lw=0.8)
        axes.set_xticks(range(len(kept)), kept, rotation=40, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(len(shown)), names)
        axes.set(ylabel=f"cells of {days[0]} (number)")
        rest = sum(whole["fate"][name] for name in left)
        said = [
            f"descendants on {days[1]}: % of mass,",
            "and its range, not calibrated by barcodes",
            *_notes(of_types, left, rest),
        ]
        axes.set_xlabel("\n".join(said))
    return axes


def _notes(types: Sequence[Mapping[str, Any]], left: Sequence[str], share: float) -> list[str]:
    """What a reader has to know of rows and columns, and of those that are not drawn."""
    few = ["* few cells: not reliable"] if any(row["few"] for row in types) else []
    states = [f"{len(left)} rarer types ({100 * share:.0f} %) not drawn"] if left else []
    more = len(types) - MOST_ROWS
    return [*few, *states, *([f"{more} types with fewer cells not drawn"] if more > 0 else [])]


def design(
    counts: pd.DataFrame,
    *,
    held_out: Sequence[str] = (),
    ax: Axes | None = None,
    save: str | Path | None = None,
) -> Axes:
    """Draw how many cells each group has on each day.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `checks.designs.counts_of`: groups (rows) by days (columns).
    held_out : sequence of str
        Days that are no training days.
    ax, save
        As for `heatmap`.
    """
    n = counts.to_numpy()
    wide = max(counts.shape[1] * 0.5, 1.6) + 0.09 * max(map(len, counts.index)) + 0.5
    with style.drawing(ax, save, size=(_wide(wide), 0.2 * len(counts) + 0.9)) as axes:
        norm = PowerNorm(0.5, 0, n.max())
        _fields(axes, np.where(n > 0, n, np.nan), norm)
        for (i, j), count in np.ndenumerate(n):
            _write(axes, (j, i), f"{count:,}" if count else "–", norm(count), style.FONT)
        days = [f"{day}\nheld out" if day in held_out else str(day) for day in counts.columns]
        axes.set_xticks(range(len(days)), days)
        axes.set_yticks(range(len(counts)), list(counts.index))
        axes.set(xlabel="day (fields: cells)", ylabel=counts.index.name or "")
    return axes


def _fields(axes: Axes, values: NDArray[np.float64], norm: Any) -> None:
    axes.imshow(values, cmap=style.rising(), norm=norm, aspect="auto")
    axes.set_xticks(np.arange(values.shape[1]) - 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0]) - 0.5, minor=True)
    axes.grid(which="minor", color=style.paper(), lw=1.0)
    axes.tick_params(which="both", length=0)
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write(axes: Axes, at: tuple[float, float], text: str, dark: float, size: float) -> None:
    """A number in a field, in ink or in paper, whichever can be read on it."""
    colour = style.paper() if dark > 0.55 else style.ink()
    axes.text(*at, text, ha="center", va="center", fontsize=size, color=colour)


def _wide(inches: float) -> float:
    """Inches of a column, of two, or between them."""
    return float(np.clip(inches, style.ONE, style.TWO))
