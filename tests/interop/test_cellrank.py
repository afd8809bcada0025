from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import pearsonr

cr = pytest.importorskip("cellrank", reason="CellRank is not installed: make test-interop")
mpl.use("Agg")

FATES = {"erythroid", "myeloid"}


def _agree(adata: Any, found: Any) -> None:
    """The fates that CellRank makes of our transitions are those that we simulate."""
    ours = dict(
        zip(map(str, adata.uns["cellam"]["fates"]), adata.obsm["cellam_fates"].T, strict=True)
    )
    assert set(found.names) == FATES
    np.testing.assert_allclose(found.X.sum(1), 1, atol=1e-3)
    for name in found.names:
        early = (adata.obs["cellam_time"] < adata.obs["cellam_time"].max()).to_numpy()
        r = pearsonr(found[name].X.ravel()[early], ours[name][early])
        assert r.statistic > 0.8


def test_a_precomputed_kernel_leads_to_fate_probabilities(adata: Any) -> None:
    kernel = cr.kernels.PrecomputedKernel("cellam_T_fwd", adata=adata)
    np.testing.assert_allclose(np.asarray(kernel.transition_matrix.sum(1)), 1)
    estimator = cr.estimators.GPCCA(kernel)
    estimator.compute_schur(n_components=6, method="brandts")
    estimator.compute_macrostates(n_states=2, cluster_key="cell_type")
    assert set(estimator.macrostates.cat.categories) == FATES
    estimator.set_terminal_states()
    estimator.compute_fate_probabilities(solver="direct", use_petsc=False)
    _agree(adata, estimator.fate_probabilities)


def test_couplings_make_a_real_time_kernel(adata: Any, exported: Path) -> None:
    import scanpy as sc

    kernel = cr.kernels.RealTimeKernel.from_wot(
        adata, path=exported / "out_couplings", time_key="cellam_time_cat"
    )
    sc.pp.neighbors(adata, use_rep="X_cellam_pca")
    kernel.compute_transition_matrix(threshold=None, self_transitions="connectivities")
    T = kernel.transition_matrix
    np.testing.assert_allclose(np.asarray(T.sum(1)), 1)
    days = adata.obs["cellam_time"].to_numpy()
    rows, columns = T.nonzero()
    assert set(zip(days[rows], days[columns], strict=True)) == {(0, 2), (2, 4), (4, 7), (7, 7)}
    estimator = cr.estimators.GPCCA(kernel)
    estimator.set_terminal_states(adata.obs["term_states_fwd"])
    estimator.compute_fate_probabilities(solver="direct", use_petsc=False)
    _agree(adata, estimator.fate_probabilities)


def test_the_ready_lineages_are_drawn(adata: Any) -> None:
    cr.pl.aggregate_fate_probabilities(adata, mode="bar", cluster_key="cell_type")
    plt.close("all")
    cr.pl.aggregate_fate_probabilities(adata, mode="heatmap", cluster_key="cell_type")
    plt.close("all")
    lineages = cr.Lineage.from_adata(adata)
    assert set(lineages.names) == FATES
    np.testing.assert_array_equal(lineages.X, adata.obsm["cellam_fates"])
