"""Usage: what was typed wrong is said as all other mistakes are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from cellam.flags import quote
from cellam.names import closest

from .console import warn

INSTEAD = {  # what to do for an option that one would look for
    ("fit", "--groupby"): "A fit needs no cell types; what it prints of them is by the column that "
    "is recognised by its name, such as cell_type. ",
}
LONGEST = 1_000  # characters of the sentence on a command: never cut
# Typer gives no other name to it: what any mistake of usage is.
USAGE: type[Exception] = typer.BadParameter.__bases__[0]


class Commands(TyperGroup):
    """The commands; a mistake of usage is a sentence, what to type instead, and exit code 2."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line, and end the process unless told otherwise."""
        try:
            done = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except USAGE as error:
            if not standalone_mode:
                raise
            _explain(error)
            sys.exit(error.exit_code)  # type: ignore[attr-defined]
        if standalone_mode:
            sys.exit(done)
        return done

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands, each with its whole sentence: typer cuts it at the end of a line."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, of.get_short_help_str(LONGEST)) for name, of in commands])


def _explain(error: Any) -> None:
    """Say what is wrong, or what there is where nothing was typed."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    context = error.ctx
    if context is not None and hasattr(error, "possibilities"):  # there is no such option
        option = error.option_name
        sentence = f"{context.command_path} has no option {quote(option)}."
        hint = _elsewhere(option, context) or _near(option, context)
    else:
        sentence, hint = error.format_message(), _offered(error)
        sentence += "." if sentence[-1:] not in ".?" else ""
    path = context.command_path if context is not None else "cellam"
    warn(f"cellam: {sentence}")
    warn(f"  {hint}See `{path} --help`.")


def _offered(error: Any) -> str:
    """What could stand where an argument is missing, if it is one of some names."""
    if type(error).__name__ != "MissingParameter" or error.param is None:
        return ""
    offered = error.param.shell_complete(error.ctx, "")
    known = {item.value: item.help for item in offered if item.type == "plain"}
    if not all(known.values()):
        return f"It is one of: {', '.join(known)}. "
    wide = max(map(len, known), default=0)
    return "".join(f"{name:{wide}}  {what}\n  " for name, what in known.items())


def _elsewhere(option: str, context: Any) -> str:
    """Which other commands have an option of that very name."""
    commands = context.find_root().command.commands
    found = [name for name, command in commands.items() if option in _options(command)]
    instead = INSTEAD.get((context.command.name, option), "")
    return f"{instead}It is an option of {', '.join(found)}. " if found else ""


def _near(option: str, context: Any) -> str:
    """The option of this command that was probably meant; the dashes that all have do not count."""
    names = [name.lstrip("-") for name in _options(context.command)]
    near = closest(option.lstrip("-"), names)
    return f"Did you mean --{near}? " if near is not None else ""


def _options(command: Any) -> list[str]:
    return [
        name
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    ]
