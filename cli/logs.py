"""The log: what happened when, and what libraries warned of. A fit keeps it in its run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORM = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

log = logging.getLogger("cellam")


def start(*, verbose: bool) -> None:
    """Take warnings of libraries into the log; print it to stderr if `verbose`."""
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [logging.NullHandler()]
    root.setLevel(logging.INFO)
    if verbose:
        _add(logging.StreamHandler(sys.stderr))


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Append the log to a file for a while."""
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    _add(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _add(handler: logging.Handler) -> None:
    handler.setFormatter(FORM)
    logging.getLogger().addHandler(handler)
