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
    workflows    what a command does, as one call on a run
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cellam._version import __version__ as __version__

if os.name == "nt":  # locks, signals and limits are those of POSIX
    raise ImportError("cellam runs on Linux and macOS. On Windows, use it in WSL.")

if TYPE_CHECKING:
    from cellam.answers.composition import composition
    from cellam.answers.drivers import drivers, quantity
    from cellam.answers.fates import Fates, flow, predict_fates
    from cellam.answers.perturbation import Change, Perturbation, parse_changes, perturb
    from cellam.answers.results import Results
    from cellam.answers.transitions import Gap, gaps
    from cellam.answers.trends import trends
    from cellam.answers.uncertainty import Followed, Spread, follow
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
    from cellam.output.export import (
        to_anndata,
        write_anndata,
        write_couplings,
        write_h5ad,
        write_tables,
    )
    from cellam.output.report import write_report
    from cellam.output.tables import tables
    from cellam.reading.cells import Cells, read
    from cellam.trust.caveat import Caveat
    from cellam.trust.caveats import caveats
    from cellam.trust.checks import Check, check
    from cellam.trust.evaluation import Evaluation, evaluate
    from cellam.trust.heldout import HeldOut, predict_day
    from cellam.trust.scores import Scores
    from cellam.trust.skill import Skill, skill, skills
    from cellam.trust.validation import Validation, validate
    from cellam.workflows.drivers import DriversResult
    from cellam.workflows.evaluate import EvaluationResult
    from cellam.workflows.export import ExportResult
    from cellam.workflows.fates import FatesResult
    from cellam.workflows.info import InfoResult
    from cellam.workflows.perturb import PerturbationResult
    from cellam.workflows.plot import PlotResult
    from cellam.workflows.report import ReportResult
    from cellam.workflows.run import Run, open_run, save
    from cellam.workflows.simulate import SimulationResult
    from cellam.workflows.validate import ValidationResult

__all__ = [  # noqa: RUF022  (in the order of use)
    "read", "Cells", "check", "Check", "fit", "Options", "Model", "Simulation",
    "follow", "Followed", "Spread", "composition",
    "evaluate", "Evaluation", "Scores", "skill", "skills", "Skill", "predict_day", "HeldOut",
    "caveats", "Caveat",
    "validate", "Validation",
    "predict_fates", "Fates", "flow", "perturb", "Perturbation", "parse_changes", "Change",
    "drivers", "quantity", "trends", "gaps", "Gap",
    "save", "open_run", "Run", "SimulationResult", "EvaluationResult", "FatesResult",
    "PerturbationResult", "DriversResult", "ValidationResult", "PlotResult", "ReportResult",
    "ExportResult", "InfoResult", "Results", "write_report",
    "to_anndata", "write_h5ad", "write_anndata", "tables", "write_tables", "write_couplings",
    "fit_action", "FittedAction", "Objective", "Sampler", "PathSampler", "Tabulated",
    "CellamError", "ConfigError", "DataError", "OutputError", "RunError", "TrainingError",
]  # fmt: skip

# Where they are; imported when first used: torch and anndata take seconds, and `cellam --help`
# needs neither.
_PUBLIC = {
    "answers.composition": "composition",
    "answers.drivers": "drivers quantity",
    "answers.fates": "predict_fates Fates flow",
    "answers.perturbation": "perturb Perturbation parse_changes Change",
    "answers.results": "Results",
    "answers.transitions": "gaps Gap",
    "answers.trends": "trends",
    "answers.uncertainty": "follow Followed Spread",
    "config": "Options",
    "dynamics.matching": "fit_action FittedAction",
    "dynamics.objectives": "Objective",
    "dynamics.samplers": "Sampler PathSampler Tabulated",
    "errors": "CellamError ConfigError DataError OutputError RunError TrainingError",
    "modelling.model": "Model Simulation",
    "modelling.pipeline": "fit",
    "output.export": "to_anndata write_h5ad write_anndata write_tables write_couplings",
    "output.report": "write_report",
    "output.tables": "tables",
    "reading.cells": "read Cells",
    "trust.caveat": "Caveat",
    "trust.caveats": "caveats",
    "trust.checks": "check Check",
    "trust.evaluation": "evaluate Evaluation",
    "trust.heldout": "predict_day HeldOut",
    "trust.scores": "Scores",
    "trust.skill": "skill skills Skill",
    "trust.validation": "validate Validation",
    "workflows.drivers": "DriversResult",
    "workflows.evaluate": "EvaluationResult",
    "workflows.export": "ExportResult",
    "workflows.fates": "FatesResult",
    "workflows.info": "InfoResult",
    "workflows.perturb": "PerturbationResult",
    "workflows.plot": "PlotResult",
    "workflows.report": "ReportResult",
    "workflows.run": "save open_run Run",
    "workflows.simulate": "SimulationResult",
    "workflows.validate": "ValidationResult",
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names.split()}

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
