"""`cellam check`."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cellam.flags import write_flag
from cellam.options import ReadOptions

from ._from_model import from_model
from .console import give_json, plural, results, say
from .options import JsonOption
from .summary import say_cells

if TYPE_CHECKING:
    from cellam.checks.check import Check


@from_model
def check(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Cells of several days: an .h5ad file or a .zarr folder."
        ),
    ],
    options: ReadOptions,
    as_json: JsonOption = False,
) -> None:
    """Show what is in the data and what a fit will need; fits and writes nothing."""
    from cellam.checks.check import check as check_data

    found = check_data(data, options)
    given = [write_flag(name, repr(value)) for name, value in options if value is not None]
    where = shlex.join([*(["--"] if str(data).startswith("-") else []), str(data)])
    following = " ".join(["cellam fit", *given, where])
    if as_json:
        give_json(_as_json(found, following))
        return
    with results():
        _print(found)
    say("next", following)
    if found.species is not None and options.growth_prior is None:
        say("", f"{following} --growth-prior {found.species}")


def _print(found: Check) -> None:
    from cellam.reading.growth import LEAST
    from cellam.reading.memory import show_bytes

    say_cells(found.cells)
    for k, other in enumerate(found.cells.other_times):
        say("also" if k == 0 else "", other.describe())
    say("gaps", ", ".join(f"{gap:g}" for gap in found.gaps))
    listed = [f"{key} ({plural(p, 'column')})" for key, p in found.embeddings.items()]
    say("obsm", ", ".join(listed) or "no representation")
    if found.layers:
        say("layers", ", ".join(found.layers))
    types = f"obs[{found.types!r}], {found.n_types} types" if found.types else "none found by name"
    if found.unannotated:
        types += f"; {found.unannotated:,} of {plural(len(found.cells), 'cell')} unannotated"
    say("types", types)
    batches = [
        f"{batch.where}, {batch.levels} of them, "
        + ("each on one day only" if batch.confounded else "some on several days")
        for batch in found.batches
    ]
    say("batches", "; ".join(batches) or "none found")
    for k, (species, sets) in enumerate(found.genes.items()):
        counts = ", ".join(f"{n} of {all_} {name} genes" for name, (n, all_) in sets.items())
        few = min(n for n, _ in sets.values()) < LEAST
        say("growth" if k == 0 else "", f"{species}: {counts}{', too few' * few}")
    say(
        "a fit",
        f"takes about {found.seconds:.0f} s of one core and {show_bytes(found.memory)} of "
        "memory, on its defaults (an estimate)",
    )
    for caveat in found.caveats:
        say("caveat", f"{caveat.finding} {caveat.advice}")


def _as_json(found: Check, following: str) -> dict[str, Any]:
    cells = found.cells
    return {
        "data": cells.source,
        "cells": cells.counts,
        "time_key": cells.time_key,
        "times": dict(zip(cells.timeline.labels, cells.timeline.times, strict=True)),
        "unit": cells.timeline.unit,
        "gaps": found.gaps,
        "other_times": [
            {
                "column": other.name,
                "times": dict(zip(other.timeline.labels, other.timeline.times, strict=True)),
                "unit": other.timeline.unit,
                "relation": other.relation,
                "agrees": other.agrees,
                "plausible": other.plausible,
            }
            for other in cells.other_times
        ],
        "notes": [*cells.notes, *cells.timeline.notes],
        "rep": cells.rep,
        "layer": cells.reading.layer,
        "kind": cells.kind,
        "values": cells.form.describe() if cells.form is not None else None,
        "genes": len(cells.genes),
        "embeddings": found.embeddings,
        "layers": list(found.layers),
        "types": found.types,
        "n_types": found.n_types,
        "unannotated": found.unannotated,
        "batches": [asdict(batch) for batch in found.batches],
        "growth_genes": {
            species: {name: n for name, (n, _) in sets.items()}
            for species, sets in found.genes.items()
        },
        "species": found.species,
        "estimate": {"seconds": round(found.seconds, 1), "bytes": round(found.memory)},
        "caveats": [asdict(caveat) for caveat in found.caveats],
        "next": following,
    }
