"""Run: an opened run, of which everything can be asked that a command can."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.runs import run as stored
from cellam.runs.claims import Claim
from cellam.runs.run import StoredRun
from cellam.workflows.drivers import find_drivers
from cellam.workflows.evaluate import evaluate_run
from cellam.workflows.export import export_run
from cellam.workflows.fates import predict_run_fates
from cellam.workflows.info import describe_run
from cellam.workflows.jacobian import find_jacobian
from cellam.workflows.perturb import perturb_run
from cellam.workflows.plot import plot_run
from cellam.workflows.report import report_run
from cellam.workflows.simulate import simulate_run
from cellam.workflows.suggest import suggest_run
from cellam.workflows.validate import validate_run


@dataclass(frozen=True, repr=False)
class Run(StoredRun):
    """An opened run: what the commands do with it, as methods of the same names.

    Each checks what it is given before the work and returns a result with `to_frame()`,
    `to_json()` (what the command prints with --json) and a short form for notebooks. Files are
    written only where they are asked for; scores are kept in the run.

        run = cellam.open_run("cellam_runs/demo")
        run.simulate("day2", to="day7").composition
        run.evaluate("day4").skills[0].says
        run.fates().to_frame()
    """

    # Functions of a run are its methods: each has one signature and one docstring.
    info = describe_run
    simulate = simulate_run
    evaluate = evaluate_run
    fates = predict_run_fates
    perturb = perturb_run
    drivers = find_drivers
    jacobian = find_jacobian
    validate = validate_run
    suggest = suggest_run
    plot = plot_run
    report = report_run
    export = export_run


def open_run(path: str | Path | None = None) -> Run:
    """Open a run and check that every file is what was written.

    Parameters
    ----------
    path : path, optional
        Folder or name of the run; without it $CELLAM_RUN, or the current run of this folder.

    Raises
    ------
    RunError
        If there is none, or a file is missing, changed, or of a newer format.
    """
    return _with_methods(stored.open_run(path))


def save(
    model: Model,
    cells: Cells,
    place: Path | str | Claim,
    *,
    data: Path | str | None = None,
    command: str = "",
    overwrite: bool = False,
) -> Run:
    """Write a model as a run; parameters and errors as for `cellam.runs.run.save`."""
    run = stored.save(model, cells, place, data=data, command=command, overwrite=overwrite)
    return _with_methods(run)


def _with_methods(run: StoredRun) -> Run:
    return Run(run.path, run.model, run.provenance)
