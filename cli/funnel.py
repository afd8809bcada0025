"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import functools
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from cellam.errors import CellamError

from . import logs
from .console import warn
from .signals import Interrupted, ending


class Exit(IntEnum):
    """Exit codes of the command line; 128 + n where signal n stopped it."""

    DONE = 0
    DATA = 1
    USAGE = 2
    TRAINING = 3
    FILES = 4
    IN_USE = 5
    BUG = 70


debug = False  # set by `cellam --debug`


def funnel(command: Callable[..., None]) -> Callable[..., None]:
    """Run a command; no traceback for anything but a bug, and only when asked for."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        code: int | None = None
        try:
            with ending():
                command(*args, **kwargs)
                _flush()
        except Exception as error:  # all of them: what is no mistake of the user's is called a bug
            logs.log.debug("%s", error, exc_info=True)
            if debug:
                traceback.print_exc()
            code = explain(error)
        except KeyboardInterrupt as stopped:
            number = stopped.number if isinstance(stopped, Interrupted) else signal.SIGINT
            warn(f"cellam: stopped by {signal.Signals(number).name}; no partial output was left.")
            code = 128 + number
        if code is not None:
            _close()
            raise SystemExit(code)

    return run


def explain(error: Exception) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, CellamError):
        warn(f"cellam: {error.message}")
        if error.hint:
            warn(f"  {error.hint}")
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader has gone, e.g. `cellam info | head -1`; that is its right.
        return 128 + signal.SIGPIPE
    if isinstance(error, MemoryError):
        warn("cellam: out of memory.")
        warn("  Use fewer cells, or --use-rep with fewer components (--n-pcs).")
        return Exit.TRAINING
    if isinstance(error, ImportError) and not str(error.name).startswith("cellam"):
        warn(f"cellam: a required library could not be loaded: {error}.")
        warn("  Reinstall cellam, or free some memory.")
        return Exit.FILES
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        warn(f"cellam: {where}{error.strerror}.")
        warn("  The operating system reported this error; nothing was changed.")
        return Exit.FILES
    warn(f"cellam: this is a bug in cellam: {type(error).__name__}: {error}")
    warn(f"  Please report it, with {_kept(error)} and the command.")
    return Exit.BUG


def _kept(error: Exception) -> str:
    """Where the traceback was written."""
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="cellam-bug-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"{sys.argv}\n{text}")
            return file.name
    except OSError:
        return "the output of the same command after `cellam --debug`"


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _close() -> None:
    """Let the interpreter flush to nowhere what could not be written."""
    try:
        _flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
