"""The log: what happened when, and what libraries warned of. A fit keeps it in its run.

A warning may say that a number is wrong, and is also printed, on one line; what concerns
developers alone, as a deprecation, is in the log.
"""

from __future__ import annotations

import itertools
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

FORM = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

log = logging.getLogger("cellam")


DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning,
              ResourceWarning)  # fmt: skip


def start(*, verbose: bool) -> None:
    """Take warnings of libraries into the log; print it to stderr if `verbose`."""
    warnings.showwarning = _warned if not verbose else _logged
    root = logging.getLogger()
    root.handlers[:] = [logging.NullHandler()]
    root.setLevel(logging.INFO)
    if verbose:
        _add(logging.StreamHandler(sys.stderr))


def _logged(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a warning; the signature is that of `warnings.showwarning`."""
    text = warnings.formatwarning(message, category, filename, lineno, line)
    logging.getLogger("py.warnings").warning("%s", text.rstrip())


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log a warning, and print it on one line if it may concern the user."""
    _logged(message, category, filename, lineno, file, line)
    if sys.stderr is not None and not issubclass(category, DEVELOPERS):
        said = " ".join(str(message).split())
        print(f"{'warning':<9} {said} ({category.__name__} of {_library(filename)})",
              file=sys.stderr)  # fmt: skip


def _library(filename: str) -> str:
    """The package that a file belongs to, by the folder below site-packages."""
    parts = Path(filename).parts
    after = [b for a, b in itertools.pairwise(parts) if a in ("site-packages", "dist-packages")]
    return after[-1].removesuffix(".py") if after else Path(filename).name


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
