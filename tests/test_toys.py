from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from cellam import demo as demo_data
from cellam.errors import ConfigError, OutputError
from cellam.toys import Branching, GaussianTranslation, OrnsteinUhlenbeck, WeightChange

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "data" / "demo.h5ad"
DEMO_MADE_WITH = {"anndata": "0.12.19", "h5py": "3.16.0", "numpy": "2.4.6"}

Field = Callable[[np.ndarray], np.ndarray]


def gradient(f: Field, x: np.ndarray, h: float = 1e-4) -> np.ndarray:
    steps = h * np.eye(x.shape[1])
    return np.stack([(f(x + e) - f(x - e)) / (2 * h) for e in steps], axis=1)


def laplacian(f: Field, x: np.ndarray, h: float = 1e-3) -> np.ndarray:
    return sum((f(x + e) - 2 * f(x) + f(x - e)) / h**2 for e in h * np.eye(x.shape[1]))


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    n, m = len(x), len(y)
    within = cdist(x, x).sum() / (n * (n - 1)) + cdist(y, y).sum() / (m * (m - 1))
    return 2 * cdist(x, y).mean() - within


@pytest.fixture(scope="module")
def demo() -> anndata.AnnData:
    return demo_data.demo()


@pytest.fixture(scope="module")
def latent(demo: anndata.AnnData) -> np.ndarray:
    return demo.obsm["X_latent"].astype(float)


@pytest.fixture(scope="module")
def log_counts(demo: anndata.AnnData) -> np.ndarray:
    counts = demo.X.toarray().astype(float)
    return np.log1p(1e3 * counts / counts.sum(1, keepdims=True))


# Closed forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("lam", "sigma"), [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.7)])
def test_the_actions_of_a_translation_solve_their_continuity_equations(
    lam: float, sigma: float
) -> None:
    """∂ₜ log q = -∇log q·∇s - Δs + λs + ½σ²(Δlog q + |∇log q|²), by finite differences."""
    toy, t, h = GaussianTranslation((1.0, -0.5), v=0.6), 0.3, 1e-4
    x = toy.sample(t, 20, np.random.default_rng(0))

    def s(x: np.ndarray) -> np.ndarray:
        if lam:
            return toy.unbalanced_action(t, x, lam=lam)
        return toy.entropic_action(t, x, sigma=sigma) if sigma else toy.action(t, x)

    def log_q(x: np.ndarray) -> np.ndarray:
        return toy.log_density(t, x)

    score = gradient(log_q, x)
    right = -(score * gradient(s, x)).sum(1) - laplacian(s, x) + lam * s(x)
    right += 0.5 * sigma**2 * (laplacian(log_q, x) + (score**2).sum(1))
    left = (toy.log_density(t + h, x) - toy.log_density(t - h, x)) / (2 * h)
    np.testing.assert_allclose(left, right, atol=1e-6)


@pytest.mark.parametrize("lam", [0.0, 2.0])
def test_the_minimum_of_a_translation_is_minus_its_kinetic_and_growth_energy(lam: float) -> None:
    toy = GaussianTranslation((1.0, 2.0), v=0.5)
    x = toy.sample(0.4, 100_000, np.random.default_rng(0))
    s = toy.unbalanced_action(0.4, x, lam=lam)
    dsdx = gradient(lambda x: toy.unbalanced_action(0.4, x, lam=lam), x[:1])
    energy = 0.5 * ((dsdx**2).sum() + lam * (s**2).mean())
    assert toy.minimum(lam=lam) == pytest.approx(-energy, rel=0.02)  # 5 standard errors


def test_the_samples_of_ornstein_uhlenbeck_are_where_its_equation_takes_them() -> None:
    toy = OrnsteinUhlenbeck(mu=(2.0, -1.0), v_0=0.3, kappa=1.5, sigma=0.8)
    rng, n, steps = np.random.default_rng(0), 20_000, 400
    noisy, smooth, dt = toy.sample(0.0, n, rng), toy.sample(0.0, n, rng), 1 / steps
    for k in range(steps):
        noise = toy.sigma * dt**0.5 * rng.standard_normal(noisy.shape)
        noisy = noisy + toy.drift(k * dt, noisy) * dt + noise
        smooth = smooth + toy.flow(k * dt, smooth) * dt
    for x in (noisy, smooth, toy.sample(1.0, n, rng)):
        # standard errors 0.003 for the mean and 0.002 for the variance, Euler bias 0.002
        np.testing.assert_allclose(x.mean(0), toy.mean(1.0), atol=0.015)
        np.testing.assert_allclose(x.var(0), toy.variance(1.0), atol=0.012)


