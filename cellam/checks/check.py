"""Checks: what is in a file, and what a fit of it will take, found without fitting.

The data are read and refused exactly as for a fit. Time and memory are estimates (`estimate`).
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellam.checks.batches import Batch, find_batches
from cellam.checks.caveat import Caveat
from cellam.checks.design_caveats import of_design
from cellam.checks.designs import find_design
from cellam.checks.estimate import Estimate, estimate, memory_of
from cellam.coordinates.batch_shift import read_batches
from cellam.coordinates.components import check_columns, most_components
from cellam.coordinates.extent import Extent
from cellam.days.timeline import Timeline
from cellam.devices import choose_device
from cellam.display import enumerated
from cellam.errors import DataError
from cellam.files.memory import available_memory, resident_memory, show_bytes
from cellam.files.sources import opened
from cellam.matrix.expression import layers_of
from cellam.options import N_TOP_GENES, Options, ReadOptions
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import Cells, glance
from cellam.reading.clones import clones_between
from cellam.reading.design import Design
from cellam.reading.growth import LEAST, find_genes, given_rates
from cellam.reading.samples import Replicates, replicates_of, unnamed_replicates
from cellam.reading.signatures import BIRTH, DEATH
from cellam.reading.snapshots import day_masses
from cellam.result import Result

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, repr=False)
class Check(Result):
    """What is in the data.

    Parameters
    ----------
    cells : Cells
        As a fit reads them.
    used : tuple of str
        Labels of the training days: those that are not excluded.
    embeddings : dict of str to int
        Keys of `obsm`, and their numbers of columns.
    layers : tuple of str
        What `layer` may name: also "raw", if it is there.
    types : str or None
        Column of `obs` with cell types, and in `n_types` how many there are.
    n_types : int
    unannotated : int
        Cells without a type.
    batches : list of Batch
    replicates : Replicates or None
        As asked for, or found.
    design : Design or None
        Cells by day, condition and replicate, as far as columns tell of them.
    genes : dict of str to dict
        For each species, how many genes of each signature there are: found and published.
    species : str or None
        Whose symbols the genes of division look like, where enough of them are found.
    estimate : Estimate
        What a fit and an evaluation take.
    caveats : tuple of Caveat
        Reasons to doubt a fit of them.
    clones : dict of (str, str) to int
        With barcodes: how many clones two neighbouring days have in common, by their labels.
    """

    cells: Cells
    used: tuple[str, ...]
    embeddings: dict[str, int]
    layers: tuple[str, ...]
    types: str | None
    n_types: int
    unannotated: int
    batches: list[Batch]
    replicates: Replicates | None
    design: Design | None
    genes: dict[str, dict[str, tuple[int, int]]]
    species: str | None
    estimate: Estimate
    caveats: tuple[Caveat, ...]
    clones: dict[tuple[str, str], int]

    @property
    def velocities(self) -> int | None:
        """Number of cells with a given velocity; None where none is asked for."""
        v = self.cells.velocity
        return None if v is None else int(v.any(1).sum())

    @property
    def gaps(self) -> list[float]:
        """Time between the training days."""
        times = [t for label, t in self._days if label in self.used]
        return [b - a for a, b in itertools.pairwise(times)]

    @property
    def excluded(self) -> tuple[str, ...]:
        """Labels of the other days."""
        return tuple(label for label, _ in self._days if label not in self.used)

    @property
    def _days(self) -> list[tuple[str, float]]:
        timeline = self.cells.timeline
        return list(zip(timeline.labels, timeline.times, strict=True))

    @property
    def facts(self) -> dict[str, str]:
        """What is in the data, and what a fit of them takes."""
        cells = self.cells
        return {
            "data": cells.source,
            "cells": f"{len(cells):,}",
            "days": f"obs[{cells.time_key!r}], {enumerated(list(cells.timeline.labels))}",
            "types": f"obs[{self.types!r}], {self.n_types}" if self.types else "none found",
            "a fit takes": f"{self.estimate.seconds:.0f} s, {show_bytes(self.estimate.memory)}",
            "caveats": enumerated([caveat.name for caveat in self.caveats]) or "none",
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each day: label, time, cells, whether it is excluded, and the gap.

        The gap is the time since the training day before it, of training days alone.
        """
        frame = pd.DataFrame(self._days, columns=["label", "time"])
        frame["cells"] = frame["label"].map(self.cells.counts)
        frame["excluded"] = ~frame["label"].isin(self.used)
        frame["gap"] = frame["time"][~frame["excluded"]].diff()
        return frame

    def to_dict(self) -> dict[str, Any]:
        """All that was found, as plain values."""
        cells = self.cells
        return {
            "data": cells.source,
            "cells": cells.counts,
            "time_key": cells.time_key,
            **_as_times(cells.timeline),
            "excluded": list(self.excluded),
            "gaps": self.gaps,
            "other_times": [
                {
                    "column": other.name,
                    **_as_times(other.timeline),
                    "relation": other.relation,
                    "agrees": other.agrees,
                    "plausible": other.plausible,
                }
                for other in cells.other_times
            ],
            "notes": [*cells.notes, *cells.timeline.notes, *unnamed_replicates(cells)],
            "rep": cells.rep,
            "layer": cells.reading.layer,
            "kind": cells.kind,
            "values": cells.form.describe() if cells.form is not None else None,
            "genes": len(cells.genes),
            "sampled": None if cells.sample is None else len(cells.sample),
            "embeddings": self.embeddings,
            "layers": list(self.layers),
            "types": self.types,
            "n_types": self.n_types,
            "unannotated": self.unannotated,
            "batches": [asdict(batch) for batch in self.batches],
            "replicate": self.replicates.key if self.replicates is not None else None,
            "design": self.design.to_frame().to_dict("records") if self.design else None,
            "growth_genes": {
                species: {name: n for name, (n, _) in sets.items()}
                for species, sets in self.genes.items()
            },
            "species": self.species,
            "velocities": self.velocities,
            "clones": [{"from": a, "to": b, "shared": n} for (a, b), n in self.clones.items()],
            "estimate": self.estimate.to_dict(),
            "caveats": [asdict(caveat) for caveat in self.caveats],
        }


