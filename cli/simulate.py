"""`cellam simulate`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import completion
from .console import give, give_json, mass_text, plural, say, say_caveats, say_run, table, warn
from .options import (
    AtOption,
    DataOption,
    FromCellsOption,
    JsonOption,
    NewBatchOption,
    NewCellsOption,
    OverwriteOption,
    RunOption,
)
from .outputs import written
from .summary import unannotated
from .workers import with_workers

if TYPE_CHECKING:
    import pandas as pd

    from cellam.analysis.uncertainty import Followed
    from cellam.modelling.families import Families
    from cellam.modelling.model import Model
    from cellam.modelling.outside import Outside
    from cellam.workflows.simulation_result import SimulationResult


MOST_TYPES = 8  # columns of the table


@with_workers()
def simulate(
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Day to start from. [required, unless --cells has a single day]",
            autocompletion=completion.days,
        ),
    ] = None,
    cells: NewCellsOption = None,
    at: AtOption = None,
    new_batch: NewBatchOption = False,
    to: Annotated[
        str | None, typer.Option(help="Day or time to simulate to. [default: the last day]")
    ] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Simulate backward in time, to the first day.")
    ] = False,
    from_cells: FromCellsOption = None,
    n_cells: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of cells to draw at random, with replacement where there are fewer. "
            "[default: all]",
        ),
    ] = None,
    stochastic: Annotated[
        bool,
        typer.Option(
            "--stochastic",
            help="Insist on random trajectories: an error where the fit has no noise (methods am, "
            "uam). A fit with noise (eam, ueam) makes them without this option, too.",
        ),
    ] = False,
    discrete: Annotated[
        bool,
        typer.Option(
            "--discrete",
            help="Cells divide and die at random, instead of carrying a weight: a family tree.",
        ),
    ] = False,
    turnover: Annotated[
        float | None,
        typer.Option(
            help="With --discrete: rate added to both divisions and deaths, per cell and unit of "
            "time. The days do not tell it. [default: 0]"
        ),
    ] = None,
    save_every: Annotated[
        float | None,
        typer.Option(
            help="Also save at regular steps of this length. [default: only the observed days]"
        ),
    ] = None,
    genes: Annotated[
        str | None,
        typer.Option(
            help="Genes whose expression is computed: all, none, or A,B. [default: all if the "
            "space is a PCA by cellam and they take at most 1 GB]"
        ),
    ] = None,
    extrapolate: Annotated[
        bool,
        typer.Option(
            "--extrapolate", help="Allow times before the first or after the last training day."
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for the choice of cells, noise, divisions.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write. [default: in the run]"),
    ] = None,
    overwrite: OverwriteOption = False,
    run: RunOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate the cells of one day through time, and write them with their weights."""
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    found = opened.simulate(
        start,
        cells=cells,
        at=at,
        new_batch=new_batch,
        to=to,
        backward=backward,
        from_cells=from_cells,
        n_cells=n_cells,
        stochastic=stochastic,
        discrete=discrete,
        turnover=turnover,
        save_every=save_every,
        genes=genes,
        extrapolate=extrapolate,
        seed=seed,
        out=out,
        keep=True,
        overwrite=overwrite,
        data=data,
        command=shlex.join(["cellam", *sys.argv[1:]]),
    )
    for note in found.notes:
        warn(note)
    if as_json:
        give_json(found.to_dict())
        return
    moved, model = found.simulation, opened.model
    say(
        "simulated",
        f"{plural(len(moved.rows), 'cell')} of {found.who} "
        f"{'backward ' * bool(moved.times[-1] < moved.times[0])}from {moved.times[0]:g} to "
        f"{moved.times[-1]:g}, {plural(len(moved.times), 'saved time')}",
    )
    if found.families is not None:
        _say_families(found.families)
    print()
    size = "ESS" if found.families is None else "cells"
    _print_composition(
        found.composition, found.types, _masses(found.followed), model.training.times, size
    )
    _print_shares(found)
    _say_remote(found, model)
    print()
    say_caveats(found.caveats)
    if found.written is not None:
        give("written", written(found.written))


def _say_families(families: Families) -> None:
    """What became of the cells, beside what was to be expected."""
    n, N = len(families.rows), int(families.counts[-1])
    say(
        "families",
        f"{plural(families.divisions, 'division')}, {plural(families.deaths, 'death')}: "
        f"{plural(N, 'cell')} at the end (expected {families.expected[-1]:,.0f}), descendants of "
        f"{families.surviving[-1]:,} of {n:,}",
    )
    if not N:
        warn(
            f"No cell is alive at the end: all {n:,} families have died out. The fewer families "
            "there are and the higher `turnover` is, the more often that happens: start more cells "
            "(`n_cells`), or give a lower one."
        )


