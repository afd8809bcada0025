"""The guide: its pages lead where they say, name what there is, and can be read in a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import notebooks
import pages
import pytest

import cellam
from cellam.guide.topics import GUIDE, find_topic, topics


@pytest.mark.parametrize("page", pages.pages(), ids=lambda page: page.name)
def test_everything_that_a_page_names_is_there(page: Path) -> None:
    found = pages.faults(page)
    assert not found, "\n".join(found)


def test_every_page_is_in_the_list_once() -> None:
    assert not pages.lost()
    assert {topic.group for topic in topics()} == {
        "Tutorials", "How to", "Reference", "Explanation", "Develop",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](howto/grwth.md)", "the link to howto/grwth.md leads nowhere"),
        ("[a](howto/growth.md#nothing)", "howto/growth.md has no heading #nothing"),
        ("[a](#heer)\n\n# Here", "has no heading #heer. Did you mean 'here'?"),
        ("[a](../../README.md)", "leaves the guide"),
        ("```\ncellam ft data.h5ad\n```", "there is no command ft. Did you mean 'fit'?"),
        ("```\ncellam fit data.h5ad --tua 1\n```", "fit has no option --tua. Did you mean '--tau'"),
        ("```text\n$ cellam info --tau 1\n```", "info has no option --tau"),
        ("Type `cellam plot mass --holdot day2`.", "plot has no option --holdot"),
        ("With `--ensembel 8`.", "no command has the option --ensembel"),
        ("`tests/bench/NONE.md`", "there is no file tests/bench/NONE.md"),
        ("`cli/test_fit.py`", "cli/test_fit.py"),
        ("`make dmo`", "the Makefile has no target dmo. Did you mean 'demo'?"),
        ("```\nmake tset\n```", "the Makefile has no target tset"),
        ("```python\ncellam.fit_rnu('a')\n```", "cellam has no fit_rnu. Did you mean 'fit_run'?"),
        ("`cellam.plots.velocty`", "cellam.plots.velocty: there is no velocty"),
    ],
)
def test_a_wrong_page_is_told_what_is_wrong(tmp_path: Path, text: str, fault: str) -> None:
    page = GUIDE / "wrong.md"  # never written: links are followed from where it would be
    checks = (pages.links, pages.commands, pages.options, pages.files, pages.targets, pages.names)
    page = tmp_path / "wrong.md" if "#heer" in text else page
    if page.parent == tmp_path:
        page.write_text(text)
    found = [said for check in checks for said in check(text, page)]
    assert any(fault in said for said in found), found


def test_a_page_that_is_not_listed_is_lost(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("## How to\n\n- [One](one.md): a page\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n")
    assert [fault.partition("/two")[2] for fault in pages.lost(tmp_path / "index.md")] == [
        ".md is not in the list"
    ]


def test_a_stale_block_is_found_and_written_again() -> None:
    import docs

    made = {"demo": "$ cellam fit a\nnew 1\n\n$ cellam eval b\n" + "old\n" * 20, "api": "text"}
    page = (
        "<!-- demo fit: by `make fix` -->\n```text\n$ cellam fit a\nother\n```\n"
        "<!-- end of demo -->\nand\n<!-- api: by `make fix` -->\ntexts\n<!-- end of api -->\n"
    )
    assert docs.stale(page, made) == ["demo", "api"]
    mended = docs.mended(page, made)
    assert docs.stale(mended, made) == []
    assert "new 1" in mended and "eval" not in mended and "\ntext\n" in mended
    assert docs.stale(mended.replace("new 1", "new 2.5"), made) == []  # numbers may differ


@pytest.mark.parametrize("path", notebooks.notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_ran(path: Path) -> None:
    assert not list(notebooks.faults(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        ({"output_type": "stream", "name": "stdout", "text": ["in /home/ada/a"]}, "/home/ada"),
        ({"output_type": "execute_result", "data": {"text/plain": "'/tmp/x1'"}}, "/tmp/x1"),
        ({"output_type": "stream", "name": "stderr", "text": "UserWarning: b"}, "UserWarning: b"),
        ({"output_type": "error", "ename": "ValueError"}, "a cell failed: ValueError"),
        ({"output_type": "stream", "name": "stdout", "text": "a" * 100_000}, "bytes; at most"),
    ],
)
def test_a_notebook_that_should_not_be_kept_is_told_why(output: object, fault: str) -> None:
    cell = {"cell_type": "code", "source": "a", "outputs": [output], "execution_count": 1}
    (found,) = notebooks.faults(json.dumps({"cells": [cell]}))
    assert fault in found
    (found,) = notebooks.faults(
        json.dumps({"cells": [{**cell, "outputs": [], "execution_count": None}]})
    )
    assert found == "it was not run: a"


def test_the_list_names_every_topic_and_how_to_see_one(call: Callable[..., Any]) -> None:
    shown = call("guide")
    assert shown.code == 0
    for topic in topics():
        assert f"\n  {topic.name} " in shown.out
        assert topic.group in shown.out


@pytest.mark.parametrize("name", ["growth", "GROWTH", "growth.md", "counts-to-fates"])
def test_into_a_pipe_a_page_is_its_markdown(call: Callable[..., Any], name: str) -> None:
    shown = call("guide", name)
    assert shown.code == 0
    assert shown.out == find_topic(name).markdown()
    assert shown.out.startswith("# ") and "<!--" not in shown.out and "\x1b" not in shown.out


def test_the_index_is_the_list(call: Callable[..., Any]) -> None:
    assert call("guide", "index").out == call("guide").out


def test_an_unknown_topic_gets_the_closest_one(call: Callable[..., Any]) -> None:
    shown = call("guide", "grwth")
    assert shown.code == 2
    assert "The guide has no topic 'grwth'." in shown.err and "Did you mean 'growth'?" in shown.err


def test_in_a_terminal_a_page_is_laid_out_and_links_are_commands() -> None:
    """In a real terminal, with a pager that shows what it is given."""
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("cellam"), "guide", "growth"],
        env={**os.environ, "PAGER": "cat", "TERM": "xterm", "COLUMNS": "90"},
        stdin=terminal,
        stdout=terminal,
    )
    os.close(terminal)
    text = _drained(reader)
    assert process.wait(60) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b[1m" in text and "Read growth" in plain
    assert "cellam guide replicates" in plain and "](" not in plain and "## " not in plain


def _drained(reader: int) -> str:
    parts = []
    try:
        while part := os.read(reader, 65536):
            parts.append(part)
    except OSError:  # the other end was closed
        pass
    os.close(reader)
    return b"".join(parts).decode()


def test_the_citation_has_the_version_of_the_program() -> None:
    text = (pages.ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (\S+)$", text, re.M)[1] == cellam.__version__