def test_weight_change_moves_mass_without_moving_cells() -> None:
    toy, rng = WeightChange(p_0=0.2, p_1=0.7), np.random.default_rng(0)
    assert toy.mass(0.0) == pytest.approx(1.0)
    assert toy.mass(1.0) == pytest.approx(1.0)
    assert toy.weight(1.0) == pytest.approx(0.7)
    x = toy.sample(0.6, 40_000, rng)
    assert (x[:, 0] > 0).mean() == pytest.approx(toy.weight(0.6), abs=0.01)
    change = (np.log(toy.mass(0.61)) - np.log(toy.mass(0.59))) / 0.02
    assert toy.growth(0.6, x).mean() == pytest.approx(change, abs=0.03)  # 5 standard errors


# The fork ---------------------------------------------------------------------------------------


def test_velocity_is_the_gradient_of_the_potential() -> None:
    truth = Branching()
    z = np.random.default_rng(0).uniform([-3.5, -2.5], [4.0, 2.5], (200, 2))
    numeric = gradient(lambda z: truth.potential(0.0, z), z)
    np.testing.assert_allclose(truth.velocity(0.0, z), numeric, atol=1e-6)


def test_the_mass_changes_by_the_mean_growth_of_the_living() -> None:
    truth = Branching(step=0.05)
    days = np.arange(0.0, 7.1, 0.5)
    snapshots = truth.simulate(days, [2000] * len(days), np.random.default_rng(0))
    mass = np.array([m for _, m in snapshots])
    rate = np.array([truth.growth(t, z).mean() for t, (z, _) in zip(days, snapshots, strict=True)])
    predicted = np.concatenate([[0], np.cumsum(0.25 * (rate[1:] + rate[:-1]))])
    # each culture has a mass of its own, with a standard error of 1 to 2 % at 8,000 founders
    np.testing.assert_allclose(np.log(mass), predicted, atol=0.06)


def test_no_cell_is_taken_twice() -> None:
    (a, _), (b, _) = Branching().simulate([3, 3], [3000, 3000], np.random.default_rng(0))
    assert len(np.unique(np.concatenate([a, b]), axis=0)) == 6000


def test_fates_agree_with_the_cells_that_are_alive_at_the_end() -> None:
    truth = Branching(start=(-0.2, -0.03), spread=(0.0, 0.0), sigma=0.2)
    [(z, _)] = truth.simulate([4.0], [5000], np.random.default_rng(0))  # as from day 3 to day 7
    [fate] = truth.fate(3.0, np.array([truth.start]), np.random.default_rng(1), n_paths=5000)
    assert 0.1 < fate[0] < 0.9
    assert fate.sum() == pytest.approx(1.0)
    assert (z[:, 1] > 0).mean() == pytest.approx(fate[0], abs=0.04)  # 4 standard errors


def test_too_few_living_cells_are_refused() -> None:
    with pytest.raises(ConfigError, match="10 cells are alive on day 0, but 11 were to be sampled"):
        Branching().simulate([0], [11], np.random.default_rng(0), founders=10)


# The demo ---------------------------------------------------------------------------------------


def test_the_demo_has_counts_days_and_names(demo: anndata.AnnData) -> None:
    assert demo.shape == (3000, 300)
    assert demo.X.dtype == np.float32
    assert demo.X.data.min() >= 1
    assert np.array_equal(demo.X.data, demo.X.data.round())
    assert demo.obs["day"].value_counts(sort=False).to_dict() == {
        "day0": 700,
        "day2": 900,
        "day4": 800,
        "day7": 600,
    }
    assert demo.obs_names[[0, -1]].tolist() == ["cell0001", "cell3000"]
    assert demo.var_names.is_unique
    assert set(demo.obs) == {"day", "cell_type"}
    assert 600 < np.median(np.asarray(demo.X.sum(1))) < 1200


def test_each_type_grows_as_it_should(demo: anndata.AnnData, latent: np.ndarray) -> None:
    growth = Branching().growth(0.0, latent)
    mean = {name: growth[demo.obs["cell_type"] == name].mean() for name in demo.obs["cell_type"]}
    assert mean["erythroid"] > 0.28
    assert mean["myeloid"] < -0.08
    for name in ("progenitor", "intermediate"):
        assert mean["myeloid"] + 0.1 < mean[name] < mean["erythroid"] - 0.1


