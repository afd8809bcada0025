"""`cellam schema`."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion
from .console import give_json


def schema(
    command: Annotated[
        str,
        typer.Argument(
            metavar="COMMAND",
            help="A command that has --json.",
            autocompletion=completion.with_json,
        ),
    ],
) -> None:
    """Print the JSON Schema of what a command prints with --json."""
    from cellam.errors import ConfigError
    from cellam.names import offer

    from .schemas import SCHEMAS
    from .schemas import schema as of

    if command not in SCHEMAS:
        raise ConfigError(f"{command!r} is no command with --json.", offer(command, SCHEMAS))
    give_json(of(command))
