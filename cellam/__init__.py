"""Action Matching for single-cell time courses.

    cells = cellam.read("data.h5ad")
    model = cellam.fit(cells)
    moved = model.simulate("day2", to="day7")
    table = cellam.evaluate(cells, holdout="day4").table

and for anything else that can be sampled at any time, without cells:

    fitted = cellam.fit_action(q, action="kernel")    # q.sample(t, generator) -> x
    moved = fitted.simulate(x, [0.0, 0.5, 1.0])

The modules, in the order of the pipeline: `labels`, `timepoints`, `columns`, `formats`, `stores`,
`sources`, `matrices`, `cells`, `embedding`, `snapshots`, `couplings`, `samples`, `samplers`,
`paths`, `actions`, `objectives`, `fitting`, `training`, `simulation`, `matching`, `selection`,
`ensemble`, `model`, `pipeline`, `fates`, `perturbation`, `validation`, `distances`, `evaluation`,
`uncertainty`, `results`, `archive`, `claims`, `run`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellam.cells import Cells, read
    from cellam.config import Options
    from cellam.errors import (
        CellamError,
        ConfigError,
        DataError,
        OutputError,
        RunError,
        TrainingError,
    )
    from cellam.evaluation import Evaluation, evaluate
    from cellam.fates import Fates, predict_fates
    from cellam.matching import FittedAction, fit_action
    from cellam.model import Model, Simulation
    from cellam.objectives import Objective
    from cellam.perturbation import Perturbation, perturb
    from cellam.pipeline import fit
    from cellam.run import Run, open_run, save
    from cellam.samplers import PathSampler, Sampler, Tabulated
    from cellam.validation import Validation, validate

__version__ = "0.1.0"

# Imported when first used: torch and anndata take seconds, and `cellam --help` needs neither.
_HOME = {
    "Cells": "cells",
    "read": "cells",
    "Options": "config",
    "CellamError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "OutputError": "errors",
    "RunError": "errors",
    "TrainingError": "errors",
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "Fates": "fates",
    "predict_fates": "fates",
    "Model": "model",
    "Simulation": "model",
    "Perturbation": "perturbation",
    "perturb": "perturbation",
    "fit": "pipeline",
    "fit_action": "matching",
    "FittedAction": "matching",
    "Objective": "objectives",
    "Sampler": "samplers",
    "PathSampler": "samplers",
    "Tabulated": "samplers",
    "Run": "run",
    "open_run": "run",
    "save": "run",
    "Validation": "validation",
    "validate": "validation",
}

__all__ = [  # noqa: RUF022  (in the order of use)
    "read", "Cells", "fit", "Options", "Model", "Simulation", "evaluate", "Evaluation",
    "predict_fates", "Fates", "perturb", "Perturbation", "validate", "Validation",
    "save", "open_run", "Run",
    "fit_action", "FittedAction", "Objective", "Sampler", "PathSampler", "Tabulated",
    "CellamError", "ConfigError", "DataError", "OutputError", "RunError", "TrainingError",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"cellam.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cellam' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
