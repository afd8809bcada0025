"""`cellam fit`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, progress, say
from .logs import log, written_to
from .options import ReportOption
from .outputs import shown
from .pages import add_report, check_report
from .signals import pausing
from .summary import say_cells, say_growth, say_model

if TYPE_CHECKING:
    from cellam.dynamics.fitting import Progress

BYTES = 1_000  # of a run, for every cell: coordinates, pairs, and a copy of both
LONGEST = 200  # bytes in the name of a run, which file systems limit to 255


def fit(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Cells of several days: an .h5ad file or a .zarr folder."
        ),
    ],
    time_key: Annotated[
        str | None,
        typer.Option(help="Column of obs with the time. [default: found by its name]"),
    ] = None,
    time_map: Annotated[
        str | None, typer.Option(help="Times of all labels, e.g. 'early=0,late=7'.")
    ] = None,
    use_rep: Annotated[
        str | None,
        typer.Option(help="Key of obsm to work in, e.g. X_pca. [default: a PCA of X]"),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer of the expression, or raw. [default: X]")
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            help="What the expression values are: counts, normalised, log or scaled. "
            "[default: judged by the values]"
        ),
    ] = None,
    n_pcs: Annotated[
        int | None,
        typer.Option(help="Components to work in. [default: 20, or all of --use-rep]"),
    ] = None,
    whiten: Annotated[
        bool, typer.Option("--whiten", help="Give all components the same variance.")
    ] = False,
    population: Annotated[
        str | None,
        typer.Option(
            help="Size of the population by day: a CSV file with time and count, "
            "'day0=1e5,day2=3e5', or cells: as many as there are cells. "
            "[default: growth is relative]"
        ),
    ] = None,
    growth_prior: Annotated[
        str | None,
        typer.Option(
            help="Growth that is expected: human or mouse, from genes of division and death, or a "
            "column of obs with rates per unit of time. As much of it is used as the training days "
            "bear out. [default: none]"
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="am: cells move; eam: with noise; uam: they move, grow and die; ueam: all three."
        ),
    ] = "uam",
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Noise of eam and ueam, in standard deviations of the data over the whole "
            "range of times. [default: 0.3]"
        ),
    ] = None,
    growth: Annotated[
        str,
        typer.Option(help="Growth of uam and ueam: a field of its own, or tied to the action."),
    ] = "own",
    growth_scale: Annotated[
        float | None,
        typer.Option(help="Growth rate per unit of action, with --growth tied. [default: 1]"),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            help="Path between days: uot, ot, independent or mixture. "
            "[default: chosen on the training days]"
        ),
    ] = None,
    tau: Annotated[
        float | None,
        typer.Option(
            help="Price of growth in --path uot: small is cheap. "
            "[default: chosen on the training days]"
        ),
    ] = None,
    curvature: Annotated[
        float | None,
        typer.Option(
            help="Bend of the path: 0 straight from day to day, 1 a spline through all days. "
            "[default: chosen on the training days]"
        ),
    ] = None,
    action: Annotated[
        str, typer.Option(help="kernel: solved at once; mlp: a network, trained.")
    ] = "kernel",
    n_features: Annotated[int, typer.Option(help="Random features of the kernel action.")] = 1000,
    max_cells: Annotated[
        int,
        typer.Option(help="Cells of a day to fit to at most, drawn at random; all are simulated."),
    ] = 25_000,
    steps: Annotated[
        int | None, typer.Option(help="Most training steps of --action mlp. [default: 3000]")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="A day to leave out; may be given again.")
    ] = None,
    ensemble: Annotated[
        int | None,
        typer.Option(
            help="Fit so many times more, to half of the cells and days, to know how sure the "
            "answer is; 8 or more. [default: none]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    device: Annotated[
        str, typer.Option(help="auto (cuda where there is one, else cpu), cpu, cuda or mps.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch. [default: as torch decides]")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the run. [default: that of the data, numbered if taken]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for runs. [default: ./cellam_runs]")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run of the same name.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a fit that was stopped.")
    ] = False,
    report: ReportOption = True,
) -> None:
    """Learn how the cells move and grow; write a run."""
    from cellam.config import parse_options
    from cellam.reading.populations import parse_population
    from cellam.reading.timepoints import parse_numbers

    options = parse_options(
        {
            "time_key": time_key,
            "time_map": parse_numbers(time_map) if time_map is not None else None,
            "use_rep": use_rep,
            "layer": layer,
            "values": values,
            "n_pcs": n_pcs,
            "whiten": whiten,
            "population": parse_population(population) if population is not None else None,
            "growth_prior": growth_prior,
            "method": method,
            "sigma": sigma,
            "growth": growth,
            "growth_scale": growth_scale,
            "path": path,
            "tau": tau,
            "curvature": curvature,
            "action": action,
            "n_features": n_features,
            "max_cells": max_cells,
            "steps": steps,
            "exclude": tuple(exclude or ()),
            "ensemble": ensemble,
            "seed": seed,
            "device": device,
            "threads": threads,
        }
    )
    from cellam.errors import DataError, OutputError, Stopped
    from cellam.modelling.pipeline import fit as fit_model
    from cellam.output.wording import explain
    from cellam.reading.cells import read
    from cellam.runs.claims import check_free, claim
    from cellam.runs.run import point_to, save
    from cellam.trust.caveats import caveats
    from cellam.trust.checks import lacking_memory

    folder = _folder(data, name, out, resume=resume)
    check_free(folder, overwrite=overwrite)
    if report:
        check_report(data)
    cells = read(data, options.reading)
    if (lacking := lacking_memory(cells)) is not None:
        raise DataError(f"{cells.source}: {lacking.finding}", lacking.advice)
    command = shlex.join(["cellam", *sys.argv[1:]])
    with claim(
        folder,
        start={"data": cells.digest, **options.model_dump(mode="json")},
        command=command,
        size=BYTES * len(cells),
        overwrite=overwrite,
        resume=resume,
    ) as place:
        try:
            with written_to(place.log), pausing(place.checkpoint), progress() as on_progress:
                log.info("%s", command)
                say_cells(cells)

                def watch(step: Progress) -> None:
                    on_progress(step)
                    place.checkpoint.pause()

                model = fit_model(cells, options, checkpoint=place.checkpoint, on_progress=watch)
                for line in explain(model):
                    log.info("%s", line)
            saved = save(model, cells, place, data=data, command=command)
        except (Stopped, OutputError) as error:
            if place.checkpoint.started:
                error.hint = f"Go on with: {_again(folder)}"
            elif isinstance(error, Stopped):
                error.hint = "Nothing had been worked out yet, so nothing is kept."
            raise
    point_to(folder)
    say_model(model)
    say_growth(model, cells)
    doubts = caveats(model, cells)
    for caveat in doubts:
        say("caveat", f"{caveat.finding} {caveat.advice}")
    give("run", shown(folder))
    if report:
        page = add_report(saved, cells, doubts)
        if page is not None:
            give("report", shown(page))
    labels = model.training.labels
    where = "" if out is None else f" --run {shlex.quote(str(folder))}"
    say("next", f"cellam simulate --from {shlex.quote(labels[0])}{where}")
    if len(labels) > 2:
        say("", f"cellam eval --holdout {shlex.quote(labels[len(labels) // 2])}{where}")


def _again(folder: Path) -> str:
    """The command that goes on with this fit."""
    words = [w for w in sys.argv[1:] if w not in ("--resume", "--overwrite")]
    if "--name" not in words:
        words += ["--name", folder.name]
    return shlex.join(["cellam", *words, "--resume"])


def _folder(data: Path, name: str | None, out: Path | None, *, resume: bool) -> Path:
    """Where the run goes; a default name is numbered rather than taken twice."""
    from cellam.errors import ConfigError
    from cellam.runs.claims import is_stopped
    from cellam.runs.run import RUNS

    runs = out or Path(RUNS)
    if name is not None:
        plain = Path(name).name == name and name == name.strip() and not name.startswith(".")
        if not plain or name in ("", "current") or len(name.encode()) > LONGEST or "\n" in name:
            raise ConfigError(
                f"--name {name[:80]!r} cannot be the name of a run.",
                "Use a short, plain name; --out says where runs are kept.",
            )
        return runs / name
    stem = data.name.removesuffix(".h5ad").removesuffix(".zarr").replace("\n", " ").strip(" .")
    stem = os.fsencode(stem)[:LONGEST].decode(sys.getfilesystemencoding(), "ignore").strip()
    stem = "run" if stem in ("", "current") else stem
    folder, number = runs / stem, 1
    while os.path.lexists(folder) or is_stopped(folder):
        if is_stopped(folder):
            if resume:
                break
            say("note", f"{folder} was stopped before it ended: --name {folder.name} --resume")
        number += 1
        folder = runs / f"{stem}-{number}"
    return folder
