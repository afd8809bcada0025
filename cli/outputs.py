"""Outputs: how the paths of files are printed, and how large they are."""

from __future__ import annotations

import os
from pathlib import Path

LARGE = 100_000_000  # bytes of an output from which its size is said


def shown(path: Path | str) -> str:
    """A path as it is printed: relative where it lies below the working directory."""
    path = Path(path)
    if not path.is_absolute():
        return str(path)
    for here in (Path(os.environ.get("PWD", "")), Path.cwd()):  # the first may go over a link
        if here.is_absolute() and path.is_relative_to(here) and path != here:
            return str(path.relative_to(here))
    return str(path)


def written(path: Path | str) -> str:
    """The path of a file or folder that was written, and of a large one what it takes."""
    from cellam.files.memory import show_bytes

    path = Path(path)
    parts = [path, *path.rglob("*")] if path.is_dir() else [path]
    size = sum(part.stat().st_size for part in parts if part.is_file())
    name = f"{shown(path)}/" if path.is_dir() else shown(path)
    return name if size < LARGE else f"{name} ({show_bytes(size)})"
