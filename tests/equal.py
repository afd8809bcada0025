"""Whether two AnnData, or two answers, are the same in every place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse


def assert_equal(one: Any, other: Any) -> None:
    """The same in every place, whatever wrote it."""
    if isinstance(one, anndata.AnnData):
        for place in ("X", "layers", "obs", "obsm", "obsp", "uns", "var", "varm", "varp"):
            assert_equal(getattr(one, place), getattr(other, place))
        assert (one.raw is None) == (other.raw is None)
        if one.raw is not None:
            assert_equal(one.raw.X, other.raw.X)
            assert_equal(one.raw.var, other.raw.var)
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif sparse.issparse(one):
        assert one.format == other.format and (one != other).nnz == 0
    elif is_dataclass(one):  # from Python 3.13 on, NaN in a field is not equal to itself
        assert type(one) is type(other)
        assert_equal(vars(one), vars(other))
    elif isinstance(one, Mapping):
        assert set(one) == set(other)
        for key in one:
            assert_equal(one[key], other[key])
    else:
        np.testing.assert_array_equal(one, other)
