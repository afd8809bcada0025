"""Text: stored so that every version of anndata, and R, reads it.

Text of pandas 3 has a type of its own, which anndata stores with a mask of what is missing: two
arrays in the place of one. That is nothing that anndata before 0.11 or a few lines of R can read,
and anndata 0.12 refuses to write it unasked. So names and columns are stored as text alone, and a
column of which some is missing as categories, which is how anndata stores most text anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def plain(value: Any) -> Any:
    """A part of an AnnData with all text of its frames as objects; the rest is not copied.

    Examples
    --------
    >>> frame = pd.DataFrame({"a": pd.array(["x", None], dtype="string")})
    >>> str(plain(frame)["a"].dtype), list(plain({"deep": frame})["deep"]["a"].cat.categories)
    ('category', ['x'])
    """
    if isinstance(value, Mapping):  # since anndata 0.13 the layer None is X
        return {key: plain(part) for key, part in value.items() if key is not None}
    if not isinstance(value, pd.DataFrame):
        return value
    frame = value.copy(deep=False)
    for key in frame.columns[[isinstance(dtype, pd.StringDtype) for dtype in frame.dtypes]]:
        text = frame[key].astype(object)
        frame[key] = pd.Categorical(text) if text.isna().any() else text
    if isinstance(frame.index.dtype, pd.StringDtype):
        frame.index = frame.index.astype(object)
    return frame
