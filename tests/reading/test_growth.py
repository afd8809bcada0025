"""The growth that is expected: what it is read from, and that it helps only where it is right."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import sparse

import cellam
from cellam.errors import ConfigError, DataError
from cellam.evaluation import evaluate as evaluation
from cellam.reading.growth import division_scores, expected_growth, find_genes, rate
from cellam.reading.signatures import BIRTH, DEATH
from cellam.toys import Branching


@pytest.fixture(scope="module")
def demo(demo_path: Path) -> anndata.AnnData:
    """600 cells of the demo with their true growth, the same upside down, and at random."""
    adata = anndata.read_h5ad(demo_path)
    rng = np.random.default_rng(0)
    adata = adata[np.sort(rng.choice(adata.n_obs, 600, replace=False))].copy()
    truth = Branching().growth(0.0, adata.obsm["X_latent"].astype(float))
    adata.obs["right"], adata.obs["wrong"] = truth, -truth
    adata.obs["large"], adata.obs["random"] = 10 * truth, rng.permutation(truth)
    adata.obs["missing"] = np.where(adata.obs["day"] == "day2", np.nan, truth)
    return adata


def expected(adata, prior, **kwargs):
    cells = cellam.read(adata, growth_prior=prior, **kwargs)
    return expected_growth(cells, np.ones(len(cells), dtype=bool))


# What is expected ------------------------------------------------------------------------------


def test_a_cell_without_either_score_grows_at_the_difference_of_the_logistic_curves():
    births, deaths = rate(np.zeros(1), 0.25, 0.5), rate(np.zeros(1), 0.1, 0.2)
    # 0.3 + 1.4/(1 + e²) for both, as 4 · 0.25/0.5 = 4 · 0.1/0.2 = 2.
    assert births == pytest.approx(0.3 + 1.4 / (1 + np.exp(2)))
    assert births == pytest.approx(deaths)


@pytest.mark.parametrize("species", ["human", "mouse"])
def test_genes_tell_the_growth_of_the_demo(demo, species):
    found = expected(demo, species)
    assert np.corrcoef(found.rates, demo.obs["right"])[0, 1] > 0.85
    n = len(find_genes(DEATH[species], tuple(demo.var_names)))
    assert (found.source.prior, found.source.genes["division"]) == (species, (22, 97))
    assert found.source.genes["death"][0] == n


def test_genes_are_found_in_any_case_and_under_either_name(demo):
    upper = demo.copy()
    upper.var_names = [name.upper() for name in demo.var_names]
    # Genes are sorted by name before they are scored, and capitals sort otherwise.
    a, b = expected(demo, "mouse").rates, expected(upper, "mouse").rates
    assert np.corrcoef(a, b)[0, 1] > 0.99
    assert find_genes(BIRTH["human"], ("CENPU", "MLF1IP", "cdk1", "ACTB")) == [
        "CENPU", "MLF1IP", "cdk1",
    ]  # fmt: skip


def test_the_embedding_does_not_matter_to_what_genes_tell(demo):
    with_rep = expected(demo, "mouse", use_rep="X_latent")
    assert np.array_equal(with_rep.rates, expected(demo, "mouse").rates)


def test_rates_are_per_unit_of_the_users_time(demo):
    hours = demo.copy()
    hours.obs["day"] = hours.obs["day"].astype(str).map(lambda d: f"{24 * int(d[3:])}h")
    assert expected(hours, "mouse").rates == pytest.approx(expected(demo, "mouse").rates / 24)
    bare = demo.copy()
    bare.obs["day"] = bare.obs["day"].astype(str).str[3:].astype(int)
    found = expected(bare, "mouse")
    assert found.rates == pytest.approx(expected(demo, "mouse").rates)
    assert found.source.assumes_days
    assert not expected(demo, "mouse").source.assumes_days


def test_days_that_are_not_fitted_on_leave_no_trace(demo):
    """Other expression on day 2, and no rates there: the same expectation elsewhere."""
    other = demo.copy()
    out = (demo.obs["day"] == "day2").to_numpy()
    changed = other.X.toarray()
    changed[out] = np.random.default_rng(0).poisson(5.0, (out.sum(), demo.n_vars))
    other.X = sparse.csr_matrix(changed)
    for prior, a, b in (("mouse", demo, other), ("right", demo, demo.copy())):
        found = []
        for adata in (a, b):
            cells = cellam.read(adata, growth_prior=prior)
            found.append(expected_growth(cells, ~out).rates)
        assert np.isnan(found[0][out]).all()
        assert np.array_equal(found[0][~out], found[1][~out])
    cells = cellam.read(demo, growth_prior="missing")
    assert np.isfinite(expected_growth(cells, ~out).rates[~out]).all()
    with pytest.raises(DataError, match=r"has no finite number in \d+ cells of 600"):
        expected_growth(cells, np.ones(len(cells), dtype=bool))


def test_scoring_leaves_the_random_numbers_of_the_user_alone(demo):
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    expected(demo, "mouse")
    assert np.array_equal(np.random.get_state()[1], before)


def test_without_a_prior_nothing_is_expected(cells):
    assert expected_growth(cells, np.ones(len(cells), dtype=bool)) is None


# What is refused -------------------------------------------------------------------------------


def test_data_with_hardly_any_gene_of_a_set_are_refused_with_what_was_found(demo):
    few = demo[:, [not g.startswith(("Bax", "Trp53", "Fas")) for g in demo.var_names]].copy()
    with pytest.raises(DataError, match=r"has 4 of the 192 death genes of the mouse .* 5 are"):
        expected(few, "mouse")
    nameless = demo.copy()
    nameless.var_names = [f"ENSMUSG{k:08d}" for k in range(demo.n_vars)]
    with pytest.raises(DataError, match=r"0 of the 97 division genes .*'ENSMUSG00000000'"):
        expected(nameless, "mouse")


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        ("cell_type", "does not hold numbers but category"),
        ("flat", "is 0.5 in all cells"),
        ("mose", "neither a species nor a column"),
    ],
)
def test_a_column_that_is_no_growth_rate_is_refused(demo, prior, says):
    adata = demo.copy()
    adata.obs["flat"] = 0.5
    with pytest.raises(DataError, match=says) as error:
        expected(adata, prior)
    if prior == "mose":
        assert "Did you mean 'mouse'?" in error.value.hint


def test_a_prior_without_growth_to_expect_is_refused(demo):
    cells = cellam.read(demo, growth_prior="right", use_rep="X_latent")
    for options, says in (({"method": "am"}, "conserves mass"), ({"path": "ot"}, "`path='ot'`")):
        with pytest.raises(ConfigError, match=says):
            cellam.fit(cells, **options)
    plain = cellam.read(demo, use_rep="X_latent")
    with pytest.raises(ConfigError, match="read without `growth_prior='mouse'`"):
        cellam.fit(plain, growth_prior="mouse")


def test_other_rates_are_other_data(demo):
    other = demo.copy()
    other.obs["right"] += 0.1
    digests = [
        cellam.read(adata, growth_prior=prior, use_rep="X_latent").digest
        for adata, prior in ((demo, None), (other, None), (demo, "right"), (other, "right"))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


# What it does to a fit -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inferred(demo):
    """Growth that a fit infers with each prior, its share, and the truth, within the days."""

    def infer(prior):
        cells = cellam.read(demo, growth_prior=prior, use_rep="X_latent")
        model = cellam.fit(cells, n_features=200, curvature=1.0, tau=1.0)
        days = model.snapshots
        grown = [model.growth(t, x) for t, x in zip(days.times, days.points, strict=True)]
        truth = demo.obs["right"].to_numpy()[days.data_rows]
        rates = np.concatenate(grown)
        return np.corrcoef(rates, truth)[0, 1], model.choice.recipe.prior, rates

    return {p: infer(p) for p in (None, "right", "large", "mouse", "wrong", "random")}


@pytest.mark.parametrize("prior", ["right", "large", "mouse"])
def test_a_right_prior_of_any_scale_helps(inferred, prior):
    assert inferred[prior][1] > 0
    assert inferred[prior][0] > inferred[None][0] + 0.005


def test_a_prior_ten_times_too_large_is_taken_at_a_tenth(inferred):
    assert inferred["large"][1] == pytest.approx(0.1 * inferred["right"][1])
    # The plans differ where cells are equally dear, by rounding.
    assert inferred["large"][2] == pytest.approx(inferred["right"][2], abs=0.01)


@pytest.mark.parametrize("prior", ["wrong", "random"])
def test_a_wrong_prior_is_outweighed_by_the_data(inferred, prior):
    """None of it is taken, so that the fit is the one without it to the last bit."""
    assert inferred[prior][1] == 0
    assert np.array_equal(inferred[prior][2], inferred[None][2])


def test_a_prior_is_judged_where_there_are_only_two_days(demo):
    two = demo[demo.obs["day"].isin(["day0", "day4"])].copy()
    for prior, some in (("right", True), ("wrong", False)):
        cells = cellam.read(two, growth_prior=prior, use_rep="X_latent")
        assert (cellam.fit(cells, n_features=32).choice.recipe.prior > 0) == some


def test_an_evaluation_has_a_row_without_the_prior(demo, monkeypatch):
    cells = cellam.read(demo, growth_prior="right", use_rep="X_latent")
    fast = {"n_features": 32, "tau": 1.0, "curvature": 1.0}
    models = []
    for name in ("fit", "fit_beside"):
        how = getattr(evaluation, name)
        monkeypatch.setattr(
            evaluation, name, lambda *a, how=how: models.append(how(*a)) or models[-1]
        )
    found = cellam.evaluate(cells, "day2", metrics=["energy"], refits=0, **fast).table
    assert {"cellam", "balanced", "no-prior"} <= set(found["method"])
    fitted = [(m.options.method, m.options.growth_prior) for m in models]
    assert fitted == [("uam", "right"), ("am", None), ("uam", None)]
    without = cellam.fit(cells.without_prior(), exclude=("day2",), **fast)
    x = without.snapshots.points[0]
    assert np.array_equal(models[2].growth(0.0, x), without.growth(0.0, x))
    assert not np.array_equal(models[0].growth(0.0, x), without.growth(0.0, x))


@pytest.mark.slow
def test_growth_of_the_published_simulation_is_found_better_with_a_right_prior(shared_data):
    adata = anndata.read_h5ad(shared_data / "sim_gene_growth.h5ad")
    x = adata.obsm["X_pca"][:, 1].astype(float)
    truth = x**2 / (1 + x**2)  # up to a factor, of which the share makes up
    adata.obs["right"], adata.obs["wrong"] = truth, -truth
    within = {}
    for prior in (None, "right", "wrong"):
        cells = cellam.read(adata, growth_prior=prior, use_rep="X_pca", time_key="day")
        model = cellam.fit(cells, population="cells")
        days = model.snapshots
        within[prior] = np.mean(
            [
                np.corrcoef(model.growth(t, y), truth[rows])[0, 1]
                for t, y, rows in zip(days.times, days.points, days.rows, strict=True)
            ]
        )
    assert within["right"] > within[None]
    assert within["wrong"] == pytest.approx(within[None], abs=1e-12)


def test_signatures_without_other_genes_to_compare_with_are_refused_or_left_alone(demo):
    """Scores are differences to genes of like level; a fit that asked for none goes without."""
    names = tuple(demo.var_names)
    only = demo[:, find_genes(BIRTH["mouse"], names) + find_genes(DEATH["mouse"], names)].copy()
    with pytest.raises(DataError, match="none to compare"):
        expected(only, "mouse")
    cells = cellam.read(only)
    assert division_scores(cells, np.arange(len(cells))) is None
