"""Run the notebooks, or those named: `python tests/notebooks.py` reports, `--write` keeps.

A cell that fails is a fault, and so are outputs that are large or hold a path of this machine.
Numbers may differ from those that are kept, as on another machine they do.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cellam.guide.topics import GUIDE

LARGEST = 100_000  # bytes of a notebook
MACHINE = re.compile(r"/(?:home|Users|root|tmp|work|private|var)/[\w.-]+")


def notebooks() -> list[Path]:
    """All of the guide."""
    return sorted((GUIDE / "notebooks").glob("*.ipynb"))


def execute(path: Path) -> str:
    """The notebook with fresh outputs, as text; nothing is left of where it ran.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

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
    return nbformat.writes(notebook) + "\n"


def faults(notebook: str) -> Iterator[str]:
    """What of a notebook should not be kept."""
    if (size := len(notebook.encode())) > LARGEST:
        yield f"it has {size:,} bytes; at most {LARGEST:,} are kept"
    for cell in json.loads(notebook)["cells"]:
        if cell["cell_type"] == "code" and cell["execution_count"] is None:
            yield f"it was not run: {''.join(cell['source'])[:60]}"
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                yield f"a cell failed: {output['ename']}"
            elif output.get("name") == "stderr":
                yield f"it has a warning: {''.join(output['text'])[:200]}"
            if found := MACHINE.search(_shown(output)):
                yield f"it holds a path of this machine: {found[0]}"


def _shown(output: dict[str, Any]) -> str:
    """The text of an output; of a figure, none."""
    told = {kind: part for kind, part in output.get("data", {}).items() if "image" not in kind}
    return " ".join("".join(part) for part in (output.get("text", ""), *told.values()))


def main() -> int:
    """Run them, and say what is wrong."""
    from nbclient.exceptions import CellExecutionError

    wrong = 0
    for path in [path for path in notebooks() if path.stem in sys.argv[1:]] or notebooks():
        try:
            fresh = execute(path)
        except CellExecutionError as error:
            print(f"{path}: {error}")
            wrong += 1
            continue
        found = list(faults(fresh))
        wrong += len(found)
        for fault in found:
            print(f"{path}: {fault}")
        if "--write" in sys.argv[1:] and not found:
            path.write_text(fresh, encoding="utf-8")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
