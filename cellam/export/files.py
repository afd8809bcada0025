"""Files: whether an output can be written, asked before the work; and the one way to write CSV."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from cellam.errors import ConfigError, OutputError
from cellam.files.inner_paths import SUFFIX, part_of
from cellam.storage import write_atomically, writing


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table, whole or not at all; bytes of names that are no text are escaped.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, frame.to_csv(index=False).encode(errors="backslashreplace"))


def check_file(
    path: Path,
    option: str,
    suffixes: Collection[str],
    *,
    overwrite: bool,
    noun: str = "the file",
    data: Path | None = None,
) -> None:
    """Refuse before the work what could not be written after it.

    Parameters
    ----------
    path : pathlib.Path
    option : str
        What the user gave it with, e.g. "csv".
    suffixes : collection of str
        Those that are written, the usual one first.
    overwrite : bool
        Whether a file that is there may be replaced.
    noun : str
        What is written.
    data : pathlib.Path, optional
        The input, which is never replaced.

    Raises
    ------
    ConfigError
        For another format.
    OutputError
        If it is the input or a folder, is there already, or its folder cannot be written to.
    """
    if path.is_dir():
        raise OutputError(f"`{option}={str(path)!r}` is a folder.", "Add the name of a file.")
    if data is not None and path.exists() and path.samefile(part_of(data).file):
        raise OutputError(f"`{option}={str(path)!r}` is the input; it is never written to.")
    check_format(path, option, suffixes, noun)
    check_folder(path, option)
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already.", f"Choose another `{option}`, or add `overwrite=True`."
        )


def check_folder(path: Path, option: str) -> None:
    """Refuse a place whose folder may not be written to; one that does not exist will be made.

    Raises
    ------
    OutputError
    """
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"`{option}={str(path)!r}` cannot be written.",
            f"{folder} is not a folder that you may write to: choose another one.",
        )


def check_format(path: Path, option: str, suffixes: Collection[str], noun: str) -> None:
    """Refuse a name that does not end in one of the suffixes, the usual one first.

    Raises
    ------
    ConfigError
        With the same name in the usual format; of MuData also that they are read only.
    """
    if path.suffix.lower() in suffixes:
        return
    usual, *others = suffixes
    listed = f"{', '.join([usual, *others[:-1]])} or {others[-1]}" if others else usual
    article = "an" if usual == ".h5ad" else "a"
    multimodal = SUFFIX in {part.suffix.lower() for part in (path, *path.parents)}
    only_read = " A modality of an .h5mu is read, but no MuData is written." * multimodal
    folder = Path() if multimodal else path.parent
    raise ConfigError(
        f"`{option}={str(path)!r}`: {noun} is {article} {listed}.{only_read}",
        f"Use `{option}={str(folder / (path.stem + usual))!r}`.",
    )


def check_csv(path: Path | None, overwrite: bool, data: Path | None = None) -> None:
    """Refuse a table that could not be written, or is the data: as `check_file`."""
    if path is not None:
        check_file(path, "csv", [".csv"], overwrite=overwrite, data=data)
