from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from cellam.plots import style
from cellam.report.images import PIXELS, picture


def _draw() -> object:
    """Axes in the colours of the theme, and one disc of a known colour."""
    ax = Figure(figsize=(3, 2)).add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.scatter([0.5], [0.5], s=2_000, c="#D55E00", linewidths=0)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    return ax


def _pixels(data: str) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_picture_is_the_figure_on_light_paper() -> None:
    with style.theme("dark"):
        made = picture(_draw, "a disc", "Disc")
    assert (made.width, made.height) == (3 * PIXELS, 2 * PIXELS)
    assert (made.alt, made.caption) == ("a disc", "Disc")
    pixels = _pixels(made.data)
    assert pixels.shape == (4 * PIXELS, 6 * PIXELS, 3)
    assert pixels[0, 0] == pytest.approx([255, 255, 255], abs=2)
    assert pixels[2 * PIXELS, 3 * PIXELS] == pytest.approx([0xD5, 0x5E, 0x00], abs=4)


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert picture(_draw, "a", "b") == picture(_draw, "a", "b")
