"""What the shell completes: days and names of runs here, and names that only the library knows.

A shell asks while somebody types. So nothing here loads torch, reads data or prints: what cannot
be read is not offered.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cellam.days.timeline import Timeline


def days(ctx: typer.Context, incomplete: str) -> list[str]:
    """Days of the run that the command uses: that of --run if it stands before, else as ever."""
    from cellam.days.timeline import Timeline
    from cellam.errors import CellamError
    from cellam.runs.places import find_run

    try:
        text = (find_run(ctx.params.get("run")) / "timeline.json").read_text(encoding="utf-8")
        timeline = Timeline(**json.loads(text))
        return [name for k in range(len(timeline.labels)) if (name := _typed(timeline, k))]
    except (CellamError, OSError, ValueError, TypeError, LookupError):
        return []


def held_out(ctx: typer.Context, incomplete: str) -> list[str]:
    """Days that `eval` can hold out, and all."""
    return [*days(ctx, incomplete), "all"]


def _typed(timeline: Timeline, k: int) -> str:
    """A day as it can be typed: its label, or its number where a shell would split the label."""
    from cellam.days.time_labels import spell

    label = timeline.labels[k]
    if shlex.quote(label) == label:
        return label
    number = spell(float(timeline.times[k]))
    return number if timeline.index(number) == k else ""


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the runs of this folder."""
    from cellam.errors import CellamError
    from cellam.runs.claims import is_run
    from cellam.runs.places import RUNS

    try:
        return sorted(folder.name for folder in Path(RUNS).iterdir() if is_run(folder))
    except (CellamError, OSError):
        return []


def kinds(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Kinds of figures."""
    from cellam.flags import as_flags
    from cellam.workflows.plot_kinds import PICTURES

    return [(name, as_flags(of.description)) for name, of in PICTURES.items()]


def topics(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Pages of the guide."""
    from cellam.guide.topics import topics as of_guide

    return [(topic.name, topic.title) for topic in of_guide()]


def with_json(ctx: typer.Context, incomplete: str) -> list[str]:
    """Commands that have --json."""
    from .schemas import SCHEMAS

    return list(SCHEMAS)


def choices(names: tuple[str, ...]) -> Callable[[typer.Context, str], list[str]] | None:
    """One of these names; None without any: the shell then completes files."""

    def among(ctx: typer.Context, incomplete: str) -> list[str]:
        return list(names)

    return among if names else None
