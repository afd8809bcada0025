"""Display: what Python shows of an object, one line in a console and a small table in a notebook.

The objects hold arrays of any size; what is shown of them is a handful of facts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from html import escape

WIDEST = 190  # characters of the line


class Displayed(ABC):
    """Has facts, and is shown by them. A dataclass of this kind takes ``repr=False``."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, str]:
        """What matters of it, by name."""

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}: {fact}" for name, fact in self.facts.items())
        line = " ".join(f"{type(self).__name__}({listed})".split())
        return line if len(line) <= WIDEST else f"{line[: WIDEST - 2]}…)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(shortened(fact))}</td></tr>"
            for name, fact in self.facts.items()
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"


def shortened(text: str, widest: int = WIDEST) -> str:
    """Text that is cut where it is too long.

    Examples
    --------
    >>> shortened("day2, day4, day7", 10)
    'day2, day…'
    """
    return text if len(text) <= widest else f"{text[: widest - 1]}…"


def in_words(names: Sequence[str]) -> str:
    """Names in a sentence.

    Examples
    --------
    >>> in_words(["a", "b", "c"]), in_words(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def enumerated(names: list[str], at_most: int = 6) -> str:
    """Names with commas, the middle of many left out.

    Examples
    --------
    >>> enumerated(list("abcdefgh"), 3)
    'a, b, …, h'
    """
    if len(names) <= at_most:
        return ", ".join(names)
    return ", ".join([*names[: at_most - 1], "…", names[-1]])
