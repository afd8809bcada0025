"""Keep the README true: `python tests/docs.py` reports, `--write` mends.

Parts of it are made from the program: the options of every command, which must be the same to the
letter, and what the demo and the examples print, which must be the same but for numbers and
for what hangs on them. The examples need the real data beside the repository.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DATA = ROOT.parent / "shared" / "data"
CELLAM = Path(sys.executable).with_name("cellam")
COMMANDS = (
    "check", "fit", "simulate", "eval", "fates", "drivers", "perturb", "validate", "info", "plot",
    "report", "export",
)  # fmt: skip


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


def output(script: str, data: Path) -> str:
    """What an example prints."""
    done = subprocess.run(
        ["sh", ROOT / "data" / script, data],
        env={**os.environ, "PATH": f"{CELLAM.parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return f"```text\n{done.stdout.strip()}\n```"


def same(one: str, other: str) -> bool:
    """Whether the commands are the same, and nearly all lines but for numbers and their order.

    On another machine rows may swap, and a gene or a type may take another's place.
    """
    lines = [Counter(_bare(text)) for text in (one, other)]
    left = sum(((lines[0] - lines[1]) + (lines[1] - lines[0])).values())
    commands = [
        [line for line in text.splitlines() if line.startswith("$ ")] for text in (one, other)
    ]
    return commands[0] == commands[1] and left <= 0.1 * lines[0].total()


def _bare(text: str) -> list[str]:
    bare = re.sub(r"-?\d[\d.,e+-]*", "#", text)
    return [re.sub(r"\s+", " ", line).strip() for line in bare.splitlines()]


PARTS = {
    "options": (options, str.__eq__),
    "demo": (lambda: output("demo.sh", ROOT / "data" / "demo.h5ad"), same),
    "klein": (lambda: output("klein.sh", DATA / "klein_mesc_counts.h5ad"), same),
    "larry": (lambda: output("larry.sh", DATA / "larry_clones_781.h5ad"), same),
}


def main() -> int:
    """Compare, or write."""
    write = "--write" in sys.argv[1:]
    readme = README.read_text(encoding="utf-8")
    stale = []
    for name, (make, agree) in PARTS.items():
        if name in ("klein", "larry") and not DATA.is_dir():
            print(f"README.md: the part {name!r} is not checked, as there is no ../shared/data")
            continue
        pattern = re.compile(rf"(<!-- {name}: .*? -->\n)(.*?)(\n<!-- end of {name} -->)", re.S)
        found = pattern.search(readme)
        if found is None:
            stale.append(f"README.md has no part {name!r}")
            continue
        made = make()
        if write:
            readme = readme[: found.start(2)] + made + readme[found.end(2) :]
        elif not agree(found[2].strip(), made):
            stale.append(f"README.md: the part {name!r} is not what the program prints")
    if write:
        README.write_text(readme, encoding="utf-8")
    for problem in stale:
        print(f"{problem}; run `make fix`.")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
