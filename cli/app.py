"""`cellam`: the command line. A command parses, calls the library and prints."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

# OpenMP's threads spin while they wait, which stalls a busy machine; they can sleep instead.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import typer

from cellam._version import __version__

from . import (
    check,
    compare,
    console,
    drivers,
    export,
    fates,
    fit,
    funnel,
    guide,
    info,
    jacobian,
    logs,
    perturb,
    plot,
    report,
    schema,
    simulate,
    suggest,
    validate,
)
from . import eval as eval_command
from ._from_model import GroupedCommand
from ._registries import NamingCommand
from .usage import Commands

app = typer.Typer(
    name="cellam",
    cls=Commands,
    help="Action Matching for single-cell time courses: how cells moved, which grew or died, "
    "and whether to believe it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(ctx: typer.Context, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        print(f"cellam {__version__}")
        raise typer.Exit


@app.callback(epilog="These options may also follow the command.")
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the log to stderr as well.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print results only: no notes, no progress; caveats go to stderr."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and the warnings of libraries.")
    ] = False,
) -> None:
    console.quiet = quiet
    funnel.debug = debug
    logs.start(verbose=verbose or debug)


app.command("check", cls=GroupedCommand)(funnel.funnel(check.check))
app.command("fit", cls=GroupedCommand)(funnel.funnel(fit.fit))
app.command("simulate")(funnel.funnel(simulate.simulate))
app.command("eval", cls=NamingCommand)(funnel.funnel(eval_command.evaluate))
app.command("fates")(funnel.funnel(fates.fates))
app.command("compare", cls=GroupedCommand)(funnel.funnel(compare.compare))
app.command("perturb")(funnel.funnel(perturb.perturb))
app.command("validate")(funnel.funnel(validate.validate))
app.command("suggest")(funnel.funnel(suggest.suggest))
app.command("info")(funnel.funnel(info.info))
app.command("plot", cls=NamingCommand)(funnel.funnel(plot.plot))
app.command("report")(funnel.funnel(report.report))
app.command("export")(funnel.funnel(export.export))
app.command("drivers")(funnel.funnel(drivers.drivers))
app.command("jacobian")(funnel.funnel(jacobian.jacobian))
app.command("schema")(funnel.funnel(schema.schema))
app.command("guide")(funnel.funnel(guide.guide))


ANYWHERE = ("--verbose", "-v", "--quiet", "-q", "--debug")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A label or path may not be text in this locale; then it is escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        Path.cwd()
    except FileNotFoundError:  # torch's libraries would end the process
        print("cellam: the working directory no longer exists.", file=sys.stderr)
        raise SystemExit(funnel.Exit.FILES) from None
    args = sys.argv[1:]
    end = args.index("--") if "--" in args else len(args)
    general = [a for a in args[:end] if a in ANYWHERE]
    try:
        app([*general, *(a for a in args[:end] if a not in ANYWHERE), *args[end:]])
    except OSError as error:  # --install-completion writes into the home folder
        raise SystemExit(funnel.explain(error)) from None
