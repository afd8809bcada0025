"""A command parses, makes one call and prints: nothing in it is out of reach from Python."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import typer

from cellam_cli.app import app

CLI = Path(__file__).parents[2] / "cli"
COMMANDS = {name: Path(CLI / f"{name}.py") for name in sorted(typer.main.get_command(app).commands)}
LONGEST = 60  # lines


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_imports_another(name: str) -> None:
    tree = ast.parse(COMMANDS[name].read_text())
    imported = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
    }
    assert not imported & set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_body_of_a_command_fits_on_a_screen(name: str) -> None:
    tree = ast.parse(COMMANDS[name].read_text())
    (function,) = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == {"eval": "evaluate"}.get(name, name)
    ]
    assert function.end_lineno is not None
    assert function.end_lineno - function.body[1].lineno < LONGEST  # after the docstring
