"""Written-out derivatives against automatic ones, in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellam.dynamics import actions
from cellam.dynamics.actions import MLP, Features, Kernel

N, D, M = 40, 3, 256
NAMES = [Kernel.name, MLP.name, "squared mlp"]
EXACT = {"rtol": 1e-9, "atol": 1e-11}  # double precision, a few hundred terms


def double_features(m=M, seed=0):
    drawn = Features.draw(m, D, length=2.0, duration=0.5, rng=np.random.default_rng(seed))
    return Features(*(getattr(drawn, k).double() for k in ("omega", "nu", "beta", "a")))


def build(name):
    rng = np.random.default_rng(1)
    if name == "kernel":
        return Kernel(double_features(), torch.as_tensor(rng.standard_normal(M)))
    net = MLP.init(D, rng, width=16, depth=3, squared=name == "squared mlp")
    return MLP(
        tuple(w.double() for w in net.weights),
        tuple(torch.as_tensor(rng.standard_normal(len(b))) for b in net.biases),
        net.squared,
    )


def points():
    rng = np.random.default_rng(2)
    t, x = torch.as_tensor(rng.random(N)), torch.as_tensor(rng.standard_normal((N, D)))
    return t.requires_grad_(), x.requires_grad_()


def automatic(action):
    """s, ∇s, ∂ₜs and Δs by automatic differentiation of the value alone."""
    t, x = points()
    s = action.value(t, x)
    dsdt, dsdx = torch.autograd.grad(s.sum(), (t, x), create_graph=True)
    second = [
        torch.autograd.grad(dsdx[:, k].sum(), x, retain_graph=True)[0][:, k] for k in range(D)
    ]
    return s.detach(), dsdx.detach(), dsdt.detach(), sum(second).detach()


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_value(name):
    action = build(name)
    t, x = (v.detach() for v in points())
    _, dsdx, dsdt, lap = automatic(action)
    torch.testing.assert_close(action.gradient(t, x), dsdx, **EXACT)
    torch.testing.assert_close(action.derivatives(t, x), (dsdx, dsdt), **EXACT)
    torch.testing.assert_close(action.laplacian(t, x), lap, **EXACT)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_those_that_the_docstrings_name(name):
    action = build(name)
    t, x = (v.detach() for v in points())
    assert action.value(t, x).shape == (N,)
    assert action.gradient(t, x).shape == (N, D)
    assert action.derivatives(t, x)[1].shape == (N,)
    assert action.laplacian(t, x).shape == (N,)


@pytest.mark.parametrize("name", NAMES)
def test_cells_do_not_see_each_other(name):
    action = build(name)
    t, x = (v.detach() for v in points())
    together = action.gradient(t, x)
    alone = torch.cat([action.gradient(t[k : k + 1], x[k : k + 1]) for k in range(N)])
    torch.testing.assert_close(together, alone, **EXACT)


@pytest.mark.parametrize("name", NAMES)
def test_the_derivatives_can_be_trained_through(name):
    """The loss holds ∇s and Δs, and its gradient in the parameters has to be right."""
    action = build(name)
    t, x = (v.detach() for v in points())
    parameter = action.theta if name == "kernel" else action.weights[1]
    parameter.requires_grad_()
    (written,) = torch.autograd.grad(action.gradient(t, x).square().sum(), parameter)
    x.requires_grad_()
    (dsdx,) = torch.autograd.grad(action.value(t, x).sum(), x, create_graph=True)
    (truth,) = torch.autograd.grad(dsdx.square().sum(), parameter)
    torch.testing.assert_close(written, truth, **EXACT)


class TestFeatures:
    def test_still_features_change_in_time_only_where_they_are_constant_in_space(self):
        still = double_features().time_independent()
        flat = still.omega.abs().sum(1) == 0
        t, x = (v.detach() for v in points())
        for j in range(M):
            one = torch.zeros(M, dtype=torch.float64)
            one[j] = 1.0
            change = Kernel(still, one).derivatives(t, x)[1].abs().max()
            assert (change > 0) == bool(flat[j])

    def test_a_few_features_are_constant_in_space(self):
        flat = double_features().omega.abs().sum(1) == 0
        assert 0 < flat.sum() <= M // 64

    def test_still_features_have_the_same_amplitude(self):
        still = double_features().time_independent()
        assert torch.unique(still.a).shape == (1,)
        # Σ a² cos² averages to 1, the prior variance of the field.
        assert 0.5 * float((still.a**2).sum()) == pytest.approx(1)

    def test_they_vary_over_the_length_asked_for(self):
        for length in (0.5, 5.0):
            drawn = Features.draw(4_096, 2, length=length, duration=1, rng=np.random.default_rng(0))
            # A feature of length l has E|ω|² = d/l²; l lies between 0.4 and 2 lengths.
            scale = (2 / drawn.omega[32:].square().sum(1).mean()) ** 0.5 / length
            assert 0.4 < scale < 2

    def test_the_same_seed_draws_the_same(self):
        for field in ("omega", "nu", "beta", "a"):
            one, two = (getattr(double_features(seed=3), field) for _ in range(2))
            assert torch.equal(one, two)


def test_a_copied_network_is_no_longer_trained():
    net = MLP.init(2, np.random.default_rng(0), width=4)
    for parameter in net.parameters():
        parameter.requires_grad_()
    copy = net.copy()
    with torch.no_grad():
        net.weights[0].add_(1.0)
    assert not any(p.requires_grad for p in copy.parameters())
    assert not torch.equal(copy.weights[0], net.weights[0])


def test_many_points_in_blocks_have_the_values_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features = Features.draw(16, 3, length=1.0, duration=1.0, rng=rng)
    theta = torch.as_tensor(rng.standard_normal(16), dtype=torch.float32)
    kernel = Kernel(features, theta)
    x = torch.as_tensor(rng.standard_normal((25, 3)), dtype=torch.float32)
    t = torch.linspace(0, 1, 25)
    fields = kernel.value, kernel.gradient, kernel.laplacian
    whole = [field(t, x) for field in fields]
    monkeypatch.setattr(actions, "BLOCK", 7)
    for field, expected in zip(fields, whole, strict=True):
        found = field(t, x)
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_hessian_is_the_slope_of_the_gradient(name):
    """Against differences of the gradient, and its trace against the Laplacian."""
    action = build(name)
    t, x = (v.detach() for v in points())
    H, h = action.hessian(t, x), 1e-5
    assert H.shape == (N, D, D)
    for k in range(D):
        step = h * torch.eye(D, dtype=x.dtype)[k]
        slope = (action.gradient(t, x + step) - action.gradient(t, x - step)) / (2 * h)
        torch.testing.assert_close(H[:, :, k], slope, rtol=1e-5, atol=1e-6)
    trace = H.diagonal(dim1=1, dim2=2).sum(-1)
    torch.testing.assert_close(trace, action.laplacian(t, x), **EXACT)
