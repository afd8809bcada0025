"""Run: a model on disk, that can be opened again and trusted.

A run is a folder. What was fitted stands in JSON and safetensors; `manifest.json`, written
last, holds the SHA-256 of every file and is what makes the folder a run. A run is written
beside its place and moved there by one rename, so that it is there whole or not at all.
Evaluations are added later, each a file of its own.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from cellam import __version__
from cellam.actions import MLP, Features, Kernel
from cellam.cells import Cells, names_digest
from cellam.config import parse_options
from cellam.embedding import Space
from cellam.errors import DataError, OutputError, RunError
from cellam.evaluation import Evaluation
from cellam.fitting import Fit
from cellam.model import Model
from cellam.objectives import Objective
from cellam.rotation import Rotation
from cellam.snapshots import Snapshots
from cellam.storage import sha256, sync_folder, write_atomically, write_synced, writing
from cellam.timepoints import Timeline, read_timeline

FORMAT = 1
RUNS = "cellam_runs"
PACKAGES = ("numpy", "pandas", "torch", "anndata", "scanpy", "POT", "safetensors")


@dataclass(frozen=True)
class Run:
    """An opened run.

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

    def data(self, moved: Path | None = None) -> Path:
        """Where the data are: as given, or as they were when fitted.

        Raises
        ------
        DataError
            If they are not there.
        """
        known = self.provenance["data"]["path"]
        if moved is None and not known:
            raise DataError(
                f"The run {self.path.name} does not know where its data are.",
                "Give the file with --data.",
            )
        path = moved or Path(known)
        if not path.exists():
            raise DataError(
                f"{path}, the data of the run {self.path.name}, is not there.",
                "Give its new place with --data.",
            )
        return path

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
                f"The cells of the data have changed since the run {self.path.name}: other names, "
                "another order or other times.",
                "Fit again, or give the file of the fit with --data.",
            )

    def check_same(self, cells: Cells) -> None:
        """Refuse cells that are not those of the fit."""
        if cells.digest != self.digest:
            raise DataError(
                f"{cells.source} is not the data of the run {self.path.name}: its cells, their "
                "times or their values have changed since the fit.",
                "Fit again, or give the file of the fit with --data.",
            )

    def evaluation(self, label: str) -> pd.DataFrame | None:
        """Scores of one held-out day, if they were kept earlier."""
        path = self._evaluation_path(label)
        if not path.exists():
            return None
        try:
            kept = _read_json(path)
        except RunError:
            return None  # damaged: it is scored again
        if not (isinstance(kept, dict) and kept.get("rows") and kept.get("cellam") == __version__):
            return None  # another version would score otherwise
        return pd.DataFrame(kept["rows"])

    def keep(self, evaluation: Evaluation) -> None:
        """Keep scores in the run, a file for each held-out day."""
        for label in evaluation.holdout:
            rows = [row for row in evaluation.rows() if row["label"] == label]
            path = self._evaluation_path(label)
            with writing(path.parent):
                path.parent.mkdir(exist_ok=True)
                write_atomically(path, _to_json({"cellam": __version__, "rows": rows}))

    def _evaluation_path(self, label: str) -> Path:
        # Labels may hold any character; the hash keeps the names apart and legal.
        plain = "".join(c if c.isalnum() else "-" for c in label)[:40]
        return self.path / "evaluations" / f"{plain}-{sha256(label.encode())[:8]}.json"


# ------------------------------------------------------------------------------- writing


