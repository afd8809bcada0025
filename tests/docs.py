"""Keep the README true: `python tests/docs.py` reports, `--write` mends.

Parts of it are made from the program: the options of every command, which must be the same to the
letter, and what the demo and the examples print, which must be the same but for numbers and
for what hangs on them. The examples need the real data beside the repository; they run side by
side, and their commands begin warm (`warm`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from warm import Warm

from cellam.executors.executor import cores

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DATA = ROOT.parent / "shared" / "data"
CELLAM = Path(sys.executable).with_name("cellam")
COMMANDS = (
    "check", "fit", "simulate", "eval", "fates", "drivers", "perturb", "validate", "compare",
    "info", "plot", "report", "export",
)  # fmt: skip


def options(path: str) -> str:
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


def output(script: str, data: Path) -> Callable[[str], str]:
    """What an example prints, with the programs of a PATH."""

    def run(path: str) -> str:
        done = subprocess.run(
            ["sh", ROOT / "data" / script, data],
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return f"```text\n{done.stdout.strip()}\n```"

    return run


@contextmanager
def programs() -> Iterator[str]:
    """A PATH on which `cellam` begins warm."""
    warm = Warm()
    try:
        with tempfile.TemporaryDirectory() as folder:
            cellam = Path(folder) / "cellam"
            cellam.write_text(f'#!/bin/sh\nexec {warm.command} "$@"\n')
            cellam.chmod(0o755)
            yield os.pathsep.join([folder, str(CELLAM.parent), os.environ["PATH"]])
    finally:
        warm.close()


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


REAL = ("klein", "larry")  # which need ../shared/data
PARTS = {
    "demo": (output("demo.sh", ROOT / "data" / "demo.h5ad"), same),
    "klein": (output("klein.sh", DATA / "klein_mesc_counts.h5ad"), same),
    "larry": (output("larry.sh", DATA / "larry_clones_781.h5ad"), same),
    "drug": (output("drug.sh", ROOT / "data" / "drug.h5ad"), same),
    "options": (options, str.__eq__),
}  # the longest first


def make(names: list[str]) -> list[str]:
    """These parts, made from the program."""
    with programs() as path, ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(lambda name: PARTS[name][0](path), names))


def main() -> int:
    """Compare, or write."""
    write = "--write" in sys.argv[1:]
    readme = README.read_text(encoding="utf-8")
    stale = []
    names = [name for name in PARTS if name not in REAL or DATA.is_dir()]
    for name in sorted(PARTS.keys() - names):
        print(f"README.md: the part {name!r} is not checked, as there is no ../shared/data")
    for name, made in zip(names, make(names), strict=True):
        pattern = re.compile(rf"(<!-- {name}: .*? -->\n)(.*?)(\n<!-- end of {name} -->)", re.S)
        found = pattern.search(readme)
        if found is None:
            stale.append(f"README.md has no part {name!r}")
        elif write:
            readme = readme[: found.start(2)] + made + readme[found.end(2) :]
        elif not PARTS[name][1](found[2].strip(), made):
            stale.append(f"README.md: the part {name!r} is not what the program prints")
    if write:
        README.write_text(readme, encoding="utf-8")
    for problem in stale:
        print(f"{problem}; run `make fix`.")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
