"""Who goes with whom, and the mass that is kept while they do."""

from __future__ import annotations

import functools

import anndata as ad
import numpy as np
import pytest

from cellam.dynamics import couplings, transport
from cellam.dynamics.affine import affine_fit
from cellam.dynamics.couplings import COUPLINGS, Balanced, Independent, Unbalanced, couple
from cellam.errors import TrainingError
from cellam.options import PathName

ROUNDING = 1e-9
PLANNED = [name for name, coupling in COUPLINGS.items() if coupling.moves]
REAL = (
    "klein_mesc_counts", "larry_clones_781", "eb", "cite", "emt_10d", "hesc_chu_100tf",
    "hsmm_fpkm_6000", "sim_gene_growth", "sim_lotka_volterra", "weinreb_2d", "worm_embryo_counts",
)  # fmt: skip


def paired(coupling, x_0, x_1, *, a=None, b=None, seed=0):
    a = np.full(len(x_0), 1 / len(x_0)) if a is None else a
    b = np.full(len(x_1), 1 / len(x_1)) if b is None else b
    return couple(coupling, x_0, x_1, a, b, np.random.default_rng(seed))


def two_clusters(n, share, rng, gap=20.0):
    """n cells, a given share of them in the right cluster; and which those are."""
    right = np.arange(n) < round(share * n)
    return rng.standard_normal((n, 2)) + gap * right[:, None] * [1, 0], right


def growth(pairs):
    """Log of the change of mass."""
    return np.log(pairs.mass_1 / pairs.mass_0)


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.parametrize("block", [2_000, 16])
@pytest.mark.parametrize("sizes", [(40, 40), (30, 55), (55, 30), (3, 60)])
@pytest.mark.parametrize("even", [True, False], ids=["even", "uneven"])
def test_every_cell_keeps_its_mass_at_both_ends(monkeypatch, name, block, sizes, even):
    monkeypatch.setattr(couplings, "BLOCK", block)
    rng = np.random.default_rng(0)
    n, m = sizes
    x_0, x_1 = rng.standard_normal((n, 3)), 1.0 + 2.0 * rng.standard_normal((m, 3))
    a, b = (np.full(n, 1 / n), np.full(m, 1 / m)) if even else (rng.random(n), 3 * rng.random(m))
    pairs = paired(COUPLINGS[name](), x_0, x_1, a=a, b=b)
    assert np.bincount(pairs.i, pairs.mass_0, n) == pytest.approx(a, rel=ROUNDING)
    assert np.bincount(pairs.j, pairs.mass_1, m) == pytest.approx(b, rel=ROUNDING)
    assert min(pairs.mass_0.min(), pairs.mass_1.min()) > 0


@pytest.mark.parametrize("sizes", [(100, 173), (61, 250), (7, 31)])
def test_balanced_blocks_of_any_size_only_move_mass(monkeypatch, sizes):
    monkeypatch.setattr(couplings, "BLOCK", 30)
    rng = np.random.default_rng(0)
    x_0, x_1 = (rng.standard_normal((n, 3)) for n in sizes)
    pairs = paired(Balanced(), x_0, x_1)
    assert pairs.mass_1 == pytest.approx(pairs.mass_0, rel=ROUNDING)


@pytest.mark.parametrize("tau", [0.01, 0.1])
def test_outliers_keep_their_mass_however_cheap_it_is_to_let_them_die(tau):
    rng = np.random.default_rng(0)
    x_0, x_1 = rng.standard_normal((2, 200, 2))
    x_0[:3] += 1e3
    x_1[:5] -= 1e3
    pairs = paired(Unbalanced(tau), x_0, x_1)
    even = np.full(200, 1 / 200)
    assert np.bincount(pairs.i, pairs.mass_0, 200) == pytest.approx(even, rel=ROUNDING)
    assert np.bincount(pairs.j, pairs.mass_1, 200) == pytest.approx(even, rel=ROUNDING)
    assert np.isfinite(growth(pairs)).all()


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_is_sparse(name):
    """A vertex of the transport polytope has at most n + m − 1 pairs."""
    rng = np.random.default_rng(0)
    pairs = paired(COUPLINGS[name](), rng.standard_normal((70, 2)), rng.standard_normal((90, 2)))
    assert len(pairs) <= 70 + 90


@pytest.mark.parametrize("name", PLANNED)
def test_the_same_seed_gives_the_same_pairs(name):
    x_0, x_1 = np.random.default_rng(0).standard_normal((2, 50, 2))
    one, two = (paired(COUPLINGS[name](), x_0, x_1, seed=3) for _ in range(2))
    for field in ("i", "j", "mass_0", "mass_1"):
        assert np.array_equal(getattr(one, field), getattr(two, field))


