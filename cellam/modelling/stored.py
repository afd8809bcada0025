"""Stored: a fit as arrays and as values that JSON can hold, and back.

Runs and checkpoints keep fits the same way. Of several fits in one file each has a prefix. What is
read is checked: shapes fit together.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellam.dynamics.actions import MLP, Kernel
from cellam.dynamics.fitting import Fit, Solved, Trained
from cellam.dynamics.objectives import Level, Objective
from cellam.storage import restore

Arrays = dict[str, NDArray[Any]]

GROWTH = "growth."


def fit_to_arrays(fit: Fit, prefix: str = "") -> Arrays:
    """Coefficients of the action, and of the growth field if it has one of its own."""
    action = fit.action
    if isinstance(action, Kernel):
        arrays = dict(action.arrays())
    else:
        arrays = {
            **{f"weight_{k}": w.numpy() for k, w in enumerate(action.weights)},
            **{f"bias_{k}": b.numpy() for k, b in enumerate(action.biases)},
        }
    if fit.growth is not None:
        arrays |= {f"{GROWTH}{name}": value for name, value in fit.growth.arrays().items()}
    return {f"{prefix}{name}": value for name, value in arrays.items()}


def fit_to_json(fit: Fit) -> dict[str, Any]:
    """What is not an array: the kind of action, how it was found, the range of growth."""
    record = fit.record
    return {
        "action": fit.action.name,
        "growth_range": fit.growth_range,
        "growth_levels": [vars(level) for level in fit.growth_levels],
        "record": {"ridge": record.ridge, "losses": [list(pair) for pair in record.losses.items()]}
        if isinstance(record, Solved)
        else vars(record),
    }


def fit_from(
    arrays: Mapping[str, NDArray[Any]],
    values: Mapping[str, Any],
    objective: Objective,
    d: int,
    *,
    prefix: str = "",
) -> Fit:
    """The fit that `fit_to_arrays` and `fit_to_json` were given, in d coordinates.

    Raises
    ------
    KeyError, TypeError
        If something is missing or not what belongs there.
    ValueError
        If shapes do not fit together.
    """
    own = f"{prefix}{GROWTH}theta" in arrays
    growth_range = values["growth_range"]
    return Fit(
        _kernel(arrays, d, prefix)
        if values["action"] == Kernel.name
        else _network(arrays, d, prefix),
        objective,
        _record(values["record"]),
        _kernel(arrays, d, f"{prefix}{GROWTH}") if own else None,
        None if growth_range is None else (float(growth_range[0]), float(growth_range[1])),
        tuple(_level(stored) for stored in values.get("growth_levels", ())),  # older runs: none
    )


def _level(stored: Mapping[str, Any]) -> Level:
    times, rates = (tuple(float(x) for x in stored[name]) for name in ("times", "rates"))
    if len(times) != len(rates) + 1:
        raise ValueError(f"{len(rates)} levels of growth do not fit {len(times)} days")
    return Level(times, rates)


def _record(stored: Mapping[str, Any]) -> Solved | Trained:
    stored = restore(dict(stored))
    if "ridge" in stored:
        return Solved(stored["ridge"], dict(stored["losses"]))
    return Trained(
        tuple(dict(row) for row in stored["history"]),
        float(stored["best_loss"]),
        int(stored["limit"]),
        float(stored["scale"]),
    )


def _kernel(arrays: Mapping[str, NDArray[Any]], d: int, prefix: str) -> Kernel:
    kernel = Kernel.from_arrays(dict(arrays), prefix)
    if kernel.features.omega.shape[1] != d:
        raise ValueError(f"the shapes of {prefix}omega do not fit {d} coordinates")
    return kernel


def _network(arrays: Mapping[str, NDArray[Any]], d: int, prefix: str) -> MLP:
    depth = sum(name.startswith(f"{prefix}weight_") for name in arrays)
    weights, biases = (
        tuple(torch.from_numpy(np.asarray(arrays[f"{prefix}{part}_{k}"])) for k in range(depth))
        for part in ("weight", "bias")
    )
    widths = [d + 1, *(len(b) for b in biases)]
    shapes = [(n, m) for m, n in itertools.pairwise(widths)]
    if [tuple(w.shape) for w in weights] != shapes or widths[-1] != 1:
        raise ValueError(f"the shapes of the network's weights do not fit {d} coordinates")
    return MLP(weights, biases)
