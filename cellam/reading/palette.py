"""Palette: a colour for each cell type of the data, the same in every figure.

Colours are those that scanpy keeps beside the column, where there are enough of them; else up to 30
of our own, and for more types scanpy's 102, by the place of the type among the categories of the
column, whether or not it has cells in the figure at hand.

Ours begin with six of Okabe and Ito [1]_. Each further one is, of all on a grid of the screen's
colours that neither white nor black paper hides and that do not glare, the farthest from those
before it, in OKLab [2]_, to the one of three eyes to which it is nearest: one that sees all
colours, and two that lack a cone for red or green (as simulated by [3]_; their distances count one
and a half times).

References
----------
.. [1] Okabe and Ito, Color Universal Design, 2008. https://jfly.uni-koeln.de/color/
.. [2] Ottosson, A perceptual color space for image processing, 2020.
.. [3] Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision
   deficiency, IEEE Trans. Vis. Comput. Graph. 15, 1291–1298 (2009).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cellam.devices import threads
from cellam.reading.cell_types import split_levels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Palette: TypeAlias = Mapping[str, str]

COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7a0b43", "#6fe9a6",
    "#43219b", "#7a4e00", "#857af4", "#904e7a", "#ded300", "#c8c8f4", "#7abc7a", "#2c436f",
    "#bc2c4e", "#dea6b1", "#434ebc", "#7a2100", "#006f4e", "#e9596f", "#379016", "#6490d3",
    "#644390", "#e9c87a", "#9059d3", "#906f90", "#859bff", "#b19b4e",
)  # fmt: skip
NONE = "#999999"  # of cells without a type, and of types that share a place in a picture


def find_palette(adata: AnnData, key: str) -> Palette:
    """Colours of the values of a column of `obs`, by name."""
    return palette(adata.obs[key], adata.uns.get(f"{key}_colors"))


def types_palette(names: Iterable[str], adata: AnnData | None, key: str) -> Palette:
    """Colours of types: of the column `key` where it has them all, else by their names.

    States that were found among the cells are of no column, whatever one of that name holds.
    """
    import pandas as pd

    names = list(names)
    if adata is not None and key in adata.obs:
        found = find_palette(adata, key)
        if found.keys() >= set(names):
            return found
    return palette(pd.Series(names, dtype=object))


def palette(values: pd.Series[Any], kept: Any = None) -> Palette:
    """Colours of the values of a column, by name, in the order of its categories.

    Parameters
    ----------
    values : pandas.Series
        A column of any dtype. Where it is not categorical, names are in the order of their numbers
        and letters, as scanpy makes categories.
    kept : sequence of str, optional
        Colours of all categories, as in `uns["<key>_colors"]`; ignored if they are too few or one
        of them is no colour.

    Examples
    --------
    >>> import pandas as pd
    >>> dict(palette(pd.Series(["B", "A", None]), ["red", "#00ff00"]))
    {'A': '#ff0000', 'B': '#00ff00'}
    """
    import pandas as pd
    from matplotlib.colors import is_color_like, to_hex

    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = list(values.cat.categories)
    else:
        categories = sorted(split_levels(values)[1], key=_natural)
    # A category may be no type ("NA"), and two may be spelt alike (1 and 1.0).
    levels, names = split_levels(pd.Series(categories, dtype=object))
    given = [] if kept is None else [_text(colour) for colour in np.atleast_1d(kept)]
    if len(given) < len(categories) or not all(map(is_color_like, given)):
        given = default_colours(len(categories))
    found: dict[str, str] = {}
    for level, colour in zip(levels, given, strict=False):
        if level >= 0:
            found.setdefault(names[level], to_hex(colour))
    return found


def default_colours(n: int) -> list[str]:
    """The first n of ours, or of scanpy's 102 where these are too few; beyond, they begin again."""
    if n <= len(COLOURS):
        return list(COLOURS[:n])
    with threads(None):
        from scanpy.plotting import palettes

    return list(itertools.islice(itertools.cycle(palettes.default_102), n))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key to sort by: 2 before 10, A2 before A10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if k % 2 else (0, part) for k, part in enumerate(parts)]


def _text(colour: Any) -> str:
    return colour.decode(errors="replace") if isinstance(colour, bytes) else str(colour)
