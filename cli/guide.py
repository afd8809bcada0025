"""`cellam guide`."""

from __future__ import annotations

import os
import sys
from itertools import groupby
from typing import Annotated

import typer

from . import completion


def guide(
    topic: Annotated[
        str | None,
        typer.Argument(
            help="Page to show. [default: a list of all pages]", autocompletion=completion.topics
        ),
    ] = None,
) -> None:
    """Show a page of the guide, or the list of its pages."""
    from cellam.guide.topics import find_topic

    if topic is None or topic.lower().removesuffix(".md") == "index":
        _list()
    elif sys.stdout.isatty():
        _show(find_topic(topic).for_terminal())
    else:
        print(find_topic(topic).markdown(), end="")


def _list() -> None:
    """Print the topics, by group, with a line on each."""
    from cellam.guide.topics import topics

    pages = topics()
    width = max(len(page.name) for page in pages)
    for group, members in groupby(pages, key=lambda page: page.group):
        print(f"{group}")
        for page in members:
            print(f"  {page.name:<{width}}  {page.summary.replace('`', '')}")
        print()
    print("Show one with `cellam guide TOPIC`, e.g. cellam guide my-file.")


def _show(text: str) -> None:
    """Lay out Markdown for the terminal, in a pager."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.theme import Theme

    os.environ.setdefault("LESS", "-R")  # or `less` shows colours as codes
    console = Console(theme=Theme({"markdown.code": "bold cyan"}))  # on light grounds, too
    with console.pager(styles=True):
        console.print(Markdown(text, hyperlinks=False), width=min(console.width, 100))
