"""What a fit reads: samples, and the two kinds of source that give them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from closed_form import M, translation

from cellam.dynamics.samplers import Draws, Frame
from cellam.dynamics.samples import PathSample, Sample


class Moving:
    """N(mt, vI) of `closed_form`, as a sampler."""

    def sample(self, t, generator):
        return np.sqrt(0.4) * generator.standard_normal((len(t), 2)) + t[:, None] * M


DRAWS = Draws(Moving(), Frame(0.0, 1.0, np.zeros(2), 1.0), 1_000, 3)


@pytest.mark.parametrize("source", [translation(1_000), DRAWS], ids=["path", "draws"])
class TestEverySource:
    def test_all_that_it_yields_is_a_quadrature_of_the_same_integrals(self, source):
        """∫∫q = 1 and ∫E[x]dt = m/2, by a visit of all and by draws."""
        rng = np.random.default_rng(0)
        visited = list(source.stream(4, rng))
        for parts in (visited, [source.sample(4_000, rng)]):
            assert sum(float(p.weight.sum()) for p in parts) == pytest.approx(1.0)
            mean = sum(p.weight @ p.x for p in parts).numpy()
            assert mean == pytest.approx(M / 2, abs=0.05)
        assert sum(len(p.t) for p in visited) == 4 * source.n_particles

    def test_the_ends_say_what_a_function_gains(self, source):
        for ends in (source.ends(), source.ends(2_000, np.random.default_rng(1))):
            assert float(ends.w.sum()) == pytest.approx(0.0, abs=1e-9)
            assert (ends.w @ ends.x).numpy() == pytest.approx(M, abs=0.1)

    def test_parts_are_of_the_sizes_asked_for_and_have_nothing_in_common(self, source):
        kept, held = source.split(4, np.random.default_rng(0))
        assert kept.n_particles + held.n_particles == source.n_particles
        assert held.n_particles == pytest.approx(source.n_particles / 4, rel=0.05)
        one, two = (
            np.concatenate([p.x for p in part.stream(1, np.random.default_rng(0))])
            for part in (kept, held)
        )
        assert not set(one[:, 0]) & set(two[:, 0])


def test_a_sample_keeps_its_kind_on_the_way_to_another_precision():
    t = torch.zeros(3, dtype=torch.float64)
    moving = PathSample(t, t[:, None], t, t[:, None], t).to("cpu")
    assert isinstance(moving, PathSample) and moving.score is None
    assert moving.velocity.dtype == torch.float32
    assert type(Sample(t, t[:, None], t).to("cpu", torch.float64)) is Sample
