"""Export: the results for scanpy, scVelo, CellRank, R or a spreadsheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cellam.analysis.growth_range import has_range
from cellam.analysis.results import Results, results
from cellam.analysis.transitions import gaps
from cellam.days.time_labels import named
from cellam.display import enumerated
from cellam.errors import ConfigError, OutputError
from cellam.export.files import check_folder, check_format
from cellam.export.folders import COUPLING, STORE, TABLE, check_output
from cellam.export.h5ad import write_couplings, write_tables
from cellam.export.stores import read_light, write_copy
from cellam.export.tables import tables as all_tables
from cellam.files.inner_paths import part_of
from cellam.modelling.model import Model
from cellam.reading.cell_types import read_types, resolve_types
from cellam.reading.cells import read_obs
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.runs.samples import left_out

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, repr=False)
class ExportResult(Result):
    """What was written where.

    Parameters
    ----------
    run : pathlib.Path
    results : Results or None
        Keys and values that were added to an AnnData or to a copy of the data.
    into, couplings, tables : pathlib.Path or None
        The copy, the folder of couplings and the folder of tables, if they were asked for.
    rows : dict of int
        Numbers of rows of the tables, by name.
    notes : tuple of str
        What is not part of it, and why.
    """

    run: Path
    results: Results | None
    into: Path | None
    couplings: Path | None
    tables: Path | None
    rows: dict[str, int]
    notes: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """The keys with their places, e.g. "obsm/cellam_fates"."""
        return self.results.keys if self.results is not None else []

    @property
    def facts(self) -> dict[str, str]:
        """Files, keys and tables."""
        written = [str(p) for p in (self.into, self.couplings, self.tables) if p is not None]
        return {
            "written": enumerated(written) or "into the AnnData",
            "keys": str(len(self.keys)),
            "tables": ", ".join(f"{name} ({n:,} rows)" for name, n in self.rows.items()) or "none",
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each key of the AnnData and each table: what, name, rows."""
        places = [(place, name, None) for place, name in (k.split("/", 1) for k in self.keys)]
        tables = [("table", name, n) for name, n in self.rows.items()]
        frame = pd.DataFrame([*places, *tables], columns=["what", "name", "rows"])
        return frame.astype({"rows": "Int64"})

    def to_dict(self) -> dict[str, Any]:
        """Files, keys and tables."""
        return {
            "run": str(self.run),
            "into": str(self.into) if self.into else None,
            "keys": self.keys,
            "couplings": str(self.couplings) if self.couplings else None,
            "tables": str(self.tables) if self.tables else None,
            "rows": self.rows,
            "notes": list(self.notes),
        }


def export_run(
    run: StoredRun,
    into: Path | str | AnnData | None = None,
    *,
    tables: Path | str | None = None,
    cellrank: bool = False,
    groupby: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    data: Path | str | None = None,
) -> ExportResult:
    """Write what the model says of each cell.

    Parameters
    ----------
    run : StoredRun
    into : path or AnnData, optional
        New .h5ad or .zarr, a copy of the data with the results; or an AnnData of the cells of the
        fit, which is changed in place: keys of an earlier export are replaced.
    tables : path, optional
        New folder for the results in long form, as CSV and Parquet.
    cellrank : bool
        Add what CellRank reads; beside a file also couplings, in <into>_couplings.
    groupby : str, optional
        Column of `obs` with the cell types; found by its name without it.
    seed : int
        For noise, where the dynamics have it.
    overwrite : bool
        Whether earlier exports of these names may be replaced.
    data : path, optional
        The data of the run, if they have moved; not needed for an AnnData.

    Returns
    -------
    ExportResult
        See `analysis.results.results` for the keys.

    Raises
    ------
    ConfigError
        For formats or columns that there are not, or if there is nothing to write.
    DataError
        If they are other cells, or one of the keys is the user's own.
    OutputError
        If something is there, or cannot be written.
    """
    model = run.model
    places = _Places.of(into, tables, cellrank=cellrank)
    adata, source = places.adata, None
    if adata is None:
        source = run.data(data)
        places.check(source, overwrite=overwrite)
        obs = read_obs(source)
    else:
        places.check(None, overwrite=overwrite)
        obs = adata.obs
    run.check_cells(obs)
    types = resolve_types(obs, model.snapshots.codes, groupby)
    notes = _notes(run, types)
    if groupby is None and types is not None and (lacking := _lacks_fates(model, types)):
        types, notes = None, (lacking, *notes[1:])
    found, rows = None, {}
    if source is not None and places.copy is not None:
        adata = read_light(source)
    if adata is not None:
        record = run.record()
        found = results(model, adata, types=types, cellrank=cellrank, record=record, seed=seed)
        found.into(adata)
    if source is not None and places.copy is not None:
        write_copy(source, adata, places.copy)
    if places.couplings is not None:
        write_couplings(places.couplings, model, obs.index, gaps(model, seed=seed))
    if places.tables is not None:
        left = left_out(run, obs) if types is not None else None
        every = all_tables(model, obs.index, types, left=left, seed=seed)
        rows = write_tables(places.tables, every)
    return ExportResult(run.path, found, places.copy, places.couplings, places.tables, rows, notes)


