"""Both actions and both estimators against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from closed_form import M, V, joined, normal, reference, relative_error, translation

from cellam.dynamics.actions import Features
from cellam.dynamics.fitting import fit_growth, fit_kernel, median_distance, typical_distance
from cellam.dynamics.objectives import Objective
from cellam.dynamics.simulation import simulate
from cellam.dynamics.training import fit_mlp
from cellam.errors import TrainingError
from cellam.reading.snapshots import Snapshots
from cellam.toys import OrnsteinUhlenbeck, WeightChange

AM, UAM = Objective(), Objective(growth_scale=1.0)


# Networks are also trained in `test_matching`, in less time.
SLOW_NETWORK = pytest.param("mlp", marks=pytest.mark.slow)


def features(m=400, seed=1, length=3.0, duration=2.0):
    return Features.draw(m, 2, length=length, duration=duration, rng=np.random.default_rng(seed))


def fitted(action, path, objective, *, from_samples=False, seed=0, steps=300, m=400, **kwargs):
    rng = np.random.default_rng(seed)
    if action == "kernel":
        return fit_kernel(
            path, objective, features(m), rng=rng, from_samples=from_samples, **kwargs
        )
    return fit_mlp(
        path, objective, rng=rng, steps=steps, width=64, from_samples=from_samples, **kwargs
    )


def loss(fit, path, n=20_000, *, from_samples=False):
    sample = path.sample(n, np.random.default_rng(5)).to("cpu")
    with torch.no_grad():
        if from_samples:
            return float(fit.objective.loss_from_samples(fit.action, sample, path.ends().to("cpu")))
        return float(fit.objective.loss(fit.action, sample))


@pytest.mark.parametrize("from_samples", [False, True], ids=["path", "samples"])
@pytest.mark.parametrize("action", ["kernel", SLOW_NETWORK])
class TestTranslation:
    def test_am_finds_the_translation_and_minus_its_kinetic_energy(self, action, from_samples):
        path = translation()
        fit = fitted(action, path, AM, from_samples=from_samples)
        t, x, _ = reference()
        velocity = fit.dynamics.drift(t, x).numpy()
        assert relative_error(velocity.mean(0), M) < 0.03
        # From samples every particle's velocity is inferred from where the others are.
        assert relative_error(velocity, M) < (0.25 if from_samples else 0.03)
        assert loss(fit, path) == pytest.approx(-0.5 * (M @ M), rel=0.05)

    def test_uam_splits_a_translation_into_motion_and_growth(self, action, from_samples):
        path = translation()
        fit = fitted(action, path, UAM, from_samples=from_samples)
        t, x, y = reference()
        tolerance = 0.25 if from_samples else 0.06
        assert relative_error(fit.dynamics.drift(t, x).mean(0), M / (1 + V)) < 0.03
        assert relative_error(fit.dynamics.drift(t, x), M / (1 + V)) < tolerance
        assert relative_error(fit.dynamics.growth(t, x), y @ M / (1 + V)) < tolerance
        assert loss(fit, path) == pytest.approx(-0.5 * (M @ M) / (1 + V), rel=0.05)


def test_noise_and_growth_together_have_their_closed_form():
    sigma, d = 0.5, 2
    fit = fitted("kernel", translation(), Objective(sigma=sigma, growth_scale=1.0))
    t, x, y = reference()
    beta = -(sigma**2) / (2 * V * (2 + V))
    gamma = sigma**2 * d / (2 * V) + 2 * d * beta
    s = y @ M / (1 + V) + beta * (y**2).sum(1) + gamma
    assert relative_error(fit.dynamics.growth(t, x), s) < 0.06
    drift = M / (1 + V) + 2 * beta * y
    assert relative_error(fit.dynamics.drift(t, x), drift) < 0.06


@pytest.mark.parametrize("action", ["kernel", SLOW_NETWORK])
def test_entropic_dynamics_keep_the_variance_of_an_ornstein_uhlenbeck_process(action):
    truth = OrnsteinUhlenbeck(mu=(1.0, -0.5), v_0=0.3, kappa=1.0, sigma=0.7)
    rng = np.random.default_rng(0)
    times = np.linspace(0, 1, 9)
    z = normal(4_000, rng)
    points = [truth.mean(t) + np.sqrt(truth.variance(t)) * z for t in times]
    fit = fitted(action, joined(points, times), Objective(sigma=truth.sigma))
    start = truth.sample(0.0, 4_000, rng)
    end = simulate(fit.dynamics, start, np.array([0.0, 0.5, 1.0]), rng=rng)
    for t, x in zip(end.times, end.points, strict=True):
        assert x.var(0) == pytest.approx(np.full(2, truth.variance(t)), rel=0.05 + 0.02 * (t == 0))
        assert x.mean(0) == pytest.approx(truth.mean(t), abs=0.05)


@pytest.mark.parametrize("action", ["kernel", SLOW_NETWORK])
@pytest.mark.slow
def test_brownian_motion_is_noise_without_drift(action):
    """Bridges between the ends of Brownian paths are Brownian paths: ∇s = 0."""
    sigma, rng = 0.6, np.random.default_rng(0)
    x_0 = np.sqrt(V) * normal(4_000, rng)
    noise = normal(4_000, rng)
    noise -= x_0 * (x_0 * noise).sum(0) / (x_0**2).sum(0)  # uncorrelated to rounding
    path = joined([x_0, x_0 + sigma * noise], [0.0, 1.0], sigma=sigma)
    fit = fitted(action, path, Objective(sigma=sigma), m=100)
    many = np.tile(x_0, (5, 1))
    # Without drift a step may be of any length.
    end = simulate(fit.dynamics, many, np.array([0.0, 1.0]), rng=rng, steps=20).points[-1]
    # Four standard errors of a variance of 20,000 draws are 4 %; the rest is the fit.
    assert end.var(0) == pytest.approx(np.full(2, V + sigma**2), rel=0.05)
    assert fit.dynamics.drift(*reference()[:2]).abs().mean() < 0.15 * sigma


def weight_change(gap=4.0, v=0.1):
    """Two clusters whose masses change log-linearly, in place."""
    truth = WeightChange(0.3, 0.7, gap=gap, v=v)
    rng = np.random.default_rng(0)
    x = truth.sample(0.5, 3_000, rng)
    growth = truth.growth(0.5, x)
    middle = np.full(len(x), truth.mass(0.5) / len(x))
    masses = [middle * np.exp((t - 0.5) * growth) for t in (0.0, 1.0)]
    return truth, x, masses, joined([x, x], [0.0, 1.0], masses=masses)


@pytest.mark.parametrize("kind", ["tied", "own", pytest.param("mlp", marks=pytest.mark.slow)])
def test_masses_change_in_place_and_nobody_moves(kind):
    _, x, masses, path = weight_change()
    if kind == "own":
        objective = Objective(own_growth=True)
        motion = fitted("kernel", path, objective)
        field = fit_growth(path, features(200).time_independent(), rng=np.random.default_rng(0))
        dynamics = objective.dynamics(motion.action, field)
    else:
        dynamics = fitted("mlp" if kind == "mlp" else "kernel", path, UAM).dynamics
    left = x[:, 0] < 0
    moved = simulate(dynamics, x, np.array([0.0, 1.0]), rng=np.random.default_rng(0))
    w = masses[0] * np.exp(moved.log_weights[-1])
    for side in (left, ~left):
        assert w[side].sum() == pytest.approx(masses[1][side].sum(), rel=0.05)
    spread = x[left].std()
    assert np.abs(moved.points[-1] - x).mean() < 0.1 * spread


def test_the_growth_of_the_whole_population_is_kept_whatever_the_ridge():
    """Where cells grow at random, a ridge draws them to their mean, but that not to nothing."""
    rng = np.random.default_rng(0)
    x, own = normal(40, rng), 1.0 + rng.standard_normal(40)
    path = joined([x, x], [0.0, 1.0], masses=[np.exp(s * own / 2) / 40 for s in (-1.0, 1.0)])
    growth = fit_growth(
        path, features(20, length=0.3).time_independent(), rng=np.random.default_rng(0)
    )
    sample = path.sample(50_000, np.random.default_rng(1)).to("cpu")
    fitted = growth.value(sample.t, sample.x)
    assert fitted.std() < 0.5 * sample.growth.std()  # the ridge is strong
    gained = float(sample.weight @ sample.growth)
    assert float(sample.weight @ fitted) == pytest.approx(gained, rel=0.02)


@pytest.mark.parametrize("objective", [AM, UAM, Objective(0.4), Objective(0.4, 2.0)])
def test_the_gradient_of_the_loss_vanishes_at_the_kernel_solution(objective):
    """By automatic differentiation of the loss, so that A and b are not merely copied."""
    path, basis = translation(n=200), features(40)
    particles = path.sample(500, np.random.default_rng(0)).to("cpu", torch.float64)
    from cellam.dynamics.actions import Kernel

    double = Features(*(getattr(basis, k).double() for k in ("omega", "nu", "beta", "a")))
    A, b = objective.quadratic(double, particles)
    theta = torch.linalg.lstsq(A, b[:, None], driver="gelsd").solution[:, 0].requires_grad_()
    objective.loss(Kernel(double, theta), particles).backward()
    assert theta.grad.abs().max() < 1e-7 * b.abs().max()
    # … and the same for the samples' estimator, with its boundary terms.
    ends = path.ends().to("cpu", torch.float64)
    A, b = objective.quadratic_from_samples(double, particles)
    b = b + objective.boundary(double, ends)
    theta = torch.linalg.lstsq(A, b[:, None], driver="gelsd").solution[:, 0].requires_grad_()
    objective.loss_from_samples(Kernel(double, theta), particles, ends).backward()
    # A feature that is constant in space has no gradient: without growth its θ has no effect, and
    # its b is 0 only to the precision of the quadrature in t.
    free = A.diagonal() == 0
    assert theta.grad[~free].abs().max() < 1e-6 * b.abs().max()
    assert bool(free.any()) == (objective.growth_scale == 0)
    assert (b[free].abs() < 1e-3).all()


@pytest.mark.parametrize("objective", [AM, UAM, Objective(0.4), Objective(0.4, 2.0)])
def test_the_two_estimators_are_the_same_number_on_an_exact_path(objective):
    """Equations (3) and (4) for one action that is not the minimiser; dense quadrature in t."""
    path = translation(n=400)
    action = fitted("kernel", path, AM).action
    ends = path.ends().to("cpu")
    one = two = 0.0
    for sample in path.stream(64, np.random.default_rng(0)):
        one += float(objective.loss(action, sample.to("cpu")))
        two += float(objective.loss_from_samples(action, sample.to("cpu"), ends))
    chunks = len(list(path.stream(64, np.random.default_rng(0))))
    two += (chunks - 1) * float(ends.w @ action.value(ends.t, ends.x))  # they count once
    assert one == pytest.approx(two, abs=0.01 * M @ M)


def test_conserved_mass_explains_growth_by_motion():
    """AM on a path whose masses change finds the motion that has the same marginals."""
    _, x, masses, path = weight_change(gap=1.5, v=0.3)  # clusters that overlap
    fit = fitted("kernel", path, AM)
    moved = simulate(fit.dynamics, x, np.array([0.0, 1.0]), rng=np.random.default_rng(0))
    start, end = (w / w.sum() for w in masses)
    assert (start @ moved.points[-1])[0] == pytest.approx((end @ x)[0], abs=0.05)
    assert abs((start @ x)[0] - (end @ x)[0]) > 0.4


def test_the_same_seed_gives_the_same_bytes():
    for action in ("kernel", "mlp"):
        one, two = (fitted(action, translation(n=300), UAM, steps=100) for _ in range(2))
        same = (
            [(one.action.theta, two.action.theta)]
            if action == "kernel"
            else zip(one.action.parameters(), two.action.parameters(), strict=True)
        )
        assert all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in same)


@pytest.mark.slow
def test_the_network_stops_early_when_the_held_out_loss_does_not_fall():
    x = normal(200, np.random.default_rng(0))
    fit = fitted("mlp", joined([x, x], [0.0, 1.0]), AM, steps=20_000, batch=64)
    assert fit.record.steps < fit.record.limit == 20_000


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_do():
    x = normal(200, np.random.default_rng(0))
    with pytest.raises(TrainingError, match="finite"):
        fitted("mlp", joined([x, 1e30 * x], [0.0, 1.0]), AM, steps=10)


@pytest.mark.parametrize("days", [3, 100])
def test_the_length_of_features_needs_few_cells_however_many_days(days, monkeypatch):
    rng = np.random.default_rng(0)
    points = tuple(rng.standard_normal((300, 5)) + k / days for k in range(days))
    rows = tuple(np.arange(300) for _ in points)
    times = tuple(map(float, range(days)))
    snapshots = Snapshots(points, times, tuple(map(str, times)), (1.0,) * days, rows)
    whole = median_distance(np.concatenate([x[:: days // 3] for x in points]))
    sizes = []

    def counted(points):
        sizes.append(len(points))
        return median_distance(points)

    monkeypatch.setattr("cellam.dynamics.fitting.median_distance", counted)
    assert typical_distance(snapshots, rng) == pytest.approx(whole, rel=0.02)
    assert sizes[0] <= 1_500


def test_where_most_pairs_are_in_one_place_the_length_is_that_of_the_others():
    x = np.zeros((10, 2))
    x[9] = 3.0, 4.0
    assert median_distance(x) == pytest.approx(5.0)
    assert median_distance(np.zeros((10, 2))) > 0
