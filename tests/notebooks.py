"""Run the notebooks, or those named: `python tests/notebooks.py` reports, `--write` keeps.

A cell that fails is a fault, and so are outputs that are large or hold a path of this machine.
Numbers may differ from those that are kept, as on another machine they do.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from cellam.guide.topics import GUIDE

LARGEST = 100_000  # bytes of a notebook
MACHINE = re.compile(r"/(?:home|Users|root|tmp|work|private|var)/[\w.-]+")


def notebooks() -> list[Path]:
    """All of the guide."""
    return sorted((GUIDE / "notebooks").glob("*.ipynb"))


def execute(path: Path) -> Any:
    """The notebook with fresh outputs; nothing is left of where it ran.

    Raises
    ------
    CellExecutionError
        If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        quiet = ["--IPKernelApp.log_level=ERROR"]
        NotebookClient(
            notebook, timeout=900, kernel_name="python3", resources=where, extra_arguments=quiet
        ).execute()
    for cell in notebook.cells:
        cell.metadata.clear()  # when it ran
        for output in cell.get("outputs", ()):
            output.get("metadata", {}).clear()
    return notebook


def faults(notebook: Any) -> Iterator[str]:
    """What of a notebook should not be kept."""
    text = nbformat.writes(notebook)
    if len(text.encode()) > LARGEST:
        yield f"it has {len(text.encode()):,} bytes; at most {LARGEST:,} are kept"
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown = [output.get("text", ""), *output.get("data", {}).values()]
            if found := MACHINE.search(" ".join(part for part in shown if " " in part)):
                yield f"it holds a path of this machine: {found[0]}"
            if output["output_type"] == "stream" and output["name"] == "stderr":
                yield f"it has a warning: {output['text'][:200]}"


def main() -> int:
    """Run all, and say what is wrong."""
    wrong = 0
    asked = [path for path in notebooks() if path.stem in sys.argv[1:]] or notebooks()
    for path in asked:
        try:
            notebook = execute(path)
        except CellExecutionError as error:
            print(f"{path}: {error}")
            wrong += 1
            continue
        found = list(faults(notebook))
        for fault in found:
            print(f"{path}: {fault}")
        wrong += len(found)
        if "--write" in sys.argv[1:] and not found:
            nbformat.write(notebook, path)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