@dataclass(frozen=True)
class _Places:
    """Where results go: into an AnnData or a copy of the file, into couplings, into tables."""

    adata: AnnData | None
    copy: Path | None
    couplings: Path | None
    tables: Path | None

    @staticmethod
    def of(
        into: Path | str | AnnData | None, tables: Path | str | None, *, cellrank: bool
    ) -> _Places:
        """What was asked for.

        Raises
        ------
        ConfigError
            If that is nothing, or does not go together.
        """
        copy = Path(into) if isinstance(into, Path | str) else None
        adata = None if into is None or copy is not None else into
        if adata is not None and not hasattr(adata, "obs"):
            raise ConfigError(
                f"Results cannot be exported into an object of type {type(into).__name__}.",
                "Use an AnnData with the cells of the fit, or the name of a file.",
            )
        if into is None and tables is None:
            raise ConfigError(
                "No destination of the export was given.",
                "Use `into='results.h5ad'`, `tables=FOLDER`, or both.",
            )
        if cellrank and into is None:
            raise ConfigError(
                "`cellrank` adds keys to a copy of the data.",
                "Name the copy, e.g. `into='results.h5ad'`.",
            )
        couplings = None
        if copy is not None and cellrank:
            couplings = copy.with_name(f"{copy.stem}_couplings")
        return _Places(adata, copy, couplings, Path(tables) if tables is not None else None)

    def check(self, source: Path | None, *, overwrite: bool) -> None:
        """Refuse before the work what could not be written after it."""
        copy = self.copy
        if copy is not None:
            check_format(copy, "into", [".h5ad", ".zarr"], "the copy")
        for option, path, ours in (
            ("into", copy, STORE if copy is not None and copy.suffix.lower() == ".zarr" else None),
            ("cellrank", self.couplings, COUPLING),
            ("tables", self.tables, TABLE),
        ):
            if path is None:
                continue
            if source is not None and path.exists() and path.samefile(part_of(source).file):
                raise OutputError(f"`{option}`: {path} is the input; it is never written to.")
            check_folder(path, option)
            check_output(path, option=option, overwrite=overwrite, ours=ours)


def _lacks_fates(model: Model, types: pd.Series[Any]) -> str:
    """Why types that were not asked for define no fates; empty where they do."""
    last = model.training.labels[-1]
    if read_types(types).iloc[model.snapshots.rows[model.snapshots.index(last)]].notna().any():
        return ""
    return f"No cell of {named(last)} has a value in obs[{types.name!r}]: no fates (see `groupby`)."


def _notes(run: StoredRun, types: pd.Series[Any] | None) -> tuple[str, ...]:
    """What the results do not have, and why."""
    said = []
    if types is None:
        said.append("No column of obs is recognised as cell types: no fates (see `groupby`).")
    elif n := int(types.isna().sum()):
        said.append(
            f"{n:,} of {len(types):,} cells {('is' if n == 1 else 'are')} unannotated; fates are "
            "assigned from annotated cells only."
        )
    if run.model.conserves_mass:
        why = run.model.without_growth[0]
        left = "; the range of growth is what the days leave open" if has_range(run.model) else ""
        said.append(f"No growth: {why}{left}.")
    return tuple(said)
