"""`cellam simulate`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import give, plural, say, say_run, table, warn
from .options import (
    DataOption,
    FromCellsOption,
    OverwriteOption,
    RunOption,
)
from .outputs import check_file, shown
from .summary import unannotated

if TYPE_CHECKING:
    import pandas as pd

    from cellam.answers.uncertainty import Followed
    from cellam.modelling.model import Model, Simulation


MOST_TYPES = 8  # columns of the table
# What pandas and the operators of its columns raise for a text that is no query.
_NOT_UNDERSTOOD = (
    ArithmeticError, AttributeError, LookupError, NameError, NotImplementedError, RecursionError,
    SyntaxError, TokenError, TypeError, ValueError,
)  # fmt: skip


def simulate(
    start: Annotated[str, typer.Option("--from", help="Day whose cells are followed.")],
    to: Annotated[
        str | None, typer.Option(help="Time to follow them to. [default: the last day]")
    ] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Run time backward, to the first day.")
    ] = False,
    from_cells: FromCellsOption = None,
    n_cells: Annotated[
        int | None, typer.Option(min=1, help="How many cells to draw. [default: all]")
    ] = None,
    stochastic: Annotated[
        bool,
        typer.Option("--stochastic", help="Insist on noise: an error unless the fit has it."),
    ] = False,
    save_every: Annotated[
        float | None,
        typer.Option(help="Save at these steps too. [default: the observed days]"),
    ] = None,
    genes: Annotated[
        str | None,
        typer.Option(
            help="Genes to decode: all, none, or A,B. [default: all if the space is our PCA]"
        ),
    ] = None,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Allow times outside the training days.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="For drawn cells and for noise.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write. [default: in the run]"),
    ] = None,
    overwrite: OverwriteOption = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """Follow the cells of one day through time; write them with their weights."""
    from cellam._version import __version__
    from cellam.answers.composition import composition
    from cellam.answers.uncertainty import follow
    from cellam.errors import ConfigError, DataError
    from cellam.output.export import genes_of, to_anndata, write_h5ad
    from cellam.reading.cell_types import resolve_types
    from cellam.reading.cells import read_obs
    from cellam.reading.labels import named
    from cellam.runs.claims import SIMULATIONS
    from cellam.runs.run import open_run
    from cellam.storage import sha256

    opened = open_run(run)
    model = opened.model
    say_run(opened.path)
    if stochastic and not model.fit.objective.sigma > 0:
        raise ConfigError(
            f"--stochastic: this run was fitted without noise (method {model.options.method}).",
            "Fit with --method eam or ueam.",
        )
    asked = genes or ("none" if model.space.rep else "all")
    decoded = genes_of(model, asked)
    needed = from_cells is not None or data is not None
    try:
        source = opened.data(data)
    except DataError as error:
        if needed:
            raise
        source = None
        warn(f"{error.message} No names or types of cells. {error.hint}")
    if out is not None:
        check_file(out, "--out", [".h5ad"], overwrite=overwrite, data=source)
    obs = read_obs(source) if source is not None else None
    if obs is not None:
        opened.check_cells(obs)
    rows = rows_of(obs, from_cells) if from_cells is not None and obs is not None else None

    def move(model: Model) -> Simulation:
        return model.simulate(
            start,
            to=to,
            backward=backward,
            rows=rows,
            n_cells=n_cells,
            save_every=save_every,
            extrapolate=extrapolate,
            seed=seed,
        )

    followed = follow(model, move) if model.ensemble else None
    moved = followed.simulation if followed is not None else move(model)
    label = model.timeline.labels[model.timeline.index(start)]
    if out is None:
        # The same call replaces its file, another one has a name of its own.
        special = (from_cells, n_cells, save_every, asked, extrapolate, seed)
        plain = "".join(c if c.isalnum() or c in ".-" else "_" for c in label)[:100]
        name = f"{plain}_to_{moved.times[-1]:.10g}"
        if special != (None, None, None, "none" if model.space.rep else "all", False, 0):
            name += f"_{sha256(repr(special).encode(errors='backslashreplace'))[:8]}"
        out = opened.path / SIMULATIONS / f"{name}.h5ad"
    n_rows = model.snapshots.n_cells
    names = list(map(str, obs.index)) if obs is not None else [str(k) for k in range(n_rows)]
    adata = to_anndata(model, moved, names, decoded, followed)
    seen = {
        "cellam": __version__,
        "run": str(opened.path),
        "fitted": opened.provenance["finished"],
        "data": str(source or ""),
        "digest": opened.digest,
        "seed": str(seed),
        "command": shlex.join(["cellam", *sys.argv[1:]]),
    }
    # Names of files need not be text; what HDF5 keeps is.
    adata.uns["cellam"] = {
        key: value.encode("utf-8", "backslashreplace").decode() for key, value in seen.items()
    }
    write_h5ad(adata, out)
    say(
        "simulated",
        f"{plural(len(moved.rows), 'cell')} of {named(label)} from {moved.times[0]:g} to "
        f"{moved.times[-1]:g}, {plural(len(moved.times), 'saved time')}",
    )
    types = resolve_types(obs, model.snapshots.codes) if obs is not None else None
    print()
    _print_composition(
        composition(model, moved, types), types, _masses(followed), model.training.times
    )
    _say_remote(adata.obs, model, float(moved.times[-1]))
    print()
    give("written", shown(out))


def rows_of(obs: pd.DataFrame, query: str) -> Any:
    """Rows of the data that a query selects."""
    import numpy as np

    from cellam.errors import ConfigError

    try:
        if "@" in query or "__" in query:
            raise ValueError("names of Python are not allowed")
        selected = obs.eval(query, engine="python", local_dict={}, global_dict={})
        mask = np.asarray(selected)
        if mask.shape != (len(obs),) or mask.dtype != bool:
            raise ValueError("it is not true or false for every cell")
    except _NOT_UNDERSTOOD as error:
        raise ConfigError(
            f"--from-cells {query!r} cannot be understood: {error}.",
            f"Columns of obs are: {', '.join(map(str, obs.columns))}. "
            "Example: --from-cells 'cell_type == \"HSC\"'.",
        ) from None
    if not mask.any():
        raise ConfigError(f"--from-cells {query!r} fits none of the {len(obs)} cells.")
    return np.flatnonzero(mask)


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


def _when(model: Model, time: float) -> str:
    """How a time is called: by its day, where it has one."""
    from cellam.reading.labels import named

    times = model.timeline.times
    return named(model.timeline.labels[times.index(time)] if time in times else f"{time:g}")


def _say_remote(obs: pd.DataFrame, model: Model, end: float) -> None:
    """How many simulated cells lie outside the data, on the worst of the days and beyond them."""
    far = obs.groupby("cellam_time")["off_manifold"].agg(["sum", "size"])
    first, last = model.training.times[0], model.training.times[-1]
    worst = float(far.index.to_numpy()[int(far["sum"].to_numpy().argmax())])
    for time, what in ((worst, "off data"), (end, "beyond")):
        n, N = far.to_numpy()[far.index == time][0].tolist()
        share = (
            f"{n:,} of {plural(N, 'cell')} ({100 * n / N:.0f} %) lie outside the observed data at "
            f"{_when(model, time)}"
        )
        beyond = end - last if end > last else first - end
        if what == "beyond" and beyond > 0:
            edge = last if end > last else first
            give(
                what,
                f"{_when(model, end)} lies {beyond:g} outside the training days: the motion and "
                f"growth of {_when(model, edge)} are held; {share}",
            )
        elif what == "off data" and n > 0 and (beyond <= 0 or time != end):
            say(what, f"{share} (off_manifold in the file)")


def _print_composition(
    frame: pd.DataFrame,
    of_cell: pd.Series[Any] | None,
    masses: dict[float, str],
    training: tuple[float, ...],
) -> None:
    """A row for each observed day and the end: mass, effective size, share of each type."""
    types: list[str] = []
    if of_cell is not None and len(frame):
        total: dict[str, float] = {}
        for column in ("simulated", "observed"):
            for shares in frame[column]:
                for name, share in shares.items():
                    total[name] = total.get(name, 0.0) + share
        types = sorted(total, key=lambda name: -total[name])[:MOST_TYPES]
    rows = []
    for _, row in frame.iterrows():
        seen = row["observed"] if types else {}
        shares = [
            f"{100 * row['simulated'].get(t, 0.0):.0f} % "
            f"({format(100 * seen.get(t, 0.0), '.0f') if seen else '–'})"
            if row["simulated"]
            else "–"  # no cell of that day is annotated
            for t in types
        ]
        outside = not training[0] <= row["time"] <= training[-1]
        mass = f"{row['mass']:.2f}{masses.get(row['time'], '')}"
        name = row["label"] + " (extrapolated)" * outside
        rows.append([name, mass, f"{row['ess']:.0f}", *shares])
    table(["day", "mass (90 %)" if masses else "mass", "ESS", *types], rows)
    if of_cell is not None and types:
        print(
            f"Shares of obs[{of_cell.name!r}] by weight, of the nearest observed cells (in "
            f"brackets: as observed that day).{unannotated(of_cell)}"
        )
