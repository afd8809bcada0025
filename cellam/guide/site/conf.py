"""The site of the guide, as Sphinx builds it (`make docs`); it takes nothing from the network."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from cellam import __version__
from cellam.guide.topics import GUIDE, topics

project = "cellam"
author = "The cellam maintainers"
copyright = author  # noqa: A001  its name in Sphinx
release = version = __version__

extensions = ["myst_nb", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["site"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # `make docs-check` runs the notebooks
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "furo"
html_title = "cellam"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["cellam.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"sidebar_hide_name": False, "top_of_page_buttons": []}
highlight_language = "text"
pygments_style = "default"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True


def _navigation() -> str:
    """A hidden table of contents for each group of the list."""
    parts = []
    for group, pages in groupby(topics(), key=lambda page: page.group):
        entries = "\n".join(
            f"{page.title} <{page.path.relative_to(GUIDE).with_suffix('')}>" for page in pages
        )
        parts.append(f"```{{toctree}}\n:hidden:\n:caption: {group}\n\n{entries}\n```")
    return "\n\n".join(parts)


def _add_navigation(app: Any, name: str, content: list[str]) -> None:
    if name == root_doc:
        content[0] += "\n\n" + _navigation() + "\n"


def setup(app: Any) -> None:
    """Make the navigation from the list of pages, which stands once."""
    app.connect("source-read", _add_navigation)
