"""Archive: a model as files, and back.

JSON for what a person may want to read, safetensors for arrays; nothing in them can run code.
What is read is checked: numbers are finite, shapes fit together.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellam.config import parse_options
from cellam.dynamics.actions import MLP, Kernel
from cellam.dynamics.fitting import Fit
from cellam.dynamics.objectives import Objective
from cellam.modelling.model import Model
from cellam.modelling.rotation import Rotation
from cellam.reading.embedding import Space
from cellam.reading.snapshots import Snapshots
from cellam.reading.timeline import Timeline
from cellam.storage import to_json, to_safetensors

Arrays = dict[str, NDArray[Any]]

ENSEMBLE = "ensemble.safetensors"
DESCRIBED = ("rep", "genes", "counted", "log", "library", "whitened")
SPACE = ("mean", "components", "centre", "scale")


def to_files(model: Model) -> dict[str, bytes]:
    """Every file of a model, by name. The same model gives the same bytes."""
    action, space, days = model.fit.action, model.space, model.snapshots
    if isinstance(action, Kernel):
        tensors = dict(action.arrays())
    else:
        tensors = {
            **{f"weight_{k}": w.numpy() for k, w in enumerate(action.weights)},
            **{f"bias_{k}": b.numpy() for k, b in enumerate(action.biases)},
        }
    if model.fit.growth is not None:
        growth = model.fit.growth.arrays()
        tensors |= {f"growth.{name}": value for name, value in growth.items()}
    fitted = {
        "action": action.name,
        "objective": {
            name: getattr(model.fit.objective, name)
            for name in ("sigma", "growth_scale", "own_growth")
        },
        "growth_range": model.fit.growth_range,
        "rotation": vars(model.rotation),
        "notes": model.fit.notes,
    }
    described = {
        name: getattr(space, name)
        for name in ("rep", "genes", "counted", "log", "library", "whitened")
    }
    return {
        **_from_ensemble(model.ensemble),
        "options.json": to_json(model.options.model_dump(mode="json")),
        "timeline.json": to_json(vars(model.timeline)),
        "fit.json": to_json(fitted),
        "history.json": to_json(model.fit.history),
        "action.safetensors": to_safetensors(tensors),
        "space.json": to_json(described),
        "space.safetensors": to_safetensors({name: getattr(space, name) for name in SPACE}),
        "snapshots.json": to_json({"counts": [len(x) for x in days.points], "masses": days.masses}),
        "snapshots.safetensors": to_safetensors(
            {"points": np.concatenate(days.points), "rows": np.concatenate(days.rows)}
        ),
    }


def from_files(files: Mapping[str, bytes], *, seconds: float) -> Model:
    """The model that `to_files` was given.

    Parameters
    ----------
    files : mapping from name to content
    seconds : float
        What the fit took.

    Raises
    ------
    KeyError, ValueError, TypeError
        If files are missing, or do not hold what belongs there.
    """
    from safetensors.numpy import load

    parsed = {n: json.loads(content) for n, content in files.items() if n.endswith(".json")}
    arrays: dict[str, Arrays] = {}
    for name, content in files.items():
        if name.endswith(".safetensors"):
            arrays[name] = load(content)
            for key, value in arrays[name].items():
                if not np.isfinite(value).all():
                    raise ValueError(f"{name} holds numbers that are not finite, in {key!r}")
    timeline = _timeline(parsed["timeline.json"])
    described: dict[str, Any] = {**parsed["space.json"], **arrays["space.safetensors"]}
    for name in ("genes", "counted"):
        described[name] = tuple(described[name])
    space = Space(**described)
    snapshots = _snapshots(timeline, parsed["snapshots.json"], arrays["snapshots.safetensors"])
    fitted, tensors = parsed["fit.json"], arrays["action.safetensors"]
    d = snapshots.n_dims
    _expect(len(space.centre) == len(space.scale), "space.safetensors")
    _expect(space.n_dims == d, "snapshots.safetensors")
    fit = Fit(
        _action(fitted["action"], tensors, d),
        Objective(**fitted["objective"]),
        tuple(parsed["history.json"]),
        tuple(fitted["notes"]),
        _to_kernel(tensors, d, "growth.") if "growth.theta" in tensors else None,
        tuple(fitted["growth_range"]),
    )
    rotation = Rotation(**fitted["rotation"])
    options = parse_options(parsed["options.json"])
    ensemble = _to_ensemble(parsed, arrays, fit.objective, d) if ENSEMBLE in files else ()
    _expect(len(ensemble) == (options.ensemble or 0), "options.json")
    return Model(options, timeline, space, snapshots, fit, rotation, seconds, ensemble)


def _from_ensemble(ensemble: tuple[Fit, ...]) -> dict[str, bytes]:
    """The members' own files; none where there is no ensemble."""
    if not ensemble:
        return {}
    tensors: Arrays = {}
    for k, fit in enumerate(ensemble):
        kernels = {"action": fit.action, "growth": fit.growth}
        for part, kernel in kernels.items():
            if isinstance(kernel, Kernel):
                named = kernel.arrays().items()
                tensors |= {f"{k}.{part}.{name}": value for name, value in named}
    described = [{"growth_range": fit.growth_range, "notes": fit.notes} for fit in ensemble]
    return {"ensemble.json": to_json(described), ENSEMBLE: to_safetensors(tensors)}


