from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from cellam.modelling.model import Model
from cellam.runs.archive import from_files, to_files
from cellam.runs.upgrade import in_effect

TENSORS = ("action.safetensors", "space.safetensors", "snapshots.safetensors")


def edited(model: Model, name: str, key: str, change) -> dict[str, bytes]:
    """The files of a model, one array of which somebody has changed."""
    files = to_files(model)
    arrays = dict(load(files[name]))
    arrays[key] = change(arrays[key].copy())
    return {**files, name: save(arrays)}


def test_the_same_model_gives_the_same_bytes(model: Model) -> None:
    assert to_files(model) == to_files(from_files(to_files(model), seconds=model.seconds))


def test_times_are_not_part_of_the_files(model: Model) -> None:
    assert from_files(to_files(model), seconds=3.5).seconds == 3.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", TENSORS)
def test_numbers_that_are_not_finite_are_refused(model: Model, name: str, value: float) -> None:
    def spoil(x):
        x.flat[0] = value
        return x

    key = {"action": "theta", "space": "centre", "snapshots": "points"}[name.split(".")[0]]
    with pytest.raises(ValueError, match=f"{name} contains values that are not finite"):
        from_files(edited(model, name, key, spoil), seconds=1.0)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("action.safetensors", "theta"),
        ("action.safetensors", "omega"),
        ("action.safetensors", "growth.theta"),
        ("space.safetensors", "centre"),
        ("snapshots.safetensors", "points"),
        ("snapshots.safetensors", "rows"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(model: Model, name: str, key: str) -> None:
    with pytest.raises(ValueError, match="shapes"):
        from_files(edited(model, name, key, lambda x: x[:-1]), seconds=1.0)


@pytest.mark.parametrize("name", ["options.json", "fit.json", "timeline.json", *TENSORS])
def test_a_missing_file_is_named(model: Model, name: str) -> None:
    files = to_files(model)
    del files[name]
    with pytest.raises(KeyError, match=name):
        from_files(files, seconds=1.0)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"x"'])
def test_json_of_another_shape_is_an_error_and_not_a_crash(model: Model, content: bytes) -> None:
    for name in to_files(model):
        if name.endswith(".json") and name != "history.json":
            with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
                from_files({**to_files(model), name: content}, seconds=1.0)


def test_only_json_and_safetensors_are_written(model: Model) -> None:
    for name, content in to_files(model).items():
        if name.endswith(".json"):
            json.loads(content)
        else:
            assert name.endswith(".safetensors")
            load(content)


def test_the_motion_that_is_kept_is_stored_and_older_runs_open_without_it(model: Model) -> None:
    files = to_files(model)
    assert from_files(files, seconds=1.0).kinetic == model.kinetic is not None
    fitted = json.loads(files["fit.json"])
    assert fitted.pop("kinetic") == vars(model.kinetic)
    older = {**files, "fit.json": json.dumps(fitted).encode()}
    assert from_files(older, seconds=1.0).kinetic is None


@pytest.mark.parametrize("idle", [{"growth": "tied"}, {"action": "mlp", "n_features": 50}])
def test_options_that_earlier_versions_took_though_they_do_nothing_are_set_aside(
    noisy_model: Model, idle: dict
) -> None:
    """The method conserves mass, and a network has no random features."""
    files = to_files(noisy_model)
    stored = json.loads(files["options.json"])
    files["options.json"] = json.dumps(stored | idle).encode()
    options = from_files(files, seconds=1.0).options
    assert (options.method, options.growth) == ("eam", "own")
    assert options.n_features == (1_000 if "n_features" in idle else 64)
    own = in_effect(stored | {"method": "uam", "action": "mlp"})
    assert own["n_features"] == 64  # of the growth field
