"""Claims: the place of a run while it is made.

A run is made in the hidden folder `.NAME.unfinished` beside its place, under the kernel's lock,
and moved there in one step: it is there whole or not at all. `manifest.json`, written last, holds
the SHA-256 of every file and is what makes a folder a run. A fit that was stopped leaves its
checkpoint in the hidden folder, to go on from.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cellam._version import __version__
from cellam.checkpoints import Checkpoint
from cellam.errors import OutputError, RunError, RunInUse, Stopped
from cellam.storage import (
    check_space,
    is_unfinished,
    locked,
    move,
    sync_folder,
    to_json,
    write_atomically,
    write_synced,
    writing,
)

FORMAT = 2
READABLE = (1, 2)  # `upgrade` reads the first
MANIFEST, LOG = "manifest.json", "log.txt"
EVALUATIONS, SIMULATIONS, FATES = "evaluations", "simulations", "fates"  # filled later
CAVEATS = "caveats.json"  # of the fit; written when they were looked for
SENSITIVITY = "sensitivity.json"  # of its answers; written when it was asked for
CONTROLS = "controls.json"  # of its evaluations; written when they were asked for
REPORT = "report.html"  # written again whenever there is more to say
START, CHECKPOINT = "start.json", "checkpoint"  # only while it is made
SPARE = 10_000_000  # bytes of a run, besides those of its cells


@dataclass(frozen=True)
class Claim:
    """The right to write one run, held until the `with` of `claim` ends.

    Parameters
    ----------
    path : pathlib.Path
        Where the run will be.
    checkpoint : Checkpoint
        For the fit.
    """

    path: Path
    checkpoint: Checkpoint

    @property
    def folder(self) -> Path:
        """Where it is made."""
        return _unfinished(self.path)

    @property
    def log(self) -> Path:
        """Its log, which becomes part of the run."""
        return self.folder / LOG

    def commit(self, files: dict[str, bytes]) -> None:
        """Write files and manifest, and move them to the place of the run in one step."""
        with writing(self.path):
            if self.log.exists():
                files = {**files, LOG: self.log.read_bytes()}
            hashes = {
                name: write_synced(self.folder / name, content) for name, content in files.items()
            }
            manifest = {"format": FORMAT, "cellam": __version__, "files": hashes}
            write_synced(self.folder / MANIFEST, to_json(manifest))
            shutil.rmtree(self.folder / CHECKPOINT, ignore_errors=True)
            (self.folder / START).unlink(missing_ok=True)
            self.folder.chmod(0o755)
            sync_folder(self.folder)
            move(self.folder, self.path)


@contextlib.contextmanager
def claim(
    path: Path | str,
    *,
    start: dict[str, Any] | None = None,
    command: str = "",
    size: int = 0,
    overwrite: bool = False,
    resume: bool = False,
) -> Iterator[Claim]:
    """Claim the place of a run so that no other process writes there.

    Parameters
    ----------
    path : path
        Folder of the run; its parents are made.
    start : dict, optional
        What decides the result, by name. Only a fit of the same may go on later.
    command : str
        What the user typed.
    size : int
        Bytes that have to be free.
    overwrite : bool
        Replace a run that is there already, and forget a fit that was stopped.
    resume : bool
        Go on with the fit that was stopped there.

    Raises
    ------
    OutputError
        If the place is taken or cannot be written.
    RunInUse
        If another process has claimed it.
    RunError
        If there is nothing to go on with, or it is another fit.
    """
    import torch  # the shell, too, asks where runs are, and waits

    path = Path(path)
    check_free(path, overwrite=overwrite)
    folder = _unfinished(path)
    first = {
        "decides": {"cellam": __version__, "torch": torch.__version__, **(start or {})},
        "command": command,
        "process": os.getpid(),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if resume and not is_stopped(path):
        raise RunError(
            f"There is no stopped fit of {path} to resume.",
            "Leave out `resume` to start a new fit.",
        )
    with contextlib.ExitStack() as stack:
        with writing(folder):
            stack.enter_context(_parents(folder))
            folder.mkdir(exist_ok=True)
            try:
                stack.enter_context(locked(folder))
            except (BlockingIOError, FileNotFoundError):
                raise _in_use(path) from None
        checkpoint = Checkpoint()
        ours = not is_stopped(path)  # what an earlier fit has kept is only removed when asked
        try:
            check_free(path, overwrite=overwrite)  # another process may have finished just now
            if resume:
                _check_start(path, first)
            elif not ours and not overwrite:
                raise OutputError(
                    f"The fit of {path} was stopped before it finished; its progress is saved.",
                    "Resume with `resume=True`, or start again with `overwrite=True`.",
                )
            else:
                _clear(folder)
            checkpoint = Checkpoint.open(folder / CHECKPOINT)
            ours = True
            with writing(folder):
                check_space(folder, size + SPARE if size else 0)
                write_atomically(folder / START, to_json(first))
            yield Claim(path, checkpoint)
        except BaseException as error:
            stopped = isinstance(error, (Stopped, KeyboardInterrupt, OutputError))
            if ours and not (stopped and checkpoint.started):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        # Nothing, or the run that was replaced.
        shutil.rmtree(folder, ignore_errors=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def is_stopped(path: Path) -> bool:
    """Whether a fit that was stopped can go on. A whole run there is one that was replaced."""
    folder = _unfinished(path)
    return (folder / START).exists() and not (folder / MANIFEST).exists()


@contextlib.contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """Make the parents of a folder; those that are empty at the end go again."""
    new = [p for p in folder.parents if not p.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for made in new:
            with contextlib.suppress(OSError):  # not empty
                made.rmdir()


def _clear(folder: Path) -> None:
    """Remove what is in a folder; the folder stays, since its lock is held."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _in_use(path: Path) -> RunInUse:
    try:
        first = json.loads((_unfinished(path) / START).read_text(encoding="utf-8"))
        who = f"process {first['process']} since {first['began']} ({first['command'][:200]})"
    except (OSError, ValueError, TypeError, KeyError):
        who = "another process"
    return RunInUse(
        f"The run {path} is being written by {who}.",
        "Wait for it, or choose another `name`.",
    )


