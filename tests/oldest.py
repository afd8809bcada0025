"""The lowest version that we ask for of each package, for pip: `python oldest.py`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
APART = ("torch",)  # chosen by the Makefile


def lowest() -> list[str]:
    """One requirement for each dependency."""
    bounds = [re.fullmatch(r"([\w-]+)>=([\d.]+)(,<\d+)?", text) for text in PROJECT["dependencies"]]
    assert all(bounds), "each dependency has a lowest version"
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound and bound[1] not in APART]


if __name__ == "__main__":
    print("\n".join(lowest()))
