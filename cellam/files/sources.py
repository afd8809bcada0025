"""Sources: what a user gave, opened for reading only.

An .h5ad, a .zarr store, a modality of an .h5mu, or an AnnData.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cellam.days.time_labels import closest
from cellam.errors import DataError
from cellam.files.arrays import Arrays
from cellam.files.formats import file_error, folder_error, hdf5_error
from cellam.files.inner_paths import GROUP, part_of
from cellam.files.modalities import find_modality
from cellam.files.stores import Store, damage, one_line

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Loaded:
    """Elements of an AnnData in memory, by path as in a `Store`.

    Parameters
    ----------
    adata : AnnData
    name : str
        For messages.
    """

    adata: AnnData
    name: str = "the AnnData object"
    path: None = None

    def keys(self, path: str) -> list[str]:
        """Names within "obsm" or "layers"."""
        # Since anndata 0.13 the layer None is X.
        return sorted(name for name in getattr(self.adata, path) if name is not None)

    def shape(self, path: str) -> tuple[int, ...] | None:
        """Shape of one element; None where it has none."""
        return getattr(self.element(path), "shape", None)

    def arrays(self, path: str) -> Arrays | None:
        """None: nothing has to be read."""
        return None

    def element(self, path: str) -> Any:
        """One element; None if it is not there."""
        head, _, tail = path.partition("/")
        owner: Any = getattr(self.adata, head, None)
        value: Any = owner
        if tail:
            value = getattr(owner, tail, None) if head == "raw" else owner.get(tail)
        return value.to_memory() if hasattr(value, "to_memory") else value


Source: TypeAlias = Store | Loaded


@contextmanager
def opened(data: str | Path | AnnData) -> Iterator[Source]:
    """Open what a user gave, for reading only.

    Raises
    ------
    DataError
        If it is not there, may not be read, or is no AnnData; the message says what it is.
    """
    if hasattr(data, "mod") and hasattr(data, "obsm"):
        raise DataError(
            "This is a MuData with several modalities.",
            "Use one of them, e.g. mdata['rna'], or of its file: 'data.h5mu/rna'.",
        )
    if hasattr(data, "obs") and hasattr(data, "obsm"):
        yield Loaded(data)
        return
    if not isinstance(data, str | os.PathLike):
        raise DataError(
            f"Cells cannot be read from an object of type {type(data).__name__}.",
            "Use the path of an .h5ad or .zarr, or an AnnData.",
        )
    path, modality = part_of(Path(data))
    try:
        is_folder = stat.S_ISDIR(_mode(path))
        with _zarr(path) if is_folder else _hdf5(path, modality) as root:
            store = Store(path.name, root, path)
            yield store if modality is None else find_modality(store, modality)
    except PermissionError:
        raise DataError(
            f"{path}: you have no permission to read it.",
            f"Ask its owner, or: chmod -R u+rX {str(path)!r}",
        ) from None


def _mode(path: Path) -> int:
    """Mode of a file or folder; others, as pipes, are refused before opening them can hang."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        raise _missing(path, error) from None
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return mode
    what = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    raise DataError(f"{path} is not a file but {what}.", "Write the data to a file first.")


def _missing(path: Path, error: Exception) -> DataError:
    if getattr(error, "errno", None) == errno.ELOOP:
        return DataError(f"{path} is a link that points back to itself.", "Check the path.")
    try:
        if path.is_symlink():
            return DataError(
                f"{path} is a link to {path.readlink()}, which does not exist.",
                "Repair the link, or use the path of the file itself.",
            )
        beside = [p.name for p in path.parent.iterdir()]
    except (OSError, ValueError):
        beside = []
    near = closest(path.name, beside)
    return DataError(
        f"{path}: there is no such file.",
        f"Did you mean {path.with_name(near)}?" if near else "Check the path.",
    )


@contextmanager
def _hdf5(path: Path, modality: str | None) -> Iterator[Any]:
    import h5py

    try:
        file = h5py.File(path, "r", locking="best-effort")
    except PermissionError:
        raise
    except OSError as error:
        if isinstance(error, BlockingIOError) or "already open for write" in str(error):
            raise DataError(
                f"{path} is open for writing in another program.",
                "Close it there, or wait until it has been written.",
            ) from None
        raise file_error(path) from None
    with file:
        try:
            expected = "obs" in file and (GROUP in file) == (modality is not None)
            foreign = None if expected else hdf5_error(path, file)
        except damage():
            raise file_error(path) from None
        if foreign:
            raise foreign
        yield file


@contextmanager
def _zarr(path: Path) -> Iterator[Any]:
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        found = "obs" in group and "mod" not in group
    except PermissionError:
        raise
    except damage() as error:
        if any((path / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json")):
            raise DataError(
                f"{path} is a zarr store that zarr {zarr.__version__} cannot open "
                f"({type(error).__name__}: {one_line(error)}).",
                "Copy it again, with its hidden files; or update: pip install -U zarr anndata.",
            ) from None
        found = False
    if not found:
        raise folder_error(path)
    _check_files(path)
    yield group


def _check_files(folder: str | Path) -> None:
    """Refuse a store with pipes, which hang, or broken links, which would read as zeros."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _check_files(entry.path)
            elif not (entry.is_file() or entry.is_dir()):
                raise DataError(
                    f"{entry.path}, a part of the data, is neither a file nor a folder.",
                    "Copy the store again, with the files that its links point to.",
                )
