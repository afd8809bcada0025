"""Scores in gene space, against the same worked out in full."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import cellam
from cellam.dynamics.distances import energy
from cellam.errors import ConfigError
from cellam.evaluation.evaluate import available_metrics, evaluate
from cellam.evaluation.gene_space import (
    Genes,
    compare_expression,
    compare_profiles,
    distances_apart,
)
from cellam.evaluation.scoring import score
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

N, P, G = 14, 3, 20
Array = NDArray[np.float64]


def parts(seed: int = 0) -> tuple[Array, Array, Array, Genes, Array]:
    """Predicted and measured cells, in coordinates of different scales."""
    rng = np.random.default_rng(seed)
    axes = np.diag([2.0, 1.0, 0.5]) @ np.linalg.qr(rng.normal(size=(G, P)))[0].T
    origin = rng.uniform(0, 3, G)
    y = rng.normal(size=(N, P))
    expression = y @ axes + origin + 0.3 * _across(axes, rng.normal(size=(N, G)))
    u, v = rng.dirichlet(np.ones(N)), np.full(N, 1 / N)
    genes = Genes(expression, distances_apart(expression), axes, origin)
    return rng.normal(size=(N, P)) + 0.5, u, y, genes, v


def _across(axes: Array, noise: Array) -> Array:
    """What of noise the components leave out."""
    plane = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return noise - (noise @ plane.T) @ plane


def test_distances_are_those_of_decoded_cells_to_measured_expression() -> None:
    x, u, y, genes, v = parts()
    decoded = x @ genes.axes + genes.origin
    found = compare_expression(x, u, y, genes, v)
    assert found.value == pytest.approx(energy(decoded, u, genes.expression, v))
    means = compare_profiles(x, u, genes, v)
    predicted, measured = u @ decoded, v @ genes.expression
    r2 = 1 - ((predicted - measured) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    assert means.value == pytest.approx(1 - r2)


@pytest.mark.parametrize("name", ["profiles", "expression"])
def test_the_influence_of_a_cell_is_the_derivative_in_its_weight(name: str) -> None:
    x, u, y, genes, v = parts()

    def value(u: Array, v: Array) -> float:
        if name == "profiles":
            return compare_profiles(x, u, genes, v).value
        return compare_expression(x, u, y, genes, v).value

    found = (
        compare_profiles(x, u, genes, v)
        if name == "profiles"
        else compare_expression(x, u, y, genes, v)
    )
    change = np.random.default_rng(1).normal(size=N) * 1e-5
    for of, sides in ((found.of_x, (1, 0)), (found.of_y, (0, 1))):
        step = change - change.mean()
        moved = [value(u + s * sides[0] * step, v + s * sides[1] * step) for s in (1, -1)]
        # The unbiased mean divides by 1 − Σu², which is held in the influence: a part in n.
        assert (moved[0] - moved[1]) / 2 == pytest.approx(of @ step, rel=0.35, abs=2e-8)


def test_the_table_has_the_scores_of_decoded_cells(cells: Cells) -> None:
    """Of the day before as it is, of which every cell is in the cloud."""
    model: Model = cellam.fit(cells, exclude=("day2",), n_features=32, n_pcs=3, tau=1.0)
    k, space = model.snapshots.index("day2"), model.space
    expression = space.expression(cells, space.genes)
    of_day = expression[model.snapshots.rows[k]]
    found = score(
        model, "day2", metrics=["gene_mean", "gene_energy"], draws=1, n_cells=20,
        expression=of_day.astype(np.float32),
    )  # fmt: skip
    value = found.table.set_index(["metric", "method"])["value"]
    assert value.loc["gene_energy"].index.tolist() == value.loc["gene_mean"].index.tolist()
    assert value["gene_mean", "previous"] > value["gene_mean", "floor"] > 0
    # The floor is decoded too: what components leave out is in it.
    assert value["gene_energy", "floor"] > 0.1
    decoded = space.decode(model.snapshots.points[k], list(space.genes))
    even = np.full(len(of_day), 1 / len(of_day))
    left_out = energy(decoded.astype(float), even, of_day, even)
    assert value["gene_energy", "floor"] == pytest.approx(left_out, rel=0.25)


def test_they_need_genes(cells: Cells, rep_cells: Cells) -> None:
    options = cellam.Options()
    assert {"gene_mean", "gene_energy"} <= set(available_metrics(cells, options))
    assert not {"gene_mean", "gene_energy"} & set(available_metrics(rep_cells, options))
    with pytest.raises(ConfigError, match="obsm\\['X_latent'\\] cannot be decoded to genes"):
        evaluate(rep_cells, "day2", metrics=["gene_mean"])
