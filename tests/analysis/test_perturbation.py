from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import cellam
from cellam.analysis.perturbation import Change, parse_changes, perturb, shift
from cellam.demo import demo_log_expression
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.toys import Branching


@pytest.fixture(scope="module")
def types(cells: Cells) -> pd.Series:
    return cells.obs["cell_type"]


def test_changes_are_understood() -> None:
    assert parse_changes(["Gata1=-3", " Spi1 = +2 ", "A=B=ko"]) == (
        Change("Gata1", -3.0), Change("Spi1", 2.0), Change("A=B", None),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["Gata1", "=3", "Gata1=", "Gata1=x", "Gata1=0", "Gata1=inf"])
def test_a_change_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be understood") as caught:
        parse_changes([text])
    assert "Gata1=ko" in caught.value.hint


def test_a_gene_is_changed_once() -> None:
    with pytest.raises(ConfigError, match="Gata1 is given twice"):
        parse_changes(["Gata1=1", "Gata1=ko"])
    with pytest.raises(ConfigError, match="No gene"):
        parse_changes([])


def test_a_shift_is_so_many_standard_deviations_of_what_is_decoded(
    model: Model, cells: Cells
) -> None:
    """Up, where nothing is held at zero: the projection of the shift, decoded again."""
    gene = model.space.genes[3]
    x = model.snapshots.points[1]
    moved = shift(model, cells, [Change(gene, 2.0)], x)
    sd = model.space.expression(cells, [gene]).std()
    before, after = (np.maximum(model.space.decode(y, [gene]), -np.inf) for y in (x, moved))
    raised = np.maximum(before, 0) + 2 * sd - np.maximum(before, 0)
    kept = (model.space.components[:, 3] ** 2).sum()  # of a gene, in so few components
    np.testing.assert_allclose(after - before, kept * raised, rtol=1e-4)


def test_two_shifts_add_up_and_opposite_ones_cancel(model: Model, cells: Cells) -> None:
    a, b = model.space.genes[:2]
    x = model.snapshots.points[0]
    both = shift(model, cells, [Change(a, 1.0), Change(b, 2.0)], x)
    one, other = shift(model, cells, [Change(a, 1.0)], x), shift(model, cells, [Change(b, 2.0)], x)
    np.testing.assert_allclose(both - x, (one - x) + (other - x), atol=1e-9)


def test_expression_is_never_lowered_below_nothing(model: Model, cells: Cells) -> None:
    gene = model.space.genes[0]
    x = model.snapshots.points[0]
    lowest = shift(model, cells, [Change(gene, None)], x)
    np.testing.assert_allclose(shift(model, cells, [Change(gene, -1e3)], x), lowest)
    silent = model.space.decode(x, [gene])[:, 0] <= 0
    np.testing.assert_array_equal(lowest[silent], x[silent])
    assert (np.abs(lowest - x).max(1)[~silent] > 0).all()


def test_scaled_expression_has_no_zero(small: anndata.AnnData) -> None:
    dense = small.X.toarray()
    small.X = (dense - dense.mean(0)) / (dense.std(0) + 1e-9)
    cells = cellam.read(small)
    model = cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3)
    x, gene = model.snapshots.points[0], model.space.genes[0]
    with pytest.raises(ConfigError, match="scaled"):
        shift(model, cells, [Change(gene, None)], x)
    down, up = (shift(model, cells, [Change(gene, z)], x) for z in (-4.0, 4.0))
    np.testing.assert_allclose(down - x, x - up, atol=1e-9)


def test_genes_are_found_in_any_case_and_others_are_guessed(model: Model, cells: Cells) -> None:
    gene, x = model.space.genes[0], model.snapshots.points[0]
    np.testing.assert_array_equal(
        shift(model, cells, [Change(gene.upper(), 1.0)], x),
        shift(model, cells, [Change(gene, 1.0)], x),
    )
    with pytest.raises(ConfigError, match="is not among the") as caught:
        shift(model, cells, [Change(gene + "x", 1.0)], x)
    assert gene in caught.value.hint


def test_a_given_representation_has_no_genes(rep_model: Model, rep_cells: Cells) -> None:
    with pytest.raises(ConfigError, match="without `use_rep`"):
        shift(rep_model, rep_cells, [Change("Gata1", 1.0)], rep_model.snapshots.points[0])


def test_the_effect_is_the_difference_to_the_same_cells_unchanged(
    unsure_model: Model, cells: Cells, types: pd.Series
) -> None:
    changes = [Change(unsure_model.space.genes[0], 3.0)]
    found = perturb(unsure_model, cells, changes, "day2", types)
    before, after = (
        np.average(p, axis=0, weights=found.mass_before) for p in (found.before, found.after)
    )
    np.testing.assert_allclose(found.effects[0, :-1], after - before, atol=1e-12)
    assert found.effects.shape == (9, len(found.states) + 1)
    np.testing.assert_allclose(found.effects[:, :-1].sum(1), 0, atol=1e-9)
    alone = perturb(unsure_model.without_ensemble(), cells, changes, "day2", types)
    np.testing.assert_array_equal(alone.effects[0], found.effects[0])
    assert alone.spread is None and found.spread is not None
    assert len(found.table(cells.obs.index)) == 40


