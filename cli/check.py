"""`cellam check`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from cellam.errors import ConfigError
from cellam.flags import write_flag
from cellam.options import Options

from ._from_model import from_model
from .console import give_json, plural, results, say, say_caveats
from .options import CellsArgument, JsonOption
from .summary import say_cells

if TYPE_CHECKING:
    from cellam.checks.batches import Batch
    from cellam.checks.check import Check
    from cellam.checks.estimate import Estimate

NO_TYPES = "none found by name; `cellam fates` looks for states among the cells of the last day"


@from_model()
def check(
    data: CellsArgument,
    options: Options,
    as_json: JsonOption = False,
) -> None:
    """Show what is in the data, and what a fit with these options takes; nothing is written."""
    from cellam.checks.check import check as check_data

    found = check_data(data, options)
    asked = options.model_dump(exclude_unset=True)
    given = [write_flag(name, repr(value)) for name, value in asked.items()]
    where = shlex.join([*(["--"] if str(data).startswith("-") else []), str(data)])
    following = " ".join(["cellam fit", *given, where])
    if as_json:
        give_json({**found.to_dict(), "next": following})
        return
    with results():
        _print(found)
    say("next", following)
    if found.species is not None and options.growth_prior is None:
        with suppress(ConfigError):  # where these options leave no room for it
            Options(**asked, growth_prior=found.species)
            say("", f"{following} --growth-prior {found.species}")


def _print(found: Check) -> None:
    say_cells(found.cells)
    for k, other in enumerate(found.cells.other_times):
        say("also" if k == 0 else "", other.describe())
    if found.excluded:
        say("excluded", f"{', '.join(found.excluded)}: read, but not fitted to")
    say("gaps", ", ".join(f"{gap:g}" for gap in found.gaps))
    listed = [f"{key} ({plural(p, 'column')})" for key, p in found.embeddings.items()]
    say("obsm", ", ".join(listed) or "no representation")
    if found.layers:
        say("layers", ", ".join(found.layers))
    say("types", _types(found))
    _say_design(found)
    for k, (both, n) in enumerate(found.clones.items()):
        say("clones" if k == 0 else "", _clones(*both, n))
    if found.velocities is not None:
        known = f"{found.velocities:,} of {plural(len(found.cells), 'cell')}"
        say("velocity", f"obsm[{found.cells.reading.velocity!r}], of {known}")
    say("batches", "; ".join(_batch(found, batch) for batch in found.batches) or "none found")
    for k, species in enumerate(found.genes):
        say("growth" if k == 0 else "", _growth_genes(found, species))
    for name, takes in _takes(found.estimate):
        say(name, takes)
    say_caveats(found.caveats)


def _say_design(found: Check) -> None:
    from cellam.reading.samples import unnamed_replicates

    if found.replicates is not None:
        say("design", found.replicates.describe())
        for note in found.replicates.notes():
            say("", note)
    else:
        say("design", "no replicates found: the scores of eval hold sampling of cells only")
        for note in unnamed_replicates(found.cells):
            say("", note)
    if found.design is not None:
        for line in found.design.text().splitlines():
            say("", line)


def _takes(estimate: Estimate) -> Iterator[tuple[str, str]]:
    from cellam.files.memory import show_bytes

    others = ", ".join(f"`{name}`" for name in estimate.uncounted)
    but = f" that does not count {others}" * bool(others)
    yield (
        "a fit",
        f"takes about {estimate.seconds:.0f} s of one core and {show_bytes(estimate.memory)} of "
        f"memory (an estimate{but})",
    )
    if estimate.inner:
        several = f", and of all {estimate.inner} {estimate.all_seconds:.0f} s"
        yield (
            "an eval",
            f"of one inner day takes about {estimate.day_seconds:.0f} s of one core"
            f"{several * (estimate.inner > 1)}; {show_bytes(estimate.eval_memory)} of memory in "
            "each process",
        )


def _types(found: Check) -> str:
    types = f"obs[{found.types!r}], {found.n_types} types" if found.types else NO_TYPES
    if not found.unannotated:
        return types
    return f"{types}; {found.unannotated:,} of {plural(len(found.cells), 'cell')} unannotated"


def _clones(before: str, after: str, n: int) -> str:
    from cellam.limits import CLONES

    few = f"; at least {2 * CLONES} are needed" if n < 2 * CLONES else ""
    return f"{plural(n, 'clone')} of both {before} and {after}{few}"


def _batch(found: Check, batch: Batch) -> str:
    where = "some on several days"
    if batch.confounded or batch.everywhere:
        where = "each on one day only" if batch.confounded else "each on every day"
    whose = " (the replicates)" * (
        found.replicates is not None and batch.key == found.replicates.key
    )
    return f"{batch.where}{whose}, {batch.levels} of them, {where}"


def _growth_genes(found: Check, species: str) -> str:
    from cellam.reading.growth import LEAST

    sets = found.genes[species]
    counts = ", ".join(f"{n} of {all_} {name} genes" for name, (n, all_) in sets.items())
    few = min(n for n, _ in sets.values()) < LEAST
    return f"{species}: {counts}{', too few' * few}"