def _check_start(path: Path, now: dict[str, Any]) -> None:
    """Refuse to go on with another fit than the one that was stopped."""
    place = _unfinished(path) / START
    first = read_json(place)
    if not isinstance(first, dict) or not isinstance(first.get("decides"), dict):
        raise RunError(f"{place} is damaged.", "Start again with `overwrite=True`.")
    for name, value in now["decides"].items():
        if first["decides"].get(name) != value:
            raise RunError(
                f"The stopped fit of {path} had a different {name}: "
                f"{first['decides'].get(name)!r}, now {value!r}.",
                f"Resume with {first.get('command') or 'the options that it had'}, or start again "
                "with `overwrite=True`.",
            )


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is taken, unless it is a run that may be replaced."""
    if not path.exists() and not path.is_symlink():
        return
    if not is_run(path):
        raise OutputError(
            f"{path} exists and is not a cellam run, so it is left unchanged.",
            "Choose another `name` or `out`.",
        )
    if not overwrite:
        raise OutputError(
            f"The run {path} exists already.", "Choose another `name`, or add `overwrite=True`."
        )
    foreign = _foreign(path)
    if foreign:
        raise OutputError(
            f"The run {path} also holds {foreign[0]}, which was not written by cellam, so the "
            "run is not replaced.",
            "Move that file away, or choose another `name`.",
        )


def _foreign(path: Path) -> list[str]:
    """What lies in the folder of a run and was not written by cellam."""
    files = read_manifest(path)["files"]
    own = {MANIFEST, REPORT, CAVEATS, CONTROLS, *files}
    added = {EVALUATIONS: ".json", SIMULATIONS: ".h5ad", FATES: ".csv"}
    return sorted(
        str(entry.relative_to(path))
        for entry in path.rglob("*")
        if not (
            is_unfinished(entry)
            or str(entry.relative_to(path)) in {*own, *added}
            or added.get(str(entry.parent.relative_to(path))) == entry.suffix
        )
    )


def is_run(path: Path) -> bool:
    """Whether a folder is a run of cellam.

    Raises
    ------
    RunError
        If its manifest is there and cannot be read.
    """
    place = path / MANIFEST
    try:
        return "cellam" in json.loads(place.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise RunError(f"{place} cannot be read: {error.strerror}.") from None


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a run, of a format that is understood here."""
    place = path / MANIFEST
    manifest = read_json(place)
    if not (isinstance(manifest, dict) and isinstance(manifest.get("files"), dict)):
        raise RunError(f"{place} is damaged: it lists no files.", "Fit again.")
    if manifest.get("format") not in READABLE:
        raise RunError(
            f"{path} has format {manifest.get('format')}, and cellam {__version__} reads formats "
            f"up to {FORMAT}.",
            "Update cellam: pull the newest version in its clone, and there: pip install .",
        )
    for name in manifest["files"]:
        if Path(name).name != name:
            raise RunError(f"{path}: the manifest names a file outside the run, {name!r}.")
    return manifest


def read_json(path: Path) -> Any:
    """What a JSON file of a run holds."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.", "Fit again.") from None
