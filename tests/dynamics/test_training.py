from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from closed_form import joined

from cellam.checkpoints import Checkpoint
from cellam.dynamics.actions import MLP
from cellam.dynamics.fitting import Fit
from cellam.dynamics.objectives import Objective
from cellam.dynamics.training import fit_mlp
from cellam.errors import Stopped, TrainingError


def trained(checkpoint: Checkpoint | None = None, **options: object) -> Fit:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    path = joined([x, x + np.array([1.0, 0.5])], [0.0, 1.0])
    settings = {"steps": 330, "width": 8, "batch": 32, **options}
    return fit_mlp(
        path, Objective(), rng=np.random.default_rng(1), checkpoint=checkpoint, **settings
    )


@pytest.fixture(scope="module")
def whole() -> Fit:
    """A training that nothing stopped."""
    return trained()


def parameters(fit: Fit) -> list[bytes]:
    return [p.numpy().tobytes() for p in fit.action.parameters()]


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param((1,), marks=pytest.mark.slow),
        (100,),
        pytest.param((150, 151), marks=pytest.mark.slow),
        (99, 200, 329),
    ],
)
def test_a_training_that_was_stopped_ends_in_the_same_bytes(
    tmp_path: Path, whole: Fit, stops: tuple[int, ...]
) -> None:
    for stop in stops:
        checkpoint = Checkpoint.open(tmp_path)

        def ask(progress: object, stop: int = stop, checkpoint: Checkpoint = checkpoint) -> None:
            if progress.done >= stop:
                checkpoint.signal = 15

        with pytest.raises(Stopped):
            trained(checkpoint, on_progress=ask)
    went_on = trained(Checkpoint.open(tmp_path))
    assert parameters(went_on) == parameters(whole)
    assert went_on.record == whole.record


def test_a_loss_that_is_not_finite_once_is_gone_back_from(
    monkeypatch: pytest.MonkeyPatch, whole: Fit
) -> None:
    calls = itertools.count()
    loss = Objective.loss

    def fails_once(self: Objective, *args: object) -> torch.Tensor:
        value = loss(self, *args)
        return value * float("nan") if next(calls) == 150 else value

    monkeypatch.setattr(Objective, "loss", fails_once)
    fit = trained()
    assert fit.record.scale == 0.5
    assert all(torch.isfinite(p).all() for p in fit.action.parameters())
    # The first hundred steps were good, and were kept.
    assert fit.record.history[0] == whole.record.history[0]


def test_a_loss_that_is_never_finite_ends_after_some_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def fails(self: Objective, action: MLP, *args: object) -> torch.Tensor:
        calls.append(1)
        return action.value(torch.zeros(1), torch.zeros(1, 2)).sum() * float("nan")

    monkeypatch.setattr(Objective, "loss", fails)
    with pytest.raises(TrainingError, match="4 times") as caught:
        trained()
    assert "action='kernel'" in caught.value.hint
    assert len(calls) == 4