@pytest.mark.parametrize("coupling", [Balanced(), Independent()])
def test_where_mass_is_only_moved_all_pairs_grow_as_the_whole(coupling):
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(60)
    pairs = paired(coupling, rng.standard_normal((40, 2)), rng.standard_normal((60, 2)), a=a, b=b)
    assert growth(pairs) == pytest.approx(np.log(b.sum() / a.sum()), abs=1e-6)


class TestBalanced:
    def test_on_a_line_the_order_is_kept(self):
        rng = np.random.default_rng(0)
        x_0, x_1 = rng.standard_normal((100, 1)), rng.exponential(size=(100, 1))
        pairs = paired(Balanced(), x_0, x_1)
        assert len(pairs) == 100
        rank_0, rank_1 = (x[:, 0].argsort().argsort() for x in (x_0, x_1))
        assert np.array_equal(rank_0[pairs.i], rank_1[pairs.j])

    def test_a_translation_is_found(self):
        rng = np.random.default_rng(0)
        x_0, order = rng.standard_normal((150, 4)), rng.permutation(150)
        x_1 = x_0[order] + [5.0, -3.0, 0.0, 1.0]
        pairs = paired(Balanced(), x_0, x_1)
        assert np.array_equal(pairs.i, order[pairs.j])

    def test_blocks_still_find_most_of_a_translation(self, monkeypatch):
        rng = np.random.default_rng(0)
        x_0, m = rng.standard_normal((400, 2)), np.array([5.0, 0.0])
        monkeypatch.setattr(couplings, "BLOCK", 100)
        pairs = paired(Balanced(), x_0, x_0 + m)
        moved = (x_0 + m)[pairs.j] - x_0[pairs.i]
        # Blocks hold different cells, so that partners are near neighbours and not the cells.
        assert np.average(moved, axis=0, weights=pairs.mass_0) == pytest.approx(m, abs=1e-9)
        assert np.abs(moved - m).mean() < 0.5  # two random cells are 1.1 apart


