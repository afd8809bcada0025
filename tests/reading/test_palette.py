from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from cellam.reading.cells import read_annotation
from cellam.reading.palette import NONE, default_colours, find_palette, palette, types_palette

SIGHT = {  # Machado, Oliveira and Fernandes 2009, severity 1
    "all cones": np.eye(3),
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                 [-0.011820, 0.042940, 0.968881]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
}  # fmt: skip


def nearest(colours: list[str], sight: object) -> float:
    """The least distance of two colours in OKLab, as an eye sees them."""
    rgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(sight), 0, 1)
    cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
           [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    x = np.cbrt(seen @ np.transpose(cones)) @ np.transpose(lab)
    apart = np.linalg.norm(x[:, None] - x, axis=-1)
    return float(apart[~np.eye(len(x), dtype=bool)].min())


@pytest.mark.parametrize(
    ("n", "least"), [(12, 0.075), (20, 0.065), (24, 0.060), (30, 0.050)]
)  # fmt: skip
def test_our_colours_differ_for_every_eye_and_more_than_scanpys(n: int, least: float) -> None:
    from scanpy.plotting import palettes

    theirs = palettes.default_20 if n <= 20 else palettes.default_28
    for sight in SIGHT.values():
        assert nearest(default_colours(n), sight) > least
    assert min(nearest(list(theirs[:n]), sight) for sight in SIGHT.values()) < 0.03
    assert NONE not in default_colours(n)
    assert default_colours(n) == default_colours(30)[:n]


@pytest.mark.parametrize("n", [31, 102, 103])
def test_of_many_types_the_colours_are_scanpys(n: int) -> None:
    from scanpy.plotting import palettes

    expected = [*palettes.default_102, palettes.default_102[0]]
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


def test_a_column_lends_its_colours_to_its_own_types_only() -> None:
    """Found states are called state 1, state 2, of the column state; a user's may hold anything."""
    obs = pd.DataFrame({"state": pd.Categorical(["WA", "NY"])}, index=["a", "b"])
    adata = anndata.AnnData(obs=obs, uns={"state_colors": ["#ff0000", "#00ff00"]})
    names = ["state 1", "state 2"]
    by_name = dict(zip(names, default_colours(2), strict=True))
    assert types_palette(names, adata, "state") == types_palette(names, None, "state") == by_name
    assert types_palette(["WA"], adata, "state") == {"NY": "#ff0000", "WA": "#00ff00"}
