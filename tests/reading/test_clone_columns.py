from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import cellam
from cellam.errors import ConfigError, DataError
from cellam.reading.cells import read_obs
from cellam.reading.clones import clones_between, read_clones
from cellam.truths import fading_fork


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    return fading_fork(rng, n_cells=40, founders=60, barcoded=0.5).to_adata()


def test_clones_are_codes_and_excluded_days_have_none(adata):
    cells = cellam.read(adata, use_rep="X_true", clones="clone")
    training = adata.obs["day"].to_numpy() != 2
    codes = read_clones(cells, training)
    known = adata.obs["clone"].notna().to_numpy()
    assert ((codes >= 0) == (known & training)).all()
    names = adata.obs["clone"].to_numpy()
    for code in np.unique(codes[codes >= 0]):
        assert len(set(names[codes == code])) == 1
    assert read_clones(cellam.read(adata, use_rep="X_true"), training) is None


def test_clones_of_neighbouring_days_are_counted(adata):
    found = clones_between(cellam.read(adata, use_rep="X_true", clones="clone"))
    names, days = adata.obs["clone"], adata.obs["day"]
    on = [set(names[(days == day) & names.notna()]) for day in (0, 2, 4, 6)]
    assert found == {
        ("0", "2"): len(on[0] & on[1]),
        ("2", "4"): len(on[1] & on[2]),
        ("4", "6"): len(on[2] & on[3]),
    }
    assert cellam.check(adata, use_rep="X_true").clones == {}
    assert cellam.check(adata, use_rep="X_true", clones="clone").clones == found


def test_some_cells_can_do_without_their_barcode(adata):
    cells = cellam.read(adata, use_rep="X_true", clones="clone")
    hidden = adata.obs["day"].to_numpy() == 0
    every = np.ones(len(cells), dtype=bool)
    codes = read_clones(cells.without_clones(hidden), every)
    assert (codes[hidden] == -1).all() and (codes[~hidden] >= 0).any()
    assert adata.obs["clone"].notna()[hidden].any()


def test_a_column_that_is_not_there_is_named(adata):
    with pytest.raises(
        DataError, match=r"`clones='clones'`: neither obs nor obsm of .* has it"
    ) as error:
        cellam.read(adata, use_rep="X_true", clones="clones")
    assert "clone" in error.value.hint


def test_barcodes_of_single_days_are_refused(adata):
    adata.obs["clone"] = [
        f"{d}-{c}" for d, c in zip(adata.obs["day"], adata.obs["clone"], strict=True)
    ]
    cells = cellam.read(adata, use_rep="X_true", clones="clone")
    with pytest.raises(
        DataError, match=r"None of the .* clones in obs\['clone'\] has cells on two"
    ):
        cellam.fit(cells)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"path": "mixture"}, "does not apply to `path='mixture'`"),
        ({"path": "independent"}, "does not apply to `path='independent'`"),
        ({"time_key": "clone"}, "which holds the time"),
    ],
)
def test_options_that_contradict_barcodes_are_refused(more, says):
    with pytest.raises(ConfigError, match=says):
        cellam.Options(clones="clone", **more)


def test_a_fit_knows_whether_cells_were_read_with_barcodes(adata):
    cells = cellam.read(adata, use_rep="X_true")
    with pytest.raises(ConfigError, match="read without `clones='clone'`"):
        cellam.fit(cells, clones="clone")


@pytest.mark.parametrize("form", [sparse.csr_matrix, np.asarray, sparse.csc_matrix])
def test_a_matrix_of_clones_is_read_as_a_column(adata, form, tmp_path):
    codes = adata.obs["clone"].cat.codes.to_numpy()
    matrix = np.zeros((adata.n_obs, codes.max() + 1))
    known = np.flatnonzero(codes >= 0)
    matrix[known, codes[known]] = 1
    matrix[known[0]] = 1  # of several clones
    adata.obsm["X_clone"] = form(matrix)
    adata.write_h5ad(tmp_path / "x.h5ad")
    every = np.ones(adata.n_obs, dtype=bool)
    for data in (adata, tmp_path / "x.h5ad"):
        found = read_clones(cellam.read(data, use_rep="X_true", clones="X_clone"), every)
        assert found[known[0]] == -1 and (found[codes < 0] == -1).all()
        rest = known[1:]
        assert len(set(zip(found[rest], codes[rest], strict=True))) == len(np.unique(codes[rest]))
        assert "X_clone" in read_obs(data, "X_clone") and "X_clone" not in read_obs(data)
    assert "X_clone" not in adata.obs
