"""Run: a model on disk, that can be opened again and trusted.

A run is a folder. What was fitted stands in JSON and safetensors (`archive`); how the folder
comes to its place is told in `claims`. Evaluations are added later, each a file of its own.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError

from cellam._version import __version__
from cellam.checks.caveat import Caveat
from cellam.days.timepoints import read_timeline
from cellam.display import Displayed, enumerated
from cellam.errors import CellamError, DataError, RunError
from cellam.evaluation.controls import Controlled
from cellam.evaluation.evaluate import Evaluation
from cellam.evaluation.scores import Scores
from cellam.evaluation.sensitivity import Sensitivity
from cellam.files.inner_paths import part_of
from cellam.matrix.digests import names_digest
from cellam.modelling.model import Model
from cellam.reading.cells import Cells, read
from cellam.runs.archive import from_files, to_files
from cellam.runs.claims import (
    CAVEATS,
    CONTROLS,
    EVALUATIONS,
    SENSITIVITY,
    Claim,
    claim,
    read_json,
    read_manifest,
)
from cellam.runs.places import find_run
from cellam.storage import as_text, restore, sha256, to_json, write_atomically, writing

# What is raised where the files of a run hold something else than what belongs there.
_DAMAGED = (AttributeError, LookupError, TypeError, ValueError, CellamError, SafetensorError)
PACKAGES = ("numpy", "pandas", "torch", "anndata", "scanpy", "POT", "safetensors")


@dataclass(frozen=True, repr=False)
class StoredRun(Displayed):
    """A run as it is on disk: its model, and where it came from.

    Parameters
    ----------
    path : pathlib.Path
    model : Model
    provenance : dict
        Versions, command, data and its digest, seed, device and times of the fit.
    """

    path: Path
    model: Model
    provenance: dict[str, Any]

    @property
    def facts(self) -> dict[str, str]:
        """Its folder and data, and the facts of its model."""
        seen = self.provenance
        scored = [
            label for label in self.model.timeline.labels if self._evaluation_path(label).exists()
        ]
        return {
            "run": str(self.path),
            **self.model.facts,
            "scored": enumerated(scored) or "no day",
            "data": seen["data"]["path"] or "location unknown",
            "finished": seen["finished"],
        }

    def data(self, moved: Path | str | None = None) -> Path:
        """Where the data are: as given, or as they were when fitted.

        Raises
        ------
        DataError
            If they are not there.
        """
        known = self.provenance["data"]["path"]
        if moved is None and not known:
            raise DataError(
                f"The run {self.path.name} does not record where its data are.",
                "Name the file with `data`.",
            )
        # A project that was moved as a whole has its data where they were from the run.
        inner = Path(known).relative_to(part_of(Path(known)).file.parent)
        beside = [folder / inner for folder in self.path.absolute().parents[:2]]
        for path in [Path(moved)] if moved is not None else [Path(known), *beside]:
            if os.path.lexists(part_of(path).file):
                return path
        raise DataError(
            f"{moved or known}, the data of the run {self.path.name}, was not found"
            f"{'' if moved else ', nor next to the run'}.",
            "Set its new location with `data`.",
        )

    def read(self, data: Path) -> Cells:
        """The cells of the fit, read as they were for it.

        Raises
        ------
        DataError
            If they are not those of the fit.
        """
        cells = read(data, self.model.options.reading)
        self.check_same(cells)
        return cells

    def read_expression(self, data: Path) -> Cells:
        """The cells of the fit with their genes, also where it took a representation.

        Raises
        ------
        DataError
            If they are not those of the fit.
        """
        options = self.model.options.reading
        if options.use_rep is None:
            return self.read(data)
        of_genes = dict.fromkeys(("use_rep", "growth_prior", "velocity"))
        cells = read(data, options.model_copy(update=of_genes))
        self.check_cells(cells.obs)
        return cells

    @property
    def digest(self) -> str:
        """Digest of the data, as it was when fitted."""
        return str(self.provenance["data"]["digest"])

    def check_cells(self, obs: pd.DataFrame) -> None:
        """Refuse annotation of other cells, in another order or at other times."""
        key, days = self.model.options.time_key, self.model.snapshots
        same = names_digest(obs.index) == self.provenance["data"]["names"] and key in obs
        if same and key is not None:
            time_map = self.model.options.time_map
            _, codes = read_timeline(obs[key], key=key, time_map=time_map)
            same = all(
                np.array_equal(np.flatnonzero(codes == k), rows) for k, rows in enumerate(days.rows)
            )
        if not same:
            raise DataError(
                f"The cells of the data have changed since the run {self.path.name}: their "
                "names, order or times differ.",
                "Fit again, or name the original file with `data`.",
            )

    def record(self) -> dict[str, str]:
        """Which run made a result, for `uns` of the file that holds it."""
        return as_text(
            {
                "cellam": __version__,
                "run": str(self.path),
                "fitted": self.provenance["finished"],
                "method": self.model.options.method,
                "digest": self.digest,
            }
        )

    def check_same(self, cells: Cells) -> None:
        """Refuse cells that are not those of the fit."""
        if not cells.is_of(self.digest):
            raise DataError(
                f"{cells.source} is not the data of the run {self.path.name}: its cells, their "
                "times, its genes or their values have changed since the fit.",
                "Fit again, or name the original file with `data`.",
            )

    def evaluation(self, label: str) -> Scores | None:
        """Scores of one held-out day, if they were kept earlier."""
        path = self._evaluation_path(label)
        if not path.exists():
            return None
        kept = read_json(path)
        if not isinstance(kept, dict) or kept.get("sha256") != _digest(kept):
            raise RunError(
                f"{path} has changed since it was written: its hash differs.",
                "Remove this file; the day will be scored again.",
            )
        if kept.get("cellam") != __version__ or kept.get("fit") != self._fit:
            return None  # another version, or a fit that was replaced, would score otherwise
        return Scores.from_json(restore(kept)) if "covariance" in kept else None

    def scores(self) -> Scores | None:
        """Scores of all held-out days that were kept; None if there are none."""
        kept = [self.evaluation(label) for label in self.model.timeline.labels]
        found = [scores for scores in kept if scores is not None]
        return Scores.join(found) if found else None

    def caveats(self) -> tuple[Caveat, ...] | None:
        """The reasons to doubt the fit; None where this version has not looked for them."""
        kept = self._listed(CAVEATS, "the next report looks for the caveats again")
        return None if kept is None else tuple(Caveat(**caveat) for caveat in kept)

    def keep_caveats(self, caveats: Iterable[Caveat]) -> None:
        """Keep the reasons to doubt the fit, for all that is asked of it later."""
        self._keep_list(CAVEATS, list(map(vars, caveats)))

    def controls(self) -> tuple[Controlled, ...]:
        """The controls of held-out days that were kept; empty where none were asked for."""
        kept = self._listed(CONTROLS, "the controls will be scored again when they are asked for")
        return tuple(Controlled.from_json(restore(control)) for control in kept or ())

    def keep_controls(self, controls: Iterable[Controlled]) -> None:
        """Keep controls in the run; those of the same name and day are replaced."""
        both = {(c.label, c.control): c for c in (*self.controls(), *controls)}
        self._keep_list(CONTROLS, [asdict(control) for control in both.values()])

    def sensitivity(self) -> Sensitivity | None:
        """How far answers move with other settings, if that was asked for."""
        kept = self._listed(SENSITIVITY, "settings will be changed again when that is asked for")
        return None if kept is None else Sensitivity.from_json(restore(row) for row in kept)

    def keep_sensitivity(self, found: Sensitivity) -> None:
        """Keep in the run how far answers move with other settings."""
        self._keep_list(SENSITIVITY, found.to_json())

    def _listed(self, name: str, then: str) -> list[dict[str, Any]] | None:
        """What a file of this fit and version lists; None where there is none."""
        path = self.path / name
        if not path.exists():
            return None
        kept = read_json(path)
        if not isinstance(kept, dict) or kept.pop("sha256", None) != sha256(to_json(kept)):
            raise RunError(
                f"{path} has changed since it was written: its hash differs.",
                f"Remove this file; {then}.",
            )
        if (kept["cellam"], kept["fit"]) != (__version__, self._fit):
            return None
        return list(kept[Path(name).stem])

    def _keep_list(self, name: str, rows: list[dict[str, Any]]) -> None:
        with writing(self.path):
            kept = {"cellam": __version__, "fit": self._fit, Path(name).stem: rows}
            digest = sha256(to_json(kept))
            write_atomically(self.path / name, to_json({**kept, "sha256": digest}))

    def keep(self, evaluation: Evaluation) -> None:
        """Keep scores in the run, a file for each held-out day."""
        for label in evaluation.holdout:
            path = self._evaluation_path(label)
            with writing(path.parent):
                path.parent.mkdir(exist_ok=True)
                scores = json.loads(to_json(evaluation.scores.of(label).to_json()))  # as read
                kept = {"cellam": __version__, "fit": self._fit, "sha256": _digest(scores)}
                write_atomically(path, to_json({**kept, **scores}))

    @property
    def _fit(self) -> str:
        """Which fit this is, whatever its name."""
        # Two fits may be finished in one second, but not take the same time to the last digit.
        return f"{self.provenance['finished']} {self.provenance['seconds']!r} {self.digest}"

    def _evaluation_path(self, label: str) -> Path:
        # Labels may hold any character; the hash keeps the names apart and legal.
        plain = "".join(c if c.isalnum() else "-" for c in label)[:40]
        return (
            self.path
            / EVALUATIONS
            / f"{plain}-{sha256(label.encode(errors='backslashreplace'))[:8]}.json"
        )


def _digest(kept: dict[str, Any]) -> str:
    """SHA-256 of scores as read from JSON; files of earlier versions may hold NaN."""
    rows, covariance = kept.get("rows"), kept.get("covariance")
    # Earlier versions kept the covariance in the rows.
    scores = rows if covariance is None else {"rows": rows, "covariance": covariance}
    if isinstance(scores, dict) and "replicates" in kept:
        scores["replicates"] = kept["replicates"]
    text = json.dumps(scores, indent=1, ensure_ascii=False) + "\n"
    return sha256(text.encode("utf-8", "backslashreplace"))


# ------------------------------------------------------------------------------- writing


def save(
    model: Model,
    cells: Cells,
    place: Path | str | Claim,
    *,
    data: Path | str | None = None,
    command: str = "",
    overwrite: bool = False,
) -> StoredRun:
    """Write a model as a run.

    Parameters
    ----------
    model : Model
    cells : Cells
        What it was fitted on.
    place : path or Claim
        Folder of the run; its parents are made.
    data : path, optional
        Where the cells were read from, so that later commands find them.
    command : str
        What the user typed.
    overwrite : bool
        Replace a run that is there already. A folder that is not a run is never replaced.

    Raises
    ------
    OutputError
        If the folder is taken or cannot be written.
    RunInUse
        If another process is writing it.
    """
    if not isinstance(place, Claim):
        with claim(place, command=command, overwrite=overwrite) as claimed:
            return save(model, cells, claimed, data=data, command=command)
    provenance = _provenance(model, cells, data, command)
    place.commit({**to_files(model), "provenance.json": to_json(provenance)})
    return StoredRun(place.path, model, provenance)


def _provenance(
    model: Model, cells: Cells, data: Path | str | None, command: str
) -> dict[str, Any]:
    return {
        "cellam": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "command": command,
        "data": {
            "path": str(Path(data).resolve()) if data is not None else "",
            "digest": cells.digest,
            "names": names_digest(cells.obs.index),
            "cells": len(cells),
            "kind": cells.kind,
        },
        "seed": model.options.seed,
        "device": model.options.device,
        "threads": model.options.threads or torch.get_num_threads(),
        "seconds": model.seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except (PackageNotFoundError, OSError):
        return "unknown"


# ------------------------------------------------------------------------------- reading


def open_run(path: str | Path | None = None) -> StoredRun:
    """Open a run and check that every file is what was written.

    Parameters
    ----------
    path : path, optional
        As for `places.find_run`.

    Raises
    ------
    RunError
        If a file is missing, changed, or of a newer format.
    """
    path = find_run(path)
    manifest = read_manifest(path)
    files: dict[str, bytes] = {}
    for name, expected in manifest["files"].items():
        try:
            files[name] = (path / name).read_bytes()
        except OSError as error:
            if read_manifest(path) != manifest:
                return open_run(path)  # replaced while it was read
            raise RunError(
                f"{path / name} cannot be read: {error.strerror}.", "Fit again."
            ) from None
        if sha256(files[name]) != expected:
            if read_manifest(path) != manifest:
                return open_run(path)
            raise RunError(
                f"{path / name} has changed since it was written: its hash differs from the "
                "manifest.",
                "Restore the run from a copy, or fit again.",
            )
    try:
        provenance = json.loads(files["provenance.json"])
        run = StoredRun(path, from_files(files, seconds=provenance["seconds"]), provenance)
    except _DAMAGED as error:
        raise RunError(f"{path} is incomplete or damaged: {error}.", "Fit again.") from error
    run.caveats()  # said by most commands; a file of them that has changed is refused by all
    return run