def save(
    model: Model,
    cells: Cells,
    path: Path | str,
    *,
    data: Path | str | None = None,
    command: str = "",
    overwrite: bool = False,
) -> Run:
    """Write a model as a run.

    Parameters
    ----------
    model : Model
    cells : Cells
        What it was fitted on.
    path : path
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
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    provenance = {
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
        "threads": model.options.threads or torch.get_num_threads(),
        "seconds": model.seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent))
        try:
            hashes = {
                name: write_synced(new / name, content)
                for name, content in _contents(model, provenance).items()
            }
            manifest = {"format": FORMAT, "cellam": __version__, "files": hashes}
            write_synced(new / "manifest.json", _to_json(manifest))
            new.chmod(0o755)
            sync_folder(new)
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)) / "old"
                path.rename(old)
                try:
                    new.rename(path)
                except BaseException:
                    old.rename(path)
                    old.parent.rmdir()
                    raise
                shutil.rmtree(old.parent)
            else:
                new.rename(path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return Run(path, model, provenance)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is taken, unless it is a run that may be replaced."""
    if not path.exists():
        return
    if not is_run(path):
        raise OutputError(
            f"{path} exists and is not a cellam run, so it is left alone.",
            "Choose another --name or --out.",
        )
    if not overwrite:
        raise OutputError(
            f"The run {path} exists already.", "Choose another --name, or add --overwrite."
        )


def is_run(path: Path) -> bool:
    """Whether a folder is a run of cellam."""
    try:
        return "cellam" in json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def point_to(path: Path) -> None:
    """Make a run the current one of its folder of runs."""
    with writing(path.parent):
        write_atomically(path.parent / "current", f"{path.name}\n".encode())


def _contents(model: Model, provenance: dict[str, Any]) -> dict[str, bytes]:
    """Every file of a run but its manifest."""
    action, space, days = model.fit.action, model.space, model.snapshots
    tensors = (
        {**_features_to(action.features), "theta": action.theta}
        if isinstance(action, Kernel)
        else {
            **{f"weight_{k}": w for k, w in enumerate(action.weights)},
            **{f"bias_{k}": b for k, b in enumerate(action.biases)},
        }
    )
    if model.fit.growth is not None:
        growth = {**_features_to(model.fit.growth.features), "theta": model.fit.growth.theta}
        tensors |= {f"growth.{name}": value for name, value in growth.items()}
    described = {
        "action": action.name,
        "objective": vars(model.fit.objective),
        "growth_range": model.fit.growth_range,
        "rotation": vars(model.rotation),
        "notes": model.fit.notes,
        "seconds": model.seconds,
    }
    timeline = vars(model.timeline)
    return {
        "options.json": _to_json(model.options.model_dump(mode="json")),
        "timeline.json": _to_json(timeline),
        "fit.json": _to_json(described),
        "history.json": _to_json(model.fit.history),
        "provenance.json": _to_json(provenance),
        "action.safetensors": _tensors({k: v.numpy() for k, v in tensors.items()}),
        "space.json": _to_json(
            {
                "rep": space.rep,
                "genes": space.genes,
                "log": space.log,
                "library": space.library,
                "counted": space.counted,
                "whitened": space.whitened,
            }
        ),
        "space.safetensors": _tensors(
            {name: getattr(space, name) for name in ("mean", "components", "centre", "scale")}
        ),
        "snapshots.json": _to_json(
            {"counts": [len(x) for x in days.points], "masses": days.masses}
        ),
        "snapshots.safetensors": _tensors(
            {"points": np.concatenate(days.points), "rows": np.concatenate(days.rows)}
        ),
    }


def _features_to(features: Features) -> dict[str, torch.Tensor]:
    return {name: getattr(features, name) for name in ("omega", "nu", "beta", "a")}


