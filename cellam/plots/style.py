"""Style: what all figures share. Colours that differ for every eye, and in grey by shape.

Everything is local: no figure is registered with pyplot, no backend is chosen, and matplotlib's
settings are as they were once a figure is drawn. Files hold no date, so the same seed
gives the same bytes.

References
----------
.. [1] Okabe and Ito, Color Universal Design, 2008. https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import io
from collections.abc import Iterator
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

DPI = 200
FORMATS = (".png", ".svg", ".pdf")
# Okabe and Ito [1]_, the darker ones first; grey stands for their black, which dark paper hides.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "ooo", "+++")

Theme = Literal["light", "dark"]
THEMES: dict[Theme, tuple[str, str]] = {
    "light": ("#1b1f24", "#ffffff"),
    "dark": ("#e6e9ed", "#14181d"),
}  # ink, paper
_theme: ContextVar[Theme] = ContextVar("theme", default="light")

_SETTINGS: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "legend.fontsize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
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
    ax: Axes | None, save: str | Path | None, *, size: tuple[float, float] = (5.2, 4.0)
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
        "hatch.color": text,
    }  # fmt: skip
    settings: Any = {**_SETTINGS, **(colours if ours else {})}
    with mpl.rc_context(settings):
        yield


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
