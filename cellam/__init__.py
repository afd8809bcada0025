"""Action Matching for single-cell time courses.

    cells = cellam.read("data.h5ad")
    model = cellam.fit(cells)
    moved = model.simulate("day2", to="day7")
    table = cellam.evaluate(cells, holdout="day4").table

and for anything else that can be sampled at any time, without cells:

    fitted = cellam.fit_action(q, action="kernel")    # q.sample(t, generator) -> x
    moved = fitted.simulate(x, [0.0, 0.5, 1.0])

The packages, each resting on those before it:

    reading      from a file to weighted points at times
    dynamics     Action Matching itself, on points and times alone
    modelling    from cells to a fitted model
    answers      where cells go, which genes go with it, how sure that is
    trust        held-out days, skill, lineage barcodes, reasons for doubt
    runs         a model on disk
    plots        figures, as matplotlib axes
    output       files for other programs, and the report
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellam.answers.fates import Fates, predict_fates
    from cellam.answers.perturbation import Perturbation, perturb
    from cellam.config import Options
    from cellam.dynamics.matching import FittedAction, fit_action
    from cellam.dynamics.objectives import Objective
    from cellam.dynamics.samplers import PathSampler, Sampler, Tabulated
    from cellam.errors import (
        CellamError,
        ConfigError,
        DataError,
        OutputError,
        RunError,
        TrainingError,
    )
    from cellam.modelling.model import Model, Simulation
    from cellam.modelling.pipeline import fit
    from cellam.reading.cells import Cells, read
    from cellam.runs.run import Run, open_run, save
    from cellam.trust.evaluation import Evaluation, evaluate
    from cellam.trust.validation import Validation, validate

__version__ = "0.1.0"

# Imported when first used: torch and anndata take seconds, and `cellam --help` needs neither.
_HOME = {
    "Cells": "reading.cells",
    "read": "reading.cells",
    "Options": "config",
    "CellamError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "OutputError": "errors",
    "RunError": "errors",
    "TrainingError": "errors",
    "Evaluation": "trust.evaluation",
    "evaluate": "trust.evaluation",
    "Fates": "answers.fates",
    "predict_fates": "answers.fates",
    "Model": "modelling.model",
    "Simulation": "modelling.model",
    "Perturbation": "answers.perturbation",
    "perturb": "answers.perturbation",
    "fit": "modelling.pipeline",
    "fit_action": "dynamics.matching",
    "FittedAction": "dynamics.matching",
    "Objective": "dynamics.objectives",
    "Sampler": "dynamics.samplers",
    "PathSampler": "dynamics.samplers",
    "Tabulated": "dynamics.samplers",
    "Run": "runs.run",
    "open_run": "runs.run",
    "save": "runs.run",
    "Validation": "trust.validation",
    "validate": "trust.validation",
}

__all__ = [  # noqa: RUF022  (in the order of use)
    "read", "Cells", "fit", "Options", "Model", "Simulation", "evaluate", "Evaluation",
    "predict_fates", "Fates", "perturb", "Perturbation", "validate", "Validation",
    "save", "open_run", "Run",
    "fit_action", "FittedAction", "Objective", "Sampler", "PathSampler", "Tabulated",
    "CellamError", "ConfigError", "DataError", "OutputError", "RunError", "TrainingError",
]  # fmt: skip


# Modules that users name: `help(cellam.objectives)` has the mathematics.
_MODULES = {
    "objectives": "dynamics.objectives",
    "plots": "plots",
    "toys": "toys",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"cellam.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"cellam.{_MODULES[name]}")
    raise AttributeError(f"module 'cellam' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
