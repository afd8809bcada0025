"""Scores in gene space, against the same worked out in full."""

from __future__ import annotations

import numpy as np
import pytest

import cellam
from cellam.errors import ConfigError
from cellam.evaluation.evaluate import available_metrics, evaluate
from cellam.evaluation.gene_space import Genes, compare_profiles
from cellam.evaluation.scoring import score
from cellam.matrix.rows import Rows
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

N, P, G = 14, 3, 20


def test_it_is_one_minus_r2_of_means_and_its_influence_is_the_derivative() -> None:
    rng = np.random.default_rng(0)
    axes, origin = rng.normal(size=(P, G)), rng.uniform(0, 3, G)
    x, expression = rng.normal(size=(N, P)), rng.normal(size=(N, G))
    u, v = rng.dirichlet(np.ones(N)), np.full(N, 1 / N)
    genes = Genes(expression, axes, origin)
    found = compare_profiles(x, u, genes, v)
    predicted, measured = u @ (x @ axes + origin), v @ expression
    r2 = 1 - ((predicted - measured) ** 2).sum() / ((measured - measured.mean()) ** 2).sum()
    assert found.value == pytest.approx(1 - r2)
    step = rng.normal(size=N) * 1e-6
    step -= step.mean()
    of_x = compare_profiles(x, u + step, genes, v).value - found.value
    of_y = compare_profiles(x, u, genes, v + step).value - found.value
    assert of_x == pytest.approx(found.of_x @ step, rel=1e-3)
    assert of_y == pytest.approx(found.of_y @ step, rel=1e-3)
    right = Genes(x @ axes + origin, axes, origin)
    assert compare_profiles(x, v, right, v).value == pytest.approx(0, abs=1e-20)


def test_the_table_has_decoded_cells_against_measured_ones(cells: Cells) -> None:
    """The day before as it is, whose decoded mean is the measured one less what is left out."""
    model: Model = cellam.fit(cells, exclude=("day2",), n_features=32, n_pcs=3, tau=1.0)
    expression = model.space.expression(cells, model.space.genes)
    k = model.snapshots.index("day2")
    rows = model.snapshots.rows[k]
    found = score(
        model, "day2", metrics=["gene_mean"], draws=40, n_cells=20,
        expression=Rows.of(expression[rows].astype(np.float32)),
    )  # fmt: skip
    value = found.table.set_index("method")["value"]
    before = model.space.decode(model.snapshots.points[k - 1], list(model.space.genes)).mean(0)
    day = expression[rows].mean(0)
    r2 = 1 - ((before - day) ** 2).sum() / ((day - day.mean()) ** 2).sum()
    assert value["previous"] == pytest.approx(1 - r2, rel=0.25)  # of 20 of 40 cells
    assert value["floor"] < value["previous"]


def test_it_needs_genes(cells: Cells, rep_cells: Cells) -> None:
    options = cellam.Options()
    assert "gene_mean" in available_metrics(cells, options)
    assert "gene_mean" not in available_metrics(rep_cells, options)
    with pytest.raises(ConfigError, match=r"obsm\['X_latent'\] cannot be decoded to genes"):
        evaluate(rep_cells, "day2", metrics=["gene_mean"])
