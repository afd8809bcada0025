"""Keep the README true: `python tests/docs.py` reports, `--write` mends.

Two parts of it are made from the program: the options of every command, which must be the same
to the letter, and what the demo prints, which must be the same but for its numbers.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CELLAM = Path(sys.executable).with_name("cellam")
COMMANDS = ("check", "fit", "simulate", "eval", "info", "plot", "report")


def options() -> str:
    """What `--help` prints, of all commands, at a fixed width."""
    parts = []
    for command in COMMANDS:
        done = subprocess.run(
            [CELLAM, command, "--help"],
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "100", "TERM": "dumb", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=True,
        )
        text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        parts.append(f"```text\n$ cellam {command} --help\n{text}\n```")
    return "\n\n".join(parts)


def demo() -> str:
    """What the demo prints."""
    script = f'PATH="{CELLAM.parent}:$PATH" sh data/demo.sh "$PWD/data/demo.h5ad"'
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    # The demo runs in a folder that is gone afterwards.
    text = re.sub(r"\S*/(cellam_runs/)", r"\1", done.stdout.strip())
    return f"```text\n{text}\n```"


def loosely(text: str) -> str:
    """Text without its numbers and the order of its rows, which may swap between machines."""
    bare = re.sub(r"-?\d[\d.,e+-]*", "#", text)
    return "\n".join(sorted(re.sub(r"\s+", " ", line).strip() for line in bare.splitlines()))


def main() -> int:
    """Compare, or write."""
    write = "--write" in sys.argv[1:]
    readme = README.read_text(encoding="utf-8")
    stale = []
    for name, make, view in (("options", options, str), ("demo", demo, loosely)):
        pattern = re.compile(rf"(<!-- {name}: .*? -->\n)(.*?)(\n<!-- end of {name} -->)", re.S)
        found = pattern.search(readme)
        if found is None:
            stale.append(f"README.md has no part {name!r}")
            continue
        made = make()
        if view(found[2].strip()) == view(made):
            continue
        if write:
            readme = readme[: found.start(2)] + made + readme[found.end(2) :]
        else:
            stale.append(f"README.md: the part {name!r} is not what the program prints")
    if write:
        README.write_text(readme, encoding="utf-8")
    for problem in stale:
        print(f"{problem}; run `make fix`.")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