def _masses(followed: Followed | None) -> dict[float, str]:
    """The 90 % interval of the mass at every saved time, in words."""
    if followed is None:
        return {}
    low, high = followed.mass.interval()
    times = followed.simulation.times
    return {
        float(t): f" ({max(a, 0.0):.2f} to {b:.2f})"
        for t, a, b in zip(times, low, high, strict=True)
        if b > a  # at the start all weigh 1
    }


def _say_remote(found: SimulationResult, model: Model) -> None:
    """How many simulated cells lie outside the data, on the worst of the days and beyond them."""
    from cellam.days.time_labels import named
    from cellam.modelling.outside import percent, worst

    first, last = model.training.times[0], model.training.times[-1]
    within = [each for each in found.outside if first <= each.time <= last]
    end = found.outside[-1]

    def called(time: float) -> str:
        return named(model.timeline.label_at(time))

    def share(far: Outside) -> str:
        return (
            f"{far.n:,} of {plural(far.cells, 'cell')} ({percent(far.share)}; by weight "
            f"{percent(far.weight)}) lie outside the observed data at "
            f"{called(far.time)}; of the observed cells of {named(far.day)} "
            f"{percent(far.observed)} do"
        )

    if within:
        give("off data", f"{share(worst(within))} (flagged off_manifold)")
    beyond = end.time - last if end.time > last else first - end.time
    if beyond > 0:
        edge = called(last if end.time > last else first)
        give(
            "beyond",
            f"{called(end.time)} lies {beyond:g} outside the training days: "
            f"motion and growth are those of {edge}; {share(end)}",
        )


def _print_composition(
    frame: pd.DataFrame,
    of_cell: pd.Series[Any] | None,
    masses: dict[float, str],
    training: tuple[float, ...],
    size: str,
) -> None:
    """A row for each observed day and the end: mass, effective size, share of each type."""
    from cellam.analysis.composition import present
    from cellam.report.wording import share_text

    types = present(frame)[:MOST_TYPES] if of_cell is not None else []
    compared = bool(types) and any(frame["observed"])  # chosen cells are compared with none
    rows = []
    for row in frame.to_dict("records"):
        shares = [share_text(row, name, " %", compared=compared) for name in types]
        outside = not training[0] <= row["time"] <= training[-1]
        mass = f"{mass_text(row['mass'])}{masses.get(row['time'], '')}"
        name = row["label"] + " (extrapolated)" * outside
        rows.append([name, mass, f"{row['ess']:.0f}", *shares])
    table(["day", "mass (90 %)" if masses else "mass", size, *types], rows)


def _print_shares(found: SimulationResult) -> None:
    """What the shares of the table are, and which types it leaves out."""
    from cellam.analysis.composition import present
    from cellam.analysis.over_replicates import at_least

    types, of_cell = present(found.composition), found.types
    if of_cell is None or not types:
        return
    also = at_least(found.composition)
    over = f", in square brackets {found.over}{f' ({also})' * bool(also)}" * bool(found.over)
    its = "the same interval of it" if found.over else "its 95 % interval by the number of cells"
    beside = f"; in brackets the share observed on that day and {its} (*: the share is outside)"
    print(
        f"Shares of obs[{of_cell.name!r}] by weight{over}"
        f"{beside * any(found.composition['observed'])}. At the start, cells keep their own "
        "types; later, types are those of the ten nearest annotated cells of the "
        f"day.{unannotated(of_cell)}"
    )
    if len(types) > MOST_TYPES:
        more = plural(len(types) - MOST_TYPES, "rarer type")
        print(f"{more} not shown; they are in the output of --json.")
    _print_bias(found.composition, types[:MOST_TYPES])


def _print_bias(frame: pd.DataFrame, types: list[str]) -> None:
    """By how much the shares of simulated cells are off for their assignment alone."""
    from cellam.days.time_labels import named

    said = []
    for _, row in frame.iterrows():
        points = {t: round(100 * row["bias"].get(t, 0.0)) for t in types}
        off = ", ".join(f"{t} {n:+d}" for t, n in points.items() if n)
        if row["bias"]:
            said.append(f"{named(row['label'])}: {off or 'none above 0.5'}")
    if said:
        print(
            "Bias of this assignment, measured on observed cells, in percentage points: "
            f"{'; '.join(said)}."
        )
