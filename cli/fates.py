"""`cellam fates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import give, give_json, mass_text, plural, say, say_caveats, say_run, table, warn
from .options import (
    AtOption,
    CsvOverwriteOption,
    DataOption,
    JsonOption,
    NewBatchOption,
    NewCellsOption,
    RunOption,
    StartOption,
    TerminalOption,
)
from .outputs import shown, written
from .workers import with_workers

if TYPE_CHECKING:
    import pandas as pd

    from cellam.analysis.fates import Fates
    from cellam.analysis.states import FoundStates
    from cellam.workflows.fates_result import FatesResult

MOST_STATES = 8  # columns of the table


@with_workers()
def fates(
    start: StartOption = None,
    cells: NewCellsOption = None,
    at: AtOption = None,
    new_batch: NewBatchOption = False,
    terminal: TerminalOption = None,
    find_states: Annotated[
        bool,
        typer.Option(
            "--find-states",
            help="Find the states among the cells of the terminal day, as is done where no column "
            "of obs names cell types.",
        ),
    ] = False,
    ancestors: Annotated[
        bool,
        typer.Option(
            "--ancestors",
            "--backward",
            help="Follow later cells backward, to the states of an earlier day that they came "
            "from. [default day: the first]",
        ),
    ] = False,
    flow: Annotated[
        bool,
        typer.Option("--flow", help="Also print the mass that flows from each type to each state."),
    ] = False,
    clones: Annotated[
        str | None,
        typer.Option(
            help="Column of obs with lineage barcodes, by which fates of single cells are "
            "calibrated and scored. Ranges, figures, the report and exports are not calibrated."
        ),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            min=1, max=10_000, help="Number of trajectories per cell, if the fit has noise."
        ),
    ] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the noise.")] = 0,
    run: RunOption = None,
    data: DataOption = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="CSV file for the table of all cells. [default: in the run]"),
    ] = None,
    overwrite: CsvOverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Predict fates: which cell types the descendants of every earlier cell become."""
    from cellam.days.time_labels import named
    from cellam.errors import ConfigError
    from cellam.report.wording import explain_decided
    from cellam.workflows.run import open_run

    if flow and ancestors:
        raise ConfigError(
            "--flow goes forward in time, --ancestors backward.", "Use only one of them."
        )
    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    found = opened.fates(
        start,
        cells=cells,
        at=at,
        new_batch=new_batch,
        terminal=terminal,
        find_states=find_states,
        ancestors=ancestors,
        clones=clones,
        draws=draws,
        seed=seed,
        csv=csv,
        keep=True,
        overwrite=overwrite,
        data=data,
    )
    for note in found.notes:
        warn(note)
    if as_json:
        give_json(found.to_dict())
        return
    if found.found is not None:
        _print_states(found.found, found.markers)
    noun = "ancestors" if ancestors else "fates"
    end, whose = named(found.terminal.label), f"{found.new} at " if found.new else ""
    for k, f in enumerate(found.days):
        print()
        say(noun, f"of {plural(len(f.rows), 'cell')} of {whose}{named(f.start)} on {end}")
        _print_fates(f, found.rows[k])
        if not ancestors:  # to which conversion is no explanation
            give("decided", explain_decided(*f.decided))
        if flow:
            print()
            _print_flow(found.flows[k], f)
    if found.calibration is not None:
        print()
        for k, line in enumerate(found.calibration.says.splitlines()):
            give("" if k else "clones", line)
    print()
    _print_legend(found)
    print()
    say_caveats(found.caveats)
    if found.written is not None:
        give("written", written(found.written))
    if found.states_written is not None:
        give("states", shown(found.states_written))
        say("next", "give the states names in obs, for all commands: see `cellam guide fates`")


def _print_states(found: FoundStates, markers: Mapping[str, Sequence[str]]) -> None:
    """What was found among the cells of the terminal day, and how sure it is."""
    from cellam.days.time_labels import named

    n = len(found.codes)
    say("states", f"{len(found.names)} found among the {n:,} cells of {named(found.label)}")
    low, high = found.agreement.min(), found.agreement.max()
    say(
        "",
        f"halves of the cells agree with them by an adjusted Rand index of "
        f"{found.agreement.mean():.2f} ({low:.2f} to {high:.2f}; 1: the same, 0: chance)",
    )
    print()
    of_each = zip(found.names, found.sizes, found.again, strict=True)
    table(
        [found.label, "cells", "share", "found again", *(["highest genes"] if markers else [])],
        [
            [name, f"{k:,}", f"{100 * k / n:.0f} %", f"{again} of {len(found.agreement)}"]
            + ([", ".join(markers.get(name, ())) or "none"] if markers else [])
            for name, k, again in of_each
        ],
    )
    print("Found again: by how many halves, as a state that shares more cells with it than not.")


