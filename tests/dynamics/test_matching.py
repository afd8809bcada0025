"""Fits of anything that can be sampled, through public names only, against closed forms."""

from __future__ import annotations

import functools
import re
import subprocess
import sys

import numpy as np
import pytest
from closed_form import relative_error

import cellam
from cellam.guide.topics import GUIDE

M, V = np.array([6.0, -3.0]), 4.0  # q_t = N(c + mt/T, vI) in units far from 1
C, START, STOP = np.array([100.0, 50.0]), 2.0, 6.0
RATE = M / (STOP - START)
SMALL = {
    "kernel": {"n_features": 200, "particles": 10_000},
    "mlp": {"steps": 300, "width": 24, "batch": 256},
}


class Moving:
    """A Gaussian that moves."""

    def sample(self, t, generator):
        x = C + V**0.5 * generator.standard_normal((len(t), 2))
        return x + (t - START)[:, None] * RATE


class Followed(Moving):
    """… whose particles are known to move."""

    def sample_path(self, t, generator):
        x = self.sample(t, generator)
        return x, np.tile(RATE, (len(t), 1))


class Growing:
    """Mass that grows everywhere alike, by e."""

    def sample(self, t, generator):
        return generator.standard_normal((len(t), 2)), np.exp(t)

    def sample_path(self, t, generator):
        x, w = self.sample(t, generator)
        return x, np.zeros_like(x), np.ones(len(t)), w


class OnlySamples:
    """Hides that velocities are known."""

    def __init__(self, q):
        self.sample = q.sample


@pytest.mark.parametrize("q", [Moving(), Followed()], ids=["samples", "path"])
@pytest.mark.parametrize("action", ["kernel", pytest.param("mlp", marks=pytest.mark.slow)])
def test_a_translation_is_found_in_the_units_of_the_user(q, action):
    fitted = cellam.fit_action(q, action=action, times=(START, STOP), **SMALL[action])
    x = q.sample(np.full(1_000, START), np.random.default_rng(0))
    middle = x + M / 2
    found = fitted.velocity(4.0, middle)
    assert relative_error(found.mean(0), RATE) < 0.05
    assert relative_error(found, RATE) < (0.15 if isinstance(q, Followed) else 0.4)
    moved = fitted.simulate(x, [START, STOP])
    assert moved.points.shape == (2, 1_000, 2) and (moved.log_weights == 0).all()
    assert moved.points[1].mean(0) == pytest.approx(x.mean(0) + M, abs=0.3)
    assert moved.points[1].std(0) == pytest.approx(x.std(0), rel=0.1)
    back = fitted.simulate(moved.points[1], [STOP, START]).points[1]
    assert np.abs(back - x).max() < 0.01
    # The velocity is the gradient of the value, in these units too.
    h = np.array([0.05, 0.0])
    slope = (fitted.value(4.0, middle + h) - fitted.value(4.0, middle - h)) / 0.1
    assert slope == pytest.approx(found[:, 0], rel=0.02, abs=0.02)


@pytest.mark.parametrize("action", ["kernel", "mlp"])
@pytest.mark.slow
def test_noise_is_in_the_units_of_the_user(action):
    """q_t = N(0, 2 + 4t): pure diffusion with σ = 2, so that the drift is zero."""

    class Spreading:
        def sample(self, t, generator):
            return np.sqrt(2 + 4 * t)[:, None] * generator.standard_normal((len(t), 2))

    options = {**SMALL[action], "times": (0.0, 3.0)}
    fitted = cellam.fit_action(Spreading(), cellam.Objective(sigma=2.0), action, **options)
    x = Spreading().sample(np.zeros(2_000), np.random.default_rng(0))
    moved = fitted.simulate(x, [0.0, 1.5, 3.0]).points
    # Two standard errors of a variance of 4,000 numbers are 4.5 %; the rest is the fit.
    assert moved.var((1, 2)) == pytest.approx([2, 8, 14], rel=0.12)


@pytest.mark.parametrize("q", [OnlySamples(Growing()), Growing()], ids=["samples", "path"])
@pytest.mark.parametrize("objective", [{"growth_scale": 0.5}, {"own_growth": True}], ids=str)
def test_weights_say_how_mass_changes(q, objective):
    objective = cellam.Objective(**objective)
    if objective.own_growth and isinstance(q, OnlySamples):
        with pytest.raises(cellam.DataError, match="sample_path"):
            cellam.fit_action(q, objective)
        return
    fitted = cellam.fit_action(q, objective, **SMALL["kernel"])
    x = np.random.default_rng(0).standard_normal((500, 2))
    moved = fitted.simulate(x, [0.0, 1.0])
    assert np.exp(moved.log_weights[1]).mean() == pytest.approx(np.e, rel=0.05)
    assert fitted.growth(0.5, x).mean() == pytest.approx(1.0, abs=0.05)
    assert np.abs(moved.points[1] - x).mean() < 0.1


