"""Signals: a stopped command leaves nothing half done, and a stopped fit can go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellam.checkpoints import Checkpoint

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal that asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def ending() -> Iterator[None]:
    """End immediately on a signal, through every `finally`."""

    def leave(number: int, frame: Any) -> None:
        raise Interrupted(number)

    with _handled(leave):
        yield


@contextmanager
def pausing(checkpoint: Checkpoint) -> Iterator[None]:
    """Let the first signal stop the fit once its state is saved; the second ends it immediately."""

    def ask(number: int, frame: Any) -> None:
        if checkpoint.signal:
            raise Interrupted(number)
        checkpoint.signal = number
        # Not by print: the signal may have come in the middle of one.
        os.write(2, b"\ncellam: stopping when this step is kept; once more to leave at once.\n")

    with _handled(ask):
        yield


@contextmanager
def _handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    # What is ignored stays so, e.g. SIGHUP under nohup.
    asked = [s for s in STOPPING if signal.getsignal(s) is not signal.SIG_IGN]
    before = {s: signal.signal(s, handler) for s in asked}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