class TestUnbalanced:
    @pytest.fixture
    def shares(self):
        rng = np.random.default_rng(0)
        x_0, right_0 = two_clusters(300, 0.5, rng)
        x_1, right_1 = two_clusters(300, 0.8, rng)
        return x_0, right_0, x_1, right_1

    def test_clusters_grow_and_shrink_as_their_shares_do(self, shares):
        x_0, right_0, x_1, right_1 = shares
        pairs = paired(Unbalanced(0.1), x_0, x_1)
        for side_0, side_1, truth in (
            (right_0, right_1, np.log(0.8 / 0.5)),
            (~right_0, ~right_1, np.log(0.2 / 0.5)),
        ):
            inside = side_0[pairs.i] & side_1[pairs.j]
            rate = np.average(growth(pairs)[inside], weights=pairs.mass_0[inside])
            assert rate == pytest.approx(truth, rel=0.15)

    def test_hardly_anyone_crosses(self, shares):
        x_0, right_0, x_1, right_1 = shares
        crosses = {}
        for name, coupling in (("cheap", Unbalanced(0.1)), ("ot", Balanced())):
            pairs = paired(coupling, x_0, x_1)
            cross = right_0[pairs.i] != right_1[pairs.j]
            crosses[name] = pairs.mass_0[cross].sum()
        assert crosses["ot"] == pytest.approx(0.3, abs=1e-9)  # what the shares differ by
        assert crosses["cheap"] < 0.01

    def test_expensive_growth_is_balanced_transport(self):
        rng = np.random.default_rng(0)
        x_0, x_1 = rng.standard_normal((80, 2)), [2, 1] + 1.5 * rng.standard_normal((80, 2))
        pairs, truth = (paired(c, x_0, x_1) for c in (Unbalanced(1_000), Balanced()))
        assert np.abs(growth(pairs)).max() < 0.02  # of order cost/τ
        cost = [
            p.mass_0 @ ((x_0[p.i] - x_1[p.j]) ** 2).sum(1)  # optimal, thus the same plan
            for p in (pairs, truth)
        ]
        assert cost[0] == pytest.approx(cost[1], rel=0.01)

    @pytest.mark.parametrize("tau", [0.1, 1.0])
    def test_a_common_translation_needs_almost_no_growth(self, tau):
        """Cells ahead on a common path are not mistaken for cells that grow."""
        rng, m = np.random.default_rng(0), np.array([4.0, 2.0])
        x_0, right = two_clusters(300, 0.5, rng)
        x_1, _ = two_clusters(300, 0.5, rng)
        pairs = paired(Unbalanced(tau), x_0, x_1 + m)
        assert np.abs(growth(pairs)).mean() < 0.05
        for side in (right, ~right):
            inside = side[pairs.i]
            change = pairs.mass_1[inside].sum() / pairs.mass_0[inside].sum()
            assert change == pytest.approx(1, abs=0.01)

    @pytest.mark.parametrize("gap", [0.0, 3.0, 6.0])
    def test_the_affine_part_takes_away_half_of_the_growth_that_a_motion_feigns(
        self, gap, monkeypatch
    ):
        """Where clusters move along the line between them; a plan without it is the rival."""
        rng, m = np.random.default_rng(0), np.array([4.0, 2.0])
        x, _ = two_clusters(300, 0.5, rng, gap=gap)
        even, coupling = np.full(300, 1 / 300), Unbalanced(1.0)
        carried = coupling.plan(x, x + m, even, even, rng)
        monkeypatch.setattr(couplings, "affine_fit", lambda x, y, weights: x)
        plain = coupling.plan(x, x + m, even, even, rng)
        feigned = [np.abs(np.log(gamma.sum(1) / even)).mean() for gamma in (carried, plain)]
        assert feigned[0] < 0.75 * feigned[1]

    def test_cells_that_are_nowhere_are_an_error(self):
        x = np.random.default_rng(0).standard_normal((20, 2))
        with pytest.raises(TrainingError, match="finite"):
            paired(Unbalanced(0.1), np.where(x > 0, x, np.nan), x)

    def test_iterations_that_end_early_are_an_error_and_not_a_plan(self, monkeypatch):
        hurried = functools.partial(couplings.solve_relaxed, iterations=3)
        monkeypatch.setattr(couplings, "solve_relaxed", hurried)
        x_0, x_1 = np.random.default_rng(0).standard_normal((2, 50, 2))
        with pytest.raises(TrainingError, match="did not converge: after 3 iterations"):
            paired(Unbalanced(0.1), x_0, x_1)

    def test_a_cell_that_nothing_is_near_keeps_a_millionth_of_its_mass(self):
        x = np.random.default_rng(0).standard_normal((200, 2))
        x_0 = np.concatenate([x, [[30.0, 0.0]]])
        a, b = np.full(201, 1 / 201), np.full(200, 1 / 200)
        gamma = Unbalanced(0.01).plan(x_0, x, a, b, np.random.default_rng(0))
        kept = gamma.sum(1) / a
        assert kept[-1] == pytest.approx(1e-6, rel=1e-3)
        assert kept[:-1].min() > 1e-3

    def test_without_options_growth_costs_as_much_as_the_mean_way(self):
        assert (Unbalanced().tau, Unbalanced().entropy) == (1.0, 0.01)

    def test_more_mass_is_moved_the_dearer_growth_is_where_all_cells_are_far_apart(self):
        """As on the first days of larry, where exp(−C/ε) is zero for every pair of a cell."""
        rng = np.random.default_rng(0)
        x_0, x_1 = rng.standard_normal((34, 40)), 0.5 + rng.standard_normal((431, 40))
        moves_ever_more(x_0, x_1)

    @pytest.mark.parametrize("file", REAL)
    def test_more_mass_is_moved_the_dearer_growth_is_on_real_days(self, file, shared_data):
        days = ad.read_h5ad(shared_data / f"{file}.h5ad")
        X = days.obsm["X_pca"] if "X_pca" in days.obsm else np.log1p(days.to_df().to_numpy())
        first, second = np.unique(days.obs["day"])[:2]
        x_0, x_1 = (X[(days.obs["day"] == day).to_numpy()][:400, :50] for day in (first, second))
        moves_ever_more(x_0, x_1)


def moves_ever_more(x_0, x_1):
    even = np.full(len(x_0), 1 / len(x_0)), np.full(len(x_1), 1 / len(x_1))
    moved = []
    for tau in (0.1, 1.0, 5.0):
        found = Unbalanced(tau).relax(x_0, x_1, *even)
        for masses, kept in ((found.plan.sum(1), found.rows), (found.plan.sum(0), found.columns)):
            assert np.abs(masses - kept).sum() < 0.01 * kept.sum()
        moved.append(found.plan.sum())
    assert 0.01 < moved[0] < moved[1] < moved[2] < 1
    assert moved[2] > 0.9


def test_independent_partners_know_nothing_of_each_other():
    rng = np.random.default_rng(0)
    x = np.sort(rng.standard_normal((1_000, 1)), axis=0)
    pairs = paired(Independent(), x, x)
    r = np.corrcoef(x[pairs.i, 0], x[pairs.j, 0])[0, 1]
    assert abs(r) < 4 / np.sqrt(1_000)  # four standard errors


