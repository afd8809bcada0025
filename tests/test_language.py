"""What users read is plain English, in the words of the guide's page "Words".

Read here: every text in `cellam/` and `cli/` except docstrings (those of commands are their help,
so they are read too), the template of the report, and the prose of README, of the guide and of
the texts for contributors. A word to avoid is an entry in the table of that page; a turn of phrase
is a line in `PLAINER`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "cellam" / "guide"
WORDS = GUIDE / "explanation" / "words.md"

PLAINER = {
    r", so that\b": "', so' for a consequence",
    r"\bthose (there are|within are)\b": "'Available:'",
    r"\b(days?|cells?|those|it) ((that|it|was|were|is|are|not) )*fitted on\b": "'training day'",
    r"\bhas no meaning\b": "'does not apply to'",
    r"\blistens? to\b": "'its options are'",
    r"\bmeans? nothing beside\b": "'does not apply to'",
    r"\b(are|is) the least\b": "'at least N are needed'",
    r"\b(two|three|four) (\w+ )?at least\b": "'at least two …'",
    r"\w at most[,.]": "'maximum number of'",
    r"\b(may|can) be given again\b": "'repeatable'",
    r"\bas many as there are\b": "'use the number of'",
    r"\bso (many|few) (times )?more\b": "'number of extra'",
    r"\bhow sure\b": "'uncertainty'",
    r"\bunsure\b": "'uncertain'",
    r"\bnobody\b": "'no cell', 'cells do not'",
    r"\bhardly any\b": "'few', or 'outside the observed data'",
    r"\b(bear|bears|borne) out\b": "'explain'",
    r"\bbeside\b": "'next to', 'alongside' or 'with'",
    r"\banew\b": "'again'",
    r"\bmend(s|ed)?\b": "'correct' or 'repair'",
    r"\bof (its|their|your|our) own\b": "'separate', 'independent', or 'your own …'",
    r"\bthe command of then\b": "'its command'",
    r"\bgo(es)? on with\b": "'resume'",
    r"\b(solved|leave|ends) at once\b": "'in closed form' or 'immediately'",
    r"\bcan be had\b": "'is available'",
    r"\bare told by\b": "'are defined by'",
    r"\bgenes? of (division|death)\b": "'division genes', 'death genes'",
    r"\bnames of genes\b": "'gene names'",
    r"\b(takes?|taken) (another|as (they|it))\b": "'choose another', 'used as given'",
    r"\bis not there\b": "'does not exist' or 'was not found'",
    r"\b(if|where) (it|there) is (one|there)\b": "'if it exists', 'if available'",
    r"\bcells? asked for\b": "'selected cells'",
    r"\bin nobody's way\b": "'out of the way'",
    r"\bnot (cellam's|of cellam)\b": "'not written by cellam'",
    r"\ba bug of\b": "'a bug in'",
}


def unwanted() -> dict[str, str]:
    """The words in the last column of the glossary, with the word of its row instead."""
    found = {}
    for row in re.findall(r"^\|(.+)\|$", WORDS.read_text(), flags=re.M):
        word, _, bad = (cell.strip() for cell in row.split("|"))
        for phrase in re.findall(r'"([^"]+)"', bad):
            spaced = " ".join(map(re.escape, phrase.split()))
            found[rf"\b{spaced}s?\b"] = f"{word!r}"
    return found


@cache
def patterns() -> list[tuple[re.Pattern[str], str]]:
    """All that is looked for, over the ends of lines too, each with what is said instead."""
    every = PLAINER | unwanted()
    return [(re.compile(p.replace(" ", r"\s+"), re.I), better) for p, better in every.items()]


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """What users read of a file, with the line on which it begins."""
    source = path.read_text()
    if path.suffix == ".py":
        found = _literals(ast.parse(source), docstrings="cli" in path.parts)
        yield from ((line, text) for line, text in found if " " in text)  # one word is a name
    elif path.suffix == ".j2":
        for code in (r"<style>.*?</style>", r"{%.*?%}", r"{{.*?}}", r"<[^>]*>"):
            source = re.sub(code, _blank, source, flags=re.S)
        yield 1, source
    else:
        for code in (
            r"<!-- (\w+)[ \w]*: .*?<!-- end of \1 -->",
            r"```.*?```",
            r"`[^`]*`",
            r"\]\([^)]*\)",
        ):
            source = re.sub(code, _blank, source, flags=re.S | re.M)
        yield 1, source


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "_", match.group())


def _literals(tree: ast.AST, *, docstrings: bool) -> Iterator[tuple[int, str]]:
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            head = node.body[0] if node.body else None
            public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if isinstance(head, ast.Expr) and not (docstrings and public):
                skipped.add(head.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(part for part in node.values if isinstance(part, ast.Constant))
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.lineno, re.sub(r"{\w+}", "{}", node.value)


def faults(path: Path) -> list[str]:
    """Each fault of a file: where it is, what it is, and what is said instead."""
    found = []
    for line, text in texts(path):
        for pattern, better in patterns():
            for match in pattern.finditer(text):
                at = line + text.count("\n", 0, match.start())
                said = " ".join(match.group().split())
                found.append(f"{path}:{at}: {said!r}; write {better}")
    return found


FILES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(set(GUIDE.rglob("*.md")) - {WORDS}),
    *sorted((ROOT / "cellam").rglob("*.j2")),
    *sorted((ROOT / "cellam").rglob("*.py")),
    *sorted((ROOT / "cli").rglob("*.py")),
]


def test_what_users_read_is_in_the_words_of_the_glossary() -> None:
    found = [fault for path in FILES for fault in faults(path)]
    assert not found, "\n".join(found)


def test_every_word_stands_once_in_the_glossary_and_has_a_sentence() -> None:
    rows = re.findall(r"^\|(.+)\|$", WORDS.read_text(), flags=re.M)[2:]
    names = [row.split("|")[0].strip() for row in rows]
    assert len(names) == len(set(names)) >= 20
    assert all(len(row.split("|")) == 3 and row.split("|")[1].strip() for row in rows)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.py", 'x = 1\nraise E(f"{x} is old, so that it is refused.")\n', "a.py:2: ', so that'"),
        ("a.py", 'E("Ways of "\n  "cells")\n', "a.py:1: 'Ways'"),
        ("a.py", 'E("It is one of the days "\n  "fitted on.")\n', "a.py:1: 'days fitted on'"),
        ("a.py", 'E("No growth.", "Those there are: a.")\n', "a.py:1: 'Those there are'"),
        ("cli/a.py", 'def fit() -> None:\n    """Draw a picture."""\n', "cli/a.py:2: 'picture'"),
        ("a.j2", "{% set picture = 1 %}\n<p>A\npicture.</p>\n", "a.j2:3: 'picture'"),
        ("a.md", "```\nways\n```\nThe price of\ngrowth.\n", "a.md:4: 'price of growth'"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_file_and_line(
    tmp_path: Path, name: str, text: str, fault: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    found = faults(path)
    assert any(fault in one for one in found), found
    assert all("; write '" in one for one in found)


def test_code_and_the_inside_of_the_library_are_no_prose(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        'ways = 3\ndef f():\n    """The ways, so that."""\n    # nobody\n    return f"{ways:d}"\n'
    )
    assert not faults(path)