def _tensors(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    from safetensors.numpy import save as to_bytes

    return bytes(to_bytes({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def _to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


# ------------------------------------------------------------------------------- reading


def find_run(given: str | Path | None = None) -> Path:
    """Where the run is: as given, else $CELLAM_RUN, else the current one, searched upward.

    Raises
    ------
    RunError
        If there is none.
    """
    named = given or os.environ.get("CELLAM_RUN") or None
    if named is not None:
        for path in (Path(named), Path(RUNS) / named):
            if is_run(path):
                return path
        raise RunError(
            f"{named}{'' if given else ' (from $CELLAM_RUN)'} is not a cellam run: it has no "
            "manifest.json.",
            "Give the folder that `cellam fit` printed, or fit first.",
        )
    here = Path.cwd()
    for folder in (here, *here.parents):
        pointer = folder / RUNS / "current"
        if pointer.is_file():
            name = pointer.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
            path = pointer.parent / name
            if Path(name).name == name and is_run(path):
                return path
            raise RunError(
                f"{pointer} points to {name[:80]!r}, which is not a run.",
                "Fit again, or name a run with --run.",
            )
    raise RunError(
        f"There is no run here: no {RUNS}/current in {here} or above it.",
        "Run `cellam fit DATA` first, or name a run with --run DIR.",
    )


def open_run(path: str | Path | None = None) -> Run:
    """Open a run and check that every file is what was written.

    Parameters
    ----------
    path : path, optional
        As for `find_run`.

    Raises
    ------
    RunError
        If a file is missing, changed, or of a newer format.
    """
    path = find_run(path)
    manifest = _read_json(path / "manifest.json")
    if not (isinstance(manifest, dict) and isinstance(manifest.get("files"), dict)):
        raise RunError(f"{path / 'manifest.json'} is damaged: it lists no files.", "Fit again.")
    if manifest.get("format") != FORMAT:
        raise RunError(
            f"{path} has format {manifest.get('format')}, and cellam {__version__} reads format "
            f"{FORMAT}.",
            "Update cellam: pip install -U cellam.",
        )
    files: dict[str, bytes] = {}
    for name, expected in manifest["files"].items():
        if Path(name).name != name:
            raise RunError(f"{path}: the manifest names a file outside the run, {name!r}.")
        try:
            files[name] = (path / name).read_bytes()
        except OSError as error:
            raise RunError(
                f"{path / name} cannot be read: {error.strerror}.", "Fit again."
            ) from None
        if sha256(files[name]) != expected:
            raise RunError(
                f"{path / name} is not what was written: its hash differs from the manifest.",
                "Restore the run from a copy, or fit again.",
            )
    try:
        return _assemble(path, files)
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} is incomplete: {error}.", "Fit again.") from error


def _assemble(path: Path, files: dict[str, bytes]) -> Run:
    from safetensors.numpy import load

    parsed = {n: json.loads(content) for n, content in files.items() if n.endswith(".json")}
    arrays = {n: load(content) for n, content in files.items() if n.endswith(".safetensors")}
    options = parse_options(parsed["options.json"])
    times = parsed["timeline.json"]
    timeline = Timeline(
        tuple(times["labels"]),
        tuple(times["times"]),
        times["unit"],
        times["spellings"],
        tuple(times["notes"]),
    )
    described = parsed["space.json"]
    described["genes"] = tuple(described["genes"])
    described["counted"] = tuple(described["counted"])
    space = Space(**described, **arrays["space.safetensors"])
    days, stored = parsed["snapshots.json"], arrays["snapshots.safetensors"]
    cuts = np.cumsum(days["counts"])[:-1]
    snapshots = Snapshots(
        tuple(np.split(stored["points"], cuts)),
        timeline.times,
        timeline.labels,
        tuple(days["masses"]),
        tuple(np.split(stored["rows"], cuts)),
    )
    tensors = {n: torch.from_numpy(a) for n, a in arrays["action.safetensors"].items()}
    fitted = parsed["fit.json"]
    action: Kernel | MLP
    if fitted["action"] == Kernel.name:
        action = _kernel_from(tensors, "")
    else:
        depth = sum(name.startswith("weight_") for name in tensors)
        action = MLP(
            tuple(tensors[f"weight_{k}"] for k in range(depth)),
            tuple(tensors[f"bias_{k}"] for k in range(depth)),
        )
    fit = Fit(
        action,
        Objective(**fitted["objective"]),
        tuple(parsed["history.json"]),
        tuple(fitted["notes"]),
        _kernel_from(tensors, "growth.") if "growth.theta" in tensors else None,
        tuple(fitted["growth_range"]),
    )
    rotation = Rotation(**fitted["rotation"])
    model = Model(options, timeline, space, snapshots, fit, rotation, fitted["seconds"])
    return Run(path, model, parsed["provenance.json"])


def _kernel_from(tensors: dict[str, torch.Tensor], prefix: str) -> Kernel:
    names = ("omega", "nu", "beta", "a")
    return Kernel(Features(*(tensors[prefix + n] for n in names)), tensors[prefix + "theta"])


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.", "Fit again.") from None
