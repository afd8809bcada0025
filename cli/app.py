"""`cellam`: the command line. A command parses, calls the library and prints."""

from __future__ import annotations

import os
from typing import Annotated

# OpenMP's threads spin while they wait, which stalls a busy machine; they can sleep instead.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import typer

from cellam import __version__

from . import eval as eval_command
from . import fit, funnel, info, plot, report, simulate

app = typer.Typer(
    name="cellam",
    help="Action Matching for single-cell time courses: how cells moved, which grew or died, "
    "and whether to believe it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"cellam {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and warnings of libraries.")
    ] = False,
) -> None:
    funnel.debug = debug


app.command("fit")(funnel.funnel(fit.fit))
app.command("simulate")(funnel.funnel(simulate.simulate))
app.command("eval")(funnel.funnel(eval_command.evaluate))
app.command("info")(funnel.funnel(info.info))
app.command("plot")(funnel.funnel(plot.plot))
app.command("report")(funnel.funnel(report.report))


def main() -> None:
    """Run the command line."""
    app()
