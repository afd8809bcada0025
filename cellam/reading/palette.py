"""Palette: a colour for each cell type of the data, the same in every figure.

Colours are those that scanpy keeps beside the column, where there are enough of them; else those
that scanpy would give: from its sets of 20, 28 and 102 colours, by the place of the type among the
categories of the column, whether or not it has cells in the figure at hand.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cellam.devices import threads
from cellam.reading.cell_types import split_levels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Palette: TypeAlias = Mapping[str, str]

NONE = "#999999"  # of cells without a type, and of types that share a place in a picture


def find_palette(adata: AnnData, key: str) -> Palette:
    """Colours of the values of a column of `obs`, by name."""
    return palette(adata.obs[key], adata.uns.get(f"{key}_colors"))


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
    """n colours of scanpy's smallest set that has enough; beyond 102 they begin again."""
    with threads(None):
        from scanpy.plotting import palettes

    sets = (palettes.default_20, palettes.default_28, palettes.default_102)
    enough = next((colours for colours in sets if len(colours) >= n), sets[-1])
    return list(itertools.islice(itertools.cycle(enough), n))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key to sort by: 2 before 10, A2 before A10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if k % 2 else (0, part) for k, part in enumerate(parts)]


def _text(colour: Any) -> str:
    return colour.decode(errors="replace") if isinstance(colour, bytes) else str(colour)
