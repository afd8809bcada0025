"""A command from a model of options: what it may be given is read off the fields."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from typer.core import TyperCommand

from cellam.flags import as_flags
from cellam.option_fields import Described, describe

from .completion import choices

Command = Callable[..., None]


def from_model(*without: str) -> Callable[[Command], Command]:
    """Give a command an option for every field of the model that its parameter `options` is of.

    The command is called with one validated object. Values reach the model as text, so there is one
    place where they are understood and refused. Fields named in `without` are no options.
    """

    def given_options(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        model: type[BaseModel] = signature.parameters["options"].annotation
        described = [each for each in describe(model) if each.name not in without]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            values = {each.name: given.pop(each.name) for each in described}
            # What was not given is left to the model.
            set_ = {name: value for name, value in values.items() if value not in (None, False)}
            command(options=model.model_validate(set_), **given)

        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            own = parameter.name != "options"
            parameters += [parameter] if own else map(_parameter, described)
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return given_options


def _parameter(option: Described) -> inspect.Parameter:
    flag = f"--{option.name.replace('_', '-')}"
    limits = option.limits if option.limits != "1 or more" else ""  # goes without saying
    told = "; ".join(filter(None, (f"default: {option.default}" * bool(option.default), limits)))
    asked = typer.Option(
        flag,
        metavar=None if option.kind is bool else f"<{option.form}>",
        help=as_flags(f"{option.help} [{told}]" if told else option.help),
        show_default=False,
        rich_help_panel=option.group,
        autocompletion=choices(option.choices),
    )
    kinds: dict[type, Any] = {bool: bool, tuple: list[str] | None}
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=False if option.kind is bool else None,
        annotation=Annotated[kinds.get(option.kind, str | None), asked],
    )


class GroupedCommand(TyperCommand):
    """A command whose help shows its options under the headings of their groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then each group in the order of its first option."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                argument = param.param_type_name == "argument"
                panel = getattr(param, "rich_help_panel", None)
                name = "Arguments" if argument else str(panel or "Options")
                sections.setdefault(name, []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)
