from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import cellam
from cellam.checkpoints import Checkpoint
from cellam.dynamics.fitting import Fit
from cellam.errors import ConfigError, Stopped
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.runs.archive import from_files, to_files

FAST = {"n_features": 32, "n_pcs": 3, "tau": 1.0, "ensemble": 8}


@pytest.fixture
def model(unsure_model: Model) -> Model:
    return unsure_model


def theta(fit: Fit) -> bytes:
    return fit.action.theta.numpy().tobytes() + fit.growth.theta.numpy().tobytes()


def test_members_are_fits_that_differ_from_each_other(model: Model) -> None:
    assert len({theta(fit) for fit in (model.fit, *model.ensemble)}) == 9


def test_the_fit_itself_is_the_same_with_and_without_an_ensemble(
    cells: Cells, model: Model
) -> None:
    alone = cellam.fit(cells, **{**FAST, "ensemble": None})
    assert theta(alone.fit) == theta(model.fit)
    assert alone.options == model.without_ensemble().options


@pytest.mark.slow
def test_a_larger_ensemble_begins_with_the_smaller_one(cells: Cells, model: Model) -> None:
    larger = cellam.fit(cells, **{**FAST, "ensemble": 9})
    assert [theta(fit) for fit in larger.ensemble[:8]] == [theta(fit) for fit in model.ensemble]


@pytest.mark.slow
def test_a_held_out_day_is_not_looked_at_by_any_member(small) -> None:
    days = (small.obs["day"] == "day4").to_numpy()
    before = cellam.fit(cellam.read(small), exclude=("day4",), **FAST)
    changed = small.X.toarray()
    changed[days] = changed[days][:, ::-1]
    small.X = sparse.csr_matrix(changed)
    after = cellam.fit(cellam.read(small), exclude=("day4",), **FAST)
    assert [theta(f) for f in before.ensemble] == [theta(f) for f in after.ensemble]


@pytest.mark.parametrize("days", [2, 3])
def test_two_or_three_days_are_enough(small, days: int) -> None:
    few = small[small.obs["day"].isin(["day0", "day4", "day7"][:days])]
    model = cellam.fit(cellam.read(few), **FAST)
    assert len({theta(fit) for fit in model.ensemble}) == 8


def test_what_the_user_asked_for_is_not_drawn(cells: Cells) -> None:
    """On balanced transport nobody grows, whatever the cells that a member saw."""
    model = cellam.fit(cells, **{**FAST, "tau": None, "path": "ot", "curvature": 0.0})
    assert all(member.conserves_mass for member in model.members)


def test_an_archive_brings_the_members_back(model: Model) -> None:
    files = to_files(model)
    again = from_files(files, seconds=0.0)
    assert to_files(again) == files
    x = model.snapshots.points[1]
    for one, other in zip(model.members, again.members, strict=True):
        np.testing.assert_array_equal(one.velocity(2.0, x), other.velocity(2.0, x))
        np.testing.assert_array_equal(one.growth(2.0, x), other.growth(2.0, x))


def test_a_run_that_lost_its_members_is_refused(model: Model) -> None:
    files = to_files(model)
    del files["ensemble.safetensors"]
    with pytest.raises(KeyError, match=r"ensemble\.safetensors"):
        from_files(files, seconds=0.0)


@pytest.mark.slow
def test_a_stopped_ensemble_goes_on_to_the_same_bytes(
    cells: Cells, model: Model, tmp_path: Path
) -> None:
    checkpoint = Checkpoint.open(tmp_path)

    def stop(progress) -> None:
        if progress.stage == "fit the ensemble" and progress.done == 3:
            checkpoint.signal = signal.SIGINT

    with pytest.raises(Stopped):
        cellam.fit(cells, checkpoint=checkpoint, on_progress=stop, **FAST)
    again = Checkpoint.open(tmp_path)
    assert again.recall("member-3") is not None and again.recall("member-4") is None
    resumed = replace(cellam.fit(cells, checkpoint=again, **FAST), seconds=0.0)
    assert to_files(resumed) == to_files(model)


def test_a_network_has_no_ensemble_and_few_members_say_nothing(cells: Cells) -> None:
    with pytest.raises(ConfigError, match="`ensemble=8` needs `action='kernel'`"):
        cellam.fit(cells, action="mlp", ensemble=8)
    with pytest.raises(ConfigError, match=r"`ensemble` takes a whole number .* not 3"):
        cellam.fit(cells, ensemble=3)