def test_a_weight_of_time_leaves_the_minimiser_where_it_is():
    for w in (lambda t: 1 - t, lambda t: 0.2 + t**2):
        objective = cellam.Objective(time_weight=w)
        fitted = cellam.fit_action(Moving(), objective, times=(START, STOP), **SMALL["kernel"])
        x = Moving().sample(np.full(1_000, 4.0), np.random.default_rng(0))
        assert relative_error(fitted.velocity(4.0, x).mean(0), RATE) < 0.05


def test_data_at_some_times_are_enough():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2_000, 2))
    times = np.linspace(0, 1, 21)
    steps = cellam.Tabulated([x + 2 * t for t in times], times)
    fitted = cellam.fit_action(steps, n_features=200, particles=20_000)
    moved = fitted.simulate(x[:500], [0.0, 1.0]).points[1]
    assert moved.mean(0) == pytest.approx(x[:500].mean(0) + 2, abs=0.1)


def test_the_length_of_features_follows_the_samples():
    """The same population a million times as large gives the same fit, in its units."""

    class Large(Moving):
        def sample(self, t, generator):
            return 1e6 * super().sample(t, generator)

    x = Moving().sample(np.full(200, 4.0), np.random.default_rng(0))
    one, two = (
        cellam.fit_action(q, times=(START, STOP), **SMALL["kernel"]).velocity(4.0, s * x)
        for q, s in ((Moving(), 1.0), (Large(), 1e6))
    )
    assert relative_error(two / 1e6, one) < 1e-2


@pytest.mark.parametrize("action", ["kernel", "mlp"])
def test_the_same_seed_gives_the_same_numbers(action):
    options = {**SMALL[action], "n_features": 50, "steps": 20}
    x = Moving().sample(np.full(5, START), np.random.default_rng(0))
    found = [
        cellam.fit_action(Moving(), action=action, seed=s, **options).velocity(0.5, x)
        for s in (1, 1, 2)
    ]
    assert (found[0] == found[1]).all() and (found[0] != found[2]).any()


@pytest.mark.parametrize(
    ("q", "options", "message"),
    [
        (object(), {}, "object has neither sample"),
        (Moving(), {"action": "forest"}, "'forest' is not known"),
        (Moving(), {"n_features": 2}, "n_features = 2"),
        (Moving(), {"from_samples": False}, "no sample_path"),
        (Growing(), {}, "changes mass"),
    ],
)
def test_what_cannot_be_fitted_is_refused(q, options, message):
    with pytest.raises(cellam.ConfigError, match=message):
        cellam.fit_action(q, **options)


def test_the_script_of_the_guide_runs_as_it_stands(monkeypatch):
    """With fewer features than the 1,000 of the default, which take seconds."""
    few = functools.partial(cellam.fit_action, n_features=300)
    monkeypatch.setattr(cellam, "fit_action", few)
    page = GUIDE / "howto" / "without-cells.md"
    (script,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    names: dict[str, object] = {}
    exec(script, names)
    radius = np.linalg.norm(names["moved"].points, axis=2)
    assert radius.mean(1) == pytest.approx([1.0, 1.5, 2.0], abs=0.02)
    assert radius.std(1) == pytest.approx([0.1, 0.1, 0.1], abs=0.03)
    assert "._" not in script


@pytest.mark.slow
def test_neither_pandas_nor_anndata_is_imported():
    script = """
import sys
import numpy as np
import cellam
from cellam.guide.topics import GUIDE

class Moving:
    def sample(self, t, generator):
        return generator.standard_normal((len(t), 2)) + t[:, None]

fitted = cellam.fit_action(Moving(), cellam.Objective(), n_features=20, particles=500)
fitted.simulate(np.zeros((3, 2)), [0.0, 1.0])
import cellam.dynamics.training  # of networks; their optimiser loads more of torch, and no more
heavy = "anndata", "pandas", "scanpy", "scipy", "sklearn", "ot", "h5py", "zarr", "pydantic"
print(sorted({name.split(".")[0] for name in sys.modules} & set(heavy)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
