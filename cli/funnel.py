"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from cellam.errors import CellamError

from .console import warn


class Exit(IntEnum):
    """Exit codes of the command line."""

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
        import warnings

        if not debug:
            warnings.simplefilter("ignore")  # of libraries: ours are in the results
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except CellamError as error:
            if debug:
                traceback.print_exc()
            warn(f"cellam: {error.message}")
            if error.hint:
                warn(f"  {error.hint}")
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:
            warn("cellam: stopped; nothing was changed.")
            raise SystemExit(128 + signal.SIGINT) from None
        except BrokenPipeError:
            # The reader has gone, e.g. `cellam info | head -1`; that is its right.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(128 + signal.SIGPIPE) from None
        except MemoryError:
            warn("cellam: out of memory.")
            warn("  Use fewer cells, or --use-rep with fewer components (--n-pcs).")
            raise SystemExit(Exit.TRAINING) from None
        except Exception as error:
            if debug:
                traceback.print_exc()
            warn(f"cellam: this is a bug of cellam: {type(error).__name__}: {error}")
            warn("  Please report it with the output of the same command after `cellam --debug`.")
            raise SystemExit(Exit.BUG) from None

    return run
