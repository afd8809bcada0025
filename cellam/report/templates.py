"""Templates: the pages that reports are made of."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cellam.flags import as_flags
from cellam.limits import FEW

if TYPE_CHECKING:
    import jinja2

_COMMAND = re.compile("`(cellam [^`\n]+)`")


def template(name: str) -> jinja2.Template:
    """A template of this folder; in its texts parameters become flags, and commands are marked."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda shown: _written(shown) if type(shown) is str else shown,
    )
    environment.globals["few"] = FEW
    return environment.get_template(name)


def _written(text: str) -> str:
    """A text as HTML."""
    from markupsafe import Markup, escape

    # As a plain text, or the marks that are put in would be escaped as well.
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(as_flags(text)))))
