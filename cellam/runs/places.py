"""Places: where a run goes, named by the user or after the data, and where it is found again."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from cellam.errors import ConfigError, RunError
from cellam.files.inner_paths import SUFFIX, part_of
from cellam.names import offer
from cellam.runs.claims import is_run, is_stopped
from cellam.storage import write_atomically, writing

RUNS = "cellam_runs"
ODD = set("'\"`\\*?")  # in a name: a shell takes them for its own
LONGEST = 200  # bytes in the name of a run, which file systems limit to 255


def named_place(name: str, runs: Path) -> Path:
    """The folder of a run that the user has named.

    Raises
    ------
    ConfigError
        If it cannot be the name of a run.
    """
    plain = Path(name).name == name and name == name.strip() and not name.startswith((".", "-"))
    odd = not name.isprintable() or set(name) & ODD
    if not plain or odd or name in ("", "current") or len(os.fsencode(name)) > LONGEST:
        raise ConfigError(
            f"`name={name[:80]!r}` cannot be the name of a run.",
            "Use a short, plain name, e.g. letters, digits, - and _; `out` says where runs are "
            "kept.",
        )
    return runs / name


def new_place(data: Path, runs: Path, *, resume: bool = False) -> Path:
    """The first free folder that is named after the data, or the first stopped one to go on with.

    Parameters
    ----------
    data : pathlib.Path
    runs : pathlib.Path
        The folder of runs.
    resume : bool
        Whether a stopped fit is wanted.
    """
    return next(
        place
        for place in _places(data, runs)
        if (resume and is_stopped(place)) or not (is_stopped(place) or os.path.lexists(place))
    )


def stopped_before(place: Path, data: Path) -> list[Path]:
    """The stopped fits of the same data that `new_place` has passed by."""
    earlier = itertools.takewhile(lambda other: other != place, _places(data, place.parent))
    return [other for other in earlier if is_stopped(other)]


def _places(data: Path, runs: Path) -> Iterator[Path]:
    """data, data-2, data-3 and so on."""
    file, modality = part_of(data)
    stem = file.name.removesuffix(".h5ad").removesuffix(".zarr").removesuffix(SUFFIX)
    stem = stem.replace("\n", " ").strip(" .") + (f"-{modality}" if modality else "")
    stem = os.fsencode(stem)[:LONGEST].decode(sys.getfilesystemencoding(), "ignore").strip()
    stem = "run" if stem in ("", "current") else stem
    yield runs / stem
    for number in itertools.count(2):
        yield runs / f"{stem}-{number}"


def point_to(path: Path) -> None:
    """Make a run the current one of its folder of runs."""
    with writing(path.parent):
        write_atomically(path.parent / "current", os.fsencode(f"{path.name}\n"))


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
                return path.absolute()
            if is_stopped(path):
                raise RunError(
                    f"The fit of {path} was stopped before it finished.",
                    "Repeat its command with `resume=True`.",
                )
        exists = any(map(os.path.exists, (named, Path(RUNS) / named)))
        raise RunError(
            f"{named}{'' if given else ' (from $CELLAM_RUN)'} is not a cellam run: "
            f"{'it has no manifest.json' if exists else 'there is no such folder'}.",
            f"{_runs_here(str(named))}Use the folder that `cellam fit` printed, or fit first.",
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
                "Fit again, or name a run with `run`.",
            )
    raise RunError(
        f"There is no run here: no {RUNS}/current in {here} or above it.",
        "Run `cellam fit DATA` first, or name a run with `run=DIR`.",
    )


def _runs_here(named: str) -> str:
    """A sentence with the finished runs of the folder of runs here; empty if there are none."""
    runs = sorted(path.name for path in Path(RUNS).glob("*") if is_run(path))
    return f"{offer(named, runs)} " if runs else ""
