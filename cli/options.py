"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunOption = Annotated[
    str | None, typer.Option(help="Run to use. [default: $CELLAM_RUN, or the last one here]")
]
DataOption = Annotated[Path | None, typer.Option(help="The data of the run, if they have moved.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ReportOption = Annotated[
    bool, typer.Option("--report", help="Also write ./<run>_report.html, as `cellam report` does.")
]
