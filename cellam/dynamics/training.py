"""Training: the network action, by stochastic gradients.

AdamW with warm-up and cosine decay, gradients clipped at norm 1, an exponential moving average
of the weights, and an early stop: every hundred steps the average is judged on one cell in ten,
held out of the training, and the best is returned. Where the loss leaves the finite numbers,
training goes back to the last hundred and on from there with smaller steps.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cellam.checkpoints import EVERY, Arrays, Checkpoint
from cellam.dynamics.actions import MLP, Action
from cellam.dynamics.fitting import Fit, OnProgress, Progress, Trained, silent
from cellam.dynamics.objectives import Objective
from cellam.dynamics.samples import Ends, PathSample, Sample, Source
from cellam.errors import TrainingError

RATE = 2e-3
WARM_UP = 100  # steps
PATIENCE = 10  # judgements without a gain
SETBACKS = 3  # times that training may go back
STAGE = "network"
MOMENTS = {"exp_avg", "exp_avg_sq"}  # what AdamW remembers


def fit_mlp(
    source: Source,
    objective: Objective,
    *,
    rng: np.random.Generator,
    steps: int = 3_000,
    batch: int = 512,
    width: int = 128,
    depth: int = 3,
    squared: bool = False,
    judges: int = 4_096,
    from_samples: bool | None = None,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
    on_progress: OnProgress = silent,
) -> Fit:
    """Train a network by stochastic gradients.

    Parameters
    ----------
    source, objective, rng, from_samples, device
        As for `fit_kernel`.
    steps : int
        At most so many gradient steps.
    batch : int
        Particles a step.
    width : int
        Units in each hidden layer.
    depth : int
        Hidden layers.
    squared : bool
        s = ½|x − h(t, x)|² of a network h with d outputs, instead of s = h.
    judges : int
        Held-out particles that judge the average.
    checkpoint : Checkpoint, optional
        Where the state is kept every hundred steps, and found again.

    Raises
    ------
    TrainingError
        If the loss leaves the finite numbers again and again.
    Stopped
        If the checkpoint asks for it, after it was written.
    """
    checkpoint = Checkpoint() if checkpoint is None else checkpoint
    source, from_samples = source.estimator(objective.grows, from_samples)
    train, held = source.split(10, rng)

    def estimate(action: Action, batch: tuple[Sample, Ends | None]) -> Tensor:
        sample, ends = batch
        if ends is not None:
            return objective.loss_from_samples(action, sample.to(device), ends.to(device))
        assert isinstance(sample, PathSample)
        return objective.loss(action, sample.to(device))

    def drawn(part: Source, n: int) -> tuple[Sample, Ends | None]:
        if not from_samples:
            return part.sample(n, rng), None
        # The same random numbers for both: noise that they share cancels in the loss.
        seed = int(rng.integers(2**63))
        ends = part.ends(n, np.random.default_rng(seed))
        return part.sample(n, np.random.default_rng(seed)), ends

    d = train.sample(1, np.random.default_rng(0)).x.shape[1]
    net = MLP.init(d, rng, width=width, depth=depth, squared=squared)
    state = _State.start(net.to(device))
    judge = drawn(held, judges)

    @torch.no_grad()
    def judged(action: MLP) -> float:
        return float(estimate(action, judge))

    kept = checkpoint.recall(STAGE)
    if kept is not None:
        state = _State.unpack(*kept, like=state, rng=rng)
    good = copy.deepcopy((state, rng.bit_generator.state))
    while state.step < steps and state.patience > 0:
        rate = RATE * state.scale * _schedule(state.step, steps)
        loss = estimate(state.net, drawn(train, batch))
        if torch.isfinite(loss):
            state.descend(loss, rate)
        else:
            state = _back(good[0], state)
            rng.bit_generator.state = good[1]
            good = copy.deepcopy((state, good[1]))
            continue
        if state.step % EVERY == 0 or state.step == steps:
            state.judge(judged(state.average), float(loss.detach()))
            good = copy.deepcopy((state, rng.bit_generator.state))
        if checkpoint.due(state.step):
            checkpoint.keep(STAGE, *state.pack(rng))
        on_progress(Progress("fit", state.step, steps))
    record = Trained(tuple(state.history), state.best_loss, steps, state.scale)
    return Fit(state.best.to("cpu"), objective, record)


def _schedule(step: int, steps: int) -> float:
    """Warm-up, then half a cosine."""
    return float(min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + np.cos(np.pi * step / steps)))


def _back(good: _State, failed: _State) -> _State:
    """The last good state, to go on from with half the rate."""
    if failed.setbacks == SETBACKS:
        raise TrainingError(
            f"The loss of the network became infinite or undefined at step {failed.step + 1}, "
            f"{SETBACKS + 1} times, each with half the step size of the last.",
            "Use `action='kernel'`, or a representation without extreme values.",
        )
    state = copy.deepcopy(good)
    state.setbacks, state.scale = failed.setbacks + 1, failed.scale / 2
    return state


@dataclass
class _State:
    """All that the next step depends on, but for the random numbers."""

    net: MLP
    average: MLP
    best: MLP
    optimiser: torch.optim.AdamW
    step: int = 0
    best_loss: float = np.inf
    patience: int = PATIENCE
    scale: float = 1.0
    setbacks: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @staticmethod
    def start(net: MLP) -> _State:
        for parameter in net.parameters():
            parameter.requires_grad_()
        optimiser = torch.optim.AdamW(list(net.parameters()), lr=RATE, weight_decay=1e-4)
        return _State(net, net.copy(), net.copy(), optimiser)

    def descend(self, loss: Tensor, rate: float) -> None:
        """One gradient step, and one of the average after it."""
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(list(self.net.parameters()), 1.0)
        self.optimiser.step()
        self.step += 1
        decay = min(0.995, self.step / (self.step + 10))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.net.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)

    def judge(self, held_out: float, loss: float) -> None:
        """Keep the best average, and lose patience where it does not get better."""
        self.history.append({"step": self.step, "loss": loss, "held_out_loss": held_out})
        margin = 1e-4 * abs(self.best_loss) if np.isfinite(self.best_loss) else 0.0
        if held_out < self.best_loss - margin:
            self.best, self.best_loss, self.patience = self.average.copy(), held_out, PATIENCE
        else:
            self.patience -= 1

    def pack(self, rng: np.random.Generator) -> tuple[dict[str, Any], Arrays]:
        """Values for JSON, and arrays."""
        arrays: Arrays = {}
        for name in ("net", "average", "best"):
            for k, parameter in enumerate(getattr(self, name).parameters()):
                arrays[f"{name}.{k}"] = parameter.detach().cpu().numpy()
        for k, parameter in enumerate(self.net.parameters()):
            moments = self.optimiser.state.get(parameter, {})  # none without a gradient
            for name in MOMENTS & moments.keys():
                arrays[f"{name}.{k}"] = moments[name].cpu().numpy()
        values = {
            name: getattr(self, name)
            for name in ("step", "best_loss", "patience", "scale", "setbacks", "history")
        }
        return {**values, "rng": rng.bit_generator.state}, arrays

    @staticmethod
    def unpack(
        arrays: Arrays, values: dict[str, Any], *, like: _State, rng: np.random.Generator
    ) -> _State:
        """The state that `pack` was given; `rng` is set to where it was."""
        values = dict(values)
        rng.bit_generator.state = values.pop("rng")
        with torch.no_grad():
            for name in ("net", "average", "best"):
                for k, parameter in enumerate(getattr(like, name).parameters()):
                    parameter.copy_(torch.from_numpy(arrays[f"{name}.{k}"]))
        for k, parameter in enumerate(like.net.parameters()):
            moments = {
                name: torch.from_numpy(arrays[f"{name}.{k}"]).to(parameter.device)
                for name in MOMENTS
                if f"{name}.{k}" in arrays
            }
            if moments:
                step = torch.tensor(float(values["step"]))
                like.optimiser.state[parameter] = {"step": step, **moments}
        for name, value in values.items():
            setattr(like, name, value)
        return like
