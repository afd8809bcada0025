"""Keep README and the guide true: `python tests/docs.py` reports, `--write` mends; of PARTs or all.

Blocks of the pages are made from the program. They begin with `<!-- PART: … -->` or, for some
of its commands only, `<!-- PART COMMAND …: … -->`, and end with `<!-- end of PART -->`. The
options of every command and the Python API have to be the same to the letter; what the demo and the
examples print, the same but for numbers and for what hangs on them. The examples need the real
data beside the repository; they run side by side, and their commands begin warm (`warm`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer
from matplotlib.image import imread
from PIL import Image
from python_api import api
from warm import Warm

from cellam.executors.executor import cores
from cellam.guide.topics import GUIDE
from cellam_cli.app import app

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
CELLAM = Path(sys.executable).with_name("cellam")
COMMANDS = typer.main.get_command(app).commands
WIDTH, LABEL = 110, 10  # columns of a page, and of what stands before a sentence
UNWRAPPED = re.compile(r"\n(?: {12}| {4})(?=\S)")
FIGURE = GUIDE / "demo.png"  # drawn by the script of the demo
BLOCK = re.compile(
    r"(?P<head><!-- (?P<part>\w+)(?P<commands>( \w+)*): .*? -->\n)"
    r"(?P<text>.*?)(?P<end>\n<!-- end of (?P=part) -->)",
    re.S,
)


def options(path: str) -> str:
    """What `--help` prints, of all commands, as wide as a terminal of 80 columns."""
    parts = []
    for name, command in COMMANDS.items():
        context = command.make_context(
            f"cellam {name}", [], resilient_parsing=True, terminal_width=78,
            help_option_names=["-h", "--help"],
        )  # fmt: skip
        text = "\n".join(line.rstrip() for line in context.get_help().strip().splitlines())
        parts.append(f"## cellam {name}\n\n```text\n{text}\n```")
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
        return done.stdout.strip()

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
    bare = re.sub(r"-?\d[\d.,e+-]*", "#", UNWRAPPED.sub(" ", text))
    return [re.sub(r"\s+", " ", line).strip() for line in bare.splitlines()]


def shown(made: str, commands: list[str]) -> str:
    """What some commands of an example printed, or all of them, as a block of code.

    A command goes by its name, as does `cellam`'s: `fit`, `cat`. One that is not there is an error.
    """
    steps: dict[str, list[str]] = {}
    for step in re.split(r"\n*^(?=\$ )", made, flags=re.M):
        if words := step.removeprefix("$ cellam ").removeprefix("$ ").split():
            steps.setdefault(words[0], []).append(step)
    found = "\n\n".join(step for name in commands or steps for step in steps[name])
    return "```text\n" + "\n".join(map(wrapped, found.splitlines())) + "\n```"


def wrapped(line: str) -> str:
    """A sentence in lines of a page, as a terminal would break it; tables keep their columns."""
    if len(line) <= WIDTH or line.startswith("$ ") or re.search(r"\S {2,}\S", line[LABEL:]):
        return line
    labelled = line[:LABEL].endswith(" ") and len(line[:LABEL].split()) < 2
    indent = " " * (LABEL + 2 if labelled else 4)
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


@dataclass(frozen=True)
class Part:
    """What the program says, and how a page has to say it.

    Parameters
    ----------
    make : callable
        Of a PATH: what the program prints.
    same : callable
        Whether the text of a page is this text.
    example : bool
        Whether it is a session of which pages may show some commands.
    real : bool
        Whether it needs the real data.
    """

    make: Callable[[str], str]
    same: Callable[[str, str], bool] = str.__eq__
    example: bool = False
    real: bool = False


PARTS = {
    "demo": Part(output("demo.sh", ROOT / "data" / "demo.h5ad"), same, example=True),
    "klein": Part(output("klein.sh", DATA / "klein_mesc_counts.h5ad"), same, True, True),
    "larry": Part(output("larry.sh", DATA / "larry_clones_781.h5ad"), same, True, True),
    "drug": Part(output("drug.sh", ROOT / "data" / "drug.h5ad"), same, example=True),
    "options": Part(options),
    "api": Part(lambda path: api()),
}  # the longest first


def pages() -> list[Path]:
    """Every page that may hold such blocks."""
    return [ROOT / "README.md", *sorted(GUIDE.rglob("*.md"))]


def make(names: list[str]) -> dict[str, str]:
    """These parts, made from the program."""
    with programs() as path, ThreadPoolExecutor(cores()) as pool:
        return dict(zip(names, pool.map(lambda name: PARTS[name].make(path), names), strict=True))


def stale(text: str, made: dict[str, str]) -> list[str]:
    """Parts of which a page does not say what the program does.

    Of an example all blocks of the page count together: a line in ten may differ.
    """
    said: dict[str, list[str]] = {}
    true: dict[str, list[str]] = {}
    for block in BLOCK.finditer(text):
        if (name := block["part"]) in made:
            said.setdefault(name, []).append(block["text"].strip())
            true.setdefault(name, []).append(_as_shown(block, made[name]))
    return [
        name for name in said if not PARTS[name].same(*map("\n".join, (said[name], true[name])))
    ]


def mended(text: str, made: dict[str, str]) -> str:
    """A page with its blocks as the program has them."""

    def block(found: re.Match[str]) -> str:
        if found["part"] not in made:
            return found[0]
        return found["head"] + _as_shown(found, made[found["part"]]) + found["end"]

    return BLOCK.sub(block, text)


def _as_shown(block: re.Match[str], made: str) -> str:
    return shown(made, block["commands"].split()) if PARTS[block["part"]].example else made


def alike(one: Path, other: Path) -> bool:
    """Whether two figures are of one size and differ by less than a hundredth on average."""
    pixels = [np.asarray(imread(path))[..., :3] for path in (one, other)]
    return pixels[0].shape == pixels[1].shape and abs(pixels[0] - pixels[1]).mean() < 0.01


def problems_of(made: dict[str, str], figure: Path) -> Iterator[str]:
    """What README and the guide say otherwise than the program."""
    held = set()
    for page in pages():
        text, where = page.read_text(encoding="utf-8"), page.relative_to(ROOT)
        held |= {block["part"] for block in BLOCK.finditer(text)}
        yield from (f"{where}: {name!r} is not what the program says" for name in stale(text, made))
    yield from (f"No page has the part {name!r}" for name in made if name not in held)
    if figure.exists() and not alike(FIGURE, figure):
        yield f"{FIGURE.relative_to(ROOT)} is not what the program draws"


def write(made: dict[str, str], figure: Path) -> None:
    """Mend all pages, and the figure, which is kept small."""
    for page in pages():
        page.write_text(mended(page.read_text(encoding="utf-8"), made), encoding="utf-8")
    if figure.exists() and not (FIGURE.exists() and alike(FIGURE, figure)):
        Image.open(figure).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(FIGURE)


def main() -> int:
    """Compare, or write."""
    asked = [name for name in PARTS if name in sys.argv[1:]] or list(PARTS)
    names = [name for name in asked if DATA.is_dir() or not PARTS[name].real]
    for name in sorted(set(asked) - set(names)):
        print(f"The part {name!r} is not checked, as there is no ../shared/data")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FIGURE"] = str(figure := Path(folder) / "demo.png")
        made = make(names)
        if "--write" in sys.argv[1:]:
            write(made, figure)
            return 0
        problems = list(problems_of(made, figure))
    for problem in problems:
        print(f"{problem}; run `make fix`.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
