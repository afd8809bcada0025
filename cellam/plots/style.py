"""Style: what all figures share. Colours that differ for every eye, at the size of the print.

A new figure is as wide as a column of a paper, or as two, with letters of 7 points, so that nothing
has to be scaled to be read in print. Everything is local: no figure is registered with pyplot, no
backend is chosen, and matplotlib's settings are as they were once a figure is drawn. Files hold no
date, so the same seed gives the same bytes.

References
----------
.. [1] Okabe and Ito, Color Universal Design, 2008. https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap, ListedColormap, to_rgb
from matplotlib.figure import Figure

from cellam.errors import ConfigError
from cellam.storage import write_atomically, writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 300  # of a file of pixels, at the size of the print
ONE, TWO = 85 / 25.4, 180 / 25.4  # inches: width of one and of two columns of a journal
FONT, SMALL = 7.0, 6.0  # points: text, and numbers within a figure
LONGEST = 14  # column of a legend beside a figure
FORMATS = (".png", ".svg", ".pdf")
# Okabe and Ito [1]_, the darker ones first; grey stands for their black, which dark paper hides.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

Theme = Literal["light", "dark"]
THEMES: dict[Theme, tuple[str, str]] = {
    "light": ("#1b1f24", "#ffffff"),
    "dark": ("#e6e9ed", "#14181d"),
}  # ink, paper
_theme: ContextVar[Theme] = ContextVar("theme", default="light")

_SETTINGS: dict[str, Any] = {
    "font.size": FONT,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "legend.fontsize": FONT,
    "legend.title_fontsize": FONT,
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.35,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "cellam",  # otherwise ids are drawn at random
    "pdf.fonttype": 42,  # letters stay letters
    "text.parse_math": False,  # names of cell types may hold dollars
}


@contextmanager
def theme(name: Theme) -> Iterator[None]:
    """Draw new figures for light or for dark paper."""
    token = _theme.set(name)
    try:
        yield
    finally:
        _theme.reset(token)


def ink() -> str:
    """The colour of text, here and now."""
    return str(mpl.rcParams["text.color"])


def paper() -> str:
    """The colour behind a figure, here and now."""
    return str(mpl.rcParams["figure.facecolor"])


def sequential() -> Colormap:
    """Viridis, without the end that the paper would hide."""
    return _part("viridis", 0.0, 0.93) if _is_light() else _part("viridis", 0.22, 1.0)


def rising() -> Colormap:
    """Blue, from the paper on: for shares and numbers that are written into their fields."""
    return _part("Blues", 0.0, 0.95) if _is_light() else _part("Blues_r", 0.05, 0.9)


def diverging() -> Colormap:
    """Purple below zero and orange above it; on dark paper without the dark ends."""
    return _part("PuOr_r", 0.0, 1.0) if _is_light() else _part("PuOr_r", 0.16, 0.84)


def _part(name: str, low: float, high: float) -> Colormap:
    colours = mpl.colormaps[name](np.linspace(low, high, 256))
    return ListedColormap(colours)


def _is_light() -> bool:
    return sum(to_rgb(paper())) > 1.5


@contextmanager
def drawing(
    ax: Axes | None, save: str | Path | None, *, size: tuple[float, float] = (ONE, 2.6)
) -> Iterator[Axes]:
    """Yield axes to draw in, in our style, and save their figure at the end if asked to.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, optional
        Drawn into; a figure of our own is made without it.
    save : path, optional
        File to write; its suffix says the format.
    size : (float, float)
        Of a new figure, in inches.
    """
    with styled(ours=ax is None, save=save):
        axes = Figure(figsize=size, layout="constrained").add_subplot() if ax is None else ax
        yield axes
        if save is not None:
            save_figure(axes.get_figure(root=True), save)


@contextmanager
def styled(*, ours: bool, save: str | Path | None) -> Iterator[None]:
    """Draw within our settings; on a figure of ours in the colours of the theme, too."""
    if save is not None:
        _suffix(save)  # before the work, not after it
    text, back = THEMES[_theme.get()]
    colours: dict[str, Any] = {
        "text.color": text, "axes.labelcolor": text, "axes.edgecolor": text,
        "axes.titlecolor": text, "xtick.color": text, "ytick.color": text,
        "figure.facecolor": back, "axes.facecolor": back, "savefig.facecolor": back,
    }  # fmt: skip
    settings: Any = {**_SETTINGS, **(colours if ours else {})}
    with mpl.rc_context(settings):
        yield


def legend_beside(
    axes: Axes, handles: Sequence[Any], names: Sequence[str], title: str | None = None
) -> None:
    """A legend to the right of the axes; a long one has several columns."""
    axes.legend(
        handles, names, title=title, loc="center left", bbox_to_anchor=(1.0, 0.5),
        ncols=-(-len(names) // LONGEST),
    )  # fmt: skip


def render(figure: Any, suffix: str) -> bytes:
    """A figure as PNG, SVG or PDF, without a date."""
    undated: dict[str, dict[str, Any]] = {
        ".png": {},
        ".svg": {"Date": None},
        ".pdf": {"CreationDate": None},
    }
    buffer, settings = io.BytesIO(), cast("Any", _SETTINGS)
    with mpl.rc_context(settings):
        figure.savefig(
            buffer,
            format=suffix[1:],
            metadata=undated[suffix],
            facecolor=figure.get_facecolor(),
            dpi=DPI,
        )
    return buffer.getvalue()


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure whole or not at all."""
    path = Path(path)
    content = render(figure, _suffix(path))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(
            f"{path}: a figure cannot be written as {suffix or 'a file without a suffix'}.",
            f"Use one of: {', '.join(FORMATS)}.",
        )
    return suffix
