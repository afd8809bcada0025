"""Storage: files that are written whole or not at all, and survive a power cut."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellam.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


UNFINISHED = ".cellam-new"  # in the name of a file until it is whole


def is_unfinished(path: Path) -> bool:
    """Whether a file is one that a killed process had not finished."""
    return path.name.startswith(".") and UNFINISHED in path.name


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place, synced, then renamed."""
    with atomic_path(path) as new:
        write_synced(new, content)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; what is there at the end is synced and renamed."""
    new = None
    try:
        # The suffix stays: some writers choose the format by it.
        handle, name = tempfile.mkstemp(UNFINISHED + path.suffix[:20], ".", path.parent)
        os.close(handle)
        new = Path(name)
        yield new
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.chmod(0o644)
        new.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        if isinstance(error.filename, str) and is_unfinished(Path(error.filename)):
            error.filename = str(path)  # the user knows no other name of it
        raise
    finally:
        if new is not None:
            new.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that name the place."""
    try:
        yield
    except OSError as error:
        place = error.filename if isinstance(error.filename, (str, bytes)) else path
        raise OutputError(
            f"{os.fsdecode(place)} cannot be written: {error.strerror or error}.",
            "Choose another location, or free some space.",
        ) from None


def write_synced(path: Path, content: bytes) -> str:
    """Write and sync a file; its SHA-256."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return sha256(content)


def sync_folder(path: Path) -> None:
    """Sync the entries of a folder so that a rename survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move(new: Path, path: Path) -> None:
    """Put a folder where another one may be, in one step; the other is then where `new` was."""
    replaced = path.exists()
    _put(new, path)
    try:
        sync_folder(path.parent)
    except OSError:
        if replaced:
            _put(new, path)
        else:
            path.rename(new)
        raise


def _put(new: Path, path: Path) -> None:
    if not path.exists():
        new.rename(path)
    elif not _exchange(new, path):
        # A file system without exchange, e.g. NFS: for a moment only `aside` has the old one.
        aside = Path(tempfile.mkdtemp(".cellam-old", ".", path.parent)) / path.name
        path.rename(aside)
        try:
            new.rename(path)
        except BaseException:
            aside.rename(path)
            aside.parent.rmdir()
            raise
        aside.rename(new)
        aside.parent.rmdir()


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where that is not possible."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    here, swap = -100, 2  # AT_FDCWD; RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
    if sys.platform == "darwin":
        failed = libc.renamex_np(*names, swap)
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(here, names[0], here, names[1], swap)
    else:
        return False
    if failed and ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))
    return not failed


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the kernel's lock on a folder; it is gone when the process is, however it ends.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not (folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())):
            raise BlockingIOError  # whoever held it has just moved the folder
        yield
    finally:
        os.close(handle)


def check_space(folder: Path, needed: int) -> None:
    """Refuse to start work whose result would not fit on the disk.

    Raises
    ------
    OutputError
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{folder} has {free / 1000000.0:,.2f} MB left, but {needed / 1000000.0:,.2f} MB are "
            "needed.",
            "Free some space, or choose another location.",
        )


def to_json(value: Any) -> bytes:
    """JSON in UTF-8; bytes of file names that are no text are escaped."""
    return (json_text(value, indent=1) + "\n").encode("utf-8", "backslashreplace")


def json_text(value: Any, indent: int | None = None) -> str:
    """Strict JSON; null stands for numbers that are not finite, which it has no way to write."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_text(values: dict[str, str]) -> dict[str, str]:
    """The values as HDF5 can keep them: names of files need not be text, and are escaped."""
    return {
        key: value.encode("utf-8", "backslashreplace").decode() for key, value in values.items()
    }


def restore(value: Any) -> Any:
    """Numbers that were read from JSON, with NaN where one was not finite."""
    if isinstance(value, dict):
        return {key: restore(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [restore(inner) for inner in value]
    return math.nan if value is None else value


def to_safetensors(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Arrays as one safetensors file."""
    import numpy as np
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
