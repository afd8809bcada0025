"""Action Matching for single-cell time courses.

    run = cellam.fit_run("data.h5ad")                 # from a file to a run
    run.simulate("day2", to="day7").composition
    run.evaluate("day4").skills[0].says

step by step, without a run,

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
    analysis     where cells go, which genes go with it, how sure that is
    evaluation   held-out days, skill, lineage barcodes
    checks       reasons for doubt
    runs         a model on disk
    plots        figures, as matplotlib axes
    export       files for other programs
    report       one page to read
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
    from cellam.analysis.composition import composition
    from cellam.analysis.drivers import drivers, quantity
    from cellam.analysis.fates import Fates, flow, predict_fates
    from cellam.analysis.perturbation import Change, Perturbation, parse_changes, perturb
    from cellam.analysis.results import Results
    from cellam.analysis.transitions import Gap, gaps
    from cellam.analysis.trends import trends
    from cellam.analysis.uncertainty import Followed, Spread, follow
    from cellam.checks.caveat import Caveat
    from cellam.checks.caveats import caveats
    from cellam.checks.check import Check, check
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
    from cellam.evaluation.clones import Validation, validate
    from cellam.evaluation.evaluate import Evaluation, evaluate
    from cellam.evaluation.heldout import HeldOut, predict_day
    from cellam.evaluation.scores import Scores
    from cellam.evaluation.skill import Skill, skill, skills
    from cellam.export.h5ad import (
        to_anndata,
        write_anndata,
        write_couplings,
        write_h5ad,
        write_tables,
    )
    from cellam.export.tables import tables
    from cellam.modelling.model import Model, Simulation
    from cellam.modelling.pipeline import fit
    from cellam.options import Options
    from cellam.reading.cells import Cells, read
    from cellam.report.page import write_report
    from cellam.workflows.drivers import DriversResult
    from cellam.workflows.evaluate import EvaluationResult
    from cellam.workflows.export import ExportResult
    from cellam.workflows.fates import FatesResult
    from cellam.workflows.fit import fit_run
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
    "fit_run", "save", "open_run", "Run", "SimulationResult", "EvaluationResult", "FatesResult",
    "PerturbationResult", "DriversResult", "ValidationResult", "PlotResult", "ReportResult",
    "ExportResult", "InfoResult", "Results", "write_report",
    "to_anndata", "write_h5ad", "write_anndata", "tables", "write_tables", "write_couplings",
    "fit_action", "FittedAction", "Objective", "Sampler", "PathSampler", "Tabulated",
    "CellamError", "ConfigError", "DataError", "OutputError", "RunError", "TrainingError",
]  # fmt: skip

# Where they are; imported when first used: torch and anndata take seconds, and `cellam --help`
# needs neither.
_PUBLIC = {
    "analysis.composition": "composition",
    "analysis.drivers": "drivers quantity",
    "analysis.fates": "predict_fates Fates flow",
    "analysis.perturbation": "perturb Perturbation parse_changes Change",
    "analysis.results": "Results",
    "analysis.transitions": "gaps Gap",
    "analysis.trends": "trends",
    "analysis.uncertainty": "follow Followed Spread",
    "dynamics.matching": "fit_action FittedAction",
    "dynamics.objectives": "Objective",
    "dynamics.samplers": "Sampler PathSampler Tabulated",
    "errors": "CellamError ConfigError DataError OutputError RunError TrainingError",
    "modelling.model": "Model Simulation",
    "modelling.pipeline": "fit",
    "export.h5ad": "to_anndata write_h5ad write_anndata write_tables write_couplings",
    "report.page": "write_report",
    "export.tables": "tables",
    "options": "Options",
    "reading.cells": "read Cells",
    "checks.caveat": "Caveat",
    "checks.caveats": "caveats",
    "checks.check": "check Check",
    "evaluation.evaluate": "evaluate Evaluation",
    "evaluation.heldout": "predict_day HeldOut",
    "evaluation.scores": "Scores",
    "evaluation.skill": "skill skills Skill",
    "evaluation.clones": "validate Validation",
    "workflows.drivers": "DriversResult",
    "workflows.evaluate": "EvaluationResult",
    "workflows.export": "ExportResult",
    "workflows.fates": "FatesResult",
    "workflows.fit": "fit_run",
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
