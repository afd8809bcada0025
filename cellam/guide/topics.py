"""Topics: the pages of the guide, as `index.md` lists them.

A page has one name, that of its file, wherever it stands: `howto/growth.md` is the topic growth.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from cellam.errors import ConfigError
from cellam.names import offer

GUIDE = Path(__file__).parent
_GROUP = re.compile(r"^## (?P<group>.+)$")
_ENTRY = re.compile(r"^- \[(?P<title>[^]]+)\]\((?P<path>[^)#]+)\): (?P<summary>.+)$")
_LINK = re.compile(r"(?<!!)\[(?P<text>[^]]+)\]\((?P<to>[^):#]+\.(?:md|ipynb))(?:#[^)]*)?\)")
_COMMENT = re.compile(r"^<!-- .*? -->\n+", re.M | re.S)


@dataclass(frozen=True)
class Topic:
    """One page of the guide.

    Parameters
    ----------
    name : str
        What it is asked for by: its file name without the ending.
    group : str
        Heading of the list that it stands in.
    title, summary : str
        What the list says of it.
    path : pathlib.Path
        Its file.
    """

    name: str
    group: str
    title: str
    summary: str
    path: Path

    def markdown(self) -> str:
        """Its text; of a notebook, the text and the code of its cells, without their outputs."""
        text = self.path.read_text(encoding="utf-8")
        if self.path.suffix == ".ipynb":
            text = "\n\n".join(_cell(cell) for cell in json.loads(text)["cells"]) + "\n"
        return _COMMENT.sub("", text)

    def for_terminal(self) -> str:
        """Its text, with the command that shows the page in place of a link to it."""
        return _LINK.sub(
            lambda link: f"{link['text']} (`cellam guide {Path(link['to']).stem}`)",
            self.markdown(),
        )


def topics(index: Path = GUIDE / "index.md") -> tuple[Topic, ...]:
    """Every page that the list names, in its order."""
    group, found = "", []
    for line in index.read_text(encoding="utf-8").splitlines():
        if heading := _GROUP.match(line):
            group = heading["group"]
        elif entry := _ENTRY.match(line):
            path = index.parent / entry["path"]
            found.append(Topic(path.stem, group, entry["title"], entry["summary"], path))
    return tuple(found)


def find_topic(name: str) -> Topic:
    """The page of this name, in upper or lower case.

    Raises
    ------
    ConfigError
        If there is none, with the closest name.
    """
    known = {topic.name: topic for topic in topics()}
    found = known.get(name.lower().removesuffix(".md"))
    if found is None:
        raise ConfigError(f"The guide has no topic {name!r}.", offer(name, known, len(known)))
    return found


def _cell(cell: dict[str, object]) -> str:
    source = cell["source"]
    text = "".join(source) if isinstance(source, list) else str(source)
    return text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
