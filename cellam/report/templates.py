"""Templates: the pages that reports are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cellam.flags import as_flags
from cellam.limits import FEW

if TYPE_CHECKING:
    import jinja2


def template(name: str) -> jinja2.Template:
    """A template of this folder; parameters of the library in its texts become flags."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda shown: as_flags(shown) if type(shown) is str else shown,
    )
    environment.globals["few"] = FEW
    return environment.get_template(name)