def test_the_days_overlap_and_the_dying_arm_lasts(demo: anndata.AnnData) -> None:
    share = demo.obs.groupby("day", observed=False)["cell_type"].value_counts(normalize=True)
    assert share["day0"]["progenitor"] + share["day0"]["intermediate"] > 0.6
    assert share["day2"]["progenitor"] + share["day2"]["intermediate"] > 0.1
    assert min(share["day4"][name] for name in Branching.fates) > 0.1
    assert share["day7"]["myeloid"] > 0.08
    # the dying arm leads on day 0 and trails on day 7, though hardly any cell changes arms
    assert share["day0"]["myeloid"] > share["day0"]["erythroid"]
    assert share["day7"]["myeloid"] < share["day7"]["erythroid"]


def test_day_4_is_no_neighbour_no_mixture_and_no_midpoint(
    demo: anndata.AnnData, latent: np.ndarray
) -> None:
    day_2, day_4, day_7 = (latent[demo.obs["day"] == day] for day in ("day2", "day4", "day7"))
    rng = np.random.default_rng(0)
    x_0, x_1 = rng.permutation(day_2)[:500], rng.permutation(day_7)[:500]
    _, pair = linear_sum_assignment(cdist(x_0, x_1, "sqeuclidean"))
    midpoint = 0.6 * x_0 + 0.4 * x_1[pair]
    mixture = np.concatenate([x_0[:300], x_1[:200]])
    half = np.concatenate([x_0[:250], x_1[:250]])
    for wrong in (day_2, day_7, mixture, half, midpoint):
        assert energy_distance(wrong, day_4) > 0.05
    [(right, _)] = Branching().simulate([4.0], [800], np.random.default_rng(1))
    assert energy_distance(right, day_4) < 0.01


def test_the_counts_tell_the_types_apart(demo: anndata.AnnData, log_counts: np.ndarray) -> None:
    centred = log_counts - log_counts.mean(0)
    pcs = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -20:]  # (N, G) -> (N, 20)
    types = demo.obs["cell_type"].cat.codes.to_numpy()
    neighbours = types[cKDTree(pcs).query(pcs, 16)[1][:, 1:]]  # (N, 15), without the cell itself
    votes = np.stack([(neighbours == k).sum(1) for k in range(4)], axis=1)
    assert (votes.argmax(1) == types).mean() > 0.85


@pytest.mark.parametrize("rate", ["birth", "death"])
def test_the_genes_of_birth_and_death_follow_them(
    rate: str, demo: anndata.AnnData, latent: np.ndarray, log_counts: np.ndarray
) -> None:
    score = log_counts[:, demo.var_names.isin(demo_data.GENES[rate].split())].mean(1)
    assert np.corrcoef(score, getattr(Branching(), rate)(0.0, latent))[0, 1] > 0.85


def test_the_file_in_data_is_what_the_code_makes(demo: anndata.AnnData) -> None:
    on_disk = anndata.read_h5ad(DEMO)
    assert (on_disk.X != demo.X).nnz == 0
    assert on_disk.obs.equals(demo.obs)
    assert on_disk.var_names.equals(demo.var_names)
    assert np.array_equal(on_disk.obsm["X_latent"], demo.obsm["X_latent"])
    assert dict(on_disk.uns) == dict(demo.uns)
    assert DEMO.stat().st_size < 1_048_576


@pytest.mark.slow
def test_the_same_bytes_are_written_in_each_process(
    demo: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_data, "demo", lambda: demo)
    demo_data.write_demo(tmp_path / "a.h5ad")
    environment = {**os.environ, "PYTHONHASHSEED": "123"}  # importing alone takes over a second
    command = [sys.executable, "-m", "cellam.demo", str(tmp_path / "b.h5ad")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout == b""
    a, b = (hashlib.sha256((tmp_path / f).read_bytes()).digest() for f in ("a.h5ad", "b.h5ad"))
    assert a == b
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.h5ad", "b.h5ad"]
    if {name: importlib.metadata.version(name) for name in DEMO_MADE_WITH} == DEMO_MADE_WITH:
        assert a == hashlib.sha256(DEMO.read_bytes()).digest()


def test_a_file_that_cannot_be_written_leaves_nothing(
    demo: anndata.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_data, "demo", lambda: demo[:9].copy())
    with pytest.raises(OutputError, match=r"none/demo\.h5ad"):
        demo_data.write_demo(tmp_path / "none" / "demo.h5ad")
    (tmp_path / "demo.h5ad").mkdir()
    with pytest.raises(OutputError):
        demo_data.write_demo(tmp_path / "demo.h5ad")
    assert [f.name for f in tmp_path.iterdir()] == ["demo.h5ad"]
