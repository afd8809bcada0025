from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import cellam
from cellam.errors import DataError
from cellam.reading.barcodes import SEVERAL, clones_of
from cellam.reading.cell_types import split_levels
from cellam.reading.cells import read_obs
from cellam.reading.clones import read_clones
from cellam.truths import fading_fork


def _cells(*rows: str) -> sparse.csr_matrix:
    """A row for each cell, with the letters of its barcodes."""
    names = sorted(set("".join(rows)))
    return sparse.csr_matrix([[name in row for name in names] for row in rows], dtype=float)


@pytest.mark.parametrize(
    ("rows", "clones"),
    [
        (["a", "a", "b", ""], [0, 0, 1, -1]),
        # Two at once, each lost in some cells: of three with b, two have a.
        (["ab", "ab", "a", "b"], [0, 0, 0, 0]),
        # A later event, and another one within it; c goes with b, which goes with a.
        (["a", "a", "ab", "ab", "abc", "abc"], [0] * 6),
        # Two later events in one clone, which no cell has both of.
        (["a", "ab", "ab", "ac", "ac"], [0] * 5),
        # One cell of three was two: it joins nothing, and is of neither.
        (["a", "a", "a", "ab", "b", "b"], [0, 0, 0, -2, 1, 1]),
        # Half of the cells is not most of them.
        (["a", "a", "ab", "b"], [0, 0, -2, 1]),
        # c is in a doublet of a and b and goes with one of them alone; it does not join the two.
        (["a", "a", "a", "b", "b", "abc"], [0, 0, 0, 1, 1, -2]),
        ([""], [-1]),
    ],
)
def test_barcodes_that_go_together_are_one_clone(rows: list[str], clones: list[int]) -> None:
    matrix = _cells(*rows) if any(rows) else sparse.csr_matrix((1, 2))
    assert clones_of(matrix).tolist() == clones
    # The order of cells and barcodes is nothing to it.
    rng = np.random.default_rng(0)
    for _ in range(5):
        order, columns = (rng.permutation(size) for size in matrix.shape)
        found = clones_of(matrix[order][:, columns])
        named = np.where(found >= 0, np.append(columns, -1)[found], found)
        assert len(set(zip(named, np.array(clones)[order], strict=True))) == len(set(clones))
        assert ((found < 0) == (np.array(clones)[order] < 0)).all()


@pytest.fixture
def adata():
    return fading_fork(np.random.default_rng(0), n_cells=60, founders=15).to_adata()


def test_later_events_and_doublets_leave_the_clones_of_the_first(adata) -> None:
    """Each founder has a barcode, two of its lines another one from the second day; some are lost.

    What the fit gets is what a column with the founders gives it, but for doublets and losses.
    """
    rng = np.random.default_rng(0)
    founder, n = adata.obs["clone"].cat.codes.to_numpy(), adata.n_obs
    first = np.eye(founder.max() + 1)[founder]
    second = np.zeros((n, 2 * first.shape[1]))
    later = np.flatnonzero((adata.obs["day"] > 0) & (rng.random(n) < 0.8))
    second[later, 2 * founder[later] + rng.integers(2, size=len(later))] = 1
    lost = later[rng.random(len(later)) < 0.15]
    first[lost] = 0  # which show the second one alone
    matrix = np.concatenate([first, second], axis=1)
    doublets = rng.choice(n, 5, replace=False)
    matrix[doublets] += matrix[rng.permutation(n)[:5]]
    adata.obsm["X_clone"] = sparse.csr_matrix(matrix)
    every = np.ones(n, dtype=bool)
    cells = cellam.read(adata, use_rep="X_true", clones="X_clone")
    (note,) = cells.notes
    torn = int((clones_of(sparse.csr_matrix(matrix)) == SEVERAL).sum())
    assert torn >= 5
    assert note.startswith(f"{torn} cells of the {n} with a barcode")
    found = read_clones(cells, every)
    known = np.setdiff1d(np.flatnonzero(found >= 0), doublets)  # whose founder is two
    named = set(zip(found[known], founder[known], strict=True))
    assert len({clone for clone, _ in named}) == len(named)  # none is of two founders
    # Two lines of two cells, of which one lost the first barcode: half is not most.
    apart = [clone for clone, _ in named if (found == clone).sum() == 1]
    assert len(named) - len(apart) == 15 and len(apart) == 2
    # What scores and fates are judged by is the same column.
    told = split_levels(read_obs(adata, "X_clone")["X_clone"])[0]
    assert len(set(zip(told, found, strict=True))) == len(np.unique(found))
    assert (found[doublets] < 0).sum() == 5 and len(known) >= n - 5 - len(lost)


def test_a_matrix_that_tells_no_cells_apart_is_refused(adata) -> None:
    rng = np.random.default_rng(0)
    matrix = (rng.random((adata.n_obs, 100)) < 0.05).astype(int)
    adata.obsm["X_clone"] = sparse.csr_matrix(matrix)
    with pytest.raises(DataError, match=r"have barcodes of several clones") as caught:
        cellam.read(adata, use_rep="X_true", clones="X_clone")
    assert "one barcoding event" in caught.value.hint


@pytest.mark.parametrize(("value", "phrase"), [(-1, "negative values"), (0, "no barcode")])
def test_a_matrix_that_says_nothing_is_refused(adata, value: int, phrase: str) -> None:
    adata.obsm["X_clone"] = sparse.csr_matrix(np.full((adata.n_obs, 2), value))
    with pytest.raises(DataError, match=phrase):
        cellam.read(adata, use_rep="X_true", clones="X_clone")
