"""Action Matching for single-cell time courses.

    run = cellam.fit_run("data.h5ad")                 # from a file to a run
    run.simulate("day2", to="day7").composition
    run.evaluate("day4").skills[0].says

step by step, without a run,

    cells = cellam.read("data.h5ad")
    model = cellam.fit(cells)
    moved = model.simulate("day2", to="day7")
    table = cellam.evaluate(cells, holdout="day4").table

and for anything else that can be sampled at any time, without cells:

    fitted = cellam.fit_action(q, action="kernel")    # q.sample(t, generator) -> x
    moved = fitted.simulate(x, [0.0, 0.5, 1.0])

The packages, each resting on those before it:

    reading      from a file to weighted points at times
    dynamics     Action Matching itself, on points and times alone
    modelling    from cells to a fitted model
    analysis     where cells go, which genes go with it, how sure that is
    evaluation   held-out days, skill, lineage barcodes
    checks       reasons for doubt
    runs         a model on disk
    plots        figures, as matplotlib axes
    export       files for other programs
    report       one page to read
    workflows    what a command does, as one call on a run
"""

from __future__ import annotations

import ast
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from cellam._version import __version__ as __version__

if os.name == "nt":  # locks, signals and limits are those of POSIX
    raise ImportError("cellam runs on Linux and macOS. On Windows, use it in WSL.")

_STUB = Path(__file__).with_suffix(".pyi")  # every public name once, for type checkers and for us
_HOME = {
    alias.name: str(node.module)
    for node in ast.parse(_STUB.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
__all__ = sorted(_HOME)


# Torch and anndata take seconds, and `cellam --help` needs neither: a name is imported when it is
# first used.
def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cellam' has no attribute {name!r}")
    home = import_module(_HOME[name])
    found = home.__dict__.get(name)
    return found if found is not None else import_module(f"{_HOME[name]}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
