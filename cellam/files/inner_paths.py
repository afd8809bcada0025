"""Inner paths: a part of a file, named after the file as `data.h5mu/rna`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SUFFIX = ".h5mu"
GROUP = "mod"  # in the file, of all modalities


class Part(NamedTuple):
    """A file, and which of its modalities is meant; None for all of it."""

    file: Path
    modality: str | None


def part_of(path: Path) -> Part:
    """What a path means.

    Examples
    --------
    >>> part_of(Path("data.h5mu/rna")), part_of(Path("data.h5mu/mod/rna")).modality
    (Part(file=PosixPath('data.h5mu'), modality='rna'), 'rna')
    >>> part_of(Path("data.h5ad"))
    Part(file=PosixPath('data.h5ad'), modality=None)
    """
    for folder in path.parents:
        if folder.suffix == SUFFIX and not folder.is_dir():
            inner = path.relative_to(folder).parts
            return Part(folder, "/".join(inner[1:] if inner[0] == GROUP and inner[1:] else inner))
    return Part(path, None)
