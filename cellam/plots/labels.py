"""Labels: names that stand on a map without covering one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from cellam.plots import style

Array = NDArray[np.float64]

ROUNDS = 60  # in which labels that overlap are pushed apart
LETTER = 0.68  # width of a letter, as a share of its size
LINE = 1.25  # height of a line, likewise


def name_groups(ax: Axes, places: Array, names: Sequence[str]) -> None:
    """Write each name at its place (k, 2), within the axes and next to where another one stands.

    A name that had to be moved leaves a thin line to its place. The axes are taken for as wide as
    they are beside a legend of the names.
    """
    size = style.FONT
    halo = [withStroke(linewidth=1.6, foreground=style.paper())]
    boxes = np.array([[LETTER * size * len(name), LINE * size] for name in names])
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    room = _points(ax, float(boxes[:, 0].max()) * -(-len(names) // style.LONGEST))
    to_points = room / np.maximum([right - left, high - low], 1e-12)
    half = 0.5 * boxes[:, 0] / to_points[0]
    inside = places.copy()
    inside[:, 0] = np.maximum(np.minimum(places[:, 0], right - half), left + half)
    moved = spread(inside * to_points, boxes) / to_points
    for name, place, at in zip(names, places, moved, strict=True):
        far = np.abs((at - place) * to_points)[1] > LINE * size
        line = {"arrowstyle": "-", "lw": 0.5, "color": style.ink()} if far else None
        ax.annotate(
            name, tuple(place), tuple(at), ha="center", va="center", zorder=5,
            fontsize=size, fontweight="bold", path_effects=halo, arrowprops=line,
        )  # fmt: skip


def spread(places: Array, boxes: Array) -> Array:
    """Centres (k, 2) of boxes (k, 2: width, height) near places, so that none covers another.

    Two that overlap are pushed apart by half of the overlap each, up and down, as names are wider
    than they are high. In a crowd some overlap may be left.
    """
    at = np.array(places, dtype=np.float64)
    room = 0.5 * (boxes[:, None] + boxes)  # (k, k, 2)
    first = np.arange(len(at))[:, None] > np.arange(len(at))
    for _ in range(ROUNDS):
        apart = at[:, None] - at
        gap = room - np.abs(apart)
        over = (gap > 0).all(-1) & ~np.eye(len(at), dtype=bool)
        if not over.any():
            break
        up = np.where((apart[..., 1] > 0) | ((apart[..., 1] == 0) & first), 1.0, -1.0)
        at[:, 1] += 0.3 * (over * up * gap[..., 1]).sum(1)
    return at


def _points(ax: Axes, legend: float) -> Array:
    """Width and height of the axes in points, about: a new figure is not laid out yet."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_position()
    width, height = 72 * np.array(figure.get_size_inches()) * [box.width, box.height]
    return np.array([max(width - 0.8 * legend, 0.4 * width), 0.9 * height])