def _to_ensemble(
    parsed: Mapping[str, Any], arrays: Mapping[str, Arrays], objective: Objective, d: int
) -> tuple[Fit, ...]:
    tensors = arrays[ENSEMBLE]
    return tuple(
        Fit(
            _to_kernel(tensors, d, f"{k}.action."),
            objective,
            (),
            tuple(member["notes"]),
            _to_kernel(tensors, d, f"{k}.growth.") if objective.own_growth else None,
            tuple(member["growth_range"]),
        )
        for k, member in enumerate(parsed["ensemble.json"])
    )


def _timeline(stored: dict[str, Any]) -> Timeline:
    return Timeline(
        tuple(stored["labels"]),
        tuple(stored["times"]),
        stored["unit"],
        stored["spellings"],
        tuple(stored["notes"]),
        stored.get("replicates", {}),  # older runs have none
    )


def _snapshots(timeline: Timeline, stored: dict[str, Any], arrays: Arrays) -> Snapshots:
    points, rows, counts = arrays["points"], arrays["rows"], stored["counts"]
    days = len(timeline.labels)
    _expect(
        points.ndim == 2
        and len(points) == len(rows) == sum(counts)
        and len(counts) == len(stored["masses"]) == len(timeline.times) == days,
        "snapshots.safetensors",
    )
    cuts = np.cumsum(counts)[:-1]
    return Snapshots(
        tuple(np.split(points, cuts)),
        timeline.times,
        timeline.labels,
        tuple(stored["masses"]),
        tuple(np.split(rows, cuts)),
    )


def _action(name: str, tensors: Arrays, d: int) -> Kernel | MLP:
    if name == Kernel.name:
        return _to_kernel(tensors, d, "")
    depth = sum(n.startswith("weight_") for n in tensors)
    weights = tuple(torch.from_numpy(tensors[f"weight_{k}"]) for k in range(depth))
    biases = tuple(torch.from_numpy(tensors[f"bias_{k}"]) for k in range(depth))
    widths = [d + 1, *(len(b) for b in biases)]
    shapes = [(n, m) for m, n in itertools.pairwise(widths)]
    _expect([tuple(w.shape) for w in weights] == shapes and widths[-1] == 1, "action.safetensors")
    return MLP(weights, biases)


def _to_kernel(tensors: Arrays, d: int, prefix: str) -> Kernel:
    kernel = Kernel.from_arrays(tensors, prefix)
    _expect(kernel.features.omega.shape[1] == d, "action.safetensors")
    return kernel


def _expect(fits: bool, name: str) -> None:
    if not fits:
        raise ValueError(f"the shapes in {name} do not fit those of the other files")
