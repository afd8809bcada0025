from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cellam.errors import ConfigError
from cellam.reading.factors import read_factors


def test_a_file_has_one_name_a_line(tmp_path: Path) -> None:
    file = tmp_path / "factors.txt"
    file.write_text("\ufeffGata1\r\n\n# of the mouse\n  KLF1 \nNkx2-5\n", encoding="utf-8")
    found = read_factors(file)
    assert found.names == {"gata1", "klf1", "nkx2-5"}
    assert found.among(["GATA1", "Gata2", "Klf1"]) == [True, False, True]
    assert found.source == str(file)
    assert read_factors(["Gata1", " gata1 "]).names == {"gata1"}


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"gene,score\nGata1,3\n", "Line 1 of .* is not one name: 'gene,score'"),
        (b"# none\n\n", "names no transcription factor"),
        (b"\xff\xfe\x00\x01", "is no text"),
        (None, "no such file"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes | None, phrase: str) -> None:
    file = tmp_path / "factors.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=phrase) as caught:
        read_factors(file)
    assert "human, mouse, or a text file" in caught.value.hint
    with pytest.raises(ConfigError, match="names no transcription factor"):
        read_factors([" "])


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyjaspar", None)
    with pytest.raises(ConfigError, match="not installed") as caught:
        read_factors("Human")
    assert "In a clone of cellam: pip install '.[factors]'" in caught.value.hint


def test_dimers_name_two_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stand-in for the package, which CI does not install."""
    asked: dict[str, Any] = {}

    class Stand:
        def __init__(self, release: str) -> None:
            asked["release"] = release

        def fetch_motifs(self, **how: Any) -> list[SimpleNamespace]:
            asked.update(how)
            return [SimpleNamespace(name=name) for name in ("FOS::JUN", "Gata1")]

    monkeypatch.setitem(sys.modules, "pyjaspar", SimpleNamespace(jaspardb=Stand))
    assert read_factors("mouse").names == {"fos", "jun", "gata1"}
    assert asked == {
        "release": "JASPAR2026", "collection": "CORE", "species": ["9606", "10090"],
    }  # fmt: skip


@pytest.mark.slow
def test_factors_of_jaspar_are_those_of_both_species() -> None:
    pytest.importorskip("pyjaspar", reason="no pyjaspar: pip install '.[factors]'")
    found = read_factors("human").names
    # Of mouse, of human, of a dimer; a housekeeping gene is none.
    assert {"spi1", "gata1", "pou5f1", "max"} <= found and "actb" not in found
    assert len(found) > 800 and not any(":" in name for name in found)
