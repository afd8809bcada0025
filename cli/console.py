"""What every command prints with: results to stdout, progress and errors to stderr.

The library names parameters as Python does; here they become flags.
"""

from __future__ import annotations

import functools
import inspect
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellam.flags import as_flags
from cellam.names import plural as plural

from .logs import log
from .outputs import shown

if TYPE_CHECKING:
    from cellam.checks.caveat import Caveat
    from cellam.dynamics.fitting import Progress

PATIENCE = 2.0  # seconds before a bar appears

quiet = False  # set by `cellam --quiet`
_aside = False  # notes go to stderr


def say(label: str, text: str) -> None:
    """Print a note on what is done, unless told to be quiet."""
    if not quiet:
        print(f"{label:<9} {flags(text)}", file=sys.stderr if _aside else None)
    log.info("%s", f"{label} {flags(text)}".strip())


def give(label: str, text: str) -> None:
    """Print a result."""
    print(f"{label:<9} {flags(text)}")


@contextmanager
def results() -> Iterator[None]:
    """Print what is said within this block as results: it is what the user asked for."""
    global quiet
    before, quiet = quiet, False
    try:
        yield
    finally:
        quiet = before


@contextmanager
def aside(on: bool) -> Iterator[None]:
    """Print the notes of this block to stderr: stdout is for JSON."""
    global _aside
    before, _aside = _aside, on
    try:
        yield
    finally:
        _aside = before


def mass_text(mass: float) -> str:
    """A mass relative to the start; a very large one to three digits."""
    return f"{mass:.2f}" if mass < 1e4 else f"{mass:.3g}"


def give_json(value: Any) -> None:
    """Print a result as one line of strict JSON."""
    from cellam.storage import json_text

    print(json_text(value))


@functools.cache
def _names() -> frozenset[str]:
    """Names of the parameters of all commands; what else stands between backticks is left."""
    from .app import app

    return frozenset(
        name
        for command in app.registered_commands
        if command.callback is not None
        for name in inspect.signature(command.callback).parameters
    )


def flags(text: str) -> str:
    """Write the parameters in a text of the library as flags."""
    return as_flags(text, _names()) if "`" in text else text


def say_run(path: Path, *, as_json: bool = False) -> None:
    """Print which run is used: to stderr where the result is JSON."""
    if as_json and not quiet:
        warn(f"{'run':<9} {shown(path)}")
    elif not as_json:
        say("run", shown(path))


def warn(text: str) -> None:
    """Print a line to stderr."""
    print(flags(text), file=sys.stderr)


def say_caveats(caveats: Iterable[Caveat] | None) -> None:
    """Reasons for doubt, each with what can be done; None where they were not looked for."""
    if caveats is None:
        say("note", "Reasons to doubt this fit were not looked for; cellam report does.")
    for caveat in caveats or ():
        say_doubt("caveat", f"{caveat.finding} {caveat.advice}")


def say_doubt(label: str, text: str) -> None:
    """Print a reason for doubt: to stderr where only results are asked for."""
    say(label, text)
    if quiet:
        warn(f"{label:<9} {text}")


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table, its first column to the left and the others to the right.

    In a file or a pipe it is as wide as it has to be. On a terminal that is too narrow the columns
    that do not fit stand below, with the first column again.
    """
    from rich.cells import cell_len  # Chinese characters are two columns wide

    lines = [[" ".join(cell.splitlines()) for cell in row] for row in [columns, *rows]]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for n, block in enumerate(_blocks(widths, _width())):
        if n:
            print()
        for row in lines:
            cells = []
            for k in (0, *block):
                blank = " " * (widths[k] - cell_len(row[k]))
                cells.append(row[k] + blank if k == 0 else blank + row[k])
            print("  ".join(cells).rstrip())


def _width() -> int | None:
    """Columns of the terminal that is printed to; None for a file or a pipe."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def _blocks(widths: list[int], most: int | None) -> list[list[int]]:
    """Which columns of a table stand side by side, beside the first: as many as fit, or one.

    Examples
    --------
    >>> _blocks([4, 10, 10, 10], 30)
    [[1, 2], [3]]
    >>> _blocks([4, 10, 10, 10], None)
    [[1, 2, 3]]
    """
    blocks: list[list[int]] = [[]]
    for k in range(1, len(widths)):
        wide = widths[0] + sum(2 + widths[j] for j in (*blocks[-1], k))
        if most is not None and wide > most and blocks[-1]:
            blocks.append([])
        blocks[-1].append(k)
    return blocks


def _stages() -> Callable[[Progress], None]:
    """Write into the log where a stage begins."""
    seen: list[str] = []

    def note(step: Progress) -> None:
        if step.stage not in seen[-1:]:
            seen.append(step.stage)
            log.info("%s", step.stage)

    return note


@contextmanager
def progress() -> Iterator[Callable[[Progress], None]]:
    """Yield what draws a bar with the time left, on a terminal, once work has taken a while."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield _stages()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    began = time.monotonic()
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, TaskID] = {}
    note = _stages()

    def draw(step: Progress) -> None:
        note(step)
        if time.monotonic() - began < PATIENCE:
            return
        if not tasks:
            bar.start()
        if step.stage not in tasks:
            for task in tasks.values():
                bar.update(task, visible=False)
            tasks[step.stage] = bar.add_task(step.stage, total=step.total)
        bar.update(tasks[step.stage], completed=step.done, total=step.total)

    try:
        yield draw
    finally:
        if tasks:
            bar.stop()
