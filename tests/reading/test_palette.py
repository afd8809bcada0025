from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from cellam.reading.cells import read_annotation
from cellam.reading.palette import default_colours, find_palette, palette


@pytest.mark.parametrize("n", [1, 20, 21, 28, 29, 102, 103])
def test_colours_are_scanpys_and_distinct_as_far_as_they_go(n: int) -> None:
    from scanpy.plotting import palettes

    expected = (
        palettes.default_20 if n <= 20
        else palettes.default_28 if n <= 28
        else [*palettes.default_102, palettes.default_102[0]]
    )  # fmt: skip
    assert default_colours(n) == list(expected[:n])
    assert len(set(default_colours(n))) == min(n, 102)


def test_places_are_those_of_the_categories_with_or_without_cells() -> None:
    values = pd.Categorical(["b", "c", "b"], categories=["c", "none here", "b"])
    found = palette(pd.Series(values), ["#000001", "#000002", "#000003"])
    assert found == {"c": "#000001", "none here": "#000002", "b": "#000003"}


def test_a_category_that_is_no_type_has_a_colour_that_nobody_takes() -> None:
    values = pd.Categorical(["A", "NA", "B"], categories=["A", "NA", "B"])
    assert palette(pd.Series(values), ["red", "lime", "blue"]) == {"A": "#ff0000", "B": "#0000ff"}


def test_names_without_an_order_stand_as_scanpy_would_put_them() -> None:
    assert list(palette(pd.Series(["T10", "T2", "B", "t1", None]))) == ["B", "T2", "T10", "t1"]
    assert list(palette(pd.Series([10, 2, 1]))) == ["1", "2", "10"]
    assert list(palette(pd.Series([True, False]))) == ["False", "True"]
    assert dict(palette(pd.Series([None, "NA"], dtype=object))) == {}


@pytest.mark.parametrize(
    "kept",
    [["red"], ["red", "no colour"], "red", np.array([1.5, 2.5]), np.zeros((2, 3)), {"A": "red"},
     []],
)  # fmt: skip
def test_colours_of_the_data_that_cannot_be_used_are_passed_over(kept: object) -> None:
    values = pd.Series(["A", "B"])
    assert palette(values, kept) == palette(values)


def test_colours_as_bytes_are_read() -> None:
    assert palette(pd.Series(["A"]), np.array([b"#00ff00"])) == {"A": "#00ff00"}


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_colours_come_with_the_annotation(tmp_path: Path, suffix: str) -> None:
    obs = pd.DataFrame({"state": pd.Categorical(["x", "y"])}, index=["a", "b"])
    uns = {"state_colors": ["#010203", "#040506"], "other_colors": ["red"], "log1p": {"base": 2.0}}
    adata = anndata.AnnData(np.ones((2, 1), dtype=np.float32), obs=obs, uns=uns)
    path = tmp_path / f"data{suffix}"
    (adata.write_zarr if suffix == ".zarr" else adata.write_h5ad)(path)
    for data in (path, adata):
        found = read_annotation(data)
        assert list(found.uns) == ["state_colors"]
        assert find_palette(found, "state") == {"x": "#010203", "y": "#040506"}
