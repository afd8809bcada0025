"""Workers: the options of who does the work of a command, given to it in one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

PANEL = "Computation"


Command = Callable[..., None]


def with_workers(
    *, default: Callable[..., int | None] = lambda **_: 1, told: str = "1"
) -> Callable[[Command], Any]:
    """Give a command the options --workers and --cluster, and do its jobs as they say.

    Parameters
    ----------
    default : callable
        Processes for what the command is given; None for one for each core.
    told : str
        The same in words.
    """
    workers = Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that work side by side; the result is the same with any number. "
            f"[default: {told}]",
            rich_help_panel=PANEL,
        ),
    ]
    cluster = Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Work on the cluster of this Dask scheduler instead, e.g. tcp://192.0.2.1:8786.",
            rich_help_panel=PANEL,
        ),
    ]
    added = (("workers", workers), ("cluster", cluster))

    def give(command: Command) -> Any:
        @wraps(command)
        def run(*, workers: int | None, cluster: str | None, **given: Any) -> None:
            from cellam.executors.executor import executing

            with executing(workers or default(**given), cluster=cluster):
                command(**given)

        signature = inspect.signature(command, eval_str=True)
        parameters = [
            *signature.parameters.values(),
            *(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
                )
                for name, kind in added
            ),
        ]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return give