def test_an_affine_map_is_recovered():
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((200, 3)), np.full(200, 1 / 200)
    y = x @ rng.standard_normal((3, 3)) + [1.0, 2.0, 3.0]
    # The smallest ridge is a thousandth.
    assert affine_fit(x, y, weights) == pytest.approx(y, abs=0.05)


def test_fewer_cells_than_coordinates_tell_a_translation_and_no_more():
    """With 41 unknowns a coordinate, least squares sends 34 cells exactly to their partners."""
    rng, m = np.random.default_rng(0), np.linspace(-1, 1, 40)
    x, weights = rng.standard_normal((34, 40)), np.full(34, 1 / 34)
    y = x + m + rng.standard_normal((34, 40))  # partners are where they are by chance
    off = np.sqrt(((affine_fit(x, y, weights) - x - m) ** 2).mean())
    assert off < 1.5 / np.sqrt(34)  # the standard error of the translation
    assert affine_fit(x[:1], y[:1], np.ones(1)) == pytest.approx(y[:1])


def test_fewer_cells_than_coordinates_still_tell_a_stretch_along_their_main_axis():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((34, 40)) * [10, *np.full(39, 0.1)]
    y = x * [2, *np.ones(39)]
    off = affine_fit(x, y, np.full(34, 1 / 34)) - y
    assert np.abs(off).max() < 0.01 * np.abs(y - x).max()


def test_distances_are_never_negative():
    x = 1e4 + np.random.default_rng(0).standard_normal((50, 3))
    cost = transport.squared_distances(x, x)
    assert cost.min() >= 0
    truth = ((x[:, None] - x[None]) ** 2).sum(-1)
    # 2|x|² is 6·10⁸, of which double precision leaves 10⁻⁷
    assert cost == pytest.approx(truth, abs=1e-6)


def test_transport_that_stops_early_is_an_error_and_not_a_wrong_plan(monkeypatch):
    ot = transport._pot()
    emd = ot.emd

    def hurried(a, b, cost, **_):
        return emd(a, b, cost, numItermax=3)

    monkeypatch.setattr(ot, "emd", hurried)
    x_0, x_1 = np.random.default_rng(0).standard_normal((2, 100, 2))
    with pytest.raises(TrainingError, match="did not converge"):
        paired(Balanced(), x_0, x_1)


@pytest.mark.parametrize("tau", [0.3, 1.0, 3.0])
def test_the_price_of_one_cell_that_parts_is_that_of_the_formula(tau):
    """With C/C̄ = 1 and masses 1, g + 2τ(g log g − g + 1) is least at g = exp(−1/2τ).

    One cell becomes two on either side of it, which no affine map can do.
    """
    x, y = np.zeros((1, 2)), np.array([[-1.0, 0.0], [1.0, 0.0]])
    expected = 2 * tau * (1 - np.exp(-1 / (2 * tau)))
    assert Unbalanced(tau).price(x, y, np.ones(1), np.full(2, 0.5)) == pytest.approx(
        expected, rel=0.01
    )


def test_the_price_is_lower_with_the_masses_that_the_cells_have_grown_to():
    rng = np.random.default_rng(0)
    x_0, right_0 = two_clusters(200, 0.3, rng, gap=6.0)
    x_1, right_1 = two_clusters(200, 0.7, rng, gap=6.0)

    def price(factor):
        a, b = np.where(right_0, factor, 1.0), np.where(right_1, 1 / factor, 1.0)
        return Unbalanced().price(x_0, x_1, a / a.sum(), b / b.sum())

    # The odds of the right cluster went from 3 : 7 to 7 : 3, by (7/3)², half of it at each end.
    assert price(7 / 3) < 0.2 * price(1.0)
    assert price(1.0) < price(3 / 7)


# The registry ------------------------------------------------------------------------------------


def test_every_path_that_an_option_names_is_a_coupling_and_the_other_way_round():
    assert set(PathName.__args__) == set(COUPLINGS)


@pytest.mark.parametrize("name", COUPLINGS)
def test_every_coupling_keeps_the_mass_of_both_days(name):
    """Those that move pair rows of each day, a mixture pairs all cells with themselves."""
    rng = np.random.default_rng(0)
    x_0, x_1 = rng.standard_normal((30, 3)), 1.0 + rng.standard_normal((50, 3))
    a, b = rng.random(30), 3 * rng.random(50)
    coupling = COUPLINGS[name]()
    pairs = coupling.pair(x_0, x_1, a, b, rng)
    before, after = (a, b) if coupling.moves else (np.append(a, 0 * b), np.append(0 * a, b))
    assert np.bincount(pairs.i, pairs.mass_0) == pytest.approx(before, rel=ROUNDING)
    assert np.bincount(pairs.j, pairs.mass_1) == pytest.approx(after, rel=ROUNDING)
