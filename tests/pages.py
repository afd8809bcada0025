"""Pages: what is wrong with README and the guide, in links, commands and names.

Each check takes the text of a page and yields sentences. Nothing is run, so all pages take a
second; whether what they show is what the program prints is for `docs`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

import cellam
from cellam.guide.topics import GUIDE, topics
from cellam.names import did_you_mean
from cellam_cli.app import app

ROOT = Path(__file__).parent.parent
COMMANDS = typer.main.get_command(app).commands
GENERAL = {
    *("--version", "--verbose", "-v", "--quiet", "-q", "--debug", "--help", "-h"),
    *("--install-completion", "--show-completion"),
}
FOREIGN = {"--index-url", "--cpus-per-task", "--mem", "--time"}  # pip's and Slurm's
_FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"!?\[[^]]*\]\((?P<to>[^)\s]+)\)")
_INLINE = re.compile(r"`(?P<code>[^`\n]+)`")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.M)
_FILE = re.compile(r"(?:tests|data|cellam|cli|\.ci)/[\w./-]+|[A-Z]\w+\.md|CITATION\.cff")


def pages() -> list[Path]:
    """README, the texts beside it, and every page of the guide."""
    beside = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*beside, *sorted(GUIDE.rglob("*.md")), *sorted(GUIDE.rglob("*.ipynb"))]


def faults(page: Path) -> list[str]:
    """Everything that is wrong with one page."""
    text = read(page)
    checks = (links, commands, options, files, targets, names)
    return [f"{page}: {fault}" for check in checks for fault in check(text, page)]


def read(page: Path) -> str:
    """The text of a page; of a notebook, that of its cells, with code between fences."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    parts = ["".join(cell["source"]) for cell in cells]
    kinds = [cell["cell_type"] for cell in cells]
    return "\n\n".join(
        part if kind == "markdown" else f"```python\n{part}\n```"
        for part, kind in zip(parts, kinds, strict=True)
    )


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What its headings can be linked by, as GitHub and the site make them."""
    found: list[str] = []
    for heading in _HEADING.finditer(prose(read(page))):
        plain = re.sub(r"[^\w\- ]", "", heading["text"].lower()).strip().replace(" ", "-")
        found.append(f"{plain}-{found.count(plain)}" if plain in found else plain)
    return frozenset(found)


def links(text: str, page: Path) -> Iterator[str]:
    """Links to files that are not there, or to headings that a page does not have."""
    for link in _LINK.finditer(prose(text)):
        to, _, anchor = link["to"].partition("#")
        if to.startswith(("http://", "https://")):
            continue
        target = page.parent / to if to else page
        if not target.exists():
            yield f"the link to {to} leads nowhere"
        elif anchor and anchor not in anchors(target.resolve()):
            near = did_you_mean(anchor, anchors(target.resolve()))
            yield f"{to or page.name} has no heading #{anchor}. {near}".strip()
        elif page.is_relative_to(GUIDE) and not target.resolve().is_relative_to(GUIDE):
            yield f"the link to {to} leaves the guide, which is shipped without it"


def _lines(text: str) -> Iterator[str]:
    """Commands of `cellam` as they would be typed, in blocks and within sentences."""
    for fence in _FENCE.finditer(text):
        if fence["kind"] in ("", "sh", "console", "text"):
            code = fence["code"].replace("\\\n", " ")
            typed = r"^(?:\$ )?(?:\|\| |    )?(cellam [a-z].*)$"
            if "Usage: " not in code:
                yield from re.findall(typed, code, re.M)
    yield from (code for code in _INLINE.findall(prose(text)) if code.startswith("cellam "))


def commands(text: str, page: Path) -> Iterator[str]:
    """Commands that the program does not have, or with options that they do not take."""
    for line in _lines(text):
        words = shlex.split(line.replace("…", ""), comments=True)[1:]
        while words and words[0] in GENERAL:
            del words[0]
        if not words or words[0] in ("COMMAND", "||"):
            continue
        command = COMMANDS.get(words[0])
        if command is None:
            near = did_you_mean(words[0], COMMANDS)
            yield f"`{line}`: there is no command {words[0]}. {near}".strip()
            continue
        known = _options(command) | GENERAL
        for word in words[1:]:
            flag = word.split("=")[0]
            if re.match(r"--?[A-Za-z]", flag) and flag not in known:
                near = did_you_mean(flag, known)
                yield f"`{line}`: {words[0]} has no option {flag}. {near}".strip()


def options(text: str, page: Path) -> Iterator[str]:
    """Options in a sentence that no command takes."""
    known = set(GENERAL | FOREIGN).union(*map(_options, COMMANDS.values()))
    for code in _INLINE.findall(prose(text)):
        flag = code.split()[0].split("=")[0]
        if flag.startswith("--") and flag not in known:
            yield f"no command has the option {flag}. {did_you_mean(flag, known)}".strip()


def _options(command: Any) -> set[str]:
    return {o for param in command.params for o in (*param.opts, *param.secondary_opts)}


def files(text: str, page: Path) -> Iterator[str]:
    """Files of the repository that are named and are not there, and tests without their folder."""
    for code in _INLINE.findall(prose(text)):
        if _FILE.fullmatch(code) and not (ROOT / code).exists():
            yield f"there is no file {code}"
        elif re.fullmatch(r"(\w+/)*test_\w+\.py", code) and not code.startswith("tests/"):
            yield f"{code} needs its folder: tests/…"


def targets(text: str, page: Path) -> Iterator[str]:
    """Targets that the Makefile does not have."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    blocks = "\n".join(fence["code"] for fence in _FENCE.finditer(text) if not fence["kind"])
    typed = re.findall(r"^make ([a-z-]+)", blocks, re.M)
    said = re.findall(r"`make ([a-z-]+)[^`]*`", prose(text))
    for target in {*typed, *said} - known:
        yield f"the Makefile has no target {target}. {did_you_mean(target, known)}".strip()


def names(text: str, page: Path) -> Iterator[str]:
    """Names of the library that it does not have."""
    blocks = [fence["code"] for fence in _FENCE.finditer(text) if fence["kind"] == "python"]
    for code in [*blocks, *_INLINE.findall(prose(text))]:
        for path in re.findall(r"(?<![\w./-])cellam((?:\.[A-Za-z_]\w*)+)(?!/)", code):
            if fault := _lacks(path[1:].split(".")):
                yield fault


def _lacks(path: list[str]) -> str:
    """Which name of a path is not there; empty if all are."""
    if path[-1] in ("h5ad", "md"):
        return ""
    found = cellam
    for k, name in enumerate(path):
        if not hasattr(found, name):  # or a module that nobody has imported yet
            module = ROOT.joinpath("cellam", *path[: k + 1])
            if not (module.is_dir() or module.with_suffix(".py").exists()):
                if k:
                    return f"cellam.{'.'.join(path)}: there is no {name}"
                return f"cellam has no {name}. {did_you_mean(name, cellam.__all__)}".strip()
            import_module(".".join(["cellam", *path[: k + 1]]))
        found = getattr(found, name)
    return ""


def lost(index: Path = GUIDE / "index.md") -> list[str]:
    """Pages that the list does not name, names that two pages share, and pages listed twice."""
    listed = [topic.path.resolve() for topic in topics(index)]
    there = {path.resolve() for end in ("md", "ipynb") for path in index.parent.rglob(f"*.{end}")}
    found = [f"{path} is not in the list" for path in sorted(there - {index.resolve(), *listed})]
    stems = [path.stem for path in listed]
    return found + [f"two pages are called {stem}" for stem in stems if stems.count(stem) > 1]
