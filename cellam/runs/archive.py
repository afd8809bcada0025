"""Archive: a model as files, and back.

JSON for what a person may want to read, safetensors for arrays; nothing in them can run code.
What is read is checked: numbers are finite, shapes fit together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from cellam.coordinates.batch_shift import BatchShift
from cellam.coordinates.space import Space, Usual
from cellam.days.timeline import Timeline
from cellam.dynamics.fitting import Fit
from cellam.dynamics.objectives import Objective
from cellam.modelling.agreement import Agreement
from cellam.modelling.kinetic import Kinetic
from cellam.modelling.model import Model
from cellam.modelling.recipe import choice_from_json, choice_to_json
from cellam.modelling.rotation import Rotation
from cellam.modelling.stored import Arrays, fit_from, fit_to_arrays, fit_to_json
from cellam.options import Options
from cellam.reading.growth import PriorSource
from cellam.reading.snapshots import Snapshots
from cellam.runs.upgrade import in_effect, upgrade
from cellam.storage import restore, to_json, to_safetensors

ENSEMBLE = "ensemble.safetensors"
DESCRIBED = ("rep", "genes", "counted", "log", "library", "whitened")
SPACE = ("mean", "components", "centre", "scale")
OF_CELLS = ("clones", "velocities")  # of snapshots, where they are known
USUAL = ("shares", "variance", "noise")


def to_files(model: Model) -> dict[str, bytes]:
    """Every file of a model, by name. The same model gives the same bytes."""
    space, days = model.space, model.snapshots
    fitted = {
        **fit_to_json(model.fit),
        "objective": {
            name: getattr(model.fit.objective, name)
            for name in ("sigma", "growth_scale", "own_growth")
        },
        "choice": choice_to_json(model.choice),
        "prior_source": None if model.prior_source is None else vars(model.prior_source),
        "rotation": vars(model.rotation),
        "kinetic": None if model.kinetic is None else vars(model.kinetic),
        "agreement": None if model.agreement is None else vars(model.agreement),
    }
    described = {name: getattr(space, name) for name in DESCRIBED}
    if space.batches is not None:
        described["batches"] = {"key": space.batches.key, "levels": space.batches.levels}
    return {
        **_from_ensemble(model.ensemble),
        "options.json": to_json(model.options.model_dump(mode="json")),
        "timeline.json": to_json(vars(model.timeline)),
        "fit.json": to_json(fitted),
        "action.safetensors": to_safetensors(fit_to_arrays(model.fit)),
        "space.json": to_json(described),
        "space.safetensors": to_safetensors(_from_space(space)),
        "snapshots.json": to_json({"counts": [len(x) for x in days.points], "masses": days.masses}),
        "snapshots.safetensors": to_safetensors(
            {
                "points": np.concatenate(days.points),
                "rows": days.data_rows,
                **{
                    name: np.concatenate(of_cells)
                    for name in OF_CELLS
                    if (of_cells := getattr(days, name)) is not None
                },
            }
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
                    raise ValueError(f"{name} contains values that are not finite, in {key!r}")
    if "notes" in parsed["fit.json"]:
        upgrade(parsed, arrays)
    timeline = _timeline(parsed["timeline.json"])
    space = _space(parsed["space.json"], arrays["space.safetensors"])
    snapshots = _snapshots(timeline, parsed["snapshots.json"], arrays["snapshots.safetensors"])
    fitted = parsed["fit.json"]
    d = snapshots.n_dims
    _expect(len(space.centre) == len(space.scale), "space.safetensors")
    _expect(space.n_dims == d, "snapshots.safetensors")
    objective = Objective(**fitted["objective"])
    options = Options(**in_effect(parsed["options.json"]))
    members = parsed.get("ensemble.json", [])
    _expect(len(members) == (options.ensemble or 0), "options.json")
    source, kinetic = fitted["prior_source"], fitted.get("kinetic")  # older runs have none
    agreement = fitted.get("agreement")
    return Model(
        options,
        timeline,
        space,
        snapshots,
        fit_from(arrays["action.safetensors"], fitted, objective, d),
        choice_from_json(fitted["choice"]),
        Rotation(**restore(fitted["rotation"])),
        seconds,
        tuple(
            fit_from(arrays[ENSEMBLE], member, objective, d, prefix=f"{k}.")
            for k, member in enumerate(members)
        ),
        None if source is None else _prior_source(source),
        None if kinetic is None else Kinetic(float(kinetic["kept"]), float(kinetic["scatter"])),
        None if agreement is None else Agreement(**agreement),
    )


def _prior_source(stored: dict[str, Any]) -> PriorSource:
    genes = {name: (found, published) for name, (found, published) in stored["genes"].items()}
    return PriorSource(stored["prior"], genes, stored["assumes_days"])


def _from_ensemble(ensemble: tuple[Fit, ...]) -> dict[str, bytes]:
    """The members' own files; none where there is no ensemble."""
    if not ensemble:
        return {}
    tensors: Arrays = {}
    for k, fit in enumerate(ensemble):
        tensors |= fit_to_arrays(fit, f"{k}.")
    return {
        "ensemble.json": to_json([fit_to_json(fit) for fit in ensemble]),
        ENSEMBLE: to_safetensors(tensors),
    }


def _from_space(space: Space) -> Arrays:
    found = {name: getattr(space, name) for name in SPACE}
    if space.usual is not None:
        found |= vars(space.usual)
    if space.batches is not None:
        found["shifts"] = space.batches.shifts
    return found


def _space(described: dict[str, Any], arrays: Arrays) -> Space:
    names = {name: tuple(described[name]) for name in ("genes", "counted")}
    usual = None
    if set(USUAL) <= set(arrays):  # not in older runs
        usual = Usual(**{name: arrays[name] for name in USUAL})
        fits = len(usual.noise) == len(names["genes"])
        _expect(fits and len(usual.shares) == len(names["counted"]), "space.safetensors")
    fitted: dict[str, Any] = {name: arrays[name] for name in SPACE}
    shift = described.get("batches")
    if shift is not None:
        fitted["batches"] = BatchShift(shift["key"], tuple(shift["levels"]), arrays["shifts"])
        q = len(names["genes"]) or len(arrays["centre"])
        _expect(arrays["shifts"].shape == (len(shift["levels"]), q), "space.safetensors")
    return Space(**{**described, **names, **fitted}, usual=usual)


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
    known = {name: arrays[name] for name in OF_CELLS if name in arrays}
    shapes = {"clones": rows.shape, "velocities": points.shape}
    _expect(all(known[name].shape == shapes[name] for name in known), "snapshots.safetensors")
    return Snapshots(
        tuple(np.split(points, cuts)),
        timeline.times,
        timeline.labels,
        tuple(stored["masses"]),
        tuple(np.split(rows, cuts)),
        clones=tuple(np.split(known["clones"], cuts)) if "clones" in known else None,
        velocities=tuple(np.split(known["velocities"], cuts)) if "velocities" in known else None,
    )


def _expect(fits: bool, name: str) -> None:
    if not fits:
        raise ValueError(f"the shapes in {name} do not fit those of the other files")
