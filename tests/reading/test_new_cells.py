from __future__ import annotations

import anndata
import numpy as np
import pytest

import cellam
from cellam.days.timeline import Timeline
from cellam.errors import ConfigError, DataError
from cellam.modelling.model import Model
from cellam.options import ReadOptions
from cellam.reading.new_cells import read_new

LINE = Timeline(
    ("d0", "late"), (0.0, 7.0), "day", {"d0": 0.0, "late": 7.0, "d0_rep1": 0.0}, (),
    {"d0_rep1": "rep1"},
)  # fmt: skip


def times_of(labels: list[object], small: anndata.AnnData, at: str | None = None) -> list[float]:
    few = small[: len(labels)].copy()
    few.obs = few.obs[[]].assign(day=labels)
    cells = read_new(few, ReadOptions(time_key="day"), LINE, at)
    return [cells.timeline.times[k] for k in cells.codes]


@pytest.mark.parametrize(
    ("labels", "times"),
    [
        (["d0", "late", "d0"], [0, 7, 0]),  # a time map has no rule for it but the labels
        (["d0_rep1", "d3", "2"], [0, 3, 2]),
        ([0.0, 2.5, 7.0], [0, 2.5, 7]),
        (["late"] * 3, [7, 7, 7]),
    ],
)
def test_times_are_read_with_the_labels_of_the_fit(
    small: anndata.AnnData, labels: list[object], times: list[float]
) -> None:
    assert times_of(labels, small) == times


def test_times_that_cannot_be_read_are_refused(small: anndata.AnnData) -> None:
    with pytest.raises(DataError, match="'early' in 2 cells, which cannot be placed") as caught:
        times_of(["early", "early", "d0"], small)
    assert "`at='d0'`" in caught.value.hint
    with pytest.raises(DataError, match="gives 1 cell no time"):
        times_of(["d0", None, "d0"], small)
    with pytest.raises(DataError, match="has no column 'week'"):
        read_new(small, ReadOptions(time_key="week"), LINE)
    with pytest.raises(ConfigError, match="weeks"):
        times_of(["d0"], small, "week 2")
    assert times_of(["early", "early"], small, "late") == [7, 7]


def test_what_the_fit_was_read_from_has_to_be_there(small: anndata.AnnData) -> None:
    for options, what in (
        (ReadOptions(layer="spliced"), r"layers\['spliced'\].*its layers: counts"),
        (ReadOptions(use_rep="X_pca"), r"obsm\['X_pca'\].*its obsm: "),
    ):
        with pytest.raises(DataError, match=what) as caught:
            read_new(small, options, LINE, "d0")
        assert "adata." in caught.value.hint
    bare = anndata.AnnData(obs=small.obs, obsm={"X_pca": np.ones((small.n_obs, 2))})
    with pytest.raises(DataError, match="no expression matrix in X, from which") as caught:
        read_new(bare, ReadOptions(), LINE, "d0")
    assert "use_rep" not in caught.value.hint


def test_few_cells_are_read_as_the_fit_was(small: anndata.AnnData) -> None:
    counts = small.X.toarray().astype(float)
    small.X = 1e4 * counts / counts.sum(1, keepdims=True)
    model = cellam.fit(cellam.read(small), n_features=16, tau=1.0, n_pcs=3)
    assert model.space.kind == "normalised"
    notes = []
    for k in range(0, 160, 5):
        pair = model.read(small[k : k + 2].copy(), "day0")  # two cells do not tell
        assert pair.kind == "normalised"
        notes += pair.notes
        model.cohort(pair)
    assert any("2 cells do not show what the values are: taken to be norm" in n for n in notes)
    whole = small[:2].copy()
    whole.X = counts[:2]  # whole numbers are counts, however few
    with pytest.raises(DataError, match="has counts"):
        model.cohort(model.read(whole, "day0"))


def test_one_cell_of_fractions_is_not_taken_for_counts_in_silence(
    small: anndata.AnnData, model: Model
) -> None:
    assert model.space.kind == "counts"
    assert model.read(small[:1].copy(), "day0").notes == ()
    logs = small[:1].copy()
    logs.X = np.log1p(logs.X.toarray())
    (note,) = model.read(logs, "day0").notes
    assert note.startswith("1 cell does not show what the values are: taken to be counts")


def test_file_and_time_are_kept(small: anndata.AnnData, model: Model) -> None:
    cells = model.read(small[:7].copy(), 3)
    assert cells.timeline.labels == ("3",)
    assert cells.facts["times"] == "as told"
    assert len(cells) == 7
