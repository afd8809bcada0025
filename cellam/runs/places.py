"""Places: where a run goes, named by the user or after the data."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from cellam.errors import ConfigError
from cellam.runs.claims import is_stopped

RUNS = "cellam_runs"
LONGEST = 200  # bytes in the name of a run, which file systems limit to 255


def named_place(name: str, runs: Path) -> Path:
    """The folder of a run that the user has named.

    Raises
    ------
    ConfigError
        If it cannot be the name of a run.
    """
    plain = Path(name).name == name and name == name.strip() and not name.startswith(".")
    if not plain or name in ("", "current") or len(name.encode()) > LONGEST or "\n" in name:
        raise ConfigError(
            f"`name={name[:80]!r}` cannot be the name of a run.",
            "Use a short, plain name; `out` says where runs are kept.",
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
    stem = data.name.removesuffix(".h5ad").removesuffix(".zarr").replace("\n", " ").strip(" .")
    stem = os.fsencode(stem)[:LONGEST].decode(sys.getfilesystemencoding(), "ignore").strip()
    stem = "run" if stem in ("", "current") else stem
    yield runs / stem
    for number in itertools.count(2):
        yield runs / f"{stem}-{number}"