def _as_times(timeline: Timeline) -> dict[str, Any]:
    return {
        "times": dict(zip(timeline.labels, timeline.times, strict=True)),
        "unit": timeline.unit,
    }


def check(data: str | Path | AnnData, options: ReadOptions | None = None, **changes: Any) -> Check:
    """Look into data as a fit with these options would.

    Of data with more than ten million values, those of a sample of cells are looked at, in each
    day; cells, days, genes and columns of `obs` are all there are.

    Parameters
    ----------
    data : path or AnnData
    options : ReadOptions or Options, optional
    **changes
        Any field of `Options`, as for `cellam.fit`.

    Raises
    ------
    ConfigError, DataError
        As `cellam.read`, and where the fit would refuse an option for what the data are.
    """
    options = Options(**{**(options or Options()).model_dump(), **changes})
    cells = glance(data, options.reading)
    options = options.model_copy(update={"exclude": cells.excluded(options.exclude)})
    used = [label for label in cells.counts if label not in options.exclude]
    _refuse_as_fit(cells, options, used)
    replicates = replicates_of(cells)
    with opened(data) as source:
        shapes = {key: source.shape(f"obsm/{key}") for key in source.keys("obsm")}
        layers = layers_of(source)
        symbols = cells.genes or tuple(map(str, getattr(source.element("var"), "index", ())))
    genes = {
        species: {
            name: (len(find_genes(signature, symbols)), len(signature.genes))
            for name, signature in (("division", BIRTH[species]), ("death", DEATH[species]))
        }
        for species in BIRTH
    }
    types = resolve_types(cells.obs, cells.codes)
    doubts = of_design(cells, used)
    if (lacking := lacking_memory(Extent.of(cells), options)) is not None:
        doubts.append(lacking)
    return Check(
        cells,
        tuple(used),
        {key: shape[1] if shape and len(shape) > 1 else 1 for key, shape in shapes.items()},
        layers,
        str(types.name) if types is not None else None,
        types.nunique() if types is not None else 0,
        int(types.isna().sum()) if types is not None else 0,
        find_batches(cells, used),
        replicates,
        find_design(cells),
        genes,
        _species(symbols, genes),
        estimate(cells, options),
        tuple(doubts),
        clones_between(cells),
    )


def _refuse_as_fit(cells: Cells, options: Options, used: list[str]) -> None:
    """Refuse what the fit to the days in use would, as far as it shows before the fit."""
    training = np.isin(cells.codes, [cells.timeline.labels.index(label) for label in used])
    _check_components(cells, options, int(training.sum()))
    day_masses(cells, options.population)
    prior = options.growth_prior
    if prior is not None and prior not in BIRTH:
        given_rates(cells, prior, training)
    read_batches(cells, training, allow_confounded=True)  # those that are, are a caveat
    if options.device not in ("auto", "cpu"):
        choose_device(options.device)


def _check_components(cells: Cells, options: Options, n: int) -> None:
    """Refuse more components than n training cells allow, as the fit does."""
    p = cells.matrix.shape[1]
    if cells.rep is not None:
        check_columns(p, cells.rep, options.n_pcs)
        return
    kept = p if cells.kind == "scaled" else min(p, options.n_top_genes or N_TOP_GENES)
    most_components((n, kept), cells.source, options.n_pcs)


def refuse_too_large(data: str | Path, options: Options) -> None:
    """Refuse data whose fit would not fit into memory, before they are read.

    Raises
    ------
    DataError
        With the memory that it takes, and how much is available.
    """
    extent = Extent.ahead(data, options.reading)
    lacking = None if extent is None else lacking_memory(extent, options)
    if lacking is not None:
        raise DataError(f"{Path(data).name}: {lacking.finding}", lacking.advice)


def lacking_memory(extent: Extent, options: Options) -> Caveat | None:
    """What a fit of so many cells would lack; None where it fits."""
    needed, available = memory_of(extent, options), resident_memory() + available_memory()
    if needed <= available:
        return None
    return Caveat(
        "memory",
        f"A fit may take {show_bytes(needed)} of memory, and {show_bytes(available)} are "
        "available.",
        "Use fewer genes or cells, or `use_rep`.",
    )


def _species(symbols: tuple[str, ...], genes: dict[str, dict[str, tuple[int, int]]]) -> str | None:
    """Human symbols are in capitals: TOP2A, of the mouse Top2a."""
    division = find_genes(BIRTH["human"], symbols)
    if not division:
        return None
    species = "human" if np.mean([gene.isupper() for gene in division]) > 0.5 else "mouse"
    return species if min(n for n, _ in genes[species].values()) >= LEAST else None