def _print_legend(found: FatesResult) -> None:
    """What the columns are, and how many cells take no part."""
    from cellam.days.time_labels import named
    from cellam.limits import FEW

    day, kin = named(found.terminal.label), "ancestors" if found.ancestors else "descendants"
    what = f"obs[{found.terminal.key!r}]" if found.found is None else "found state"
    verb = "came from" if found.ancestors else "arrive"
    one = "origin" if found.ancestors else "fate"
    spread = (
        f"; ±: standard deviation over {found.members} fits of the ensemble"
        if found.members
        else ""
    )
    print(
        f"Share of each {what} of {day} in the {kin} of these cells, by "
        f"mass, judged by the observed cells nearest to where they {verb}{spread}.\nMass: that "
        f"of the {kin} of one cell, on average. Entropy of single cells, in bits: 0 for one "
        f"certain {one}, 1 for two equally likely ones."
    )
    if not found.ancestors:
        print(
            "In brackets the range: cells follow the trajectories of the fit alone, or leave at "
            "random and grow as little as these days allow, or, on a day on which neighbouring "
            "cells differ in their fates, these are left to chance.\n"
            "The row all is the mean fate of all cells, by mass. These days fix it far better than "
            "fates of single cells. Its range also holds the error of counting the cells of "
            f"{day}. Below it stands what was observed on {day}, with its 95 % interval by the "
            "number of cells."
        )
        if any(f.left_out(found.rows[k][-1]) for k, f in enumerate(found.days)):
            print(
                "Star next to a share of the row all: its range leaves out the observed share, so "
                "the fit is off by more than counting."
            )
    else:
        print(
            "No range is given: these follow the trajectories of the fit alone, and other "
            "explanations of these days may give other origins."
        )
    if found.over:
        print(f"In square brackets: {found.over}, as measured by fits without each of them.")
    if found.few:
        print(f"*: fewer than {FEW} cells; not reliable.")
    if found.mixed_up:
        listed = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.mixed_up.items())
        print(
            f"Hard to distinguish from other types on {day}: {listed} (share of the observed "
            "cells that are recognised). Shares of these types are uncertain."
        )
    if found.rare:
        print(
            f"Fewer than {FEW} cells on {day}, too few to tell how well they are recognised: "
            f"{', '.join(found.rare)}."
        )
    if (n := int(found.types.isna().sum())) and found.found is None:
        print(
            f"{n:,} of {plural(len(found.types), 'cell')} {('is' if n == 1 else 'are')} "
            "unannotated; fates are assigned from annotated cells only."
        )


def _most(found: Fates) -> list[str]:
    """The most probable states, as many as fit on a line."""
    fate = found.together()["fate"]
    return sorted(found.states, key=lambda state: -fate[state])[:MOST_STATES]


def _print_fates(found: Fates, of_types: Sequence[Mapping[str, Any]]) -> None:
    from cellam.analysis.over_replicates import HIGH, LOW
    from cellam.days.time_labels import named

    states = _most(found)
    rows = []
    ranged = len(found.explanations) > 1
    missed = found.left_out(of_types[-1])  # the row of all cells
    for row in of_types:
        sd, low, whole = row.get("sd", {}), row.get(LOW), row is of_types[-1]
        shares = [
            f"{100 * row['fate'][s]:.0f} %"
            + (f" ± {100 * sd[s]:.0f}" if sd else "")
            + (f" ({100 * row['least'][s]:.0f} to {100 * row['most'][s]:.0f})" if ranged else "")
            + (f" [{100 * low[s]:.0f} to {100 * row[HIGH][s]:.0f}]" if low else "")
            + "*" * (whole and s in missed)
            for s in states
        ]
        numbers = [f"{row['cells']:,}", mass_text(row["mass"]), f"{row['entropy']:.2f}"]
        rows.append([row["type"] + " *" * row["few"], *numbers, *shares])
    if (observed := found.observed) is not None:
        ends = {s: each for s, *each in zip(found.states, *observed, strict=True)}
        shares = ["{:.0f} % ({:.0f} to {:.0f})".format(*(100 * x for x in ends[s])) for s in states]
        rows.append(
            [f"observed on {named(found.terminal.label)}", f"{found.ends:,}", "", "", *shares]
        )
    table([found.start, "cells", "mass", "entropy", *states], rows)
    left = len(found.states) - len(states)
    if left:
        print(f"{plural(left, 'rarer state')} not shown.")


def _print_flow(frame: pd.DataFrame, found: Fates) -> None:
    """Types by states: mass before and after growth, with sums."""
    states = _most(found)
    before, after = (
        frame.pivot(index="source", columns="target", values=side) for side in ("before", "after")
    )
    rows = [
        [
            str(name),
            *(f"{before.loc[name, s]:.3f} > {after.loc[name, s]:.3f}" for s in states),
            f"{before.loc[name].to_numpy().sum():.3f} > {after.loc[name].to_numpy().sum():.3f}",
        ]
        for name in before.sum(axis=1).sort_values(ascending=False).index
    ]
    sums = [f"{before[s].sum():.3f} > {after[s].sum():.3f}" for s in states]
    total = f"{before.to_numpy().sum():.3f} > {after.to_numpy().sum():.3f}"
    corner = f"{found.start} > {found.terminal.label}"
    table([corner, *states, "all"], [*rows, ["all", *sums, total]])
    print(
        "Mass of the cells of each type (rows) that become each state (columns), before > "
        "after growth."
    )
