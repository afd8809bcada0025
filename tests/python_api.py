"""The Python API as Markdown, made from signatures and docstrings."""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Iterator, Set
from functools import cached_property
from types import ModuleType
from typing import Any

import griffe

import cellam

# In the order of the page: packages, and what a reader finds there.
PACKAGES = {
    "cellam.workflows": "From a file to results",
    "cellam.reading": "Cells",
    "cellam.options": "Options",
    "cellam.modelling": "Fits",
    "cellam.analysis": "What a fit says",
    "cellam.evaluation": "How good it is",
    "cellam.checks": "Reasons for doubt",
    "cellam.comparison": "Two conditions",
    "cellam.plots": "Figures",
    "cellam.export": "Files for other programs",
    "cellam.report": "The report",
    "cellam.dynamics": "Action Matching without cells",
    "cellam.toys": "Populations of known truth",
    "cellam.experiments": "Experiments of known truth",
    "cellam.executors": "Processes and clusters",
    "cellam.errors": "Errors",
}
HIDDEN = {"self", "command", "watch"}  # not for users of the library
NAMES = {"parameters", "attributes", "returns", "yields", "raises", "other parameters"}


def api() -> str:
    """All public names, by package."""
    logging.getLogger("griffe").setLevel(logging.ERROR)
    parts = []
    for package, title in PACKAGES.items():
        parts.append(f"## {title}")
        for name in sorted(filter(lambda n: _home(n) == package, cellam.__all__), key=_rank):
            parts.extend(_entry(f"cellam.{name}", getattr(cellam, name)))
    missing = [name for name in cellam.__all__ if _home(name) not in PACKAGES]
    assert not missing, f"no section of the page holds {missing}"
    return "\n\n".join(parts)


def _home(name: str) -> str:
    found = getattr(cellam, name)
    module = found.__name__ if isinstance(found, ModuleType) else found.__module__
    return ".".join(module.split(".")[:2])


def _rank(name: str) -> tuple[bool, bool, str]:
    """Functions, then the class that all else hangs on, then its results."""
    return inspect.isclass(getattr(cellam, name)), name.endswith(("Result", "Error")), name


def _entry(path: str, found: Any) -> Iterator[str]:
    yield f"### {path}"
    if isinstance(found, ModuleType):
        yield f"```text\n{inspect.getdoc(found)}\n```"
        for name in getattr(found, "__all__", ()):
            yield from _member(f"{path}.{name}", getattr(found, name))
        return
    if not inspect.isclass(found):
        yield _signature(path, found)
        yield _said(found)
        return
    if not issubclass(found, Exception):
        yield _signature(path, found)
    yield _said(found)
    for name, value in _members(found):
        yield from _member(f"{found.__name__}.{name}", value)


def _member(path: str, value: Any) -> Iterator[str]:
    yield f"#### {path}"
    hidden = HIDDEN
    if not isinstance(value, property | cached_property):
        if path.startswith("Run."):
            hidden = HIDDEN | {"run"}  # verbs are functions of a run, and its methods
        yield _signature(path, value, hidden)
    yield _said(value, hidden)


def _members(found: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that have a docstring, in the order of the class."""
    for name in dir(found):
        if name.startswith("_"):
            continue
        value = inspect.getattr_static(found, name)
        value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        told = isinstance(value, property | cached_property) or inspect.isfunction(value)
        owner = next(c for c in found.__mro__ if name in vars(c))
        if told and owner.__module__.startswith("cellam") and inspect.getdoc(value):
            yield name, value


def _signature(path: str, found: Any, hidden: Set[str] = HIDDEN) -> str:
    """How it is called: names and defaults; what they are is below."""
    shown = []
    star = False
    for each in inspect.signature(found).parameters.values():
        if each.name in hidden:
            continue
        if each.kind is each.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        star = star or each.kind is each.VAR_POSITIONAL
        prefix = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        default = "" if each.default is each.empty else f"={_default(each.default)}"
        shown.append(f"{prefix}{each.name}{default}")
    if shown[-1:] == ["*"]:
        shown.pop()
    line = f"{path}({', '.join(shown)})"
    if len(line) > 88:
        line = f"{path}(\n    " + ",\n    ".join(shown) + ",\n)"
    return f"```python\n{line}\n```"


def _default(value: Any) -> str:
    """A default as it would be typed; one that cannot be typed is left open."""
    text = json.dumps(value) if isinstance(value, str) else repr(value)  # quoted as code here is
    return "..." if " at 0x" in text or len(text) > 40 else text


def _said(found: Any, hidden: Set[str] = HIDDEN) -> str:
    """A docstring as Markdown."""
    parts = []
    for section in griffe.Docstring(inspect.getdoc(found) or "", lineno=1).parse("numpy"):
        kind = section.kind.value
        if kind == "text":
            parts.append(_prose(section.value))
        elif kind in NAMES:
            rows = (row for row in section.value if getattr(row, "name", None) not in hidden)
            listed = "\n".join(map(_row, rows))
            parts.append(f"*{kind.capitalize()}*\n\n{listed}")
        elif kind == "examples":
            code = "\n\n".join(text for _, text in section.value)
            parts.append("```python\n" + code.replace("  # doctest: +SKIP", "") + "\n```")
    return "\n\n".join(parts)


def _row(row: Any) -> str:
    name = f"`{row.name}`" if getattr(row, "name", None) else ""
    what = f"`{row.annotation}`" if row.annotation else ""
    head = f"{name} ({what})" if name and what else name or what
    told = " ".join(row.description.split())
    return f"- {head}: {told}" if told else f"- {head}"


def _prose(text: str) -> str:
    """Paragraphs; what is indented is code."""
    blocks = []
    for block in re.split(r"\n{2,}", text.strip("\n")):
        lines = block.splitlines()
        if all(line.startswith("    ") for line in lines):
            blocks.append("```text\n" + inspect.cleandoc("\n".join(["", *lines])) + "\n```")
        else:
            blocks.append(block)
    return "\n\n".join(blocks)


if __name__ == "__main__":
    print(api())
