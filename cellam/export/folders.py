"""Folders: outputs of several files, which are written whole or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellam.errors import OutputError
from cellam.storage import UNFINISHED, move, sync_folder, writing

PARTS = ("X", "layers", "obs", "obsm", "obsp", "raw", "uns", "var", "varm", "varp")
COUPLING = re.compile(r"cellam_[^_]+_[^_]+\.h5ad")
TABLE = re.compile(r"(velocities|growth|fates|couplings|type_growth|type_fates)\.(csv|parquet)")
STORE = re.compile(r"zarr\.json|\.z(group|attrs|metadata)|" + "|".join(PARTS))


def check_output(path: Path, *, option: str, overwrite: bool, ours: re.Pattern[str] | None) -> None:
    """Refuse to write where something is already, unless it is ours and may be replaced.

    Parameters
    ----------
    path : pathlib.Path
    option : str
        What the user gave it with, e.g. "into".
    overwrite : bool
        Whether what is there may be replaced.
    ours : re.Pattern or None
        What the names in a folder of ours look like; None for a file.

    Raises
    ------
    OutputError
    """
    if not path.exists():
        return
    if path.is_dir() != (ours is not None):
        what = "a file" if ours is not None else "a folder"
        raise OutputError(f"`{option}`: {path} is {what}.", "Choose another name.")
    if not overwrite and (ours is None or any(path.iterdir())):
        raise OutputError(
            f"{path} exists already.", "Choose another name, or add `overwrite=True`."
        )
    if ours is not None:
        foreign = sorted(p.name for p in path.iterdir() if not ours.fullmatch(p.name))
        if foreign:
            raise OutputError(
                f"{path} holds {foreign[0]!r}, which was not written by cellam; a folder is only "
                "replaced as a whole.",
                "Choose another name.",
            )


@contextmanager
def new_folder(path: Path, ours: re.Pattern[str]) -> Iterator[Path]:
    """Yield an empty folder beside `path` to write into; at the end it takes that place.

    Raises
    ------
    OutputError
        If it cannot be written, or would replace what is not ours.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(UNFINISHED, ".", path.parent))
        try:
            new.chmod(0o755)
            yield new
            for folder in (new, *(p for p in new.rglob("*") if p.is_dir())):
                sync_folder(folder)
            check_output(path, option="The folder", overwrite=True, ours=ours)
            move(new, path)
        finally:
            shutil.rmtree(new, ignore_errors=True)
