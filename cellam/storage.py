"""Storage: files that are written whole or not at all, and survive a power cut."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cellam.errors import OutputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place, synced, then renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    os.close(handle)
    try:
        write_synced(Path(name), content)
        Path(name).chmod(0o644)
        Path(name).rename(path)
        sync_folder(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into errors that name the place."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.filename or path} cannot be written: {error.strerror or error}.",
            "Choose another place with --out, or free some space.",
        ) from None


def write_synced(path: Path, content: bytes) -> str:
    """Write and sync a file; its SHA-256."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return sha256(content)


def sync_folder(path: Path) -> None:
    """Sync the entries of a folder, so that a rename survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
