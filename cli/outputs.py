"""Outputs: how the paths of files are printed."""

from __future__ import annotations

import os
from pathlib import Path


def shown(path: Path | str) -> str:
    """A path as it is printed: relative where it lies below the working directory."""
    path = Path(path)
    if not path.is_absolute():
        return str(path)
    for here in (Path(os.environ.get("PWD", "")), Path.cwd()):  # the first may go over a link
        if here.is_absolute() and path.is_relative_to(here) and path != here:
            return str(path.relative_to(here))
    return str(path)
