"""The losses against their closed forms; `dynamics/test_fitting.py` has their minimisers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from closed_form import M, V, normal, translation

from cellam.dynamics.actions import Features, Kernel
from cellam.dynamics.objectives import Objective, growth_quadratic
from cellam.errors import ConfigError

D = 2
SIGMA, SCALE = 0.6, 2.0


@dataclass(frozen=True)
class Quadratic:
    """s = p·y + ½q|y|² + c with y = x − mt, and its derivatives by hand."""

    p: torch.Tensor
    q: float = 0.0
    c: float = 0.0
    name = "quadratic"

    def _y(self, t, x):
        return x - t[:, None] * torch.as_tensor(M)

    def value(self, t, x):
        y = self._y(t, x)
        return y @ self.p + 0.5 * self.q * y.square().sum(-1) + self.c

    def gradient(self, t, x):
        return self.p + self.q * self._y(t, x)

    def derivatives(self, t, x):
        dsdx = self.gradient(t, x)
        return dsdx, -(dsdx @ torch.as_tensor(M))

    def laplacian(self, t, x):
        return torch.full_like(t, self.q * D)


def minimiser(objective):
    """s* of `tests/closed_form.py`, up to the c(t) that the loss does not see without growth."""
    sigma, lam, m = objective.sigma, objective.growth_scale, torch.as_tensor(M)
    if lam == 0:
        return Quadratic(m, -(sigma**2) / (2 * V))
    beta = -(sigma**2) / (2 * V * (2 + lam * V))
    return Quadratic(m / (1 + lam * V), 2 * beta, (sigma**2 * D / (2 * V) + 2 * D * beta) / lam)


OBJECTIVES = [Objective(), Objective(SIGMA), Objective(0, SCALE), Objective(SIGMA, SCALE)]


@pytest.fixture(scope="module")
def path():
    """Every one of 5,000 particles at 16 times, whose y has mean 0 and covariance vI."""
    whole = translation(5_000)
    return next(whole.stream(16, np.random.default_rng(0), chunk=80_000)), whole.ends()


def changes(s):
    """Other actions near s, and E‖∇(s′ − s)‖² and E(s′ − s)² for each, by hand."""
    e = torch.tensor([0.3, 0.4], dtype=torch.float64)
    yield replace(s, p=s.p + e), 0.25, 0.25 * V  # a shift of the velocity
    yield replace(s, c=s.c + 0.7), 0.0, 0.49  # a level
    fourth = V**2 * D * (D + 2)  # E|y|⁴ of a normal y
    yield replace(s, q=s.q + 0.5), 0.25 * V * D, 0.25 * 0.25 * fourth  # a spread


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.method)
def test_the_loss_exceeds_its_minimum_by_the_action_gap(objective, path):
    """L(s) − L(s*) = ½E[‖∇s − ∇s*‖² + λ(s − s*)²]: a proper score."""
    sample, _ = path
    s = minimiser(objective)
    least = float(objective.loss(s, sample))
    for other, in_gradient, in_value in changes(s):
        gap = 0.5 * (in_gradient + objective.growth_scale * in_value)
        # E|y|⁴ of 5,000 points is off by some per cent; first and second moments are exact.
        assert float(objective.loss(other, sample)) - least == pytest.approx(gap, abs=0.02)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.method)
def test_both_estimators_are_one_number(objective, path):
    """Equations (3) and (4), for the minimiser and for others; midpoints in time."""
    sample, ends = path
    s = minimiser(objective)
    for action in (s, *(other for other, *_ in changes(s))):
        one = float(objective.loss(action, sample))
        two = float(objective.loss_from_samples(action, sample, ends))
        assert one == pytest.approx(two, abs=1e-6)


@pytest.mark.parametrize("lam", [0.5, 1.0, 3.0])
def test_the_minimum_is_minus_the_energy(path, lam):
    for objective, truth in (
        (Objective(), -0.5 * (M @ M)),
        (Objective(0, lam), -0.5 * (M @ M) / (1 + lam * V)),
    ):
        assert float(objective.loss(minimiser(objective), path[0])) == pytest.approx(truth)


def test_the_score_of_a_bridge_does_the_work_of_the_laplacian():
    """E[Δs] = −E[∇s·∇log q], here along a Brownian bridge."""
    objective = Objective(SIGMA)
    bridged = translation(2_000, sigma=SIGMA).sample(40_000, np.random.default_rng(0))
    inner = (bridged.t > 0.05) & (bridged.t < 0.95)  # the score has no variance at the ends
    bridged = replace(bridged, **{k: v[inner] for k, v in vars(bridged).items()})
    s = Quadratic(torch.as_tensor(M), 0.5)
    with_score = float(objective.loss(s, bridged))
    without = float(objective.loss(s, replace(bridged, score=None)))
    # Δs is 1; with the score it is a mean of 40,000 values of spread about 1.
    assert with_score == pytest.approx(without, abs=0.03)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.method)
def test_a_weight_of_time_weighs_the_action_gap_at_every_time(objective, path):
    """Both estimators are ½∫w(t)E[…]dt more than at the minimum; for w = 1 − t half as much."""
    sample, ends = path
    s = minimiser(objective)
    weighted = replace(objective, time_weight=lambda t: 1 - t)
    least = float(weighted.loss(s, sample)), float(weighted.loss_from_samples(s, sample, ends))
    assert least[0] == pytest.approx(least[1], abs=1e-3)
    for other, in_gradient, in_value in changes(s):
        gap = 0.5 * (in_gradient + objective.growth_scale * in_value) * 0.5
        assert float(weighted.loss(other, sample)) - least[0] == pytest.approx(gap, abs=0.02)
        from_samples = float(weighted.loss_from_samples(other, sample, ends))
        assert from_samples - least[1] == pytest.approx(gap, abs=0.02)


def test_without_its_derivative_a_weight_would_move_the_minimum(path):
    """w′s is what keeps s* in place: where it is left out, the loss asks for another velocity."""
    sample, ends = path
    s = minimiser(Objective())
    weighted = Objective(time_weight=lambda t: 1 - t)
    # The same weight, but in steps: its derivative is zero wherever it is asked for.
    bare = Objective(time_weight=lambda t: torch.floor(64 * (1 - t)) / 64 + 0 * t)
    other = replace(s, p=0.5 * s.p)
    right = [float(weighted.loss_from_samples(a, sample, ends)) for a in (s, other)]
    wrong = [float(bare.loss_from_samples(a, sample, ends)) for a in (s, other)]
    assert right[0] < right[1]
    assert wrong[0] - right[0] == pytest.approx(float(_mean_value(s, sample)), abs=0.05)


def _mean_value(s, sample):
    return sample.weight @ s.value(sample.t, sample.x)


def test_a_constant_weight_scales_the_loss(path):
    sample, ends = path
    s, twice = minimiser(Objective()), Objective(time_weight=lambda t: 2 * torch.ones_like(t))
    assert float(twice.loss(s, sample)) == pytest.approx(2 * float(Objective().loss(s, sample)))
    once = float(Objective().loss_from_samples(s, sample, ends))
    assert float(twice.loss_from_samples(s, sample, ends)) == pytest.approx(2 * once)


def double_features(m=64):
    drawn = Features.draw(m, D, length=3.0, duration=1.0, rng=np.random.default_rng(1))
    return Features(*(getattr(drawn, k).double() for k in ("omega", "nu", "beta", "a")))


@pytest.mark.parametrize("weight", [None, lambda t: (1 - t) ** 2], ids=["even", "weighted"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.method)
def test_the_quadratic_form_is_the_loss(objective, weight, path):
    """½θᵀAθ − bᵀθ for any θ, by both estimators; a part of the particles will do."""
    sample, ends = path
    objective = replace(objective, time_weight=weight)
    sample = replace(sample, **{k: v[:800] for k, v in vars(sample).items() if v is not None})
    features = double_features()
    theta = torch.as_tensor(np.random.default_rng(2).standard_normal(len(features)))
    action = Kernel(features, theta)
    A, b = objective.quadratic(features, sample)
    loss = float(objective.loss(action, sample))
    assert float(0.5 * theta @ A @ theta - b @ theta) == pytest.approx(loss, rel=1e-9)
    A, b = objective.quadratic_from_samples(features, sample)
    b = b + objective.boundary(features, ends)
    loss = float(objective.loss_from_samples(action, sample, ends))
    assert float(0.5 * theta @ A @ theta - b @ theta) == pytest.approx(loss, rel=1e-9)


def test_a_growth_field_of_its_own_is_the_weighted_mean_of_what_was_seen(path):
    """With one constant feature the least-squares fit is E[ġ]/1."""
    sample, _ = path
    rng = np.random.default_rng(0)
    weight = torch.as_tensor(rng.random(len(sample.t)))
    growth = torch.as_tensor(rng.standard_normal(len(sample.t)))
    one = torch.ones(1, dtype=torch.float64)
    constant = Features(torch.zeros(1, D, dtype=torch.float64), 0 * one, 0 * one, one)
    A, b = growth_quadratic(constant, replace(sample, weight=weight, growth=growth))
    assert float(b / A) == pytest.approx(np.average(growth, weights=weight))


def test_the_four_methods_have_the_names_of_the_paper():
    assert [o.method for o in OBJECTIVES] == ["am", "eam", "uam", "ueam"]
    assert Objective(own_growth=True).method == "uam"
    assert [o.grows for o in OBJECTIVES] == [False, False, True, True]


@pytest.mark.parametrize("values", [{"sigma": -1.0}, {"growth_scale": -0.1}, {"sigma": np.nan}])
def test_negative_noise_and_growth_are_refused(values):
    with pytest.raises(ConfigError, match="negative"):
        Objective(**values)


def test_growth_is_tied_or_its_own_and_never_both():
    with pytest.raises(ConfigError, match="either"):
        Objective(growth_scale=1.0, own_growth=True)


class TestDynamics:
    s, g = Quadratic(torch.as_tensor(M), 0.2, 1.0), Quadratic(torch.zeros(D).double(), 0.0, -0.3)

    def at(self):
        x = torch.as_tensor(normal(20, np.random.default_rng(0)))
        return torch.full((20,), 0.3, dtype=torch.float64), x

    def test_without_growth_mass_is_conserved(self):
        growth = Objective(SIGMA).dynamics(self.s).growth(*self.at())
        assert torch.equal(growth, torch.zeros_like(growth))

    def test_tied_growth_is_the_scaled_action(self):
        dynamics = Objective(0, SCALE).dynamics(self.s)
        torch.testing.assert_close(dynamics.growth(*self.at()), SCALE * self.s.value(*self.at()))

    def test_own_growth_is_the_field(self):
        dynamics = Objective(own_growth=True).dynamics(self.s, self.g)
        assert torch.unique(dynamics.growth(*self.at())).tolist() == pytest.approx([-0.3])

    def test_the_drift_is_the_gradient_and_the_noise_is_kept(self):
        for objective in OBJECTIVES:
            dynamics = objective.dynamics(self.s)
            torch.testing.assert_close(dynamics.drift(*self.at()), self.s.gradient(*self.at()))
            assert dynamics.sigma == objective.sigma