def test_noise_is_the_same_with_and_without_the_change(
    noisy_model: Model, cells: Cells, types: pd.Series
) -> None:
    """A shift that does nothing has no effect at all, whatever the noise."""
    gene = noisy_model.space.genes[0]
    found = perturb(noisy_model, cells, [Change(gene, 1e-12)], "day2", types)
    assert np.abs(found.effects[0]).max() < 1e-6


def test_cells_that_leave_the_data_are_counted(
    model: Model, cells: Cells, types: pd.Series
) -> None:
    changes = [Change(gene, 50.0) for gene in model.space.genes[:5]]
    before, after = perturb(model, cells, changes, "day0", types).remote
    assert before < 0.1 and after > 0.9


def test_only_the_cells_asked_for_are_changed(model: Model, cells: Cells, types: pd.Series) -> None:
    rows = model.snapshots.rows[1][:5]
    found = perturb(model, cells, [Change(model.space.genes[0], 1.0)], "day2", types, rows=rows)
    np.testing.assert_array_equal(found.rows, rows)
    with pytest.raises(ConfigError, match="None of the 40 cells of day0"):
        perturb(
            model, cells, [Change(model.space.genes[0], 1.0)], "day0", types,
            rows=rows,
        )  # fmt: skip


@pytest.mark.parametrize(("start", "end"), [("day7", "day2"), ("day2", "day2")])
def test_cells_are_followed_forward(
    model: Model, cells: Cells, types: pd.Series, start: str, end: str
) -> None:
    with pytest.raises(ConfigError, match="is not a training day after"):
        perturb(
            model, cells, [Change(model.space.genes[0], 1.0)], start, types,
            terminal=end,
        )  # fmt: skip


GENES = ("Klf1", "Hba-a1", "Gypa", "Hbb-bs", "Ly6c2", "Elane", "Cebpa", "Prtn3", "Mpo", "Rrm1")


@pytest.mark.slow
def test_effects_have_the_sign_and_the_order_of_the_truth(demo_path: Path) -> None:
    """Ten genes of the demo data, raised one by one.

    The truth of a gene is that of the displacement on the fork whose expected expression is
    nearest to the raised one (least squares over all genes): Branching says what that does to
    fate and growth. Genes of the progenitors are left out: they act along the direction in which
    all cells move alike, and have no effect.
    """
    truth = Branching()
    cells = cellam.read(demo_path)
    model = cellam.fit(cells, tau=1.0, curvature=1.0, n_features=300, max_cells=500)
    space, rows = model.space, model.snapshots.rows[1][::3]
    z = np.asarray(anndata.read_h5ad(demo_path).obsm["X_latent"], dtype=float)[rows]
    sd = space.expression(cells, space.genes).std(0)

    def expected(at: np.ndarray) -> np.ndarray:
        names, logs = demo_log_expression(at)
        share = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
        return np.log1p(space.library * share)[:, [names.index(g) for g in space.genes]]

    h = 1e-3
    slope = np.stack(
        [(expected(z + h * e) - expected(z - h * e)) / (2 * h) for e in np.eye(2)], axis=-1
    )  # (n, g, 2)
    pull = np.linalg.inv(np.einsum("ngi,ngj->nij", slope, slope))

    def becomes(at: np.ndarray) -> tuple[float, float]:
        """Mean probability of the first fate, and mean growth, of cells from day 2 to day 7."""
        fate = truth.fate(2.0, at, np.random.default_rng(0), n_paths=8)[:, 0]
        growth, times = np.zeros(len(at)), np.linspace(2, 7, 100, endpoint=False)
        for t in times:
            growth += 0.05 * truth.growth(t, at)
            at = at + 0.05 * truth.velocity(t, at)
        return float(fate.mean()), float(growth.mean())

    before = becomes(z)
    true, said = [], []
    for gene in GENES:
        j = space.genes.index(gene)
        moved = z + np.einsum("nij,nj->ni", pull, 3 * sd[j] * slope[:, j])
        true.append(np.subtract(becomes(moved), before))
        found = perturb(
            model, cells, [Change(gene, 3.0)], "day2", cells.obs["cell_type"], rows=rows
        )
        said.append(found.effects[0, [found.states.index("erythroid"), -1]])
    for k in (0, 1):  # fate, growth
        of_truth, of_model = np.array(true)[:, k], np.array(said)[:, k]
        assert (np.sign(of_truth) == np.sign(of_model)).sum() >= 9
        assert spearmanr(of_truth, of_model)[0] > 0.9


def test_members_that_agree_are_counted(
    unsure_model: Model, cells: Cells, types: pd.Series
) -> None:
    found = perturb(unsure_model, cells, [Change(unsure_model.space.genes[0], 3.0)], "day2", types)
    effects = np.array([[0.2, -0.1], [0.1, 0.3], [0.4, -0.2], [-0.1, -0.1]])
    assert replace(found, effects=effects).agreeing.tolist() == [2, 2]
