"""Pictures: figures as data inside a page, one for light and one for dark screens."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cellam.plots import style

PIXELS = 144  # of a page, to the inch of print, whose 7 points are 14 of them; files have twice


@dataclass(frozen=True)
class Picture:
    """A figure on a page: both themes as data, its size in pixels, and what it shows."""

    light: str
    dark: str
    width: int
    height: int
    alt: str
    caption: str


def picture(draw: Callable[[], Any], alt: str, caption: str) -> Picture:
    """Draw a figure for both themes.

    Parameters
    ----------
    draw : callable
        Returns axes of a new figure.
    alt : str
        What somebody who does not see it should know.
    caption : str
    """
    themes: dict[style.Theme, str] = {}
    places: list[Any] = []
    for name in style.THEMES:
        with style.theme(name), style.styled(ours=True, save=None):
            figure = draw().get_figure(root=True)
            if places:
                _place(figure, places)
            png = _png(figure)
        places = [axes.get_position(original=True) for axes in figure.axes]
        themes[name] = "data:image/png;base64," + base64.b64encode(png).decode()
    width, height = (round(PIXELS * inches) for inches in figure.get_size_inches())
    return Picture(themes["light"], themes["dark"], width, height, alt, caption)


def _place(figure: Any, places: list[Any]) -> None:
    """Lay a figure out as one with the same words in other colours: it takes half of a drawing."""
    figure.set_layout_engine("none")
    for axes, box in zip(figure.axes, places, strict=True):
        axes.set_position(box)


def _png(figure: Any) -> bytes:
    """A figure in 256 colours: a third of the bytes of all, and no difference to be seen.

    By an octree, which is eight times as fast as the median cut, and no larger.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(2 * PIXELS)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    buffer = io.BytesIO()
    octree, plain = Image.Quantize.FASTOCTREE, Image.Dither.NONE
    few = image.convert("RGB").quantize(256, method=octree, dither=plain)
    few.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
