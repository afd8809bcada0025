"""What texts of the library become on a page."""

from __future__ import annotations

import pytest

from cellam.report.templates import _written


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("see `cellam fit --help`.", "see <code>cellam fit --help</code>."),
        ("add `sigma=0.3`", "add --sigma 0.3"),
        ("<b>`cellam <i>`", "&lt;b&gt;<code>cellam &lt;i&gt;</code>"),
        ("`x` & y", "`x` &amp; y"),
    ],
)
def test_commands_are_marked_and_nothing_else_becomes_code(text: str, html: str) -> None:
    assert _written(text) == html
